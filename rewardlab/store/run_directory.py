"""The layout of a run directory, and what is written when a run starts.

``config.yaml``     the resolved configuration
``signature.txt``   what the numbers depend on, one line per reward and gate (RL)
``versions.json``   Python, packages, platform, git revision
``metrics.jsonl``, ``completions/``, ``tokens/``   written by the trainer
``model/``          the trained policy, with its tokenizer and ``training.json``
``adapter/``        the low-rank adapters, if they were trained
"""

from __future__ import annotations

import json
import platform
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


def start_run(directory: Path, *, config: str, signature: str | None = None) -> None:
    """Create the directory and write the configuration, signature and versions of the run.

    Args:
        directory: The run directory; may exist if it is empty.
        config: The resolved configuration as YAML.
        signature: Signature of the ensemble, if the run has one.

    Raises:
        FileExistsError: The directory is not empty.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise FileExistsError(f"{directory} is not empty")
    (directory / "config.yaml").write_text(config, encoding="utf-8")
    if signature is not None:
        (directory / "signature.txt").write_text(signature + "\n", encoding="utf-8")
    (directory / "versions.json").write_text(json.dumps(versions(), indent=2) + "\n")


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
