"""Score translations of one test set by several systems, and say which differences are real.

Everything is computed per direction, a pair of languages, and then averaged over directions (the
macro average). Systems that are seeds of one experiment form a group, whose score is the mean of
its members'. Differences are taken on the same bootstrap draws of the test rows, within each
direction, for all systems and groups (`rewardlab.evaluation.significance`). How far the seeds of a
group lie apart is another question, and answered beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardlab.data.corpora import Row
from rewardlab.evaluation.metrics import Metric, Relation, for_language, score_rows
from rewardlab.evaluation.significance import (
    Score,
    Segments,
    Teams,
    compare,
    corpus_segments,
    mean_segments,
    with_sum,
)
from rewardlab.json_values import json_value
from rewardlab.rewards.lexical import BLEU, TER, ChrF
from rewardlab.statistics import draws
from rewardlab.store.lineage import TrainedOn

MACRO = "macro"
"""Stands among the directions for the average over them."""


@dataclass(frozen=True)
class System:
    """The translations of a test set by one system.

    Attributes:
        name: Unique among systems and groups.
        hypotheses: One per row of the test set.
        group: Systems of one group are seeds of one experiment; None for a system by itself.
        trained: Rewards and gates it was trained on, or that chose its translations.
        known: There are no others.
    """

    name: str
    hypotheses: Sequence[str]
    group: str | None = None
    trained: tuple[TrainedOn, ...] = ()
    known: bool = False


@dataclass(frozen=True)
class Texts:
    """What the translations look like, whatever they mean.

    Attributes:
        rows: How many, of all members.
        length_ratio: Characters of the hypotheses by those of the references; NaN without them.
        copy_rate: Share equal to the source; NaN where there are no sources.
        empty_rate: Share without a visible character.
    """

    rows: int
    length_ratio: float
    copy_rate: float
    empty_rate: float


@dataclass(frozen=True)
class Evaluation:
    """What is known about the systems.

    A *place* is a direction or `MACRO`; a *team* is a system or a group.

    Attributes:
        rows: Test rows by direction.
        metrics: In the order they were asked for.
        signatures: By metric and direction.
        systems: The group of each, or None.
        groups: The members of each.
        baseline: The team that others are compared with, or None.
        scores: By place, metric and team.
        texts: By place and team.
        relations: By team and metric; a group's is the closest among its members.
        resamples: How often the test rows were drawn anew.
        seed: Of the draws.
        notes: What a reader must know.
    """

    rows: Mapping[str, int]
    metrics: tuple[Metric, ...]
    signatures: Mapping[str, Mapping[str, str]]
    systems: Mapping[str, str | None]
    groups: Mapping[str, tuple[str, ...]]
    baseline: str | None
    scores: Mapping[str, Mapping[str, Mapping[str, Score]]]
    texts: Mapping[str, Mapping[str, Texts]]
    relations: Mapping[str, Mapping[str, Relation]]
    resamples: int
    seed: int
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON file; what is unknown is None."""
        metrics = {
            metric.name: {
                "kind": "corpus" if metric.is_corpus else "mean of scored rows",
                "higher_is_better": metric.higher_is_better,
                "family": metric.family,
                "signature": self.signatures[metric.name],
            }
            for metric in self.metrics
        }
        plain = {
            key: json_value(getattr(self, key))
            for key in ("rows", "baseline", "systems", "groups", "relations", "scores", "texts")
        }
        bootstrap = {"resamples": self.resamples, "seed": self.seed, "level": 0.95}
        return {"metrics": metrics, "bootstrap": bootstrap, **plain, "notes": list(self.notes)}


