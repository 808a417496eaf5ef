"""Formats of parallel text, by name: what a corpus reader takes and gives.

A new format is a reader in a file of its own, such as `rewardlab.data.lines`, and one line in
`READERS`. Another package adds one by an entry point of the group ``rewardlab.corpus_readers``.
Filters, the held-out split and the funnel (`rewardlab.data.corpora`) are the same for all formats.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

from rewardlab.registry import Registry


class Files(NamedTuple):
    """What a reader is given.

    Attributes:
        source: The file with the sources.
        reference: The file with the references, which may be the same one; None if they are not
            needed.
        documents: The file with document ids, if any.
        source_lang: Language code of the sources, for files that hold several languages.
        target_lang: Language code of the references.
    """

    source: str | Path
    reference: str | Path | None = None
    documents: str | Path | None = None
    source_lang: str = ""
    target_lang: str = ""


class Segment(NamedTuple):
    """One entry of a parallel text.

    Attributes:
        line: Its line in the source file, from 1; increases from segment to segment.
        source: The text to translate; may be empty.
        reference: Its translation; None exactly where no file with references was given.
        document: The document it belongs to, or None.
    """

    line: int
    source: str
    reference: str | None = None
    document: str | None = None


class ParallelText(NamedTuple):
    """What a reader gives back.

    Attributes:
        segments: In the order of the file, empty ones included.
        notes: Changes made to the text on reading, a line of text for each.
    """

    segments: list[Segment]
    notes: tuple[str, ...] = ()


Reader: TypeAlias = Callable[[Files], ParallelText]
"""Reads the files of one format; raises `UserError` (E201..E208, exit code 3) if it cannot."""

READERS: Registry[Reader] = Registry(
    "rewardlab.corpus_readers", {"lines": "rewardlab.data.lines:read_line_aligned"}
)
