"""Finished translations of a test set, matched with its rows.

A plain text file has one translation per line, in the order of the rows. A ``.jsonl`` file, such as
the one in the directory of a translate or rerank run, has one mapping per line: ``id``, ``texts``
(the first one counts) and optionally ``source``. Its rows are matched by ``id``, in any order.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rewardlab.data.lines import TextFile, read_lines
from rewardlab.data.rows import Row
from rewardlab.decoding.files import TRANSLATIONS
from rewardlab.errors import Problem, quantity, refuse, shown
from rewardlab.json_values import json_kind
from rewardlab.text.reasoning import answer_start

LISTED = 5


class Output(NamedTuple):
    """One line of a ``.jsonl`` file.

    Attributes:
        id: Id of the row.
        text: Its translation.
        source: The text that was translated, or None if the file does not contain it.
    """

    id: str
    text: str
    source: str | None


def read_outputs(path: str | Path, rows: Sequence[Row]) -> tuple[list[str], tuple[str, ...]]:
    """Read the translation of every row.

    Args:
        path: A run's directory, a ``.jsonl`` file, or a file of plain text; gzipped or not.
        rows: The M rows of the test set.

    Returns:
        M translations, and notes. Reasoning before a translation is left out with a note
        (`rewardlab.text.reasoning`); extra ids, which are not in the test set, are left out with a
        note if the file has the source of every row of the test set.

    Raises:
        UserError: E201..E205 the file cannot be read; E209 it does not belong to these rows. Exit
            code 3.
    """
    path = Path(path, TRANSLATIONS) if Path(path).is_dir() else Path(path)
    file = read_lines(path)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        texts, notes = _matched([*_parsed(file)], rows, file.name)
        return _answers(texts, file.name, (*file.notes, *notes))
    if len(file.lines) != len(rows):
        have, want = quantity(len(file.lines), "line"), quantity(len(rows), "row")
        what = f"{have}, but the test set has {want}"
        fix = "translate exactly these rows, or give their ids in a .jsonl file"
        refuse(Problem("E209", file.name, what, fix))
    return _answers(file.lines, file.name, file.notes)


def _answers(
    texts: Sequence[str], name: str, notes: Sequence[str]
) -> tuple[list[str], tuple[str, ...]]:
    """The texts without the reasoning before them, and one more note if there was any."""
    answers = [text[answer_start(text) :] for text in texts]
    if reasoned := sum(answer != text for answer, text in zip(answers, texts, strict=True)):
        said = f"{name}: reasoning before {reasoned:,} of {len(texts):,} translations left out"
        return answers, (*notes, said)
    return answers, tuple(notes)


def _parsed(file: TextFile) -> Iterator[Output]:
    for number, line in enumerate(file.lines, start=1):
        try:
            yield _output(json.loads(line))
        except (LookupError, TypeError, ValueError, RecursionError) as error:
            reason = f"there is no {error.args[0]}" if isinstance(error, KeyError) else str(error)
            what = f"{shown(line)} is no translation: {reason}"
            fix = 'write {"id": "1", "texts": ["..."]} on each line'
            refuse(Problem("E209", f"{file.name}:{number}", what, fix))


def _output(entry: Any) -> Output:
    if not isinstance(entry, dict):
        raise TypeError(f"it is {json_kind(entry)}, not an object")
    texts: Any = entry["texts"]
    if not isinstance(texts, list) or not texts:
        raise TypeError(f"texts is {json_kind(texts)}, not a list of texts")
    source = None if entry.get("source") is None else _text(entry, "source")
    return Output(_text(entry, "id"), _text({"texts": texts[0]}, "texts"), source)


def _text(entry: Mapping[str, Any], key: str) -> str:
    value: object = entry[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is {json_kind(value)}, not text")
    return value


def _matched(
    outputs: Sequence[Output], rows: Sequence[Row], name: str
) -> tuple[list[str], list[str]]:
    """The texts in the order of the rows, and notes.

    Raises:
        UserError: E209, with everything that does not match.
    """
    counts = Counter(output.id for output in outputs)
    by_id = {output.id: output for output in outputs}
    sources = {row.id: row.source for row in rows}
    unknown = [row_id for row_id in counts if row_id not in sources]
    # Equal sources prove that the ids mean the same rows; the other ids are then extra rows.
    proven = all(row_id in by_id and by_id[row_id].source == sources[row_id] for row_id in sources)
    wrong = {
        "without a translation": [row_id for row_id in sources if row_id not in counts],
        "not in the test set": [] if proven else unknown,
        "with several translations": [row_id for row_id, count in counts.items() if count > 1],
        "with another source text": [
            row_id
            for row_id, output in by_id.items()
            if output.source is not None and output.source != sources.get(row_id, output.source)
        ],
    }
    if problems := [_of(ids, what) for what, ids in wrong.items() if ids]:
        fix = "translate exactly the rows of this test set: same data, same split"
        refuse(Problem("E209", name, "; ".join(problems), fix))
    notes = (
        [f"{name}: {quantity(len(unknown), 'translation')} of other rows left out"]
        if unknown
        else []
    )
    return [by_id[row.id].text for row in rows], notes


def _of(ids: Sequence[str], what: str) -> str:
    """``37 ids without a translation (3, 8, 9, 12, 40, ...)``."""
    some = ", ".join(ids[:LISTED]) + (", ..." if len(ids) > LISTED else "")
    return f"{quantity(len(ids), 'id')} {what} ({some})"
