"""Rows of one language pair, from files that may contain several.

The pair of a row is in a column of its own (``source_lang`` and ``target_lang``, or ``lp``), at the
end of its document's name as Marot writes it (``news.1:en-de``), or in its JSON. Scores of several
pairs are never mixed: the caller names one, or the file is refused.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias, cast

from rewardlab.data.lines import TextFile
from rewardlab.errors import Problem, quantity, refuse
from rewardlab.human.headers import (
    DOCUMENTS,
    LANGUAGE_PAIRS,
    MAROT_HEADER,
    SOURCE_LANGS,
    SYSTEMS,
    TARGET_LANGS,
    column_at,
    is_marot_row,
)
from rewardlab.human.tables import Line, column_name, some_of
from rewardlab.text.languages import known_code

Pair: TypeAlias = tuple[str | None, str | None]
"""Source and target language as written; None if not named."""
UNKNOWN: Pair = (None, None)
_CODE = r"[a-z]{2,3}(?:_[A-Za-z]+)*"
_ENDING = re.compile(rf".*:({_CODE})-({_CODE})")
_WORD = r"([^\W\d]+(?:[_-][^\W\d]+)*?)"
_SEPARATORS = (
    re.compile(rf"{_WORD}\s*(?:-+>|=>|→|>|/|\||:|\s+to\s+)\s*{_WORD}"),
    re.compile(r"([^\W\d]+)-([^\W\d]+)"),
    re.compile(r"([^\W\d_]+)_([^\W\d_]+)"),
)
"""Forms of a pair in a column for language pairs."""


class OnePair(NamedTuple):
    """The rows of one language pair.

    Attributes:
        file: The file; lines of other pairs are blank.
        source_lang: Source language as the file names it, None if it does not.
        target_lang: Target language as the file names it, None if it does not.
    """

    file: TextFile
    source_lang: str | None = None
    target_lang: str | None = None


def of_one_pair(file: TextFile, source_lang: str | None, target_lang: str | None) -> OnePair:
    """The rows of one language pair.

    Args:
        file: Lines of any format; rows that name no languages are kept.
        source_lang: The source language to keep, as a code or name; None for any.
        target_lang: The target language to keep, as a code or name; None for any.

    Raises:
        UserError: E281, no row is of these languages, or rows of several pairs are left; exit
            code 3.
    """
    pairs = _pairs(file)
    counts = Counter(pair for pair in pairs if pair is not None)
    if not counts:
        return OnePair(file)
    left = _matching(counts, (source_lang, target_lang))
    if len(left) != 1:
        refuse(_ambiguous(file.name, counts, left, (source_lang, target_lang)))
    (kept,) = left
    out = sum(counts.values()) - counts[kept]
    if out:
        lines = [
            "" if pair not in (None, kept) else line
            for pair, line in zip(pairs, file.lines, strict=True)
        ]
        others = some_of([shown_pair(pair) for pair in counts if pair != kept])
        note = f"{file.name}: {quantity(out, 'row')} of other language pairs left out ({others})"
        file = replace(file, lines=lines, notes=(*file.notes, note))
    return OnePair(file, *kept)


def check_languages(
    name: str, found: Pair, source_lang: str | None, target_lang: str | None
) -> None:
    """Refuse a file of another language pair than the one that is asked for.

    Args:
        name: Name of the file.
        found: The languages that the file names.
        source_lang: The source language asked for, or None.
        target_lang: The target language asked for, or None.

    Raises:
        UserError: E281; exit code 3.
    """
    if not _fits(found, (source_lang, target_lang)):
        refuse(_ambiguous(name, {found: 0}, [], (source_lang, target_lang)))


def shown_pair(pair: Pair) -> str:
    """A language pair for messages.

    >>> shown_pair(("en", "de")), shown_pair((None, "de")), shown_pair((None, None))
    ('en-de', '?-de', 'no language')
    """
    return "no language" if pair == UNKNOWN else "-".join(one or "?" for one in pair)


# ── which pairs ─────────────────────────────────────────────────────────────────────────────────


def _matching(counts: Counter[Pair], wanted: Pair) -> list[Pair]:
    """The pairs that fit; if some are written exactly as asked for, only these."""
    exact = [
        pair
        for pair in counts
        if all(
            want is None or (have or "").casefold() == want.casefold()
            for have, want in zip(pair, wanted, strict=True)
        )
    ]
    return exact or [pair for pair in counts if _fits(pair, wanted)]


def _fits(pair: Pair, wanted: Pair) -> bool:
    """Whether languages are the same, where both are known."""
    return all(
        have is None or want is None or have.casefold() == want.casefold() or _same(have, want)
        for have, want in zip(pair, wanted, strict=True)
    )


def _same(one: str, other: str) -> bool:
    return known_code(one) != "" and known_code(one) == known_code(other)


def _ambiguous(
    name: str, counts: Mapping[Pair, int], left: Sequence[Pair], wanted: Pair
) -> Problem:
    """E281: several pairs fit what is asked for, or none."""
    pairs = sorted(counts, key=shown_pair)
    rows = [f"{shown_pair(one)}: {quantity(counts[one], 'row')}" for one in pairs if counts[one]]
    has = ", ".join(rows) or shown_pair(pairs[0])
    if left:
        what = f"rows of {len(counts):,} language pairs, whose scores cannot be mixed ({has})"
    else:
        what = f"no rows of {shown_pair(wanted)}; the file has {has}"
    named = next((one for one in left or pairs if all(one)), None)
    source, target = named or ("CODE", "CODE")
    fix = (
        f"choose one: --source-lang {source} --target-lang {target} "
        f"(in YAML source_lang: {source}, target_lang: {target})"
    )
    return Problem("E281", name, what, fix)


# ── where the pair is written ───────────────────────────────────────────────────────────────────


def _pairs(file: TextFile) -> list[Pair | None]:
    """The pair of every line; None for lines that are no rows, or if rows name no languages."""
    first = next((line for line in file.lines if line.strip()), "")
    if first.lstrip().startswith("{"):
        return [_pair_of_json(line) if line.strip() else None for line in file.lines]
    header = first.split("\t")
    if column_at(header, SYSTEMS) is None:
        if not is_marot_row(Line(1, first)):
            return []
        header = [*MAROT_HEADER]
    rows = [line.split("\t") for line in file.lines]
    rows = [row if any(row) and row != header else None for row in rows]
    found = _of_columns(rows, header)
    return _of_documents(rows, header) if found is None else found


def _of_columns(
    rows: Sequence[Sequence[str] | None], header: Sequence[str]
) -> list[Pair | None] | None:
    """Pairs from columns for languages; None if there are no such columns."""
    source, target = column_at(header, SOURCE_LANGS), column_at(header, TARGET_LANGS)
    if source is not None or target is not None:
        return [None if row is None else (_cell(row, source), _cell(row, target)) for row in rows]
    at = column_at(header, LANGUAGE_PAIRS)
    pairs = [None if row is None else _parsed(_cell(row, at) or "") for row in rows]
    return None if {*pairs} <= {None, UNKNOWN} else pairs


def _of_documents(rows: Sequence[Sequence[str] | None], header: Sequence[str]) -> list[Pair | None]:
    """Pairs from the endings of documents' names; empty unless every document has one."""
    at = column_at(header, DOCUMENTS)
    pairs: list[Pair | None] = []
    for row in rows:
        ending = None if row is None else _ENDING.fullmatch(_cell(row, at) or "")
        if row is not None and ending is None:
            return []
        pairs.append(None if ending is None else (ending[1], ending[2]))
    return pairs


def _cell(row: Sequence[str], at: int | None) -> str | None:
    """A cell without white space around it; None if it is empty or missing."""
    return (row[at].strip() or None) if at is not None and at < len(row) else None


def _parsed(text: str) -> Pair:
    """A pair such as ``en-de``, ``eng_Latn-deu_Latn``, ``en_de`` or ``English-German``.

    >>> _parsed("en-zh_CN"), _parsed("en_de"), _parsed("en → de"), _parsed("x")
    (('en', 'zh_CN'), ('en', 'de'), ('en', 'de'), (None, None))
    """
    for separator in _SEPARATORS:
        if found := separator.fullmatch(text.strip()):
            return found[1], found[2]
    return UNKNOWN


def _pair_of_json(line: str) -> Pair | None:
    """The pair that a JSON object names; None if the line is no object."""
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    texts = {
        column_name(key): found
        for key, found in cast("dict[str, object]", value).items()
        if isinstance(found, str) and found.strip()
    }
    source, target, pair = (
        next((texts[name] for name in names if name in texts), None)
        for names in (SOURCE_LANGS, TARGET_LANGS, LANGUAGE_PAIRS)
    )
    return (source, target) if source or target else _parsed(pair or "")
