"""Preflight: is a reward safe to train on? Everything that `rewardlab preflight` measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from rewardlab import composing
from rewardlab.errors import Problem, UserError, kind_of
from rewardlab.human.score_matrix import Floats
from rewardlab.json_values import json_value
from rewardlab.metaeval.correlations import kendall, pearson
from rewardlab.metaeval.results import CONSTANT
from rewardlab.metaeval.ties import accuracy_eq
from rewardlab.preflight.default_gates import gate_line
from rewardlab.preflight.discrimination import Discrimination, discrimination
from rewardlab.preflight.honest_texts import Honest
from rewardlab.preflight.safety import ALL, LIMIT, OWN, Safety, examine
from rewardlab.types import Gate, Term

DIGITS = 4
"""Decimal digits of the numbers in the JSON document."""


class Agreement(NamedTuple):
    """Agreement of a reward with people on the translations of one source.

    Attributes:
        acc_eq: Pairwise accuracy with calibrated ties, by item.
        epsilon: The tie threshold of ``acc_eq``.
        pearson: Pearson's r by item.
        kendall: Kendall's tau b by item.
    """

    acc_eq: float
    epsilon: float
    pearson: float
    kendall: float


@dataclass(frozen=True, eq=False)
class Preflight:
    """Results for every reward, and for the total of an ensemble.

    Attributes:
        safety: Results of the attacks.
        agreement: Agreement with people, by reward and for `CONSTANT`; empty without human scores.
        discrimination: Discrimination within sources, by reward; empty if every source has only one
            translation.
        honest: The translations that were attacked.
    """

    safety: Safety
    agreement: Mapping[str, Agreement]
    discrimination: Mapping[str, Discrimination]
    honest: Honest

    def as_json(self) -> dict[str, Any]:
        """All results as plain values for a JSON file; undefined values are None.

        Shares are ``[value, low, high]``. Keys: ``signature``; ``honest`` (number of texts, and
        their systems); ``limit``; ``agreement`` and ``discrimination`` by reward; ``gates`` and
        ``own_gates`` (line of YAML, share of honest texts the gate closes on, and whether it is
        recommended at that price); ``probes`` by
        name, each with ``cases``, ``not_applicable``, ``passed`` by gate and ``rewards`` by name.
        """
        safety, honest = self.safety, self.honest
        closed = {name: {"closes_on_honest": closes} for name, closes in safety.closed.items()}
        lines = {
            gate.reward.name: {
                "yaml": gate_line(gate),
                "recommended": gate.reward.name not in safety.dear,
            }
            for gate in safety.gates
        }
        document = {
            "signature": safety.signature,
            "honest": {
                "systems": honest.gold.systems,
                "segments": len(honest.gold.segments),
                "texts": safety.cases,
                "sources": safety.sources,
                "left_out": honest.left_out,
                "equal_to_reference": honest.equal,
                "human_scores": honest.gold.signature,
            },
            "limit": LIMIT,
            "agreement": {name: one._asdict() for name, one in self.agreement.items()},
            "discrimination": {name: one._asdict() for name, one in self.discrimination.items()},
            "gates": {name: lines.get(name, {}) | closed[name] for name in (*lines, ALL)},
            "own_gates": {
                "yaml": [gate_line(gate) for gate in safety.own_gates],
                "closes_on_honest": safety.closed.get(OWN),
            },
            "probes": {
                one.probe.name: {
                    "about": one.probe.about,
                    "guards": one.probe.guards,
                    "cases": one.cases,
                    "not_applicable": one.not_applicable,
                    "passed": {gate: passed.value for gate, passed in one.passed.items()}
                    | {ALL: one.passed[ALL]},
                    "rewards": one.exposures,
                }
                for one in safety.attacked
            },
        }
        return _rounded(json_value(document))


def preflight(
    terms: Sequence[Term],
    honest: Honest,
    *,
    own_gates: Sequence[Gate] = (),
    total: bool = False,
    most_cases: int | None = None,
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> Preflight:
    """Measure agreement with people, discrimination within sources and safety.

    Args:
        terms: The rewards.
        honest: The translations.
        own_gates: The ensemble's own gates, always active in attacks; agreement is measured without
            them.
        total: Whether to judge the weighted total of the terms as well.
        most_cases: Maximum number of translations to attack, drawn at random; None attacks all.
        seed: Seed of the draw and of the bootstrap.
        tell: Function called with each line of progress.

    Raises:
        UserError: E025, E026, E107 an argument is of another kind or out of range.
        RewardFailed: A reward raised or broke its contract.
        RewardUnavailable: A gate could not judge a text.
        TooManyFailures: A reward was unavailable for most texts.
    """
    composing.members(terms, "Term", "terms")
    composing.members(own_gates, "Gate", "own_gates")
    if problems := list(_problems(honest, most_cases)):
        raise UserError(problems)
    rows = None
    if most_cases is not None and most_cases < len(honest.cases):
        drawn = np.random.default_rng(seed).choice(len(honest.cases), most_cases, replace=False)
        rows = sorted(drawn.tolist())
    safety = examine(terms, honest.cases, rows=rows, own_gates=own_gates, total=total, tell=tell)
    scores = {name: honest.matrix(values) for name, values in safety.honest.items()}
    gold = honest.gold.values
    agreement: dict[str, Agreement] = {}
    if not np.isnan(gold).all():
        tell("comparing with human scores")
        constant = np.where(np.isnan(gold), np.nan, 0.0)
        rated = {**scores, CONSTANT: constant}
        agreement = {name: _agreement(gold, values) for name, values in rated.items()}
    within_sources = {
        name: discrimination(gold, values, seed=seed)
        for name, values in scores.items()
        if len(gold) > 1
    }
    return Preflight(safety, agreement, within_sources, honest)


def _problems(honest: object, most_cases: object) -> Iterator[Problem]:
    if not isinstance(honest, Honest):
        fix = "honest_of_gold(gold, ...) or honest_of_texts(sources, translations, references, ...)"
        yield Problem("E025", "honest", f"{kind_of(honest)} is not Honest", fix)
    if most_cases is None:
        return
    if isinstance(most_cases, bool) or not isinstance(most_cases, Integral):
        what = f"{kind_of(most_cases)} is not an integer"
        yield Problem("E025", "most_cases", what, "most_cases=1000; None for all")
    elif int(most_cases) < 1:
        what = f"{kind_of(most_cases)} is out of range"
        yield Problem("E026", "most_cases", what, "most_cases=1000; None for all")


def _agreement(gold: Floats, metric: Floats) -> Agreement:
    value, epsilon, _ = accuracy_eq(gold, metric, by="item")
    return Agreement(
        value, epsilon, pearson(gold, metric, by="item"), kendall(gold, metric, by="item")
    )


def _rounded(value: Any) -> Any:
    """JSON values with numbers rounded to `DIGITS` digits."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, DIGITS) if isinstance(value, float) else value
