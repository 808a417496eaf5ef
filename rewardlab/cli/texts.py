"""Aligned text files of the command line, for score, compare and preflight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from rewardlab.data.lines import TextFile, read_aligned
from rewardlab.data.rows import Row
from rewardlab.errors import Problem, refuse


def read_texts(paths: Sequence[str], *, stdin: BinaryIO | None = None) -> list[TextFile]:
    """Read files that are aligned line by line and not empty.

    Args:
        paths: The files.
        stdin: The stream that a path of ``-`` reads.

    Raises:
        UserError: E201..E206; exit code 3.
    """
    files = read_aligned(paths, stdin=stdin)
    if not files[0].lines:
        refuse(Problem("E206", files[0].name, "no rows", "give a file with text"))
    return files


def numbered_rows(
    sources: Sequence[str],
    references: Sequence[str] | None,
    source_lang: str | None,
    target_lang: str | None,
) -> list[Row]:
    """Rows of aligned texts, whose ids are line numbers.

    Args:
        sources: (N,).
        references: (N,), or None.
        source_lang: Language code, or None.
        target_lang: Language code, or None.
    """
    given = [None] * len(sources) if references is None else references
    return [
        Row(str(number), source, reference, source_lang or "", target_lang or "")
        for number, (source, reference) in enumerate(zip(sources, given, strict=True), start=1)
    ]
