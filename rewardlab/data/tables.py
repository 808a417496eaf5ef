"""Tables with named columns: tab-separated, JSON lines and Parquet.

A column is named by the option ``columns``, or it has one of the usual names (`USUAL`), or that of
its language (``de``). A column ``translation`` may hold an object with both languages. A directory
stands for its files in the order of their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, cast

from rewardlab.data.readers import Files, ParallelText, Segment
from rewardlab.data.records import (
    Record,
    files_of,
    json_records,
    parquet_records,
    table_records,
    text_of,
    value_of,
)
from rewardlab.errors import Problem, refuse

USUAL: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "source": ("source", "src"),
        "reference": ("reference", "target", "translation", "tgt", "trg", "ref"),
        "document": ("document", "document_id", "doc_id"),
        "image": ("image", "image_path"),
    }
)
"""Names that columns usually have, the most usual first."""
NEEDED = ("source", "reference")


def read_tsv(files: Files) -> ParallelText:
    """The reader of the format ``tsv``: a table whose first line names its columns.

    With numbers in ``columns``, such as ``{source: 1, reference: 2}``, there is no such line.

    Raises:
        UserError: E201..E205 as for text files; E209, E270, E271; exit code 3.
    """
    header = not all(name.isdecimal() for name in files.columns.values()) or not files.columns
    notes: list[str] = []
    tables = files_of(files.source, (".tsv", ".tsv.gz", ".txt"))
    rows = (row for path in tables for row in table_records(path, notes, header=header))
    return ParallelText(segments(rows, files), notes)


def read_jsonl(files: Files) -> ParallelText:
    """The reader of the format ``jsonl``: one JSON object on a line, plain or gzipped.

    Raises:
        UserError: E201..E205 as for text files; E209, E270, E271; exit code 3.
    """
    notes: list[str] = []
    tables = files_of(files.source, (".jsonl", ".jsonl.gz", ".json"))
    rows = (row for path in tables for row in json_records(path, notes))
    return ParallelText(segments(rows, files), notes)


def read_parquet(files: Files) -> ParallelText:
    """The reader of the format ``parquet``: a file, or a directory with shards.

    Raises:
        UserError: E201, E209, E270, E271; exit code 3.
    """
    rows = (row for path in files_of(files.source, (".parquet",)) for row in parquet_records(path))
    return ParallelText(segments(rows, files))


def segments(records: Iterable[Record], files: Files) -> Iterator[Segment]:
    """The segments of the rows, numbered from 1.

    Args:
        records: The rows.
        files: The columns, the languages, and whether references are read.

    Raises:
        UserError: E209 references or documents of another file; E270 a column is missing; E271 a
            value is not a text; exit code 3.
    """
    refuse_other_files(files)
    found: dict[str, str] = {}
    for number, record in enumerate(records, start=1):
        found = found or columns_in(record, files)
        document = value_of(record, found["document"]) if "document" in found else None
        image = value_of(record, found["image"]) if "image" in found else None
        yield Segment(
            number,
            text_of(record, found["source"]),
            text_of(record, found["reference"]) if "reference" in found else None,
            None if document is None else str(document),
            image if isinstance(image, str) else None,
        )


def refuse_other_files(files: Files) -> None:
    """A table has references and documents in columns of its own.

    Raises:
        UserError: E209; exit code 3.
    """
    for option, other in (("reference", files.reference), ("documents", files.documents)):
        if other is not None and str(other) != str(files.source):
            fix = f"{option}: {files.source}" if option == "reference" else "leave documents out"
            what = f"a table has {'references' if option == 'reference' else option} of its own"
            refuse(Problem("E209", str(other), what, fix))


def columns_in(record: Record, files: Files) -> dict[str, str]:
    """The column of each part of a segment, from the first row.

    Args:
        record: The first row.
        files: The named columns, and whether references are read.

    Raises:
        UserError: E270, a column that is needed is missing; exit code 3.
    """
    languages = {"source": files.source_lang, "reference": files.target_lang}
    found: dict[str, str] = {}
    for part, usual in USUAL.items():
        if part == "reference" and files.reference is None:
            continue
        names = [files.columns[part]] if part in files.columns else []
        both: object = record.values.get("translation")
        language = languages.get(part, "")
        if isinstance(both, Mapping) and language in cast("Mapping[str, Any]", both):
            names.append(f"translation.{language}")
        names += [name for name in (*usual, language) if name in record.values]
        if names:
            found[part] = names[0]
        elif part in NEEDED:
            value_of(record, part)
    for name in files.columns.values():
        value_of(record, name)
    return found
