"""Records of JSON lines, tab-separated tables and Parquet files, one after another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

from rewardlab.data.line_stream import stream_lines
from rewardlab.errors import (
    EXIT_DATA,
    Problem,
    UserError,
    kind_of,
    nearest,
    one_line,
    refuse,
    shown,
)

ROWS_AT_ONCE = 1024
"""Rows of a Parquet file that are in memory."""


class Record(NamedTuple):
    """One row of a table.

    Attributes:
        place: File and line, such as ``pairs.jsonl:7``, for messages.
        values: Column -> value.
    """

    place: str
    values: Mapping[str, Any]


def json_records(path: str | Path, notes: list[str]) -> Iterator[Record]:
    """The objects of a file of JSON lines, plain or gzipped; empty lines are left out.

    Raises:
        UserError: E271 a line is not a JSON object; the problems of text files; exit code 3.
    """
    for number, line in enumerate(stream_lines(path, notes), start=1):
        if line.strip():
            place = f"{path}:{number}"
            yield Record(place, json_object(line, place))


def json_object(text: str, place: str) -> Mapping[str, Any]:
    """A JSON object.

    Args:
        text: The text.
        place: File and line, for the message.

    Raises:
        UserError: E271; exit code 3.
    """
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        refuse_record(place, f"not JSON: {one_line(error)}", "one JSON object on a line")
    if not isinstance(value, dict):
        refuse_record(place, f"{kind_of(value)}, not an object", 'one object: {"source": ...}')
    return cast("dict[str, Any]", value)


def table_records(path: str | Path, notes: list[str], *, header: bool) -> Iterator[Record]:
    """The rows of a tab-separated file; quotes are ordinary characters.

    Args:
        path: The file.
        notes: Changes made on reading are added.
        header: The first line has the names of the columns; otherwise these are 1, 2, ...

    Raises:
        UserError: E271 a row has another number of columns than the first; the problems of text
            files; exit code 3.
    """
    lines = enumerate(stream_lines(path, notes), start=1)
    names: list[str] | None = next(lines, (1, ""))[1].split("\t") if header else None
    for number, line in lines:
        cells = line.split("\t")
        if names is None:
            names = [str(at) for at in range(1, len(cells) + 1)]
        if len(cells) != len(names):
            what = f"{len(cells)} columns, but the first line has {len(names)}"
            refuse_record(f"{path}:{number}", what, "a tab between columns, none in a text")
        yield Record(f"{path}:{number}", dict(zip(names, cells, strict=True)))


def parquet_records(path: str | Path) -> Iterator[Record]:
    """The rows of a Parquet file.

    Raises:
        UserError: E201 the file cannot be read; E271 it is no Parquet file; exit code 3.
    """
    import pyarrow as pa
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE):
                for values in batch.to_pylist():
                    number += 1
                    yield Record(f"{path}:{number}", values)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            refuse(Problem("E201", str(path), "there is no such file", "check the path"))
        refuse_record(str(path), one_line(error), "a Parquet file; or name another format")


def files_of(path: str | Path, suffixes: Iterable[str]) -> list[Path]:
    """A file, or the files of a directory with one of the suffixes, in the order of their names.

    Raises:
        UserError: E201, there is none; exit code 3.
    """
    root = Path(path)
    if not root.is_dir():
        return [root]
    suffixes = tuple(suffixes)
    found = sorted(one for one in root.iterdir() if one.name.endswith(suffixes))
    if not found:
        what = f"it holds no {' or '.join(suffixes)} file"
        refuse(Problem("E201", str(path), what, "name a file, or a directory with such files"))
    return found


def text_of(record: Record, column: str) -> str:
    """The text in a column; empty if there is none.

    Args:
        record: The row.
        column: The column; ``translation.de`` is the value of ``de`` in an object.

    Raises:
        UserError: E270 no such column, E271 another value than a text; exit code 3.
    """
    value = value_of(record, column)
    if value is None:
        return ""
    if not isinstance(value, str):
        refuse_record(record.place, f"{column}: {kind_of(value)} is not a text", "a text, or null")
    if "\0" in value:
        refuse_record(record.place, f"{column}: NUL characters", "create the file again")
    return value


def value_of(record: Record, column: str) -> Any:
    """The value in a column.

    Raises:
        UserError: E270, no such column; exit code 3.
    """
    if column in record.values:
        return record.values[column]
    outer, dot, inner = column.partition(".")
    inside: Any = record.values.get(outer)
    if dot and isinstance(inside, Mapping) and inner in inside:
        return cast("Mapping[str, Any]", inside)[inner]
    known = [name for name in record.values if name]
    what = f"there is no column {shown(column)}; the columns are {', '.join(known) or 'none'}"
    near = nearest(column, known)
    fix = f"columns: {{...: {near}}}" if near else "name the columns: {source: ..., reference: ...}"
    raise UserError([Problem("E270", record.place, what, fix)], EXIT_DATA)


def refuse_record(place: str, what: str, fix: str) -> NoReturn:
    """E271, a row that cannot be read.

    Args:
        place: File and line.
        what: What is wrong.
        fix: What to write.

    Raises:
        UserError: E271; exit code 3.
    """
    refuse(Problem("E271", place, what, fix))
