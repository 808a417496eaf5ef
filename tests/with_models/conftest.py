"""Tests on the published models, which `make test-models` fetches. Elsewhere they do not exist."""

import pytest

from rewardlab.checkpoints.fetch import cache_directory
from rewardlab.checkpoints.published import PUBLISHED
from rewardlab.store.manifest import has_manifest

HERE = {model.name: cache_directory() / model.name for model in PUBLISHED}
collect_ignore_glob = [] if all(map(has_manifest, HERE.values())) else ["test_*.py"]


@pytest.fixture(scope="session")
def here():
    """Name of a model -> its directory."""
    return HERE