def evaluate(
    rows: Sequence[Row],
    systems: Sequence[System],
    metrics: Sequence[Metric],
    *,
    baseline: str | None = None,
    resamples: int = 1000,
    seed: int = 12345,
) -> Evaluation:
    """Score systems on a test set and compare them with the baseline.

    Args:
        rows: The test set, at least one row; with references where a metric reads them.
        systems: At least one.
        metrics: With different names.
        baseline: A system or a group.
        resamples: How often the rows are drawn anew; 1000 are sacrebleu's.
        seed: Of the draws, the same in every direction; 12345 is sacrebleu's.

    Raises:
        ValueError: A system has another number of hypotheses than there are rows, or the baseline
            is neither system nor group.
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: A reward left too many rows unscored.
    """
    for system in systems:
        if len(system.hypotheses) != len(rows):
            raise ValueError(f"{system.name}: {len(system.hypotheses)} texts for {len(rows)} rows")
    teams = _teams(systems)
    if baseline is not None and baseline not in teams:
        raise ValueError(f"the baseline {baseline!r} is none of {', '.join(teams)}")
    directions = _directions(rows)
    drawn = [draws(len(at), resamples=resamples, seed=seed) for at in directions.values()]
    scores: dict[str, dict[str, dict[str, Score]]] = {place: {} for place in (*directions, MACRO)}
    signatures: dict[str, dict[str, str]] = {}
    notes: dict[str, None] = {}
    bootstrap = {"bs": str(resamples), "seed": str(seed)}
    for metric, segments, signature, found in _measured(
        metrics, systems, rows, directions, bootstrap
    ):
        signatures[metric.name] = signature
        notes |= dict.fromkeys(found)
        compared = compare(segments, drawn, teams, baseline)
        for at, place in enumerate(scores):
            scores[place][metric.name] = {team: places[at] for team, places in compared.items()}
    return Evaluation(
        rows={name: len(at) for name, at in directions.items()},
        metrics=tuple(metrics),
        signatures=signatures,
        systems={system.name: system.group for system in systems},
        groups={
            name: tuple(systems[at].name for at in members)
            for name, members in list(teams.items())[len(systems) :]
        },
        baseline=baseline,
        scores=scores,
        texts=_texts(systems, teams, rows, directions),
        relations=_relations(systems, teams, metrics),
        resamples=resamples,
        seed=seed,
        notes=tuple(notes),
    )


def direction_of(row: Row) -> str:
    """The pair of languages, ``da-nb``; ``all`` for a row that names none."""
    return "-".join(code for code in (row.source_lang, row.target_lang) if code) or "all"


def _directions(rows: Sequence[Row]) -> dict[str, list[int]]:
    """Row numbers of each direction, in the order they first appear."""
    found: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        found.setdefault(direction_of(row), []).append(number)
    return found


def _teams(systems: Sequence[System]) -> dict[str, tuple[int, ...]]:
    """Members of each system, which is itself, and then of each group."""
    teams: dict[str, tuple[int, ...]] = {system.name: (at,) for at, system in enumerate(systems)}
    for group in dict.fromkeys(system.group for system in systems if system.group is not None):
        teams[group] = tuple(at for at, system in enumerate(systems) if system.group == group)
    return teams


# ── metrics ─────────────────────────────────────────────────────────────────────────────────────


class _Measured(NamedTuple):
    """One metric on everything: S systems in D directions."""

    metric: Metric
    segments: list[list[Segments]]
    signatures: dict[str, str]
    notes: list[str]


def _measured(
    metrics: Sequence[Metric],
    systems: Sequence[System],
    rows: Sequence[Row],
    directions: Mapping[str, Sequence[int]],
    bootstrap: Mapping[str, str],
) -> Iterator[_Measured]:
    by_row = [score_rows(metrics, rows, system.hypotheses) for system in systems]
    for metric in metrics:
        found = _Measured(metric, [[] for _ in systems], {}, [])
        for direction, at in directions.items():
            here, note = for_language(metric, rows[at[0]].target_lang)
            found.notes.extend([note] if note else [])
            for number, system in enumerate(systems):
                segments, signature = _segments(
                    here, rows, system.hypotheses, by_row[number], at=at, bootstrap=bootstrap
                )
                found.segments[number].append(segments)
                found.signatures[direction] = signature
        yield found


