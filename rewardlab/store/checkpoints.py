"""A model on disk: where it lies, and what tells it from another."""

from __future__ import annotations

import hashlib
from pathlib import Path
from threading import RLock

from rewardlab.errors import Problem, UserError, shown

BLOCK = 65_536
BLOCKS = 64
WEIGHTS = (".safetensors", ".bin")
IGNORED = ("README.md", "training.json", "training_args.bin")
"""Files that no text depends on."""
LOADING = RLock()
"""Held while a reward imports transformers' modules and loads a model; rewards run in threads.

transformers puts other objects in the place of its modules while they are imported, so a second
thread may import one without its names. And ``from_pretrained`` swaps torch's initialisers, the
default precision and the tying of weights in the whole process, and puts back what it found: of
two at once, one finds what the other swapped in, and the process keeps it.
"""


def find_checkpoint(path: str | Path, *, where: str = "model") -> Path:
    """The checkpoint that a path means: itself, or ``model/`` in a run directory.

    Args:
        path: What the user gave.
        where: Stands in front of the message.

    Raises:
        UserError: E080, neither holds a saved checkpoint; exit code 2.
    """
    for place in (Path(path), Path(path) / "model"):
        if (place / "config.json").is_file():
            return place
    exists = "holds no config.json" if Path(path).is_dir() else "is no directory"
    what = f"{shown(str(path))} {exists}, so it is neither a saved checkpoint nor a finished run"
    fix = "give the directory that save_pretrained wrote, or a run directory with model/ in it"
    raise UserError([Problem("E080", where, what, fix)])


def checkpoint_digest(checkpoint: Path) -> str:
    """A short name for exactly these weights, tokenizer and configuration.

    Small files are read as a whole. Of each weight file 64 blocks of 64 KiB are read, spread from
    its first byte to its last: training moves nearly every number, so another training of the same
    shape cannot pass for this one, and 27B parameters take no longer than 1B.

    Returns:
        Sixteen hexadecimal digits. File names count, the directory's does not.
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
