"""docs/minimal_grpo.py runs as a reader would run it, and stays readable in one sitting."""

import math
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "docs" / "minimal_grpo.py"
RUN = (
    "import runpy, sys\n"
    f"runpy.run_path({str(SCRIPT)!r})\n"
    "print('uses TRL:', 'trl' in sys.modules)\n"
)


def test_it_runs_without_trl_and_prints_a_line_a_step():
    sizes = {"SFT_STEPS": "20", "RL_STEPS": "2", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | sizes,
    )
    before, header, *steps, after, trl = done.stdout.splitlines()
    assert before.startswith("held-out chrF after fine-tuning: ")
    assert header.split("\t") == ["step", "chrF", "errors", "loss"]
    assert [line.split("\t")[0] for line in steps] == ["1", "2"]
    assert all(math.isfinite(float(value)) for line in steps for value in line.split("\t"))
    assert after.startswith("held-out chrF after 2 steps of GRPO: ")
    assert trl == "uses TRL: False"


def test_it_is_short():
    assert len(SCRIPT.read_text(encoding="utf-8").splitlines()) <= 150
