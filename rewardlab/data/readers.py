"""Formats of parallel text, by name, and the interface of their readers.

A new format is a reader in a separate file, such as `rewardlab.data.lines`, and one line in
`READERS`. Another package adds a format by an entry point of the group
``rewardlab.corpus_readers``.
Filters, the held-out split and the funnel (`rewardlab.data.corpora`) are the same for all formats.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

from rewardlab.registry import Registry


class Files(NamedTuple):
    """The input of a reader.

    Attributes:
        source: The file with the sources.
        reference: The file with the references, which may be the source file; None if references
            are not needed.
        documents: The file with document ids, or None.
        source_lang: Language code of the sources, for files that contain several languages.
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
        line: Line number in the source file, from 1; increases from segment to segment.
        source: The text to translate; may be empty.
        reference: The translation; None if and only if no file with references was given.
        document: The document of the segment, or None.
    """

    line: int
    source: str
    reference: str | None = None
    document: str | None = None


class ParallelText(NamedTuple):
    """The output of a reader.

    Attributes:
        segments: Segments in the order of the file, including empty ones.
        notes: Changes made to the text on reading, one line of text each.
    """

    segments: list[Segment]
    notes: tuple[str, ...] = ()


Reader: TypeAlias = Callable[[Files], ParallelText]
"""Function that reads the files of one format; raises `UserError` (E201..E208, exit code 3)."""

READERS: Registry[Reader] = Registry(
    "rewardlab.corpus_readers",
    {
        "lines": "rewardlab.data.lines:read_line_aligned",
        "ntrex": "rewardlab.data.ntrex:read_ntrex",
        "po": "rewardlab.data.po:read_po",
        "libreoffice_help": "rewardlab.data.libreoffice_help:read_libreoffice_help",
    },
)
