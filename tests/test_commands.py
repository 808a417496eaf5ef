"""Every command line of the README and the docs runs as written, on the example files.

Training is made shorter by arguments. Commands on published checkpoints, servers and several GPUs
cannot run here: `ELSEWHERE` lists them.
"""

from __future__ import annotations

import io
import re
import shlex
import shutil
from contextlib import chdir, redirect_stderr
from pathlib import Path

import pytest
import yaml

from rewardlab.cli import main
from rewardlab.miniature.example_files import write_example

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("docs/*.md"), ROOT / "CONTRIBUTING.md"])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = ("", "sh", "bash", "console")
ELSEWHERE = {
    "checkpoints/": "a published checkpoint",
    "models get": "a download; tests/checkpoints/test_fetch.py downloads from a directory",
    "models/": "a model that was downloaded; tests/cli/test_models.py has tiny ones",
    "gemma_270m": "its files; tests/test_recipes.py runs these recipes on tiny models",
    "url=": "a server with a judge",
    "demo": "it takes minutes; tests/miniature/test_pipeline.py runs it at a small size",
}
FEW_TOKENS = ("generation.max_new_tokens=3",)
SHORTER = {
    "sft": ("trainer.max_steps=2", "trainer.eval_steps=2"),
    "rl": ("trainer.max_steps=1", "trainer.per_device_train_batch_size=8"),
    "translate": FEW_TOKENS,
    "rerank": FEW_TOKENS,
    "evaluate": (*FEW_TOKENS, "bootstrap.resamples=40"),
    "train-reward": (
        "resamples=10",
        "stages.0.trainer.max_steps=1",
        "stages.1.trainer.max_steps=1",
    ),
}
WRITES_A_RUN = frozenset(SHORTER)


def commands(page):
    """The command lines of a page, without comments and with continued lines joined."""
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        lines = block.replace("\\\n", " ").splitlines() if language in SHELL else ()
        for line in lines:
            if line.startswith("rewardlab "):
                yield shlex.split(line.partition("&&")[0], comments=True)[1:]


def run_directory(words):
    """The run directory of a command with a configuration."""
    given = [word.removeprefix("run=") for word in words if word.startswith("run=")]
    return Path(given[0] if given else yaml.safe_load(Path(words[1]).read_text())["run"])


def run_as_written(page):
    """Run the commands of a page in this directory, one after the other; each must end with 0."""
    for words in commands(page):
        line = " ".join(words)
        if any(reason in line for reason in ELSEWHERE):
            continue
        if words[0] in WRITES_A_RUN:
            shutil.rmtree(run_directory(words), ignore_errors=True)
        if words[0] == "example":
            shutil.rmtree(words[1], ignore_errors=True)
        told = io.StringIO()
        with redirect_stderr(told), pytest.raises(SystemExit) as ended:
            main([*words, *SHORTER.get(words[0], ())])
        assert ended.value.code == 0, f"{page.name}: rewardlab {line}\n{told.getvalue()[-2000:]}"


@pytest.fixture(scope="module")
def tour(tmp_path_factory):
    """The example files and the runs of the README, which other pages look at."""
    directory = write_example(tmp_path_factory.mktemp("tour"))[0].parent
    with chdir(directory):
        run_as_written(README)
    return directory


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_run_as_written(page, tour):
    with chdir(tour):
        run_as_written(page)


def test_pages_have_commands():
    assert sum(len(list(commands(page))) for page in (README, *PAGES)) > 30
