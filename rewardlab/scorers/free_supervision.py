"""Rated translations from parallel text and machine translations, without human judgements.

What people wrote is better than what a machine wrote, and a text is better than its damaged copy:

    human > machine > damaged machine,    human > damaged human

A machine translation has the error ``25 (1 - chrF / 100)``, with chrF to the reference in 0..100. A
damaged copy has the errors that were put in, and its own. The scale is ours.

A scorer must not tell people from machines by their traces, so these are removed first: the marks
of Apertium, final marks that differ from the reference's, and lengths. Of the translations that are
longer than their reference by some share, as many are kept as of those that are shorter by it.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rewardlab.data.funnel import Funnel
from rewardlab.data.rows import Row
from rewardlab.generate.apertium import MARK
from rewardlab.human.rated import Preference, Rated
from rewardlab.perturbations.failures import MAJOR, WORST, damaged, damaged_once
from rewardlab.perturbations.wrong_words import MINOR
from rewardlab.rewards.lexical import ChrF
from rewardlab.seeds import seed_for
from rewardlab.text.sentences import final_marks

BIN = 0.05
"""Width of the bins of lengths, as a logarithm of the ratio to the reference."""
MOST_BINS = 6
"""Translations that differ in length by more bins (35%) are left out."""
HUMAN, DAMAGED = "human", "damaged"


@dataclass(frozen=True)
class FreeExamples:
    """Examples from parallel text.

    Attributes:
        rated: Translations to learn from; the references, which people wrote, have the score 0.
        pairs: What is better than what, such as ``human > apertium``, -> the pairs.
        machine: Name of a machine, the ``system`` of its rows, -> how many of its translations were
            left out, and why.
    """

    rated: list[Rated]
    pairs: dict[str, list[Preference]]
    machine: dict[str, Funnel]


def free_examples(
    rows: Sequence[Row],
    machine: Mapping[str, Mapping[str, str]],
    *,
    copies: int,
    points: float = MINOR,
    seed: int,
) -> FreeExamples:
    """References, machine translations, and damaged copies of both.

    Args:
        rows: A parallel corpus; rows without a reference are left out.
        machine: System -> id of a row -> its translation; an empty one is a failure and left out.
        copies: Number of damaged copies of each reference, at least 0. A machine translation has
            one.
        points: MQM points of an error in single words, more than 0.
        seed: Seed of all draws.

    Raises:
        ValueError: ``copies`` is negative.
    """
    people = [weighed(row, 0.0, points) for row in damaged(rows, copies=copies, seed=seed)]
    human = {row.candidate.id: row for row in people if not row.score}
    pairs: dict[str, list[Preference]] = defaultdict(list)
    for row in people:
        if row.score:
            pairs[f"{HUMAN} > {DAMAGED}"].append(_pair(human[row.candidate.id], row))
    rated = people
    funnels: dict[str, Funnel] = {}
    for system, texts in machine.items():
        found, funnel = _translations(human, texts, system)
        translated = like_lengths(found, human, seed=seed)
        lost = len(found) - len(translated)
        funnels[system] = funnel.without("to match the lengths of the references", lost)
        worse = [
            None if copy is None else weighed(copy, row.score, points)
            for row, copy in zip(translated, damaged_once(translated, seed=seed), strict=True)
        ]
        for row, copy in zip(translated, worse, strict=True):
            pairs[f"{HUMAN} > {system}"].append(_pair(human[row.candidate.id], row))
            if copy is not None:
                pairs[f"{system} > {DAMAGED}"].append(_pair(row, copy))
        rated = [*rated, *translated, *(copy for copy in worse if copy is not None)]
    return FreeExamples(rated, dict(pairs), funnels)


def weighed(row: Rated, own: float, points: float) -> Rated:
    """A damaged text whose planted errors cost so many points in place of one.

    From 5 points on, the spans of minor errors are major ones.

    Args:
        row: The damaged text.
        own: Score of the text before, at most 0.
        points: MQM points of an error in single words.

    >>> from rewardlab.types import Candidate
    >>> weighed(Rated(Candidate("Hej", "Hi"), -7.0), -5.0, 5.0).score
    -15.0
    """
    score = max(-WORST, own + (row.score - own) * points / MINOR)
    severity = "major" if points >= MAJOR else "minor"
    spans = tuple(
        tuple(replace(one, severity=severity) if one.severity == "minor" else one for one in rater)
        for rater in row.spans
    )
    return replace(row, score=score, spans=spans)


def _pair(better: Rated, worse: Rated) -> Preference:
    margin = better.score - worse.score
    return Preference(better.candidate, worse.candidate, margin, better.document)


def _translations(
    human: Mapping[str, Rated], texts: Mapping[str, str], system: str
) -> tuple[list[Rated], Funnel]:
    """The machine translations as rated ones, without traces of the machine."""
    both = [(human[row_id], text) for row_id, text in texts.items() if row_id in human]
    found: list[Rated] = []
    left_out = dict.fromkeys(("empty", "equal to the reference"), 0)
    for reference, text in both:
        wanted = reference.candidate.hypothesis
        own = without_traces(text, wanted)
        if own and own != wanted:
            candidate = replace(reference.candidate, hypothesis=own)
            found.append(Rated(candidate, 0.0, (), system, reference.document))
        else:
            left_out["equal to the reference" if own else "empty"] += 1
    scores = ChrF()([row.candidate for row in found]).scores
    errors = [WORST * (1.0 - float(score) / 100.0) for score in scores]
    funnel = Funnel(len(both))
    for reason, count in left_out.items():
        funnel = funnel.without(reason, count)
    return [replace(row, score=0.0 - e) for row, e in zip(found, errors, strict=True)], funnel


def without_traces(text: str, reference: str) -> str:
    """A translation without Apertium's marks, and with the final mark of its reference.

    Args:
        text: The machine translation.
        reference: What a person wrote.

    >>> without_traces("El *blog de hoy", "La bitácora de hoy.")
    'El blog de hoy.'
    """
    bare = MARK.sub("", text).strip()
    if not bare:
        return ""
    own, wanted = final_marks(bare), final_marks(reference)
    if own is not None:
        bare = bare[: own.start()].rstrip() + bare[own.end() :]
    if wanted is None or not bare:
        return bare
    after = re.search(r"\W*$", bare)
    place = after.start() if after and own is not None else len(bare)
    return bare[:place] + wanted.group() + bare[place:]


def like_lengths(rows: Sequence[Rated], human: Mapping[str, Rated], *, seed: int) -> list[Rated]:
    """Rows of which as many are longer than their reference by some share as are shorter.

    Which ones are kept depends on their content, not on their order.

    Args:
        rows: Machine translations of one system.
        human: Id -> the reference.
        seed: Seed of the draw.

    Returns:
        The kept rows, in the order given.
    """
    bins: dict[int, list[Rated]] = defaultdict(list)
    for row in rows:
        reference = human[row.candidate.id].candidate.hypothesis
        share = math.log(len(row.candidate.hypothesis) / len(reference))
        bins[round(share / BIN)].append(row)
    kept: set[tuple[str, str]] = set()
    for number in range(MOST_BINS + 1):
        longer, shorter = (
            sorted(bins.get(sign * number, ()), key=lambda row: seed_for(seed, *_key(row)))
            for sign in (1, -1)
        )
        most = min(len(longer), len(shorter))
        kept |= {_key(row) for row in (*longer[:most], *shorter[:most])}
    return [row for row in rows if _key(row) in kept]


def _key(row: Rated) -> tuple[str, str]:
    return row.candidate.id, row.candidate.hypothesis


def with_shuffled_sources(rows: Sequence[Rated], *, seed: int) -> list[Rated]:
    """Rows with the source of another row, of about the same length: a control.

    A scorer that only learnt to recognise the origin of a text does not need the source, so its
    control is as good as it is.

    Args:
        rows: Rated translations; those of one source get one and the same other source.
        seed: Seed of the order among sources of equal length.
    """
    languages: dict[tuple[str | None, str | None], set[str]] = defaultdict(set)
    for one in (row.candidate for row in rows):
        languages[one.source_lang, one.target_lang].add(one.source)
    other: dict[tuple[str | None, str | None, str], str] = {}
    for pair, sources in languages.items():
        ordered = sorted(sources, key=lambda text: (len(text), seed_for(seed, text), text))
        following = [*ordered[1:], *ordered[:1]]
        other |= {(*pair, own): text for own, text in zip(ordered, following, strict=True)}
    return [
        replace(
            row, candidate=replace(one, source=other[one.source_lang, one.target_lang, one.source])
        )
        for row in rows
        for one in [row.candidate]
    ]
