"""MADLAD-400: documents of Common Crawl in 419 languages, without translations (Kudugunta 2023).

https://huggingface.co/datasets/allenai/MADLAD-400, arXiv 2309.04662. It is where TranslateGemma's
sources come from: single lines, and blobs of consecutive lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from rewardlab.data.readers import Files, ParallelText, Segment
from rewardlab.data.records import Record, files_of, json_records, text_of
from rewardlab.errors import Problem, refuse

BLOB = 2000
"""Characters of a blob: about 512 tokens of a vocabulary like Gemma's."""
LINE_END = "\\n"
"""How some releases write the end of a line: a backslash and an n."""


def read_madlad(files: Files) -> ParallelText:
    """The reader of the format ``madlad``: every line of every document is a source.

    Args:
        files: The source is a file such as ``de_clean_0000.jsonl.gz``, or a directory with them.

    Raises:
        UserError: E201 no such file; E209 there are no references; E270, E271 damaged rows; exit
            code 3.
    """
    return _read(files, lambda lines: lines)


def read_madlad_blobs(files: Files) -> ParallelText:
    """The reader of the format ``madlad_blobs``: consecutive lines of a document, up to `BLOB`.

    Args:
        files: As for `read_madlad`.

    Raises:
        UserError: As `read_madlad`.
    """
    return _read(files, blobs)


def blobs(lines: Iterable[str]) -> Iterator[str]:
    """Consecutive lines joined to texts of at most `BLOB` characters; a longer line stays alone.

    >>> [len(blob) for blob in blobs(["a" * 900, "b" * 1000, "c" * 500])]
    [1901, 500]
    """
    blob = ""
    for line in lines:
        if blob and len(blob) + 1 + len(line) > BLOB:
            yield blob
            blob = line
        else:
            blob = f"{blob}\n{line}" if blob else line
    if blob:
        yield blob


def _read(files: Files, texts: Callable[[Iterable[str]], Iterable[str]]) -> ParallelText:
    if files.reference is not None or files.documents is not None:
        what, fix = "MADLAD-400 has sources only", "leave reference and documents out"
        refuse(Problem("E209", str(files.reference or files.documents), what, fix))
    notes: list[str] = []
    paths = files_of(files.source, (".jsonl", ".jsonl.gz"))
    records = (record for path in paths for record in json_records(path, notes))
    return ParallelText(_segments(records, texts), notes)


def _segments(
    records: Iterable[Record], texts: Callable[[Iterable[str]], Iterable[str]]
) -> Iterator[Segment]:
    number = 0
    for record in records:
        whole = text_of(record, "text").replace(LINE_END, "\n")
        for text in texts(line.strip() for line in whole.split("\n") if line.strip()):
            number += 1
            yield Segment(number, text, None, record.place)
