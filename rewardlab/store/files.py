"""Writing files so that they are complete or absent, and disk errors that say what to do."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rewardlab.errors import EXIT_RESUMABLE, Problem, UserError

ESCAPED = str.maketrans({mark: f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"})


def replace_file(path: Path, text: str) -> None:
    """Write a file next to its place, sync it, and rename it into place.

    Args:
        path: The file; replaced if it exists.
        text: Its content, written as UTF-8 with line ends as they are.

    Raises:
        UserError: E210, the disk is full or gone; exit code 75.
    """
    partial = path.with_name(f".{path.name}.partial")
    with disk_errors(path):
        try:
            with partial.open("w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError:
            with suppress(OSError):
                partial.unlink()
            raise
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object per line, as `replace_file` does.

    Args:
        path: The file; replaced if it exists.
        rows: JSON objects. Non-ASCII characters are not escaped, except those that some readers
            take for a line end.
    """
    replace_file(path, "".join(f"{json_line(row)}\n" for row in rows))


def json_line(row: Mapping[str, Any]) -> str:
    """A JSON object on one line, without its end.

    Args:
        row: The object.
    """
    return json.dumps(row, ensure_ascii=False, allow_nan=False).translate(ESCAPED)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def disk_errors(path: Path) -> Generator[None]:
    """Turn errors of the operating system and of sqlite into one that says what to do.

    Args:
        path: The file or directory that the message names.

    Raises:
        UserError: E210; exit code 75, because earlier writes are kept and the run can be resumed.
    """
    try:
        yield
    except (OSError, sqlite3.DatabaseError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        what = f"cannot be read or written: {reason}"
        fix = "make room or repair the disk and run this again; it resumes"
        raise UserError([Problem("E210", str(path), what, fix)], EXIT_RESUMABLE) from error
