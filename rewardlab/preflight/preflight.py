"""Is a reward safe to train on? What `rewardlab preflight` measures, in one object."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np

from rewardlab.human.score_matrix import Floats
from rewardlab.json_values import json_value
from rewardlab.metaeval.correlations import kendall, pearson
from rewardlab.metaeval.ties import accuracy_eq
from rewardlab.preflight.default_gates import gate_line
from rewardlab.preflight.discrimination import Discrimination, discrimination
from rewardlab.preflight.honest_texts import Honest
from rewardlab.preflight.safety import ALL, OWN, Attacked, Safety, examine
from rewardlab.preflight.shares import Share
from rewardlab.types import Gate, Term

CONSTANT = "constant"
"""The reward that says the same of every translation."""


class Agreement(NamedTuple):
    """How far a reward agrees with people about the translations of one source.

    Attributes:
        acc_eq: Pairwise accuracy with calibrated ties, by item.
        epsilon: The threshold that it was reached with.
        pearson: Pearson's r by item.
        kendall: Kendall's tau b by item.
    """

    acc_eq: float
    epsilon: float
    pearson: float
    kendall: float


@dataclass(frozen=True, eq=False)
class Preflight:
    """What was found about every reward, and about the total of an ensemble.

    Attributes:
        safety: Under attack.
        agreement: With people, by reward and for `CONSTANT`; empty without human scores.
        discrimination: Within sources, by reward; empty with one translation of each source.
        honest: What was attacked.
    """

    safety: Safety
    agreement: Mapping[str, Agreement]
    discrimination: Mapping[str, Discrimination]
    honest: Honest


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
        own_gates: Gates that the rewards are never without; agreement is without them.
        total: Judge the weighted total of the terms as well.
        most_cases: Attack so many of the translations, drawn at random; None attacks all.
        seed: Of the draw, and of the bootstrap.
        tell: Gets a line on what is being done.

    Raises:
        RewardFailed: A reward raised or broke its contract.
        RewardUnavailable: A gate could not judge a text.
        TooManyFailures: A reward was not there for most texts.
    """
    number = len(honest.cases)
    rows = list(range(number))
    if most_cases is not None and most_cases < number:
        drawn = np.random.default_rng(seed).choice(number, size=most_cases, replace=False)
        rows = sorted(drawn.tolist())
    safety = examine(terms, honest.cases, rows=rows, own_gates=own_gates, total=total, tell=tell)
    scores = {name: honest.matrix(values) for name, values in safety.honest.items()}
    gold = honest.gold.values
    agreement: dict[str, Agreement] = {}
    if not np.isnan(gold).all():
        tell("comparing with human scores")
        agreement = {name: _agreement(gold, values) for name, values in scores.items()}
        agreement[CONSTANT] = _agreement(gold, np.where(np.isnan(gold), np.nan, 0.0))
    found = {
        name: discrimination(gold, values, seed=seed)
        for name, values in scores.items()
        if len(gold) > 1
    }
    return Preflight(safety, agreement, found, honest)


def _agreement(gold: Floats, metric: Floats) -> Agreement:
    value, epsilon, _ = accuracy_eq(gold, metric, by="item")
    return Agreement(
        value, epsilon, pearson(gold, metric, by="item"), kendall(gold, metric, by="item")
    )


# ── as plain values ─────────────────────────────────────────────────────────────────────────────

DIGITS = 4


def as_json(found: Preflight) -> dict[str, Any]:
    """Everything that was measured, shares as ``[value, low, high]``; what has no value is None.

    Keys: ``signature``; ``honest`` (how many texts, of which systems); ``limit``; ``agreement``
    and ``discrimination`` by reward; ``gates`` and ``own_gates`` (the line of YAML, the share of
    honest texts it closes on); ``probes`` by name, each with ``cases``, ``not_applicable``,
    ``passed`` by gate and ``rewards`` by name.
    """
    safety, honest = found.safety, found.honest
    document = {
        "signature": safety.signature,
        "honest": {
            "systems": list(honest.gold.systems),
            "segments": len(honest.gold.segments),
            "texts": safety.cases,
            "sources": safety.sources,
            "left_out": honest.left_out,
            "equal_to_reference": honest.equal,
            "human_scores": honest.gold.signature,
        },
        "limit": safety.limit,
        "agreement": {name: one._asdict() for name, one in found.agreement.items()},
        "discrimination": {name: one._asdict() for name, one in found.discrimination.items()},
        "gates": {
            gate.reward.name: {
                "yaml": gate_line(gate),
                "closes_on_honest": safety.closed[gate.reward.name],
            }
            for gate in safety.gates
        }
        | {ALL: {"closes_on_honest": safety.closed[ALL]}},
        "own_gates": {
            "yaml": [gate_line(gate) for gate in safety.own_gates],
            "closes_on_honest": safety.closed.get(OWN),
        },
        "probes": {one.probe.name: _probe(one) for one in safety.attacked},
    }
    return cast("dict[str, Any]", json_value(_rounded(document)))


def _probe(one: Attacked) -> dict[str, Any]:
    return {
        "about": one.probe.about,
        "guards": list(one.probe.guards),
        "cases": one.cases,
        "not_applicable": one.not_applicable,
        "passed": {gate: share.value for gate, share in one.passed.items()}
        | {ALL: one.passed[ALL]},
        "rewards": {
            name: {
                "fooled": exposure.bare,
                "tied": exposure.tied,
                "cases": exposure.cases,
                "sources": exposure.sources,
                "unscored": exposure.unscored,
                "with_own_gates": exposure.own,
                "with_one_gate": exposure.after,
                "with_all_gates": exposure.gated,
                "judgement": exposure.judgement,
                "closed_by": list(exposure.closed_by),
                "together": exposure.together,
            }
            for name, exposure in one.exposures.items()
        },
    }


def _rounded(value: object) -> object:
    """Numbers to `DIGITS` digits, shares without their names."""
    if isinstance(value, Share):
        return [_rounded(number) for number in value]
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        return {key: _rounded(item) for key, item in items}
    if isinstance(value, float) and math.isfinite(value):
        return round(value, DIGITS)
    return value
