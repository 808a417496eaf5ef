"""Scoring human-judged translations with rewards, and choosing the compared systems.

`score_gold` calls rewards on the translations of the systems that `compared_systems` chooses; a
file of scores becomes a `Scored` directly. `rewardlab.metaeval.meta_evaluate` measures the
agreement with people.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

import numpy as np

from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import EXIT_USAGE, Problem, refuse
from rewardlab.human.gold import FEWEST_SYSTEMS, Cell, Gold
from rewardlab.human.score_matrix import ScoreMatrix
from rewardlab.metaeval.arguments import check_gold, check_systems, listed, named_systems, unknown
from rewardlab.rewards.base import reads_of
from rewardlab.rewards.language_use import script_notes, words_by_script
from rewardlab.types import Candidate, ErrorSpan, Reward, RewardOutput, Scores, Term

NO_TEXT = "no_text"
"""Used like the name of a status, for translations that are not in the file."""
ROWS_PER_DEADLINE = 512
SECONDS_PER_DEADLINE = 600.0
REFERENCE_NAME = re.compile(r"(?i:ref|reference|human)(?:[-_.]?[A-Z0-9]|[-_.][a-z])?(?:\.[0-9]+)?")


def is_reference_name(system: str) -> bool:
    """Whether a system's name says that people wrote its texts.

    The whole name must have this form: ``ref``, ``reference`` or ``human`` in any case; then
    optionally one capital or digit, or one letter or digit after ``-``, ``_`` or ``.``; then
    optionally a dot and a number. The files of WMT use such names.

    >>> [is_reference_name(name) for name in ("refA", "Human-B.0", "refiner", "GPT4_with_refA")]
    [True, True, False, False]
    """
    return REFERENCE_NAME.fullmatch(system) is not None


# ── which systems ───────────────────────────────────────────────────────────────────────────────


def compared_systems(
    gold: Gold,
    *,
    reference_system: str | None = None,
    exclude: Iterable[str] = (),
    exclude_references: bool = False,
) -> tuple[str, ...]:
    """The systems that are compared, in the order of the gold scores.

    Args:
        gold: Human scores.
        reference_system: System whose texts are the references. It is left out, and so is every
            other system that `is_reference_name` recognises as a reference.
        exclude: Systems to leave out.
        exclude_references: Whether to leave out systems that `is_reference_name` recognises.

    Raises:
        UserError: E025 ``gold`` or ``exclude`` is of another kind; E250 an unknown system, E251
            fewer than two are left; exit code 3.
    """
    check_gold(gold)
    systems = gold.scores.systems
    excluded = listed(exclude, "exclude", f"[{systems[0]!r}]")
    named: list[tuple[str, object]] = [("--exclude-systems", name) for name in excluded]
    named += [("--reference-system", reference_system)] if reference_system is not None else []
    known = named_systems(gold)
    if problems := [unknown(where, name, known) for where, name in named if name not in known]:
        refuse(*problems)
    out = {str(name) for _, name in named}
    if exclude_references or reference_system is not None:
        out |= {name for name in systems if is_reference_name(name)}
    left = tuple(name for name in systems if name not in out)
    if len(left) < FEWEST_SYSTEMS:
        what = f"{len(left)} of {len(systems)} systems left to compare: {', '.join(left) or 'none'}"
        fix = f"leave out fewer than {', '.join(sorted(out)) or 'none'}"
        refuse(Problem("E251", "--gold", what, fix))
    return left


# ── scoring ─────────────────────────────────────────────────────────────────────────────────────


def deadline(rows: int) -> float:
    """Deadline in seconds for scoring this many rows in one call.

    It adds up the deadlines of as many calls as training would make for these rows.
    """
    return SECONDS_PER_DEADLINE * max(1, math.ceil(rows / ROWS_PER_DEADLINE))


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores and error spans that one metric gives the translations.

    Attributes:
        name: Unique among the metrics of a meta-evaluation.
        scores: Higher is better, NaN for a missing score; the signature says what they are.
        spans: The errors that the metric marked, by cell; None if it does not mark errors.
        unscored: Number of cells without a score, by status or `NO_TEXT`.
        notes: What a reader should know about the scores.
    """

    name: str
    scores: ScoreMatrix
    spans: Mapping[Cell, Sequence[ErrorSpan]] | None = None
    unscored: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()

    def scored_cells(self) -> set[Cell]:
        """The cells that have a score."""
        rows, columns = np.nonzero(~np.isnan(self.scores.values))
        systems, segments = self.scores.systems, self.scores.segments
        return {(systems[row], segments[column]) for row, column in zip(rows, columns, strict=True)}


def candidates(
    gold: Gold,
    *,
    systems: Sequence[str] | None = None,
    reference_system: str | None = None,
    source_lang: str | None = None,
    target_lang: str | None = None,
) -> dict[Cell, Candidate]:
    """The translations that people judged, as rewards read them; system by system.

    Args:
        gold: Human scores with texts.
        systems: Systems whose translations are returned; all by default.
        reference_system: System whose texts are the references; None for no references.
        source_lang: Overrides the source language that the gold file names.
        target_lang: Overrides the target language that the gold file names.

    Returns:
        Candidates by system and segment; cells without a text in the file are missing. The
        candidate's ``id`` is the segment's.
    """
    sources = gold.sources or [""] * len(gold.scores.segments)
    return {
        (system, segment): Candidate(
            source=source,
            hypothesis=gold.hypotheses[system, segment],
            reference=gold.hypotheses.get((reference_system or "", segment)),
            source_lang=source_lang or gold.source_lang,
            target_lang=target_lang or gold.target_lang,
            id=segment,
        )
        for system in systems or gold.scores.systems
        for segment, source in zip(gold.scores.segments, sources, strict=True)
        if (system, segment) in gold.hypotheses
    }


