"""WMT24++: English into 55 languages and dialects, whole documents (Deutsch et al. 2025).

https://huggingface.co/datasets/google/wmt24pp, arXiv 2502.12404. Document ids are the same in all
pairs: hold out the same documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rewardlab.data.language_names import name_of_language
from rewardlab.data.readers import Files, ParallelText, Segment
from rewardlab.data.records import files_of, json_records, text_of
from rewardlab.data.tables import refuse_other_files
from rewardlab.errors import Problem, refuse
from rewardlab.text.languages import language_code

ENGLISH = "en"


def read_wmt24pp(files: Files) -> ParallelText:
    """The reader of the format ``wmt24pp``; sources that its authors call bad are left out.

    Args:
        files: The source is the directory with ``en-de_DE.jsonl`` and the others, or one file; the
            reference is the same, or None. One language is English; the texts are the same in both
            directions.

    Raises:
        UserError: E201 no such file or language; E281 no language is English; E270, E271 damaged
            rows; exit code 3.
    """
    refuse_other_files(files)
    codes = [language_code(one) for one in (files.source_lang, files.target_lang)]
    if codes.count(ENGLISH) != 1:
        what = f"it has English and another language, not {'-'.join(codes)}"
        refuse(Problem("E281", str(files.source), what, "source_lang: en"))
    names = {path.name.removesuffix(".jsonl"): path for path in files_of(files.source, (".jsonl",))}
    path = Path(files.source)
    if path.is_dir():
        into = {name.removeprefix("en-"): one for name, one in names.items()}
        other = files.target_lang if codes[0] == ENGLISH else files.source_lang
        path = into[name_of_language(other, into, str(path))]
    columns = ("source", "target") if codes[0] == ENGLISH else ("target", "source")
    notes: list[str] = []
    return ParallelText(_segments(path, columns, files, notes), notes)


def _segments(
    path: Path, columns: tuple[str, str], files: Files, notes: list[str]
) -> Iterator[Segment]:
    bad = 0
    for number, record in enumerate(json_records(path, notes), start=1):
        if record.values.get("is_bad_source"):
            bad += 1
            continue
        source, target = (text_of(record, column) for column in columns)
        document = text_of(record, "document_id")
        yield Segment(number, source, target if files.reference is not None else None, document)
    if bad:
        notes.append(f"left out of {path}: {bad:,} segments with is_bad_source")
