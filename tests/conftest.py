"""One thread for each process, set before torch is loaded.

Models here are tiny: more threads gain nothing, and on a busy machine they wait for each other,
which makes the same tests five times as slow.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
