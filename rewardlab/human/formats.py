"""Formats of human judgements, and one function that reads them all.

A new format is one file with a `Format`, and one line in `FORMATS`; another package adds a format
by an entry point of the group ``rewardlab.judgement_formats``. Every command that reads judgements
(``metaeval``, ``preflight`` and ``train-reward``) then accepts the format.

``mqm``    marked errors: `rewardlab.human.mqm`
``mtme``   mt-metrics-eval's scores and ratings, and the texts beside them: `rewardlab.human.mtme`
``esa``    a score for each translation and rater, direct assessment included:
           `rewardlab.human.direct_assessment`
``table``  systems by segments: `rewardlab.human.score_files`
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path

import numpy as np

from rewardlab.data.lines import TextFile, read_lines
from rewardlab.errors import EXIT_USAGE, Problem, quantity, refuse, shown
from rewardlab.human.gold import FEWEST_SYSTEMS, Gold
from rewardlab.human.language_pairs import check_languages, of_one_pair
from rewardlab.human.quoting import plain_cells
from rewardlab.human.tables import Line, bare_name, filled_lines, some_of
from rewardlab.registry import Registry
from rewardlab.types import WMT_MQM, SeverityTable, severities_problems

AUTO = "auto"
HEADER = "system doc docSegId rater source target category severity"


class Match(IntEnum):
    """How certain it is that a file is in a format.

    The most certain format reads the file; among equals, the first one.
    """

    NO = 0
    POSSIBLE = 1
    """The first line may be a row of the format."""
    LIKELY = 2
    """The first line looks like a header of the format."""
    HEADER = 3
    """The first line is a header of the format, with every column."""
    NAME = 4
    """The file has a name that only this format has."""


@dataclass(frozen=True)
class Format:
    """One format of human judgements.

    Attributes:
        recognises: Function that says whether a file is in this format. Its arguments are the
            file's name in lower case without ``.gz``, and the lines that are not blank, at least
            one.
        read: Function that reads the human scores. Its arguments are the file and the table of
            what an error costs, which formats without marked errors ignore.
    """

    recognises: Callable[[str, Sequence[Line]], Match]
    read: Callable[[TextFile, SeverityTable], Gold]


FORMATS: Registry[Format] = Registry(
    "rewardlab.judgement_formats",
    {
        "mqm": "rewardlab.human.mqm:MQM",
        "mtme": "rewardlab.human.mtme:MTME",
        "esa": "rewardlab.human.direct_assessment:ESA",
        "table": "rewardlab.human.score_files:TABLE",
    },
)


def format_names() -> list[str]:
    """Names that `read_gold` accepts as a format: ``auto``, and every registered format."""
    return [AUTO, *FORMATS.names()]


def read_gold(
    path: str | Path,
    *,
    format: str = AUTO,  # noqa: A002 - the command line's word
    severities: SeverityTable = WMT_MQM,
    lower_is_better: bool = False,
    source_lang: str | None = None,
    target_lang: str | None = None,
) -> Gold:
    """Read human scores of one language pair.

    Args:
        path: The file, plain or gzipped.
        format: One of `format_names`; ``auto`` decides by the name and the first line of the file,
            and the funnel says so.
        severities: What a marked error costs.
        lower_is_better: Whether lower numbers in the file are better. Ignored for formats with
            marked errors, where lower is always better.
        source_lang: Source language of the rows to read, as a code or name; None for any.
        target_lang: Target language of the rows to read, as a code or name; None for any.

    Returns:
        The scores. Languages are those of the file, or the ones asked for if it names none.

    Raises:
        UserError: E026 there is no such format, E025 ``severities`` is no table (exit code 2).
            E201..E203, E205, E206 the file cannot be read or has no rows; E220 it is in none of the
            formats; E221 rows that cannot be read; E222 scores that are not finite numbers; E223
            fewer than two systems; E224 systems with different numbers of segments; E226 JSON that
            is not a rating; E228 severities that the table does not contain; E229 texts that do not
            belong to the scores; E281 no rows of these languages, or rows of several language
            pairs; E282 scores of one translation that are not those of several raters (3).
    """
    if format not in format_names():
        what, fix = f"{shown(format)} is not a choice", f"one of {', '.join(format_names())}"
        refuse(Problem("E026", "format", what, fix), exit_code=EXIT_USAGE)
    if wrong := list(severities_problems("read_gold", severities)):
        refuse(*wrong, exit_code=EXIT_USAGE)
    file, *languages = of_one_pair(plain_cells(read_lines(path)), source_lang, target_lang)
    name, why = _format_of(file, format)
    gold = FORMATS.load(name).read(file, severities)
    check_languages(file.name, (gold.source_lang, gold.target_lang), source_lang, target_lang)
    gold = replace(
        gold,
        source_lang=gold.source_lang or languages[0] or source_lang,
        target_lang=gold.target_lang or languages[1] or target_lang,
        notes=(*gold.notes, *file.notes),
    )
    if lower_is_better and gold.severities is None:
        gold = replace(gold, scores=gold.scores.negated(), negated=True)
    gold = _scored_systems(gold, file.name)
    return replace(gold, name=Path(path).name.partition(".")[0], funnel=f"{why}: {gold.funnel}")


def _format_of(file: TextFile, wanted: str) -> tuple[str, str]:
    """The name of the file's format, and how it was recognised.

    Raises:
        UserError: E206, the file is blank; E220, it is not in the requested format, or not in any
            format; exit code 3.
    """
    lines = filled_lines(file)
    title, names = bare_name(file), FORMATS.names()
    matches = {name: FORMATS.load(name).recognises(title, lines) for name in names}
    likeliest = max(matches, key=lambda name: matches[name])
    name = likeliest if wanted == AUTO else wanted
    if not matches[name] and (wanted == AUTO or matches[likeliest] >= Match.HEADER):
        formats = ", ".join(names) if wanted == AUTO else wanted
        what = f"no file in a format of {formats} begins with {shown(lines[0].text)}"
        header = f"give a header, separated by tabs: {HEADER}"
        fix = header if wanted == AUTO else f"--format {likeliest}"
        refuse(Problem("E220", f"{file.name}:{lines[0].number}", what, fix))
    how = {Match.NAME: " by its name", Match.NO: ""}.get(matches[name], " by its first line")
    return name, f"{name}{how}"  # where nothing matches, the reader says what is missing


def _scored_systems(gold: Gold, name: str) -> Gold:
    """Keep the systems that have a score, sorted by name, and count what is missing.

    Raises:
        UserError: E223, fewer than two are left; exit code 3.
    """
    scores = gold.scores
    known = ~np.isnan(scores.values)
    systems = sorted(name for name, row in zip(scores.systems, known, strict=True) if row.any())
    unscored = tuple(system for system in scores.systems if system not in systems)
    if len(systems) < FEWEST_SYSTEMS:
        left = f"{some_of(systems)} alone" if systems else "none"
        what = f"fewer than {FEWEST_SYSTEMS} systems have scores: {left}"
        refuse(Problem("E223", name, what, "there is nothing to compare: give scores of several"))
    kept = scores.only(systems)
    missing = int(np.isnan(kept.values).sum())
    empty = int((~known).all(axis=0).sum())
    parts = [gold.funnel]
    if gold.severities is None:  # the funnel of marked errors has these numbers already
        parts += [
            f"{quantity(len(systems), 'system')} x {quantity(len(kept.segments), 'segment')}",
            f"{missing:,} of {quantity(kept.values.size, 'score')} missing" if missing else "",
        ]
    parts += [
        f"{quantity(empty, 'segment')} without a score" if empty else "",
        f"systems without a score left out: {some_of(unscored)}" if unscored else "",
    ]
    return replace(gold, scores=kept, unscored=unscored, funnel="; ".join(filter(None, parts)))
