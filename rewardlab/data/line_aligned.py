"""Line-aligned text files: one segment per line, the same line number in every file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Never

from rewardlab.data.encodings import some_rows
from rewardlab.data.line_stream import stream_lines
from rewardlab.data.lines import read_aligned, read_lines
from rewardlab.data.readers import Files, ParallelText, Segment
from rewardlab.errors import Problem, UserError, refuse


def read_line_aligned(files: Files) -> ParallelText:
    """The reader of the format ``lines``: UTF-8 files, plain or gzipped.

    The document file has one id per line; if it has tab-separated columns, the first is used.

    Raises:
        UserError: E201..E205 as `read_aligned`, E208 lines without a document id; exit code 3.
    """
    notes: list[str] = []
    return ParallelText(_aligned(files, notes), notes)


def _aligned(files: Files, notes: list[str]) -> Iterator[Segment]:
    """The lines side by side; files that do not fit are read again, whole, for their problems."""
    named = {"source": files.source, "reference": files.reference, "documents": files.documents}
    paths = {name: path for name, path in named.items() if path is not None}
    streams = [stream_lines(path, notes) for path in paths.values()]
    try:
        for line, texts in enumerate(zip(*streams, strict=True), start=1):
            columns = dict(zip(paths, texts, strict=True))
            document = columns.get("documents")
            if document is not None and not (document := _document_id(document)):
                _refuse_missing_ids(paths["documents"])
            yield Segment(line, columns["source"], columns.get("reference"), document)
    except (ValueError, UserError):
        read_aligned([*paths.values()])
        raise


def _document_id(line: str) -> str:
    return line.split("\t", 1)[0].strip()


def _refuse_missing_ids(path: str | Path) -> Never:
    """E208 with all lines that have no id."""
    lines = read_lines(path).lines
    missing = [at for at, line in enumerate(lines, start=1) if not _document_id(line)]
    what = f"no document id in {some_rows(missing, len(lines))}"
    refuse(Problem("E208", f"{path}:{missing[0]}", what, "write one id per line"))
