r"""Preferences between two answers, read from a file or drawn from ratings.

A file has one JSON object on each line, in the formats that TRL calls preference data:

- ``{"prompt": "...", "chosen": "...", "rejected": "..."}``;
- the same with lists of messages: ``prompt`` is one user turn, each answer is one assistant turn;
- no ``prompt``; ``chosen`` and ``rejected`` are whole conversations with the same beginning.

A line may also have ``margin`` (how much better the better answer is, 0 or more), ``source_lang``,
``target_lang``, ``document``, and for translations ``source`` instead of the prompt: the request
is then the standard one for this source and these languages. Other keys are not read. Unlike TRL,
we refuse two texts without a prompt, because it is unknown where the request ends and the answer
begins. We also refuse conversations of several turns, which no reward reads.
"""

from __future__ import annotations

import dataclasses
import json
import random
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any, TypeAlias

from rewardlab.data.lines import read_lines
from rewardlab.human.rated import Preference, Rated
from rewardlab.human.tables import RowProblems, filled_lines
from rewardlab.json_values import json_kind
from rewardlab.seeds import seed_for
from rewardlab.text.languages import UnknownLanguage, written_code
from rewardlab.types import Candidate

SURROGATE = re.compile("[\ud800-\udfff]")
ROUNDING = 1e-9
"""Tolerance larger than the rounding errors of differences between sums of 0.1."""
EXAMPLE = '{"prompt": "...", "chosen": "...", "rejected": "..."} on each line'

Segment: TypeAlias = tuple[str, str, str, str | None, str | None, str | None]


class _Unusable(Exception):  # noqa: N818 - said of a line
    """What is wrong with a line: code, what, fix, and the value."""

    def __init__(self, code: str, what: str, fix: str, value: object = "") -> None:
        super().__init__(what)
        self.code, self.what, self.fix, self.value = code, what, fix, value


def read_preferences(path: str | Path) -> list[Preference]:
    """Read a file of preferences, plain or gzipped; blank lines are left out.

    Returns:
        One preference per line; the ``id`` of both answers is the file name and the line number.

    Raises:
        UserError: E201..E205 the file cannot be read; E206 it has no rows; E370 lines that are not
            a JSON object, E371 keys that are missing or have a value of the wrong type, E372
            conversations that are not one request and one answer, E373 answers that are empty or
            equal, E260 unknown languages. Exit code 3, with every problem of every line.
    """
    file = read_lines(path)
    rows = filled_lines(file, fix=f"write {EXAMPLE}")
    problems = RowProblems(file.name, len(rows))
    found: list[Preference] = []
    for number, line in rows:
        try:
            found.append(_preference(_object(line), f"{Path(file.name).name}:{number}"))
        except _Unusable as wrong:
            problems.add(wrong.code, wrong.what, wrong.fix, line=number, value=wrong.value)
    problems.raise_if_any()
    return found


def preferences_of(
    rated: Sequence[Rated], *, smallest_margin: float, most_per_segment: int, seed: int
) -> list[Preference]:
    """Pairs of translations of one segment; the one with the higher score is preferred.

    Translations belong to one segment if id, document, source, prompt and languages are equal. A
    text that several systems wrote counts once, with the mean of its scores. All pairs with a large
    enough difference are equally likely to be drawn. The order of the translations does not matter.

    Args:
        rated: Translations with scores, of any number of segments.
        smallest_margin: Smallest difference between the scores of a pair, at least 0; equal scores
            never make a pair.
        most_per_segment: Maximum number of pairs from one segment, at least 1.
        seed: Seed of the draws.

    Returns:
        Preferences segment by segment, in the order in which segments first appear; ``margin`` is
        the difference of the scores.

    Raises:
        ValueError: A number is out of range.
    """
    if not smallest_margin >= 0 or most_per_segment < 1:
        raise ValueError(
            f"smallest_margin={smallest_margin} must be at least 0 and "
            f"most_per_segment={most_per_segment} at least 1"
        )
    segments: dict[Segment, dict[str, list[Rated]]] = defaultdict(lambda: defaultdict(list))
    for row in rated:
        segments[_segment(row)][row.candidate.hypothesis].append(row)
    return [
        preference
        for segment, texts in segments.items()
        for preference in _drawn(segment, texts, smallest_margin, most_per_segment, seed)
    ]


# ── pairs ───────────────────────────────────────────────────────────────────────────────────────


def _segment(row: Rated) -> Segment:
    one = row.candidate
    return (one.id, row.document, one.source, one.prompt, one.source_lang, one.target_lang)