def _segments(
    metric: Metric,
    rows: Sequence[Row],
    hypotheses: Sequence[str],
    scores: Mapping[str, NDArray[np.float64]],
    *,
    at: Sequence[int],
    bootstrap: Mapping[str, str],
) -> tuple[Segments, str]:
    """What a metric knows about one system in one direction, and its signature."""
    if not isinstance(metric.reward, BLEU | ChrF | TER):
        options = [f"{key}:{value}" for key, value in bootstrap.items()]
        signature = "|".join([metric.reward.signature, *options])
        return mean_segments(scores[metric.name][list(at)]), signature
    if without := [rows[row].id for row in at if rows[row].reference is None]:
        raise ValueError(f"{metric.name} reads references, and row {without[0]} has none")
    peer = metric.reward.corpus_metric()
    found = corpus_segments(
        peer, [hypotheses[row] for row in at], [rows[row].reference or "" for row in at]
    )
    said = peer.get_signature()
    for key, value in bootstrap.items():
        said.update(key, value)
    return found, str(said)


# ── texts and training ──────────────────────────────────────────────────────────────────────────


def _texts(
    systems: Sequence[System],
    teams: Teams,
    rows: Sequence[Row],
    directions: Mapping[str, Sequence[int]],
) -> dict[str, dict[str, Texts]]:
    shapes = np.array(
        [
            [
                _shape([rows[row] for row in at], [system.hypotheses[row] for row in at])
                for at in directions.values()
            ]
            for system in systems
        ]
    )
    shapes = np.concatenate([shapes, shapes.mean(1, keepdims=True)], axis=1)
    counts = with_sum([len(at) for at in directions.values()])
    return {
        place: {
            team: Texts(len(members) * counts[at], *map(float, shapes[list(members), at].mean(0)))
            for team, members in teams.items()
        }
        for at, place in enumerate((*directions, MACRO))
    }


def _shape(rows: Sequence[Row], hypotheses: Sequence[str]) -> tuple[float, float, float]:
    """Length ratio, copy rate and empty rate."""
    references = [row.reference for row in rows if row.reference is not None]
    wanted = sum(map(len, references)) if len(references) == len(rows) else 0
    copies = sum(row.source == text for row, text in zip(rows, hypotheses, strict=True))
    return (
        sum(map(len, hypotheses)) / wanted if wanted else math.nan,
        copies / len(rows) if any(row.source for row in rows) else math.nan,
        sum(not text.strip() for text in hypotheses) / len(rows),
    )


def _relations(
    systems: Sequence[System], teams: Teams, metrics: Sequence[Metric]
) -> dict[str, dict[str, Relation]]:
    closest = list(Relation).index
    found = [
        {metric.name: metric.relation(one.trained, known=one.known) for metric in metrics}
        for one in systems
    ]
    return {
        team: {
            metric.name: min((found[member][metric.name] for member in members), key=closest)
            for metric in metrics
        }
        for team, members in teams.items()
    }


# ── the demonstration ───────────────────────────────────────────────────────────────────────────


class Quality(NamedTuple):
    """How good translations are, against their references.

    Attributes:
        exact_match: Percentage of hypotheses equal to their reference.
        ter: Corpus TER (sacrebleu), an error: lower is better, in percent.
        chrf: Corpus chrF2 (sacrebleu), 0 to 100.
    """

    exact_match: float
    ter: float
    chrf: float


def quality(hypotheses: Sequence[str], references: Sequence[str]) -> Quality:
    """Measure translations.

    Raises:
        ValueError: The lists differ in length or are empty.
    """
    import sacrebleu

    if not hypotheses or len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses and {len(references)} references")
    equal = sum(h == r for h, r in zip(hypotheses, references, strict=True))
    return Quality(
        exact_match=100.0 * equal / len(references),
        ter=sacrebleu.corpus_ter(hypotheses, [references]).score,
        chrf=sacrebleu.corpus_chrf(hypotheses, [references]).score,
    )
