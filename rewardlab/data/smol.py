"""SMOL and GATITOS: professional translations into under-resourced languages (Caswell et al. 2025).

https://huggingface.co/datasets/google/smol, arXiv 2502.12301. SmolDoc has documents in sentences,
SmolSent sentences, GATITOS words with one or several translations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from rewardlab.data.language_names import name_of_language
from rewardlab.data.readers import Files, ParallelText, Segment
from rewardlab.data.records import Record, files_of, json_records, refuse_record
from rewardlab.data.tables import refuse_other_files
from rewardlab.errors import EXIT_DATA, Problem, UserError, nearest

KINDS = ("smoldoc", "smolsent", "gatitos")


def read_smol(files: Files) -> ParallelText:
    """The reader of the format ``smol``.

    A row's document is its id, which all languages share, or the word in GATITOS. A word with
    several translations gives several segments.

    Args:
        files: The source is ``smoldoc/``, ``smolsent/`` or ``gatitos/`` with files such as
            ``en_ber.jsonl``, or one file; the reference is the same, or None. A pair that is there
            in the other direction is exchanged.

    Raises:
        UserError: E201 no such file or pair; E271 damaged rows; exit code 3.
    """
    refuse_other_files(files)
    path, exchanged = _file(files)
    notes: list[str] = []
    pairs = (pair for record in json_records(path, notes) for pair in _pairs(record))
    return ParallelText(_segments(pairs, exchanged=exchanged, files=files), notes)


def _file(files: Files) -> tuple[Path, bool]:
    """The file of the pair, and whether it has the other direction."""
    paths = files_of(files.source, (".jsonl",))
    names = [path.name.removesuffix(".jsonl").split("_", 1) for path in paths]
    pairs = {(one[0], one[-1]): path for one, path in zip(names, paths, strict=True)}
    languages = (files.source_lang, files.target_lang)
    for pair, path in pairs.items():
        if all(map(_means, languages, pair)):
            return path, False
        if all(map(_means, languages, pair[::-1])):
            return path, True
    wanted = f"{files.source_lang}_{files.target_lang}"
    known = ["_".join(pair) for pair in pairs]
    fix = nearest(wanted, known) or f"one of {', '.join(sorted(known)[:8])}"
    what = f"there is no pair {wanted}"
    raise UserError([Problem("E201", str(files.source), what, fix)], EXIT_DATA)


def _means(language: str, name: str) -> bool:
    try:
        return bool(name_of_language(language, [name], ""))
    except UserError:
        return False


def _pairs(record: Record) -> Iterator[tuple[str, str, str]]:
    """Source, translation and document of a row of any of the three."""
    values = record.values
    many = {name: values.get(name) for name in ("srcs", "trgs") if name in values}
    if isinstance(values.get("src"), str) and isinstance(values.get("trg"), str):
        yield values["src"], values["trg"], str(values.get("id"))
    elif isinstance(values.get("src"), str) and _are_texts(many, "trgs"):
        for target in values["trgs"]:
            yield values["src"], target, values["src"]
    elif _are_texts(many, "srcs", "trgs") and len(values["srcs"]) == len(values["trgs"]):
        for source, target in zip(values["srcs"], values["trgs"], strict=True):
            yield source, target, str(values.get("id"))
    else:
        what = "neither src with trg or trgs, nor srcs and trgs of one length"
        refuse_record(record.place, what, f"a row of {', '.join(KINDS)}")


def _are_texts(values: Mapping[str, Any], *names: str) -> bool:
    lists = [values.get(name) for name in names]
    return all(
        isinstance(one, list) and all(isinstance(text, str) for text in cast("list[Any]", one))
        for one in lists
    )


def _segments(
    pairs: Iterator[tuple[str, str, str]], *, exchanged: bool, files: Files
) -> Iterator[Segment]:
    for number, (source, target, document) in enumerate(pairs, start=1):
        own, other = (target, source) if exchanged else (source, target)
        yield Segment(number, own, other if files.reference is not None else None, document)
