"""What other jobs on the machine cost: wall and CPU time of a small training, idle and busy.

The training is SFT and RL of the demonstration, at a fraction of its size. "busy" runs it beside
one endless loop per core. Each row sets one way for OpenMP threads to wait for each other;
``rewardlab`` is the default of the command line. Run it on an otherwise idle machine.

    python benchmarks/busy_machine.py [--json PATH]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TRAINING = """
import sys, tempfile, time
from pathlib import Path
from rewardlab.cli.quiet import hush
hush()
from rewardlab.miniature.pipeline import DemoSettings, run_demo
settings = DemoSettings(sft_pairs=1500, sft_steps=40, rl_steps=4, heldout=100, rl_prompts=100)
wall, cpu = time.perf_counter(), time.process_time()
with tempfile.TemporaryDirectory() as directory:
    run_demo(Path(directory) / "run", settings)
print(time.perf_counter() - wall, time.process_time() - cpu)
"""
# The count is set in every row: the command line sets its own where it finds none.
WAITS: dict[str, dict[str, str]] = {
    "rewardlab": {"GOMP_SPINCOUNT": "1000"},
    "libgomp's default": {"GOMP_SPINCOUNT": "300000"},
    "never spin": {"GOMP_SPINCOUNT": "0"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Endless loops beside the block."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def measure(waits: dict[str, str]) -> tuple[float, float]:
    """Seconds of wall and of CPU time of one training."""
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    command = [sys.executable, "-c", TRAINING]
    printed = subprocess.run(
        command, env=kept | waits, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    wall, cpu = map(float, printed.split())
    return wall, cpu


def main() -> None:
    """Measure all ways, idle and busy, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cores = os.cpu_count() or 1
    rows = []
    print(
        f"{'waiting':<18} {'idle wall':>9} {'cpu':>6} {'busy wall':>9} {'cpu':>6} {'cpu ratio':>9}"
    )
    for name, waits in WAITS.items():
        idle_wall, idle = measure(waits)
        with busy(cores):
            busy_wall, loaded = measure(waits)
        print(
            f"{name:<18} {idle_wall:>9.1f} {idle:>6.1f} {busy_wall:>9.1f} {loaded:>6.1f}"
            f" {loaded / idle:>9.2f}"
        )
        rows.append(
            {"waiting": name, "idle_wall": idle_wall, "idle_cpu": idle}
            | {"busy_wall": busy_wall, "busy_cpu": loaded}
        )
    if arguments.json:
        arguments.json.write_text(json.dumps({"cores": cores, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
