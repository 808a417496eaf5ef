"""The texts beside a score file in the directories of mt-metrics-eval.

::

    human-scores/en-de.mqm.seg.score    the file; or .seg.rating
    sources/en-de.txt                   one segment per line
    documents/en-de.docs                domain and document of each segment
    references/en-de.refA.txt           a human translation
    system-outputs/en-de/NAME.txt       translations by a system

Texts may be ``.jsonl`` in place of ``.txt``, with the keys ``source`` and ``target``. A line
``[No translation supplied]`` stands for a missing translation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from rewardlab.data.lines import TextFile, read_lines
from rewardlab.errors import Problem, refuse, shown
from rewardlab.json_values import json_kind

FOLDER = "human-scores"
NO_TRANSLATION = "[No translation supplied]"
_NAME = re.compile(
    r"(?P<source>[A-Za-z_]+)-(?P<target>[A-Za-z_]+)\.(?P<name>.+)\.(?:sys|seg)\.(?:score|rating)"
)


class TextsBeside(NamedTuple):
    """The texts beside a score file.

    Attributes:
        name: Name of the human score: ``mqm``, or a rater's.
        source_lang: Language code, None outside such a directory.
        target_lang: Language code, None outside such a directory.
        documents: (M,), or None.
        sources: (M,), or None.
        hypotheses: (system, number of the segment from 1) -> text.
    """

    name: str
    source_lang: str | None = None
    target_lang: str | None = None
    documents: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    hypotheses: Mapping[tuple[str, str], str] = MappingProxyType({})


def read_texts_beside(path: Path) -> TextsBeside:
    """Read the texts beside a score file; none if the file is not in such a directory.

    Raises:
        UserError: E201..E203, E205 a file cannot be read; E226 a line of a ``.jsonl`` file has no
            text; E229 texts that do not belong to the same segments. Exit code 3.
    """
    named = _NAME.fullmatch(path.name.removesuffix(".gz"))
    if named is None:
        return TextsBeside(path.name.partition(".")[0])
    found = TextsBeside(named["name"], named["source"], named["target"])
    root, pair = path.absolute().parent.parent, f"{named['source']}-{named['target']}"
    if path.absolute().parent.name != FOLDER or not (root / "sources").is_dir():
        return found
    sources = _texts(root / "sources", pair, "source").get("")
    outputs = {
        **_texts(root / "references", pair, "target"),
        **_texts(root / "system-outputs" / pair, "", "target"),
    }
    documents = _documents(root / "documents" / f"{pair}.docs")
    _check_lengths(path, {"source": sources, "documents": documents, **outputs})
    return found._replace(
        documents=documents,
        sources=sources,
        hypotheses={
            (system, str(number)): line
            for system, lines in outputs.items()
            for number, line in enumerate(lines, start=1)
            if line != NO_TRANSLATION
        },
    )


def _texts(folder: Path, prefix: str, key: str) -> dict[str, tuple[str, ...]]:
    """The texts of a folder, by the part of the file name between prefix and extension.

    Args:
        folder: The folder; it may be missing.
        prefix: The language pair; empty if the folder is for a single pair.
        key: Key of the text in a line of a ``.jsonl`` file.
    """
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(folder.glob(f"{prefix}*")):
        name = path.stem.removeprefix(prefix)
        if path.suffix in (".txt", ".jsonl") and (not prefix or name[:1] in ("", ".")):
            file = read_lines(path)
            lines = file.lines
            if path.suffix == ".jsonl":
                lines = [_text(file, at, key) for at in range(len(lines))]
            found[name.removeprefix(".")] = tuple(lines)
    return found


def _text(file: TextFile, at: int, key: str) -> str:
    """The text of one line of a ``.jsonl`` file."""
    try:
        text: object = json.loads(file.lines[at])[key]
    except (LookupError, TypeError, ValueError, RecursionError):
        text = None
    if not isinstance(text, str):
        what = f"{shown(file.lines[at])} has no text: {key} is {json_kind(text)}"
        fix = f'write {{"{key}": "..."}}'
        refuse(Problem("E226", f"{file.name}:{at + 1}", what, fix))
    return text


def _documents(path: Path) -> tuple[str, ...] | None:
    """The second column of a ``.docs`` file; None if the file is missing."""
    if not path.is_file():
        return None
    return tuple([*line.split(), "", ""][1] for line in read_lines(path).lines)


def _check_lengths(path: Path, columns: Mapping[str, Sequence[str] | None]) -> None:
    lengths = {name: len(lines) for name, lines in columns.items() if lines is not None}
    shortest, longest = (pick(lengths, key=lambda n: lengths[n]) for pick in (min, max))
    if lengths[shortest] < lengths[longest]:
        what = (
            f"the texts of this test set differ in number: {lengths[shortest]:,} lines of "
            f"{shortest}, {lengths[longest]:,} of {longest}"
        )
        refuse(Problem("E229", str(path), what, "give every file a line for each segment"))