def check_texts(
    rewards: Sequence[Reward],
    gold: Gold,
    reference_system: str | None,
    *,
    where: str = "--reward",
) -> None:
    """Refuse rewards that need texts which the gold file lacks.

    Args:
        rewards: The rewards to be used.
        gold: Human scores, perhaps with texts.
        reference_system: System whose texts are the references, or None.
        where: The option with the rewards.

    Raises:
        UserError: E042 no references (exit code 2), E252 no texts or no sources (3).
    """
    if rewards and not gold.hypotheses:
        what = f"holds scores and no texts for {', '.join(reward.name for reward in rewards)}"
        fix = "give ratings with texts (MQM), or scores of the metric: --scores NAME=FILE"
        refuse(Problem("E252", "--gold", what, fix))
    if problems := [
        Problem(
            "E252",
            "--gold",
            f"holds no sources, and {reward.name} reads them",
            f"give ratings with sources (MQM), or --scores {reward.name}=FILE",
        )
        for reward in rewards
        if gold.sources is None and "source" in reads_of(reward)
    ]:
        refuse(*problems)
    people = sorted({name for name, _ in gold.hypotheses if is_reference_name(name)})
    fix = f"--reference-system {people[0] if people else 'NAME'}"
    what = "reads references, and no system is named as one"
    if problems := [
        Problem("E042", where, f"{reward.name} {what}", fix)
        for reward in rewards
        if reward.needs_reference and reference_system is None
    ]:
        refuse(*problems, exit_code=EXIT_USAGE)


def score_gold(
    rewards: Sequence[Reward],
    gold: Gold,
    *,
    systems: Sequence[str],
    reference_system: str | None = None,
    source_lang: str | None = None,
    target_lang: str | None = None,
) -> list[Scored]:
    """Score all translations with several rewards; those with the same key are scored once.

    Args:
        rewards: Rewards with different names.
        gold: Human scores with texts.
        systems: Systems whose translations are scored, at least one.
        reference_system: System whose texts are the references, or None.
        source_lang: Overrides the source language that the gold file names.
        target_lang: Overrides the target language that the gold file names.

    Raises:
        UserError: E025 an argument is of another kind; E107 something is no reward; E250 an unknown
            system; otherwise as `check_texts`.
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: A reward left too many translations unscored.
    """
    terms = [Term(cast("Reward", one)) for one in listed(rewards, "rewards", "[ChrF()]")]
    check_systems(gold, systems, reference_system)
    check_texts(rewards, gold, reference_system)
    if not terms:
        return []
    rows = candidates(
        gold,
        systems=systems,
        reference_system=reference_system,
        source_lang=source_lang,
        target_lang=target_lang,
    )
    # one call, so that a text that several systems wrote is scored once
    ensemble = RewardEnsemble(terms, timeout=deadline(len(rows)))
    scores = ensemble(list(rows.values()))
    shape = gold.scores.only(systems)
    return [
        _scored(reward, _column(scores, at), rows, shape, reference_system)
        for at, reward in enumerate(rewards)
    ]


def ask_about(
    reward: Reward,
    gold: Gold,
    *,
    systems: Sequence[str],
    reference_system: str | None = None,
    source_lang: str | None = None,
    target_lang: str | None = None,
) -> Scored:
    """As `score_gold` for one reward, but any number of translations may stay unscored.

    Args:
        reward: The reward; its failures are themselves of interest.
        gold: Human scores with texts.
        systems: Systems whose translations are scored.
        reference_system: System whose texts are the references, or None.
        source_lang: Overrides the source language that the gold file names.
        target_lang: Overrides the target language that the gold file names.

    Raises:
        UserError: As `check_texts`.
    """
    check_texts([reward], gold, reference_system)
    rows = candidates(
        gold,
        systems=systems,
        reference_system=reference_system,
        source_lang=source_lang,
        target_lang=target_lang,
    )
    output = reward(list(rows.values()))
    return _scored(reward, output, rows, gold.scores.only(systems), reference_system)


def _column(scores: Scores, at: int) -> RewardOutput:
    """The output of one of the rewards; without spans if it did not mark any."""
    spans = [row[at] for row in scores.spans]
    status = [row[at] for row in scores.status]
    return RewardOutput(scores.values[:, at], status, spans if any(spans) else None)


def _scored(
    reward: Reward,
    output: RewardOutput,
    cells: Mapping[Cell, Candidate],
    shape: ScoreMatrix,
    reference_system: str | None,
) -> Scored:
    """The output of one reward, assigned to the cells."""
    row = {system: at for at, system in enumerate(shape.systems)}
    column = {segment: at for at, segment in enumerate(shape.segments)}
    values = np.full(shape.values.shape, np.nan)
    for (system, segment), score in zip(cells, output.scores, strict=True):
        values[row[system], column[segment]] = score
    unscored = Counter(status.value for status in output.status if not status.scored)
    unscored[NO_TEXT] = values.size - len(cells)
    told = list(cells.values())
    read = f"|reference_system:{reference_system!r}" if reward.needs_reference else ""
    return Scored(
        reward.name,
        ScoreMatrix(shape.systems, shape.segments, values, f"{reward.signature}{read}"),
        None if output.spans is None else dict(zip(cells, output.spans, strict=True)),
        {why: count for why, count in unscored.items() if count},
        (*words_by_script([reward], told), *script_notes(told)),
    )
