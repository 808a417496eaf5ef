"""Scripts of docs/examples run as a reader would run them; README prints what it shows."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
PRINTED = {
    "compare_rewards_with_people": "reward             SPA  acc_eq  Kendall",
    "compose_an_ensemble": "row 3 (group 0, completion 3)",
    "train_with_trl": "sequence-level advantages in TRL, chrF by step: ",
}


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_an_example_runs_without_warnings_of_ours(script, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(script)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
    )
    assert PRINTED[script.stem] in done.stdout
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 90


def test_every_example_is_known_here_and_in_the_readme():
    assert [script.stem for script in EXAMPLES] == sorted(PRINTED)
    assert "docs/examples/" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_prints_what_it_shows():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    shown = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    namespace = {"__name__": "readme"}
    for block, output in zip(code, shown, strict=False):
        written = io.StringIO()
        with contextlib.redirect_stdout(written):
            exec(compile(block, "README.md", "exec"), namespace)  # noqa: S102 - our own page
        assert written.getvalue() == output
