"""Evaluation of systems on one test set: scores, intervals and significant differences.

Everything is computed per direction (a pair of languages) and then averaged over directions (the
macro average). Systems that are seeds of one experiment form a group, whose score is the mean of
the members' scores. Within each direction, all systems and groups are compared on the same
bootstrap draws of the test rows (`rewardlab.evaluation.significance`). The spread over the seeds of
a group is reported separately.

Any reward is a metric (`rewardlab.evaluation.metrics`). A new property of the texts themselves is a
field of `Texts` and a number in `_shape`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardlab.data.rows import Row
from rewardlab.evaluation.metrics import Metric, Relation, score_rows
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
from rewardlab.rewards.language_use import script_notes
from rewardlab.rewards.lexical import BLEU, TER, ChrF
from rewardlab.rewards.segmentation import by_script_note, corpus_language, missing_tokenizer
from rewardlab.statistics import draws
from rewardlab.store.lineage import TrainedOn

MACRO = "macro"
"""Used like the name of a direction, for the average over directions."""


@dataclass(frozen=True)
class System:
    """The translations of a test set by one system.

    Attributes:
        name: Unique among systems and groups.
        hypotheses: One translation per row of the test set.
        group: Name of the group; the systems of a group are seeds of one experiment. None for a
            system without a group.
        trained: Rewards and gates that the system was trained on, or that chose its translations.
        known: Whether ``trained`` is complete.
    """

    name: str
    hypotheses: Sequence[str]
    group: str | None = None
    trained: tuple[TrainedOn, ...] = ()
    known: bool = False


@dataclass(frozen=True)
class Texts:
    """Surface properties of translations.

    Attributes:
        rows: Number of translations, of all members.
        length_ratio: Characters of the hypotheses divided by characters of the references; NaN
            without references.
        copy_rate: Share of translations equal to the source; NaN without sources.
        empty_rate: Share of translations without a visible character.
    """

    rows: int
    length_ratio: float
    copy_rate: float
    empty_rate: float


@dataclass(frozen=True)
class Evaluation:
    """Results for all systems.

    A *place* is a direction or `MACRO`; a *team* is a system or a group.

    Attributes:
        rows: Number of test rows by direction.
        metrics: The metrics, in the order requested.
        signatures: Signatures by metric and direction.
        systems: Group of each system, or None.
        groups: Members of each group.
        baseline: The team that the other teams are compared with, or None.
        scores: Scores by place, metric and team.
        texts: Surface properties by place and team.
        relations: By team and metric, how the metric is related to the team's training; for a
            group, the closest relation among its members.
        resamples: Number of bootstrap resamples of the test rows.
        seed: Seed of the draws.
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
        """The results as plain values for a JSON file; unknown values are None."""
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
        rows: The test set, at least one row; with references if a metric reads them.
        systems: At least one system.
        metrics: Metrics with different names.
        baseline: Name of a system or a group.
        resamples: Number of bootstrap resamples of the rows; sacrebleu uses 1000.
        seed: Seed of the draws, the same in every direction; sacrebleu uses 12345.

    Raises:
        ValueError: A system's number of hypotheses differs from the number of rows, or the baseline
            is neither system nor group.
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: A reward left too many rows unscored.
    """
    for system in systems:
        if len(system.hypotheses) != len(rows):
            raise ValueError(f"{system.name}: {len(system.hypotheses)} texts for {len(rows)} rows")
    groups = _groups(systems)
    teams = {system.name: (at,) for at, system in enumerate(systems)} | groups
    if baseline is not None and baseline not in teams:
        raise ValueError(f"the baseline {baseline!r} is none of {', '.join(teams)}")
    directions = _directions(rows)
    drawn = [draws(len(at), resamples=resamples, seed=seed) for at in directions.values()]
    by_row = [score_rows(metrics, rows, system.hypotheses) for system in systems]
    compared: dict[str, Mapping[str, Sequence[Score]]] = {}
    signatures: dict[str, dict[str, str]] = {}
    notes = [*script_notes([row.candidate(row.reference or "") for row in rows])]
    for metric in metrics:
        bootstrap = {"bs": str(resamples), "seed": str(seed)}
        languages = {name: _language(metric, rows, at) for name, at in directions.items()}
        if isinstance(metric.reward, BLEU) and metric.reward.tokenize == "auto":
            missing = filter(None, map(missing_tokenizer, languages.values()))
            notes += [f"{metric.name} {note}" for note in missing]
        without = [
            languages[name] for name, at in directions.items() if not rows[at[0]].target_lang
        ]
        notes += by_script_note([metric.name], without)
        signatures[metric.name] = {
            name: _signature(metric, language, bootstrap) for name, language in languages.items()
        }
        by_direction = [_segments(metric, rows, systems, by_row, at) for at in directions.values()]
        by_system = list(zip(*by_direction, strict=True))
        compared[metric.name] = compare(by_system, drawn, teams, baseline)
    return Evaluation(
        rows={name: len(at) for name, at in directions.items()},
        metrics=tuple(metrics),
        signatures=signatures,
        systems={system.name: system.group for system in systems},
        groups={
            name: tuple(systems[at].name for at in members) for name, members in groups.items()
        },
        baseline=baseline,
        scores={
            place: {
                metric: {team: scores[number] for team, scores in by_team.items()}
                for metric, by_team in compared.items()
            }
            for number, place in enumerate((*directions, MACRO))
        },
        texts=_texts(systems, teams, rows, directions),
        relations=_relations(systems, teams, metrics),
        resamples=resamples,
        seed=seed,
        notes=tuple(dict.fromkeys(notes)),
    )


def direction_of(row: Row) -> str:
    """The pair of languages, such as ``da-nb``; ``all`` for a row that does not name languages."""
    return "-".join(code for code in (row.source_lang, row.target_lang) if code) or "all"


def _directions(rows: Sequence[Row]) -> dict[str, list[int]]:
    """Row numbers of each direction; directions are in the order of first appearance."""
    directions: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        directions.setdefault(direction_of(row), []).append(number)
    return directions


def _groups(systems: Sequence[System]) -> dict[str, tuple[int, ...]]:
    """Positions of the systems of each group."""
    names = dict.fromkeys(system.group for system in systems if system.group is not None)
    return {
        name: tuple(at for at, system in enumerate(systems) if system.group == name)
        for name in names
    }


# ── metrics ─────────────────────────────────────────────────────────────────────────────────────


def _segments(
    metric: Metric,
    rows: Sequence[Row],
    systems: Sequence[System],
    scores: Sequence[Mapping[str, NDArray[np.float64]]],
    at: Sequence[int],
) -> list[Segments]:
    """Statistics of every system on the rows of one direction (``at``)."""
    if not isinstance(metric.reward, BLEU | ChrF | TER):
        return [mean_segments(of_system[metric.name][list(at)]) for of_system in scores]
    if without := [rows[row].id for row in at if rows[row].reference is None]:
        raise ValueError(f"{metric.name} reads references, and row {without[0]} has none")
    peer = metric.reward.corpus_metric(_language(metric, rows, at))
    references = [rows[row].reference or "" for row in at]
    return [
        corpus_segments(peer, [system.hypotheses[row] for row in at], references)
        for system in systems
    ]


def _language(metric: Metric, rows: Sequence[Row], at: Sequence[int]) -> str | None:
    """The language whose words a metric finds in the rows of one direction (``at``)."""
    given = rows[at[0]].target_lang
    if not getattr(metric.reward, "by_script", False):
        return given
    return corpus_language(given, [rows[row].reference or "" for row in at])


def _signature(metric: Metric, target_lang: str | None, bootstrap: Mapping[str, str]) -> str:
    """The metric's signature with the bootstrap's; for corpus metrics it is sacrebleu's."""
    if not isinstance(metric.reward, BLEU | ChrF | TER):
        return "|".join([metric.reward.signature, *map(":".join, bootstrap.items())])
    peer = metric.reward.corpus_metric(target_lang)
    peer.corpus_score([""], [[""]])  # it knows the number of references from its last score
    signature = peer.get_signature()
    for key, value in bootstrap.items():
        signature.update(key, value)
    return str(signature)


