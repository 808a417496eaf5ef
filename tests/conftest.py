"""The environment of all tests: one thread for each process, and no terminal width.

The thread count is set before torch is loaded.

Models here are tiny: more threads gain nothing, and on a busy machine they wait for each other,
which makes the same tests five times as slow.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("COLUMNS", None)  # pytest-xdist gives its workers the width of the terminal
