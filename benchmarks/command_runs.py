"""Runs of `rewardlab` commands with their costs, for benchmarks that consist of several runs."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Lock

RECIPES = Path(__file__).parents[1] / "recipes"


def rewardlab(*arguments: str, log: Path, threads: int) -> dict[str, float]:
    """Run a command and return what it cost; CPU time is comparable where runs share cores.

    Args:
        arguments: The arguments of `rewardlab`.
        log: The file for its output.
        threads: Threads of torch.
    """
    started = time.perf_counter()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("rewardlab")), *arguments],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        command = " ".join(arguments[:2])
        raise SystemExit(f"{command} failed; see {log}\n{log.read_text()[-2000:]}")
    cost = {
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_memory_gib": round(usage.ru_maxrss / 2**20, 2),
    }
    print(
        f"{log.stem:<16}{'  '.join(f'{key} {value:g}' for key, value in cost.items())}", flush=True
    )
    return cost


class Costs(dict[str, dict[str, float]]):
    """Name of a finished run -> its cost, kept in a file: a finished run is not run again.

    Attributes:
        path: The JSON file; it is read if it exists.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(json.loads(path.read_text()) if path.exists() else {})
        self.path = path
        self._lock = Lock()

    def __setitem__(self, name: str, cost: dict[str, float]) -> None:
        with self._lock:
            super().__setitem__(name, cost)
            self.path.write_text(json.dumps(dict(self), indent=1) + "\n")