# ── texts and training ──────────────────────────────────────────────────────────────────────────


def _texts(
    systems: Sequence[System],
    teams: Teams,
    rows: Sequence[Row],
    directions: Mapping[str, Sequence[int]],
) -> dict[str, dict[str, Texts]]:
    shapes = np.array(
        [[_shape(rows, system, at) for at in directions.values()] for system in systems]
    )
    shapes = np.concatenate([shapes, shapes.mean(1, keepdims=True)], axis=1)
    counts = with_sum([len(at) for at in directions.values()])
    return {
        place: {
            team: Texts(len(members) * count, *map(float, shapes[list(members), at].mean(0)))
            for team, members in teams.items()
        }
        for at, (place, count) in enumerate(zip((*directions, MACRO), counts, strict=True))
    }


def _shape(rows: Sequence[Row], system: System, at: Sequence[int]) -> tuple[float, float, float]:
    """Length ratio, copy rate and empty rate on the rows of one direction (``at``)."""
    pairs = [(rows[row], system.hypotheses[row]) for row in at]
    references = [row.reference for row, _ in pairs if row.reference is not None]
    wanted = sum(map(len, references)) if len(references) == len(pairs) else 0
    copies = sum(row.source == text for row, text in pairs)
    return (
        sum(len(text) for _, text in pairs) / wanted if wanted else math.nan,
        copies / len(pairs) if any(row.source for row, _ in pairs) else math.nan,
        sum(not text.strip() for _, text in pairs) / len(pairs),
    )


def _relations(
    systems: Sequence[System], teams: Teams, metrics: Sequence[Metric]
) -> dict[str, dict[str, Relation]]:
    closest = list(Relation).index
    relations = [
        {metric.name: metric.relation(one.trained, known=one.known) for metric in metrics}
        for one in systems
    ]
    return {
        team: {
            metric.name: min((relations[member][metric.name] for member in members), key=closest)
            for metric in metrics
        }
        for team, members in teams.items()
    }


# ── one system, without intervals ───────────────────────────────────────────────────────────────


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
    """Measure translations by exact match, TER and chrF.

    Args:
        hypotheses: N texts, N >= 1.
        references: N texts.

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
