"""Tests on Ray, which `make test-ray` installs. Elsewhere they do not exist."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("ray") else ["test_*.py"]
