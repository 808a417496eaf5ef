"""The files of a finished data set; the same rows give the same bytes.

``data/00000.parquet``...   the rows, in the order of their keys, which is random: already shuffled
``data/00000.jsonl``...     the same as JSON lines, if that is asked for
``funnel.json``             counts from reading to the data set, by stage and reason
``examples.jsonl``          some dropped rows for each reason, and some that were kept
``README.md``               the card: what it is made of and how
``MANIFEST.json``           sha256 of every file; written last
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pyarrow import parquet

from rewardlab.curation.items import Item
from rewardlab.curation.job import EXAMPLES, Curated
from rewardlab.data.funnel import Funnel
from rewardlab.store.files import disk_errors, json_line, replace_file, write_jsonl
from rewardlab.store.manifest import write_manifest

Format = Literal["parquet", "jsonl"]

ROWS_OF_A_FILE = 100_000
ROWS_OF_A_GROUP = 10_000
SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("translation", pa.string()),
        pa.field("source_lang", pa.string(), nullable=False),
        pa.field("target_lang", pa.string(), nullable=False),
        pa.field("document", pa.string()),
        pa.field("id", pa.string(), nullable=False),
        pa.field("image", pa.string()),
        pa.field("origin", pa.string(), nullable=False),
    ]
)
"""``id`` is the row's id in the data; ``origin`` is JSON: what each stage says of the row."""


def write_dataset(
    directory: Path, items: Iterable[Item], curated: Curated, *, card: str, kind: Format
) -> None:
    """Write a data set completely, or not at all.

    Args:
        directory: Replaced if it exists.
        items: The rows, in their order.
        curated: What became of all rows.
        card: The text of README.md.
        kind: Format of the rows.

    Raises:
        UserError: E210, the disk is full or gone; exit code 75.
    """
    partial = directory.with_name(f".{directory.name}.partial")
    with disk_errors(directory):
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "data").mkdir(parents=True)
        first = _write_rows(partial / "data", iter(items), kind)
        funnel = json.dumps(as_json(curated.funnel), indent=1, ensure_ascii=False)
        replace_file(partial / "funnel.json", f"{funnel}\n")
        write_jsonl(partial / "examples.jsonl", _examples(curated, first))
        replace_file(partial / "README.md", card)
        write_manifest(partial)
        shutil.rmtree(directory, ignore_errors=True)
        partial.rename(directory)


def _write_rows(directory: Path, items: Iterator[Item], kind: Format) -> list[Item]:
    """Write the files; returns the first rows."""
    first = list(islice(items, EXAMPLES))
    rest = chain(first, items)
    write = _write_jsonl if kind == "jsonl" else _write_parquet
    for number in range(10**5):
        rows = map(as_row, islice(rest, ROWS_OF_A_FILE))
        ahead = next(rows, None)
        if ahead is None and number:
            break
        path = directory / f"{number:05}.{kind}"
        write(path, rows if ahead is None else chain([ahead], rows))
        with path.open("rb") as file:
            os.fsync(file.fileno())
    return first


def _write_parquet(path: Path, rows: Iterator[Mapping[str, Any]]) -> None:
    with parquet.ParquetWriter(path, SCHEMA, compression="zstd") as file:
        while group := list(islice(rows, ROWS_OF_A_GROUP)):
            file.write_table(pa.Table.from_pylist(group, schema=SCHEMA))


def _write_jsonl(path: Path, rows: Iterator[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"{json_line(row)}\n" for row in rows)


def as_row(item: Item) -> dict[str, Any]:
    """A row of the data set."""
    return {
        "source": item.source,
        "translation": item.text,
        "source_lang": item.source_lang,
        "target_lang": item.target_lang,
        "document": item.document,
        "id": item.id,
        "image": item.image,
        "origin": json.dumps(item.origin, ensure_ascii=False, sort_keys=True),
    }


def as_json(funnel: Funnel) -> dict[str, Any]:
    """A funnel with its total."""
    steps = [{"reason": reason, "rows": rows} for reason, rows in funnel.steps]
    return {"read": funnel.start, "dropped": steps, "kept": funnel.kept}


def _examples(curated: Curated, kept: Sequence[Item]) -> Iterator[Mapping[str, Any]]:
    for item in kept:
        yield {"kept": True, **asdict(item)}
    for one in curated.examples:
        yield {"kept": False, "stage": one.stage, "reason": one.reason, **asdict(one.item)}
