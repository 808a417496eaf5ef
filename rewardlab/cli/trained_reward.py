"""Measuring a trained scorer: its reward, loaded from disk, beside baselines on held-out texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rewardlab.cli.training import say

if TYPE_CHECKING:
    from rewardlab.config.train_reward import TrainRewardConfig
    from rewardlab.config.training_data import TrainingData
    from rewardlab.human.gold import Gold
    from rewardlab.metaeval.scoring import Scored
    from rewardlab.scorers.heldout import Figures, HeldOut
    from rewardlab.types import Reward

SIDES = ("train", "validation", "test")


class Measured(NamedTuple):
    """What was measured.

    Attributes:
        reward: As a user builds it.
        heldout: On judged translations; None where the last stage has none on the test side.
        preferences: On pairs of answers, by scorer.
        unscored: By file, translations without a score, by reason.
        systems: By file, whose translations were scored.
    """

    reward: Reward
    heldout: HeldOut | None
    preferences: Figures
    unscored: dict[str, dict[str, int]]
    systems: dict[str, list[str]]


def measured(config: TrainRewardConfig, lessons: TrainingData, model: Path) -> Measured:
    """Score the test side and hold it against people and baselines."""
    from rewardlab.config.train_reward import family_of
    from rewardlab.scorers.heldout import measure_heldout

    reward = family_of(config).reward(model)
    files = {gold.name: (gold, scorers(config, lessons, gold, reward)) for gold in lessons.test}
    heldout = None
    if files:
        heldout = measure_heldout(
            files,
            smallest_margin=config.scorer.smallest_margin,
            resamples=config.resamples,
            seed=config.seed,
        )
    figures, failed = preferred(config, lessons, reward)
    unscored = {name: dict(scored[0].unscored) for name, (_, scored) in files.items()}
    return Measured(
        reward,
        heldout,
        figures,
        unscored | ({"preferences": failed} if failed else {}),
        {name: list(scored[0].scores.systems) for name, (_, scored) in files.items()},
    )


def scorers(
    config: TrainRewardConfig, lessons: TrainingData, gold: Gold, reward: Reward
) -> list[Scored]:
    """What the reward says of one file's test side, and what baselines say of it."""
    from rewardlab.heartbeat import heartbeat
    from rewardlab.metaeval.scoring import ask_about, compared_systems
    from rewardlab.rewards.registry import build_reward
    from rewardlab.scorers.baselines import (
        LengthModel,
        MarkingRates,
        mark_at_random,
        mark_everything,
    )
    from rewardlab.scorers.examples import rated

    reference = gold.reference_system
    systems = compared_systems(gold, reference_system=reference, exclude_references=True)
    asking: dict[str, Any] = {"systems": systems, "reference_system": reference}
    size = len(systems) * len(gold.scores.segments)
    say(f"{gold.name}: scoring {size:,} translations of the test side")
    with heartbeat(say, lambda: f"{gold.name}: still scoring"):
        found = [ask_about(reward, gold, **asking)]
    train = [row for row in rated(whole(lessons, gold)) if row.document in lessons.split.train]
    if train:
        found.append(LengthModel.fitted(train).scored(gold, systems))
    if reference is not None:
        found.append(ask_about(build_reward("chrf"), gold, **asking))
    if found[0].spans is not None and gold.spans:
        rates = MarkingRates.counted(train)
        found.append(mark_everything(gold, systems, rates))
        found.append(mark_at_random(gold, systems, rates, seed=config.seed))
    return found


def whole(lessons: TrainingData, gold: Gold) -> Gold:
    """All of the file that a test side is of."""
    return next(one for one in lessons.gold if one.name == gold.name)


def preferred(
    config: TrainRewardConfig, lessons: TrainingData, reward: Reward
) -> tuple[Figures, dict[str, int]]:
    """The accuracy on held-out pairs of answers, beside that of longer and of shorter answers.

    Also, how many of the answers have no score, by status.
    """
    from collections import Counter

    import numpy as np

    from rewardlab.scorers.heldout import preference_accuracy

    pairs = lessons.preferences
    if not pairs:
        return {}, {}
    sides = [[pair.chosen for pair in pairs], [pair.rejected for pair in pairs]]
    outputs = [reward(side) for side in sides]
    failed = Counter(
        status.value for output in outputs for status in output.status if not status.scored
    )
    chosen, rejected = (output.scores for output in outputs)
    longer = [np.array([float(len(one.hypothesis)) for one in side]) for side in sides]
    scores = {
        reward.name: (chosen, rejected),
        "longer": (longer[0], longer[1]),
        "shorter": (-longer[0], -longer[1]),
    }
    figures = preference_accuracy(pairs, scores, resamples=config.resamples, seed=config.seed)
    return figures, dict(failed)


def results_of(
    config: TrainRewardConfig, lessons: TrainingData, found: Measured, losses: Mapping[str, float]
) -> dict[str, Any]:
    """Everything that was measured, as plain values."""
    from rewardlab.json_values import json_value

    heldout = found.heldout
    document = {
        "family": config.scorer.family,
        "signature": found.reward.signature,
        "start": None if config.model.path is None else config.model.path.name,
        "data": lessons.signature.splitlines(),
        "notes": lessons.notes,
        "split": {side: sorted(getattr(lessons.split, side)) for side in SIDES},
        "rows": {
            stage.name: len(rows.train)
            for stage, rows in zip(config.stages, lessons.stages, strict=True)
        },
        "validation_loss": dict(losses),
        "test_segments": {} if heldout is None else heldout.segments,
        "systems": found.systems,
        "unscored": found.unscored,
        "figures": {} if heldout is None else _by_scorer(heldout.overall),
        "leads": []
        if heldout is None
        else [
            {"baseline": baseline, "statistic": statistic, **lead._asdict()}
            for (baseline, statistic), lead in heldout.leads.items()
        ],
        "by_file": {}
        if heldout is None
        else {name: _by_scorer(figures) for name, figures in heldout.files.items()},
        "preferences": _by_scorer(found.preferences),
        "preference_pairs": len(lessons.preferences),
    }
    return cast("dict[str, Any]", json_value(document))


def _by_scorer(figures: Figures) -> dict[str, dict[str, list[float]]]:
    """Scorer -> statistic -> value, lower and upper end."""
    found: dict[str, dict[str, list[float]]] = {}
    for (scorer, statistic), one in figures.items():
        found.setdefault(scorer, {})[statistic] = [*one]
    return found