def _drawn(
    segment: Segment, texts: Mapping[str, list[Rated]], smallest: float, most: int, seed: int
) -> Iterator[Preference]:
    scored = [
        (fmean(row.score for row in rows), rows[0].candidate) for _, rows in sorted(texts.items())
    ]
    pairs = [
        (one, other) if one[0] > other[0] else (other, one)
        for one, other in combinations(scored, 2)
        if abs(one[0] - other[0]) > max(ROUNDING, smallest - ROUNDING)
    ]
    rng = random.Random(seed_for(seed, *map(str, segment)))  # noqa: S311 - no secrets here
    for better, worse in rng.sample(pairs, min(most, len(pairs))):
        yield Preference(better[1], worse[1], better[0] - worse[0], segment[1])


# ── lines ───────────────────────────────────────────────────────────────────────────────────────


def _object(line: str) -> dict[str, Any]:
    fix = f"write {EXAMPLE}"
    try:
        entry: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _Unusable("E370", "{} is not JSON", fix, line) from error
    if not isinstance(entry, dict):
        raise _Unusable("E370", "{} is no JSON object", fix, line)
    return entry


def _preference(entry: Mapping[str, Any], name: str) -> Preference:
    source, (request, better, worse) = _optional_text(entry, "source"), _pair(entry)
    for text in (source, request, better, worse):
        if text is not None and SURROGATE.search(text):
            what = "half a surrogate pair, which is no character, in {}"
            raise _Unusable("E373", what, "leave the row out", text)
    if request is None and source is None:
        what = "there is no prompt, so it is unknown what is answered"
        raise _Unusable("E371", what, 'add "prompt", or "source" for a translation')
    for text, what in ((request, "prompt"), (source, "source"), (better, "chosen answer")):
        if text is not None and not text.strip():
            raise _Unusable("E373", f"the {what} is empty", "leave the row out")
    if better == worse:
        what = "both answers are the same text, {}"
        raise _Unusable("E373", what, "leave the row out", better)
    chosen = Candidate(
        source=source if source is not None else request or "",
        hypothesis=better,
        source_lang=_language(entry, "source_lang"),
        target_lang=_language(entry, "target_lang"),
        prompt=request,
        id=name,
    )
    rejected = dataclasses.replace(chosen, hypothesis=worse)
    return Preference(chosen, rejected, _margin(entry), _optional_text(entry, "document") or "")


def _pair(entry: Mapping[str, Any]) -> tuple[str | None, str, str]:
    """The request (None for the standard request of a source), and the two answers."""
    for key in ("chosen", "rejected"):
        if entry.get(key) is None:
            raise _Unusable("E371", f"there is no {key}", f"write {EXAMPLE}")
    prompt, answers = entry.get("prompt"), (entry["chosen"], entry["rejected"])
    given = answers if prompt is None else (prompt, *answers)
    if all(isinstance(value, str) for value in given):
        return (prompt, *answers)
    if not all(isinstance(value, list) for value in given):
        what = "prompt, chosen and rejected are neither all texts nor all lists of messages"
        raise _Unusable("E371", what, "write all of them in one way")
    asked = [] if prompt is None else _contents("prompt", prompt, ("user",))
    roles = ("user", "assistant") if prompt is None else ("assistant",)
    better, worse = ([*asked, *_contents(key, entry[key], roles)] for key in ("chosen", "rejected"))
    if better[0] != worse[0]:
        what = "chosen and rejected answer different requests, of which the first is {}"
        raise _Unusable("E372", what, "give both the same user turn", better[0])
    return better[0], better[1], worse[1]


def _contents(key: str, messages: list[Any], roles: tuple[str, ...]) -> list[str]:
    """The contents of messages that must have these roles."""
    fix = f"{key} as one message each of: {', '.join(roles)}"
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise _Unusable("E371", f"a message of {key} has no content: {{}}", fix, message)
    given = tuple(message.get("role") for message in messages)
    if given != roles:
        what = f"{key} has the turns {{}}, and training needs one answer to one request"
        raise _Unusable("E372", what, fix, [*given])
    return [message["content"] for message in messages]


def _optional_text(entry: Mapping[str, Any], key: str) -> str | None:
    value = entry.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        what = f"{key} is {json_kind(value)}" if value else f"{key} is empty"
        raise _Unusable("E371", what, f"{key} as text, or without {key}")
    return value


def _language(entry: Mapping[str, Any], key: str) -> str | None:
    spelling = _optional_text(entry, key)
    try:
        return None if spelling is None else written_code(spelling)
    except UnknownLanguage as error:
        raise _Unusable("E260", f"{key}: {error.what}", error.fix_at(key)) from error


def _margin(entry: Mapping[str, Any]) -> float:
    value: Any = entry.get("margin")
    if value is None:
        return 0.0
    number = not isinstance(value, bool) and isinstance(value, (int, float))
    if not number or not 0 <= value <= sys.float_info.max:
        raise _Unusable("E371", "margin is {}", "margin as a number of 0 or more", value)
    return float(value)
