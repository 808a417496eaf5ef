"""Notes of a meta-evaluation: facts that a reader must know and that the numbers do not show.

A new note is a line that `notes_on` yields. Notes are part of the JSON document.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from rewardlab.errors import quantity
from rewardlab.human.gold import FEWEST_SYSTEMS
from rewardlab.human.score_matrix import Floats
from rewardlab.metaeval.correlations import known_cells
from rewardlab.metaeval.results import CONSTANT, MetaEvaluation, MetricResult
from rewardlab.metaeval.scoring import Scored

FEW_SYSTEMS = 5
"""Below this number, statistics of systems get a warning."""
STANDARD_ERRORS = 1.5
"""A correlation over n cells below ``-1.5/√n`` is noted as pointing the wrong way; 1/√n is the
standard error of a zero correlation."""


def notes_on(evaluation: MetaEvaluation) -> Iterator[str]:
    """Notes on what the numbers do not show, one line each."""
    yield from evaluation.gold.notes
    human = evaluation.gold.scores.only(evaluation.systems).values
    if missing := int(np.isnan(human).sum()):
        yield f"{missing:,} of {human.size:,} translations have no human score and count nowhere"
    if len(evaluation.systems) < FEW_SYSTEMS:
        yield (
            f"{len(evaluation.systems)} systems are few: what is said of systems rests on "
            f"{quantity(math.comb(len(evaluation.systems), 2), 'pair')}"
        )
    ties = evaluation.constant.segment["item"]["acc_eq"]
    if not math.isnan(ties):
        yield (
            f"people tie {ties:.1%} of the pairs of translations of one text; a metric that says "
            f"the same of every translation has acc_eq {ties:.3f}"
        )
    for scored, metric in zip(evaluation.scores, evaluation.metrics, strict=True):
        yield from _notes_on_metric(human, scored, metric)
    yield from dict.fromkeys(note for metric in evaluation.metrics for note in metric.notes)
    yield from _notes_on_signs(evaluation)


def _notes_on_metric(human: Floats, scored: Scored, metric: MetricResult) -> Iterator[str]:
    values = scored.scores.values
    if metric.unscored:
        reasons = ", ".join(f"{count:,} {why}" for why, count in metric.unscored.items())
        yield f"{scored.name} has no score for {sum(metric.unscored.values()):,}: {reasons}"
    elif lacks := int((np.isnan(values) & ~np.isnan(human)).sum()):
        yield f"{scored.name} has no score for {lacks:,} translations that people scored"
    if np.isnan(values).all():
        yield f"{scored.name} scored nothing: it has no row of numbers"
    elif is_constant(values[~np.isnan(human)]):
        yield (
            f"{scored.name} gives every translation the same score: it correlates with nothing, "
            f"and its accuracy is that of {CONSTANT}"
        )
    elif flat := flat_items(human, values):
        yield (
            f"{scored.name} gives all translations of {flat:,} of {human.shape[1]:,} texts the "
            "same score: its correlations by item speak of the others alone"
        )


def _notes_on_signs(evaluation: MetaEvaluation) -> Iterator[str]:
    """Notes on metrics, or human scores, that seem to have the wrong sign.

    For systems any negative correlation counts. For translations it must be more than 1.5 standard
    errors below 0: a guard that gives nearly all translations the same score can have a slightly
    negative correlation by chance.
    """
    human = evaluation.gold.scores.only(evaluation.systems).values
    known: list[str] = []
    negative: list[str] = []
    for scored, metric in zip(evaluation.scores, evaluation.metrics, strict=True):
        systems, cells = metric.system["pearson"], metric.segment["none"]["pearson"]
        if math.isnan(systems) or math.isnan(cells):
            continue
        known.append(metric.name)
        count = int((~np.isnan(human + scored.scores.values)).sum())
        if systems < 0.0 and cells < -STANDARD_ERRORS / math.sqrt(count):
            negative.append(metric.name)
    if negative and negative == known and evaluation.gold.severities is None:
        yield (
            "every metric correlates negatively with the human scores, of systems and of segments: "
            "are these errors? then --lower-is-better; if that is given, take it away"
        )
        return
    for name in negative:
        yield (
            f"{name} correlates negatively with the human scores, of systems and of segments: are "
            "its scores errors? then turn their sign; metrics are read as higher is better"
        )


def flat_items(gold: Floats, metric: Floats) -> int:
    """Number of segments in which a metric gives all humanly scored translations the same score.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.

    Returns:
        The number; 0 if it is less than half of the segments, since a few need no note.
    """
    values = np.where(known_cells(gold, metric), metric, np.nan)
    several = values[:, (~np.isnan(values)).sum(axis=0) >= FEWEST_SYSTEMS]
    flat = int((np.nanmax(several, axis=0) == np.nanmin(several, axis=0)).sum())
    return flat if 2 * flat >= several.shape[1] else 0


def is_constant(values: Floats) -> bool:
    """Whether there are scores, and all of them are the same."""
    known = values[~np.isnan(values)]
    return len(known) > 0 and bool((known == known[0]).all())
