"""Ratings in JSON, as mt-metrics-eval keeps them.

A rating is ``{"errors": [{"start", "end", "category", "severity", "score", "is_source_error"}]}``,
offsets in Unicode code points, end exclusive. Two files hold them:

``*.seg.rating``  tab-separated: system, rating or ``None``, perhaps the rater; the n-th line of a
                  system is its n-th segment
``*.jsonl``       a line for each rating that also says ``source``, ``hypothesis``, ``system_id``,
                  ``segment_id`` (from 0), and perhaps ``document_id``, ``rater_id``, languages

A `SeverityTable` weighs severity and category; the ``score`` of an error is not read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

from rewardlab.data.lines import TextFile
from rewardlab.errors import Problem, refuse, shown
from rewardlab.human.marked_text import EMPTY, OUTSIDE, Marked, Stretch
from rewardlab.human.mqm import digest_of
from rewardlab.human.ratings import (
    DUPLICATES,
    NO_ERROR,
    Gathering,
    Judgement,
    Key,
    MqmFile,
    segment_id,
)
from rewardlab.human.tables import RowProblems, cells_of, some_of
from rewardlab.types import ErrorSpan

NO_RATING = "None"
UNREADABLE = (KeyError, TypeError, ValueError, RecursionError)
FIX = 'write {"errors": [{"start": 0, "end": 4, "severity": "minor", "category": null}]}'


class _Error(NamedTuple):
    """One error as the file has it."""

    stretch: Stretch
    severity: str
    category: str | None
    on_source: bool


def read_evalset_ratings(
    file: TextFile,
    *,
    rater: str,
    hypotheses: Mapping[tuple[str, str], str],
    sources: Sequence[str] | None = None,
) -> MqmFile:
    """Read a ``.seg.rating`` file.

    Args:
        file: Its lines.
        rater: Who judged where a line does not say.
        hypotheses: (system, number of the segment from 1) -> text, as far as known.
        sources: Of all segments, or None.

    Returns:
        Segments are named by their number, from 1.

    Raises:
        UserError: E206 no rows; E224 systems have different numbers of lines; E226 lines that are
            no rating. Exit code 3.
    """
    rows = list(cells_of(file))
    problems = RowProblems(file.name, len(rows))
    gathering = Gathering()
    numbers: Counter[str] = Counter()
    for line, cells in rows:
        system = cells[0].strip()
        if len(cells) not in (2, 3) or not system:
            what, fix = "{} cells where there should be 2 or 3", "write system, rating, rater"
            problems.add("E226", what, fix, line=line, value=len(cells))
            continue
        numbers[system] += 1
        number = str(numbers[system])
        source = sources[int(number) - 1] if sources and int(number) <= len(sources) else None
        blank = Judgement(
            system,
            ("", number),
            "",
            "",
            source=None if source is None else Marked(source),
            target=Marked(text) if (text := hypotheses.get((system, number))) is not None else None,
            overall=number,
        )
        if cells[1].strip() == NO_RATING:
            gathering.add(blank)
            continue
        try:
            errors = _errors(_object(json.loads(cells[1])))
        except UNREADABLE as error:
            what = f"{{}} is no rating: {_reason(error)}"
            problems.add("E226", what, FIX, line=line, value=cells[1])
            continue
        judge = cells[2].strip() if len(cells) == len(("system", "rating", "rater")) else rater
        for judgement in _judgements(replace(blank, rater=judge or rater), errors):
            gathering.add(judgement)
    problems.raise_if_any()
    check_lengths(file.name, numbers)
    return gathering.finish(rows=len(rows), digest=digest_of(file), notes=file.notes)


def read_standalone_ratings(file: TextFile) -> MqmFile:
    """Read a ``.jsonl`` file of ratings.

    Returns:
        Segments are named ``document_id:segment_id``, or by their ``segment_id`` alone.

    Raises:
        UserError: E206 no rows; E226 lines that are no rating, or rate again what the same rater
            has rated. Exit code 3.
    """
    lines = [(number, line) for number, line in enumerate(file.lines, start=1) if line.strip()]
    if not lines:
        refuse(Problem("E206", file.name, "no rows", "give a file with judgements"))
    problems = RowProblems(file.name, len(lines))
    gathering = Gathering()
    seen: set[str] = set()
    rated: set[tuple[str, Key, str]] = set()
    languages: set[tuple[str | None, str | None]] = set()
    for number, line in lines:
        if line in seen:
            gathering.counts[DUPLICATES] += 1
            continue
        seen.add(line)
        try:
            rating = _object(json.loads(line))
            blank, errors = _standalone(rating), _errors(rating)
        except UNREADABLE as error:
            what = f"{{}} is no rating: {_reason(error)}"
            problems.add("E226", what, FIX, line=number, value=line)
            continue
        place = (blank.system, blank.key, blank.rater)
        if place in rated:
            what, fix = "{} is rated again by the same rater", "keep one of the two"
            value = f"{blank.system}, {segment_id(blank.key)}"
            problems.add("E226", what, fix, line=number, value=value)
        rated.add(place)
        languages.add((_text_or_none(rating, "src_lang"), _text_or_none(rating, "tgt_lang")))
        for judgement in _judgements(blank, errors):
            gathering.add(judgement)
    problems.raise_if_any()
    found = gathering.finish(rows=len(lines), digest=digest_of(file), notes=file.notes)
    return replace(found, languages=languages.pop()) if len(languages) == 1 else found


def check_lengths(name: str, counts: Mapping[str, int]) -> None:
    """Refuse systems with different numbers of segments.

    Raises:
        UserError: E206 there is no system; E224 they differ. Exit code 3.
    """
    if not counts:
        refuse(Problem("E206", name, "no rows", "give a file with scores"))
    if len(set(counts.values())) == 1:
        return
    usual = Counter(counts.values()).most_common(1)[0][0]
    others = [f"{system}: {count:,}" for system, count in counts.items() if count != usual]
    what = f"systems have other numbers of segments than the {usual:,} of most: {some_of(others)}"
    refuse(Problem("E224", name, what, "write None where there is no score"))


def _standalone(rating: Mapping[str, Any]) -> Judgement:
    """A rating without its errors."""
    number = rating["segment_id"]
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise TypeError(f"segment_id {shown(number)} is no number from 0")
    return Judgement(
        system=_text(rating["system_id"]),
        key=(_text_or_none(rating, "document_id") or "", str(number)),
        rater=_text_or_none(rating, "rater_id") or "rater",
        severity=NO_ERROR,
        source=Marked(_text(rating["source"])),
        target=Marked(_text(rating["hypothesis"])),
        overall=str(number),
    )


def _judgements(blank: Judgement, errors: Sequence[_Error]) -> Iterator[Judgement]:
    """One judgement for each error, or one that there is none."""
    if not errors:
        yield replace(blank, severity=NO_ERROR)
    for error in errors:
        side, where = ("source", blank.source) if error.on_source else ("target", blank.target)
        row = replace(blank, severity=error.severity, category=error.category)
        start, end = error.stretch
        if where is not None:
            yield replace(row, **{side: _marked(where.text, error.stretch)})
        elif start < end:
            on = "source" if error.on_source else "hypothesis"
            span = ErrorSpan(start, end, error.severity, error.category, on)
            yield replace(row, spans=(span,))
        else:
            yield row


def _marked(text: str, stretch: Stretch) -> Marked:
    start, end = stretch
    if start == end:
        return Marked(text, (), (EMPTY,))
    return Marked(text, (stretch,)) if end <= len(text) else Marked(text, (), (OUTSIDE,))


def _errors(rating: Mapping[str, Any]) -> list[_Error]:
    errors = rating["errors"]
    if not isinstance(errors, list):
        raise TypeError("errors is no list")
    return [_error(_object(error)) for error in cast("list[object]", errors)]


def _error(error: Mapping[str, Any]) -> _Error:
    start, end = error["start"], error["end"]
    if any(not isinstance(at, int) or isinstance(at, bool) for at in (start, end)):
        raise TypeError(f"start {shown(start)} and end {shown(end)} are no whole numbers")
    if not 0 <= start <= end:
        raise ValueError(f"an error from {start} to {end}")
    return _Error(
        (start, end),
        _text(error["severity"]),
        _text_or_none(error, "category"),
        error.get("is_source_error") is True,
    )


def _reason(error: Exception) -> str:
    return f"no {error.args[0]}" if isinstance(error, KeyError) else str(error)


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("no JSON object")
    return cast("Mapping[str, Any]", value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{shown(value)} is not text")
    return value


def _text_or_none(where: Mapping[str, Any], key: str) -> str | None:
    return None if where.get(key) is None else _text(where[key])
