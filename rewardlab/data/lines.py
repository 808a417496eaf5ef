r"""Line-aligned text files: one segment per line, the same line number in every file.

Reading changes two things, each with a note: a byte-order mark at the start and the ``\r`` of a
``\r\n`` line end are removed. Only ``\n`` ends a line; U+2028, U+0085 and vertical tabs are
ordinary characters. `rewardlab.data.encodings` decides which bytes are text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from os import PathLike
from pathlib import Path
from statistics import median
from typing import BinaryIO

from rewardlab.data.encodings import STDIN, decoded, some_rows
from rewardlab.errors import Problem, UserError, kind_of, quantity, refuse

ANOTHER = 0.5
"""Files are probably of other texts if one has less than this share of the other's lines."""
TABLE = 0.8
"""A file with tabs in more than this share of its lines is a table."""


@dataclass(frozen=True)
class TextFile:
    """A text file that was read.

    Attributes:
        name: Path of the file, for messages.
        lines: Lines of the file without their line ends.
        notes: Changes made on reading, one line of text each.
    """

    name: str
    lines: list[str]
    notes: tuple[str, ...] = ()


def read_aligned(paths: Sequence[str | Path], *, stdin: BinaryIO | None = None) -> list[TextFile]:
    """Read files that must have the same number of lines.

    Args:
        paths: The files.
        stdin: Stream that a path of ``-`` reads; if None, ``-`` is the name of a file.

    Raises:
        UserError: E201..E205, exit code 3, with every problem of every file. E204 names the line
            where the texts seem to drift apart.
    """
    files: list[TextFile] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            if stdin is not None and str(path) == "-":
                files.append(lines_of(stdin.read(), STDIN))
            else:
                files.append(read_lines(path))
        except UserError as error:
            problems.extend(error.problems)
    if problems := problems or [*_not_aligned(files)]:
        refuse(*problems)
    return files


def _not_aligned(files: Sequence[TextFile]) -> Iterator[Problem]:
    """E204 for every file whose number of lines is not that of the first file with lines."""
    first, *others = [file for file in files if file.lines] or files[:1]
    for file in files:
        if first.lines and not file.lines:
            what = f"is empty, but {first.name} has {quantity(len(first.lines), 'line')}"
            yield Problem("E204", file.name, what, "give a file with as many lines")
    for other in others:
        have, want = len(other.lines), len(first.lines)
        if have != want:
            what = f"{quantity(have, 'line')}, but {first.name} has {want:,}"
            yield Problem("E204", other.name, what, _fix_of_lengths(first, other))


def _fix_of_lengths(first: TextFile, other: TextFile) -> str:
    """Where the lines may have drifted apart, or that one of the files is probably another one.

    Args:
        first: A file with lines.
        other: A file with another number of lines, at least one.
    """
    for file in (first, other):
        if sum("\t" in line for line in file.lines) > TABLE * len(file.lines):
            return f"{file.name} is a table with columns; give a file with one text in a line"
    shorter, longer = sorted((len(first.lines), len(other.lines)))
    if shorter < ANOTHER * longer:
        return f"are {first.name} and {other.name} of the same texts? give files of one text"
    return f"look near line {drift(first.lines, other.lines):,}"


def read_lines(path: str | Path) -> TextFile:
    """Read the lines of one file.

    Raises:
        UserError: E201 it cannot be read; otherwise as `lines_of`. Exit code 3.
    """
    if not isinstance(path, (str, PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        fix = "the path of one file"
        refuse(Problem("E201", "path", f"cannot be read: {kind_of(path)} is no path", fix))
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        fix = "name one of its files" if Path(path).is_dir() else "check the path"
        refuse(Problem("E201", str(path), f"cannot be read: {reason}", fix))
    return lines_of(data, str(path))


def lines_of(data: bytes, name: str) -> TextFile:
    """Split the content of a file into lines.

    Args:
        data: Text as `rewardlab.data.encodings.decoded` reads it.
        name: The file's name, for messages.

    Raises:
        UserError: E202 not UTF-8; E203 NUL characters; E205 broken gzip; E280 not a text file.
            Exit code 3.
    """
    text, found = decoded(data, name)
    notes = [*found]
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if carriages := sum(line.endswith("\r") for line in lines):
        lines = [line.removesuffix("\r") for line in lines]
        notes.append(f"{name}: {carriages:,} of {len(lines):,} lines end in CRLF; read as LF")
    if "\0" in text:
        bad = [number for number, line in enumerate(lines, start=1) if "\0" in line]
        what = f"NUL characters in {some_rows(bad, len(lines))}"
        refuse(Problem("E203", f"{name}:{bad[0]}", what, "create the file again: it is damaged"))
    return TextFile(name, lines, tuple(notes))


def drift(source: Sequence[str], other: Sequence[str]) -> int:
    """The line, from 1, at which two texts most likely become misaligned.

    The length of a translation is about proportional to that of its source. So for every line, the
    lines before it are paired from the start and the lines after it from the end. The result is the
    line for which the log length ratios of the pairs differ least (L1) from the usual ratio, the
    difference of the median log lengths. This assumes a single insertion or loss; with several, it
    finds the one that explains most.

    Args:
        source: The lines of one text.
        other: The lines of the other one.
    """
    short = min(len(source), len(other))
    if short == 0:
        return 1
    lengths = [[math.log(len(line) + 1) for line in text] for text in (source, other)]
    from_start = [b - a for a, b in zip(*lengths, strict=False)]
    from_end = [b - a for a, b in zip(lengths[0][-short:], lengths[1][-short:], strict=True)]
    usual = median(lengths[1]) - median(lengths[0])
    before = [0.0, *accumulate(abs(ratio - usual) for ratio in from_start)]
    after = [0.0, *accumulate(abs(ratio - usual) for ratio in reversed(from_end))]
    costs = [before[cut] + after[short - cut] for cut in range(short + 1)]
    return costs.index(min(costs)) + 1
