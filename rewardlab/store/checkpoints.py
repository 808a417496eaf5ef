"""Model checkpoints on disk: finding one, a digest of its content, and the lock for loading it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, lru_cache, wraps
from pathlib import Path
from threading import RLock
from typing import ParamSpec, TypeVar

from rewardlab.errors import Problem, UserError, shown

P = ParamSpec("P")
T = TypeVar("T")

BLOCK = 65_536
BLOCKS = 64
WEIGHTS = (".safetensors", ".bin")
IGNORED = ("README.md", "reward.json", "training.json", "training_args.bin")
"""Files that the model's outputs do not depend on."""
LOADING = RLock()
"""Lock held by a thread that imports transformers' modules and loads a model.

Rewards run in threads, which need it for two reasons. transformers replaces its modules by other
objects during their import, so a second thread may see a module without its names. And
``from_pretrained`` swaps torch's initialisers, the default precision and the tying of weights in
the whole process, and then restores the values that it found. If two calls overlap, the second may
find the swapped values and leave them in place for good.
"""


def loaded_once(most: int | None = None) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a loader: the process loads once for equal arguments and keeps the result.

    One thread loads at a time, holding `LOADING`.

    Args:
        most: Maximum number of results to keep; None for all.
    """

    def decorated(load: Callable[P, T]) -> Callable[P, T]:
        cached = lru_cache(maxsize=most)(load)

        @wraps(load)
        def once(*args: P.args, **kwargs: P.kwargs) -> T:
            with LOADING:
                return cached(*args, **kwargs)

        return once

    return decorated


NOT_GGUF = (
    "download the model in safetensors, usually of the same name without GGUF; or convert it: "
    "rewardlab models convert FILE.gguf OUT"
)
"""What to do about a GGUF file, whose weights are quantised for inference."""


def gguf_file(path: Path) -> Path | None:
    """The GGUF file that a path is, or that a directory has in place of other weights.

    Args:
        path: What the user gave as a checkpoint.
    """
    if path.suffix == ".gguf" and path.is_file():
        return path
    return next(iter(sorted(path.glob("*.gguf"))), None) if path.is_dir() else None


def checkpoint_in(path: str | Path) -> Path:
    """``model/`` if the path is a run directory, otherwise the path itself.

    Args:
        path: What the user gave; it need not exist.
    """
    given, trained = Path(path), Path(path) / "model"
    return trained if has_settings(trained) and not has_settings(given) else given


def has_settings(directory: Path) -> bool:
    """Whether a directory has the settings of a saved model: transformers' or COMET's."""
    return any((directory / name).is_file() for name in ("config.json", "hparams.yaml"))


def find_checkpoint(path: str | Path, *, where: str = "model") -> Path:
    """The checkpoint directory of a path: the path itself, or ``model/`` in a run directory.

    Args:
        path: What the user gave.
        where: The option that the message names.

    Raises:
        UserError: E080, neither contains a saved checkpoint; exit code 2.
    """
    place = checkpoint_in(path)
    if (place / "config.json").is_file():
        return place
    if (file := gguf_file(Path(path))) is not None:
        what = f"{shown(str(path))} has its weights in {file.name}, a GGUF"
        raise UserError([Problem("E080", where, what, NOT_GGUF)])
    exists = "holds no config.json" if Path(path).is_dir() else "is not a directory"
    what = f"{shown(str(path))} {exists}, so it is neither a saved checkpoint nor a finished run"
    fix = "give the directory that save_pretrained wrote, or a run directory with model/ in it"
    raise UserError([Problem("E080", where, what, fix)])


@cache
def loaded_digest(checkpoint: Path) -> str:
    """The `checkpoint_digest` at first use, because a process keeps the weights it has loaded."""
    return checkpoint_digest(checkpoint)


def checkpoint_digest(checkpoint: Path) -> str:
    """A digest of the weights, tokenizer and configuration.

    Small files are read whole. From each weight file 64 blocks of 64 KiB are read, evenly spread
    over the file. Training changes nearly every number, so two models of the same shape have
    different digests, and 27B parameters take no longer than 1B.

    Returns:
        Sixteen hexadecimal digits. They depend on file names, but not on the directory's name.
    """
    digest = hashlib.sha256()
    for path in sorted(checkpoint.iterdir()):
        if not path.is_file() or path.name in IGNORED or path.name.startswith("."):
            continue
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            if path.suffix in WEIGHTS and size > BLOCK * BLOCKS:
                for number in range(BLOCKS):
                    file.seek(number * (size - BLOCK) // (BLOCKS - 1))
                    digest.update(file.read(BLOCK))
            else:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
