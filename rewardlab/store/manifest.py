"""Directories that are whole or not at all: a manifest, written last, names what is in them.

A directory without its manifest was never finished, and one that differs from it is damaged.
Neither is loaded, and neither stops a run that has an older one.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, cast

from rewardlab.store.files import disk_errors, replace_file

MANIFEST = "MANIFEST.json"


def seal(directory: Path) -> None:
    """Sync every file to the disk, then write down the sha256 of each.

    Raises:
        UserError: E210, the disk is full or gone; exit code 75.
    """
    digests: dict[str, str] = {}
    with disk_errors(directory):
        for path in _files(directory):
            with path.open("rb") as file:
                digests[path.relative_to(directory).as_posix()] = _sha256(file)
                os.fsync(file.fileno())
    told = {"sha256": digests}
    replace_file(directory / MANIFEST, json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def is_sealed(directory: Path) -> bool:
    """Whether the directory was finished; not whether it is as it was then."""
    return (directory / MANIFEST).is_file()


def damage(directory: Path) -> str | None:
    """What is wrong with a sealed directory; None where every file is as it was.

    Files that came later, such as a report's, are no damage.
    """
    try:
        told: Any = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        digests = cast("dict[str, str]", dict(told["sha256"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{MANIFEST} cannot be read: {error}"
    for name, digest in digests.items():
        path = directory / name
        if not path.is_file():
            return f"{name} is missing"
        with path.open("rb") as file:
            if _sha256(file) != digest:
                return f"{name} is not what was written"
    return None


def _files(directory: Path) -> list[Path]:
    found = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    return [path for path in found if path.name != MANIFEST]


def _sha256(file: Any) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()
