"""Formats of parallel text, by name, and the interface of their readers.

A new format is a reader in a separate file, such as `rewardlab.data.po`, and one line in
`READERS`. Another package adds a format by an entry point of the group
``rewardlab.corpus_readers``.
Filters, the held-out split and the funnel (`rewardlab.data.corpora`) are the same for all formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
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
        columns: Names of the columns with ``source``, ``reference``, ``document`` and ``image``,
            for formats with columns; others are looked for under the usual names.
    """

    source: str | Path
    reference: str | Path | None = None
    documents: str | Path | None = None
    source_lang: str = ""
    target_lang: str = ""
    columns: Mapping[str, str] = MappingProxyType({})


class Segment(NamedTuple):
    """One entry of a parallel text.

    Attributes:
        line: Line number in the source file, from 1; increases from segment to segment.
        source: The text to translate; may be empty.
        reference: The translation; None if and only if no file with references was given.
        document: The document of the segment, or None.
        image: Path of the picture that the source is in, or None.
    """

    line: int
    source: str
    reference: str | None = None
    document: str | None = None
    image: str | None = None


class ParallelText(NamedTuple):
    """The output of a reader.

    Attributes:
        segments: Segments in the order of the file, including empty ones; may be an iterator that
            reads the file as it goes.
        notes: Changes made to the text on reading, one line of text each; complete when all
            segments were read.
    """

    segments: Iterable[Segment]
    notes: Sequence[str] = ()


Reader: TypeAlias = Callable[[Files], ParallelText]
"""Function that reads the files of one format.

It raises `UserError` (E201..E209, E270, E271, E281; exit code 3) at once, or when the segments are
read.
"""

WITH_COLUMNS = frozenset({"tsv", "jsonl", "parquet", "datasets"})
"""Built-in formats whose columns can be named."""

READERS: Registry[Reader] = Registry(
    "rewardlab.corpus_readers",
    {
        "lines": "rewardlab.data.line_aligned:read_line_aligned",
        "ntrex": "rewardlab.data.ntrex:read_ntrex",
        "po": "rewardlab.data.po:read_po",
        "libreoffice_help": "rewardlab.data.libreoffice_help:read_libreoffice_help",
        "tsv": "rewardlab.data.tables:read_tsv",
        "jsonl": "rewardlab.data.tables:read_jsonl",
        "parquet": "rewardlab.data.tables:read_parquet",
        "datasets": "rewardlab.data.hub:read_hub",
        "flores": "rewardlab.data.flores:read_flores",
        "wmt24pp": "rewardlab.data.wmt24pp:read_wmt24pp",
        "smol": "rewardlab.data.smol:read_smol",
        "madlad": "rewardlab.data.madlad:read_madlad",
        "madlad_blobs": "rewardlab.data.madlad:read_madlad_blobs",
        "tmx": "rewardlab.data.tmx:read_tmx",
        "chat": "rewardlab.data.chat:read_chat",
        "vistra": "rewardlab.data.vistra:read_vistra",
    },
)
