"""Complete directories: a manifest, written last, has the sha256 of every file.

A directory without a manifest was never finished; a directory that differs from its manifest is
damaged. Neither is loaded: the run continues from an older intact directory if it has one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

from rewardlab.store.files import disk_errors, replace_file, sha256_of

MANIFEST = "MANIFEST.json"


def write_manifest(directory: Path) -> None:
    """Sync every file to the disk, then write the sha256 of every file into the manifest.

    Raises:
        UserError: E210, the disk is full or gone; exit code 75.
    """
    digests: dict[str, str] = {}
    with disk_errors(directory):
        for path in sorted(directory.rglob("*")):
            if path.is_file() and path.name != MANIFEST:
                digests[path.relative_to(directory).as_posix()] = sha256_of(path)
                with path.open("rb") as file:
                    os.fsync(file.fileno())
    text = json.dumps({"sha256": digests}, indent=1, ensure_ascii=False)
    replace_file(directory / MANIFEST, f"{text}\n")


def has_manifest(directory: Path) -> bool:
    """Whether the directory was finished; `damage` says whether it has changed since."""
    return (directory / MANIFEST).is_file()


def damage(directory: Path) -> str | None:
    """How the directory differs from its manifest; None if every listed file is intact.

    Files added later, such as a report, are not damage.
    """
    try:
        manifest: Any = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        digests = cast("dict[str, str]", dict(manifest["sha256"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{MANIFEST} cannot be read: {error}"
    for name, digest in digests.items():
        path = directory / name
        if not path.is_file():
            return f"{name} is missing"
        if sha256_of(path) != digest:
            return f"{name} is not what was written"
    return None
