"""The layout of a run directory, and what is written when a run starts.

``config.yaml``     the resolved configuration
``signature.txt``   what the numbers depend on, one line per reward and gate (RL)
``versions.json``   Python, packages, platform, git revision
``metrics.jsonl``, ``completions/``, ``tokens/``   written by the trainer
``model/``          the trained policy, with its tokenizer and ``training.json``
``adapter/``        the low-rank adapters, if they were trained
``stopped/``        instead of these two: the policy of a run that a signal stopped

``model/``, ``adapter/`` and ``stopped/`` are renamed into place when they are complete.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "rewardlab",
    "accelerate",
    "datasets",
    "numpy",
    "peft",
    "sacrebleu",
    "tokenizers",
    "torch",
    "transformers",
    "trl",
)
CONFIG, SIGNATURE, VERSIONS, METRICS = (
    "config.yaml",
    "signature.txt",
    "versions.json",
    "metrics.jsonl",
)
START, MODEL, STOPPED = "start", "model", "stopped"
BEFORE_STEPS = frozenset({CONFIG, SIGNATURE, VERSIONS, START})
"""What a run writes before its first step."""


def start_run(directory: Path, *, config: str, signature: str | None = None) -> None:
    """Create the directory and write the configuration, signature and versions of the run.

    What a run that ended before its first step has left there is removed.

    Args:
        directory: The run directory; may exist if it is empty or `has_no_steps`.
        config: The resolved configuration as YAML.
        signature: Signature of the ensemble, if the run has one.

    Raises:
        FileExistsError: The directory contains anything else.
    """
    if has_no_steps(directory):
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise FileExistsError(f"{directory} is not empty")
    # First the file that shows whose directory it is: the process can be killed between the two.
    (directory / VERSIONS).write_text(json.dumps(versions(), indent=2) + "\n")
    (directory / CONFIG).write_text(config, encoding="utf-8")
    if signature is not None:
        (directory / SIGNATURE).write_text(signature + "\n", encoding="utf-8")


def has_no_steps(directory: Path) -> bool:
    """Whether the directory contains a run that ended before its first step, and nothing else.

    Args:
        directory: Any path.
    """
    if directory.is_symlink() or not _is_json_with(directory / VERSIONS, "rewardlab"):
        return False
    entries = {path.name: path for path in directory.iterdir()}
    allowed = set(BEFORE_STEPS)
    if METRICS in entries and last_step(directory) == 0:  # of an evaluation before the first step
        allowed |= {METRICS, "completions", "tokens"}
    if "runs" in entries and all(
        path.name.startswith("events.out.tfevents")
        for path in entries["runs"].rglob("*")
        if not path.is_dir()
    ):
        allowed.add("runs")  # TensorBoard's, begun before the first step
    return entries.keys() <= allowed


def last_step(directory: Path) -> int:
    """The last step in the metrics of a run; 0 without metrics, or if they cannot be read."""
    try:
        lines = (directory / METRICS).read_text(encoding="utf-8").splitlines()
        return int(json.loads(lines[-1])["step"])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return 0


def _is_json_with(path: Path, key: str) -> bool:
    try:
        return key in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def versions() -> dict[str, str | None]:
    """Versions of Python, the platform, `PACKAGES`, and the git revision of the working tree.

    A package that is not installed has None as its version; so does the revision outside git. A
    revision with local changes ends in ``+``.
    """
    known: dict[str, str | None] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    for package in PACKAGES:
        try:
            known[package] = version(package)
        except PackageNotFoundError:
            known[package] = None
    known["git_revision"] = _git_revision()
    return known


def _git_revision() -> str | None:
    try:
        revision = _git("rev-parse", "HEAD")
        return revision + ("+" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - fixed arguments
        ["git", *arguments],  # noqa: S607 - the user's git
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    return done.stdout.strip()
