"""The lines of a text file one after another, so that memory does not grow with the file.

A file that is not plain UTF-8, or that is damaged, is read whole by `rewardlab.data.lines`, which
knows all encodings and says what is wrong.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from rewardlab.data.encodings import GZIP_MAGIC, foreign
from rewardlab.data.lines import read_lines

HEAD = 2**16
"""Bytes at the start that are looked at before lines are read."""
MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x00")


class Unusual(Exception):  # noqa: N818 - decides between two ways of reading; nobody sees it
    """The file is not plain UTF-8."""


def stream_lines(path: str | Path, notes: list[str]) -> Iterator[str]:
    """The lines of a file, plain or gzipped, without their line ends.

    Args:
        path: The file.
        notes: Changes made on reading are added at the end of the file.

    Yields:
        What `rewardlab.data.lines.read_lines` would give.

    Raises:
        UserError: E201..E203, E205 or E280, when the damaged line is reached; exit code 3.
    """
    count = carriages = 0
    try:
        for line in _plain_lines(path):
            count += 1
            carriages += line.endswith("\r")
            yield line.removesuffix("\r")
    except (OSError, TypeError, ValueError, EOFError, zlib.error, Unusual):
        file = read_lines(path)
        yield from islice(file.lines, count, None)
        notes += file.notes
        return
    if carriages:
        notes.append(f"{path}: {carriages:,} of {count:,} lines end in CRLF; read as LF")


def _plain_lines(path: str | Path) -> Iterator[str]:
    """Lines of a UTF-8 file without marks and NUL characters.

    Raises:
        Unusual: It is something else.
    """
    with Path(path).open("rb") as file:
        is_gzip = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        file.seek(0)
        content = io.BufferedReader(gzip.GzipFile(fileobj=file)) if is_gzip else file
        head = content.read(HEAD)
        if (str(path).endswith(".gz") and not is_gzip) or not _is_plain(head, str(path)):
            raise Unusual
        content.seek(0)
        with io.TextIOWrapper(content, encoding="utf-8", newline="\n") as lines:
            for line in lines:
                if "\0" in line:
                    raise Unusual
                yield line.removesuffix("\n")


def _is_plain(head: bytes, name: str) -> bool:
    """Whether a file begins like UTF-8 text; its last line may be cut."""
    if head.startswith(MARKS) or (b"\n" not in head and len(head) == HEAD):
        return False
    whole = head[: head.rfind(b"\n") + 1] if len(head) == HEAD else head
    return foreign(whole, name) is None
