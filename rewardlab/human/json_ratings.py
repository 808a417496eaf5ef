"""Ratings in JSON, as mt-metrics-eval keeps them; a part of the format ``mtme``.

A rating is ``{"errors": [{"start", "end", "category", "severity", "score", "is_source_error"}]}``,
offsets in Unicode code points, end exclusive. Two kinds of files contain ratings:

``*.seg.rating``  tab-separated: system, rating or ``None``, perhaps the rater; the n-th line of a
                  system is its n-th segment
``*.jsonl``       one line per rating, also with ``source``, ``hypothesis``, ``system_id``,
                  ``segment_id`` (from 0), and perhaps ``document_id``, ``rater_id``, languages

A `SeverityTable` weighs severity and category; the ``score`` of an error is not read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

from rewardlab.data.lines import TextFile
from rewardlab.human.annotations import NO_ERROR, ErrorAnnotations, ErrorRow, Key, segment_id
from rewardlab.human.marked_text import EMPTY, OUTSIDE, Marked, Stretch
from rewardlab.human.mtme_texts import TextsBeside
from rewardlab.human.tables import RowProblems, check_lengths, distinct, filled_lines
from rewardlab.json_values import json_kind

T = TypeVar("T")
Languages: TypeAlias = tuple[str | None, str | None]

NO_RATING = "None"
UNREADABLE = (KeyError, TypeError, ValueError, RecursionError)
FIX = 'write {"errors": [{"start": 0, "end": 4, "severity": "minor", "category": null}]}'


class _Error(NamedTuple):
    """One error as written in the file."""

    stretch: Stretch
    severity: str
    category: str | None
    on_source: bool


def read_evalset_ratings(file: TextFile, beside: TextsBeside) -> ErrorAnnotations:
    """Read a ``.seg.rating`` file.

    Args:
        file: Lines of the file.
        beside: The known texts, and the rater for lines that do not name one.

    Returns:
        Segments are named by their number, from 1.

    Raises:
        UserError: E206 no rows; E224 systems have different numbers of lines; E226 lines that are
            not a rating. Exit code 3.
    """
    lines = filled_lines(file)
    problems = RowProblems(file.name, len(lines))
    annotations = ErrorAnnotations(len(lines))
    numbers: Counter[str] = Counter()
    for line in lines:
        system, *cells = (cell.strip() for cell in line.cells)
        if len(cells) not in (1, 2) or not system:
            what, fix = "{} cells where there should be 2 or 3", "write system, rating, rater"
            problems.add("E226", what, fix, line=line.number, value=1 + len(cells))
            continue
        rating, rater = [*cells, ""][:2]
        numbers[system] += 1
        row = _unrated(system, numbers[system], beside)
        if rating == NO_RATING:
            annotations.add(row)
        elif (errors := _parsed(rating, _errors, line.number, problems)) is not None:
            for one in _rows(replace(row, rater=rater or beside.name), errors):
                annotations.add(one)
    problems.raise_if_any()
    check_lengths(file.name, numbers)
    return annotations


def read_standalone_ratings(file: TextFile) -> ErrorAnnotations:
    """Read a ``.jsonl`` file of ratings.

    Returns:
        Segments are named ``document_id:segment_id``, or by their ``segment_id`` alone.

    Raises:
        UserError: E206 no rows; E226 lines that are not a rating, or a second rating of the same
            translation by the same rater. Exit code 3.
    """
    lines = filled_lines(file)
    problems = RowProblems(file.name, len(lines))
    annotations = ErrorAnnotations(len(lines))
    rated: set[tuple[str, Key, str]] = set()
    for line in distinct(lines, annotations.counts):
        rating = _parsed(line.text, _standalone, line.number, problems)
        if rating is None:
            continue
        row, errors, languages = rating
        if (row.system, row.key, row.rater) in rated:
            what, fix = "{} is rated again by the same rater", "keep one of the two"
            value = f"{row.system}, {segment_id(row.key)}"
            problems.add("E226", what, fix, line=line.number, value=value)
        rated.add((row.system, row.key, row.rater))
        annotations.languages.add(languages)
        for one in _rows(row, errors):
            annotations.add(one)
    problems.raise_if_any()
    return annotations


def _unrated(system: str, number: int, beside: TextsBeside) -> ErrorRow:
    """A translation of the n-th segment without a rating."""
    sources = beside.sources or ()
    return ErrorRow(
        system,
        key=("", str(number)),
        rater="",
        severity="",
        category=None,
        source=Marked(sources[number - 1] if number <= len(sources) else None),
        target=Marked(beside.hypotheses.get((system, str(number)))),
        number=number,
    )


def _rows(row: ErrorRow, errors: Sequence[_Error]) -> Iterator[ErrorRow]:
    """One row for each error, or one row that says that there is no error."""
    if not errors:
        yield replace(row, severity=NO_ERROR)
    for (start, end), severity, category, on_source in errors:
        side, text = ("source", row.source.text) if on_source else ("target", row.target.text)
        marked = Marked(text, ((start, end),))
        if start == end:
            marked = Marked(text, faults=(EMPTY,))
        elif text is not None and end > len(text):
            marked = Marked(text, faults=(OUTSIDE,))
        yield replace(row, severity=severity, category=category, **{side: marked})


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────


def _parsed(
    text: str, parse: Callable[[Mapping[str, Any]], T], line: int, problems: RowProblems
) -> T | None:
    """The result of ``parse`` on a JSON object; otherwise None, and a problem is recorded."""
    try:
        return parse(_object(json.loads(text)))
    except UNREADABLE as error:
        reason = f"no {error.args[0]}" if isinstance(error, KeyError) else str(error)
        problems.add("E226", f"{{}} is no rating: {reason}", FIX, line=line, value=text)
        return None


def _standalone(rating: Mapping[str, Any]) -> tuple[ErrorRow, list[_Error], Languages]:
    """The translation with its rater, the errors, and the languages."""
    number = rating["segment_id"]
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise TypeError(f"segment_id is {json_kind(number)}, not a whole number from 0")
    row = ErrorRow(
        system=_text(rating, "system_id"),
        key=(_text_or_none(rating, "document_id") or "", str(number)),
        rater=_text_or_none(rating, "rater_id") or "rater",
        severity=NO_ERROR,
        category=None,
        source=Marked(_text(rating, "source")),
        target=Marked(_text(rating, "hypothesis")),
        number=number,
    )
    languages = (_text_or_none(rating, "src_lang"), _text_or_none(rating, "tgt_lang"))
    return row, _errors(rating), languages


def _errors(rating: Mapping[str, Any]) -> list[_Error]:
    errors = rating["errors"]
    if not isinstance(errors, list):
        raise TypeError(f"errors is {json_kind(errors)}, not a list")
    return [_error(_object(error)) for error in cast("list[object]", errors)]


def _error(error: Mapping[str, Any]) -> _Error:
    start, end = error["start"], error["end"]
    if any(not isinstance(at, int) or isinstance(at, bool) for at in (start, end)):
        raise TypeError(
            f"start is {json_kind(start)} and end {json_kind(end)}, not both whole numbers"
        )
    if not 0 <= start <= end:
        raise ValueError(f"an error from {start} to {end}")
    return _Error(
        (start, end),
        _text(error, "severity"),
        _text_or_none(error, "category"),
        error.get("is_source_error") is True,
    )


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"it is {json_kind(value)}, not an object")
    return cast("Mapping[str, Any]", value)


def _text(where: Mapping[str, Any], key: str) -> str:
    value: object = where[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is {json_kind(value)}, not text")
    return value


def _text_or_none(where: Mapping[str, Any], key: str) -> str | None:
    return None if where.get(key) is None else _text(where, key)
