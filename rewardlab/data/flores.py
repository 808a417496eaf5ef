"""FLORES-200 and FLORES+: 2,009 sentences of Wikimedia in over 200 languages (NLLB team 2022).

https://github.com/facebookresearch/flores and https://oldi.org. All files of a split are aligned,
so any two languages are a parallel text. The document of a sentence is the page that it comes from:
hold out the same pages in all pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rewardlab.data.language_names import name_of_language
from rewardlab.data.line_stream import stream_lines
from rewardlab.data.readers import Files, ParallelText, Segment
from rewardlab.data.records import Record, json_records, parquet_records, table_records, text_of
from rewardlab.data.tables import refuse_other_files
from rewardlab.errors import Problem, refuse

SPLITS = ("dev", "devtest")
ENDINGS = (*(f".{split}" for split in SPLITS), ".jsonl", ".parquet")
"""Ends of file names: those of FLORES-200, and those of FLORES+."""


def read_flores(files: Files) -> ParallelText:
    """The reader of the format ``flores``.

    Args:
        files: The source is the directory of a split, with ``eng_Latn.devtest`` (FLORES-200; the
            pages are in ``metadata_devtest.tsv`` beside it) or ``eng_Latn.jsonl`` or ``.parquet``
            (FLORES+) in it; the reference is the same directory, or None. The languages choose the
            files.

    Raises:
        UserError: E201 no such directory or language; E204 the files are not aligned; E271 a
            damaged file; exit code 3.
    """
    refuse_other_files(files)
    root = Path(files.source)
    known = {
        path.name.removesuffix(ending): path
        for ending in ENDINGS
        for path in sorted(root.glob(f"*{ending}"))
    }
    if not known:
        what = f"it holds no file that ends in {', '.join(ENDINGS)}"
        fix = "give the directory of a split, such as flores200_dataset/devtest"
        refuse(Problem("E201", str(files.source), what, fix))
    own = known[name_of_language(files.source_lang, known, str(root))]
    other = None
    if files.reference is not None:
        other = known[name_of_language(files.target_lang, known, str(root))]
    notes: list[str] = []
    return ParallelText(_segments(own, other, notes), notes)


def _segments(own: Path, other: Path | None, notes: list[str]) -> Iterator[Segment]:
    sources = list(_sentences(own, notes))
    references = list(_sentences(other, notes)) if other else []
    if other and [key for key, *_ in sources] != [key for key, *_ in references]:
        what = f"its sentences are not those of {own.name}"
        refuse(Problem("E204", str(other), what, "take both files from one release"))
    for number, (_, text, page) in enumerate(sources, start=1):
        reference = references[number - 1][1] if other else None
        yield Segment(number, text, reference, page)


def _sentences(path: Path, notes: list[str]) -> Iterator[tuple[str, str, str | None]]:
    """Id, text and page of each sentence."""
    if path.suffix in (".jsonl", ".parquet"):
        records = json_records(path, notes) if path.suffix == ".jsonl" else parquet_records(path)
        for record in records:
            page = record.values.get("url")
            yield str(record.values.get("id")), text_of(record, "text"), page and str(page)
        return
    pages = _pages(path)
    for number, text in enumerate(stream_lines(path, notes), start=1):
        yield str(number), text, pages[number - 1] if number <= len(pages) else None


def _pages(path: Path) -> list[str]:
    """The page of each sentence of FLORES-200; empty without the file that has them."""
    name = f"metadata{path.suffix.replace('.', '_')}.tsv"
    places = [at / name for at in (path.parent, path.parent.parent) if (at / name).is_file()]
    records: Iterator[Record] = table_records(places[0], [], header=True) if places else iter(())
    return [text_of(record, "URL") for record in records]
