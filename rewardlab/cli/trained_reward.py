"""Measures a trained scorer, loaded from disk, beside baselines on the held-out side."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from rewardlab.cli.output import say
from rewardlab.config.train_reward import TrainRewardConfig, family_of
from rewardlab.config.training_data import TrainingData
from rewardlab.heartbeat import heartbeat
from rewardlab.human.gold import Gold
from rewardlab.human.rated import Rated
from rewardlab.json_values import json_value
from rewardlab.metaeval.scoring import Scored, ask_about, compared_systems
from rewardlab.rewards.registry import build_reward
from rewardlab.scorers import baselines
from rewardlab.scorers.examples import rated
from rewardlab.scorers.free_heldout import measure_free
from rewardlab.scorers.heldout import Figures, HeldOut, measure_heldout, preference_accuracy
from rewardlab.types import Reward

SIDES = ("train", "validation", "test")


def measured(
    config: TrainRewardConfig, data: TrainingData, model: Path, losses: Mapping[str, float]
) -> dict[str, Any]:
    """Score the test side and compare with human judgements and baselines, for ``results.json``.

    Args:
        config: The run.
        data: The training and test data.
        model: The directory of the trained model.
        losses: Stage -> validation loss.
    """
    reward = family_of(config).reward(model)
    files = {gold.name: (gold, scorers(config, data, gold, reward)) for gold in data.test}
    heldout = HeldOut({}, {}, {}, {})
    if files:
        heldout = measure_heldout(
            files,
            smallest_margin=config.scorer.smallest_margin,
            resamples=config.resamples,
            seed=config.seed,
        )
    preferences, failed = preferred(config, data, reward)
    first = {name: scored[0] for name, (_, scored) in files.items()}
    unscored = {name: one.unscored for name, one in first.items()}
    document = {
        "family": config.scorer.family,
        "signature": reward.signature,
        "start": None if config.model.path is None else config.model.path.name,
        "data": data.signature.splitlines(),
        "notes": data.notes,
        "split": {side: sorted(getattr(data.split, side)) for side in SIDES},
        "rows": {
            stage.name: len(rows.train)
            for stage, rows in zip(config.stages, data.stages, strict=True)
        },
        "validation_loss": losses,
        "test_segments": heldout.segments,
        "systems": {name: one.scores.systems for name, one in first.items()},
        "spread": {name: _spread(gold, scored[0]) for name, (gold, scored) in files.items()},
        "unscored": {**unscored, **({"preferences": failed} if failed else {})},
        "figures": _by_scorer(heldout.overall),
        "leads": [
            {"baseline": baseline, "statistic": statistic, **lead._asdict()}
            for (baseline, statistic), lead in heldout.leads.items()
        ],
        "by_file": {name: _by_scorer(figures) for name, figures in heldout.files.items()},
        "preferences": _by_scorer(preferences),
        "preference_pairs": len(data.preferences),
        "free": free_figures(config, data, reward),
        "shuffled_sources": config.shuffle_sources,
    }
    return cast("dict[str, Any]", json_value(document))


def free_figures(
    config: TrainRewardConfig, data: TrainingData, reward: Reward
) -> dict[str, Any] | None:
    """Accuracies and correlations on held-out parallel text, and what was found of planted errors.

    Args:
        config: The configuration, for its resamples and seed.
        data: The data with the held-out examples.
        reward: The trained scorer.

    Returns:
        None if the run is measured on human judgements.
    """
    if data.free is None:
        return None
    say(f"scoring {len(data.free.rated):,} translations of the test side")
    with heartbeat(say, lambda: "still scoring the test side"):
        found = measure_free(
            data.free,
            reward,
            train=[one for one in data.stages[-1].train if isinstance(one, Rated)],
            resamples=config.resamples,
            seed=config.seed,
        )
    return {
        "pairs": found.pairs,
        "accuracy": {kind: _by_scorer(figures) for kind, figures in found.accuracy.items()},
        "correlations": {name: _by_scorer(one) for name, one in found.correlations.items()},
        "spans": _by_scorer(found.spans),
        "damaged_texts": found.damaged,
        "unscored": found.failed,
    }


def _spread(gold: Gold, scored: Scored) -> dict[str, float]:
    """Standard deviations of the scorer's and of people's scores of the same translations."""
    human = gold.scores.only(scored.scores.systems).values
    both = ~np.isnan(human) & ~np.isnan(scored.scores.values)
    own = scored.scores.values[both]
    return {
        "scorer": float(own.std()) if own.size else math.nan,
        "people": float(human[both].std()) if own.size else math.nan,
    }


def scorers(
    config: TrainRewardConfig, data: TrainingData, gold: Gold, reward: Reward
) -> list[Scored]:
    """Scores of one file's test side: first by the reward, then by baselines.

    Args:
        config: The configuration, for its seed.
        data: The data; baselines are fitted on the training side.
        gold: The test side of the file.
        reward: The trained scorer.
    """
    reference = gold.reference_system
    systems = compared_systems(gold, reference_system=reference, exclude_references=True)
    asking: dict[str, Any] = {"systems": systems, "reference_system": reference}
    size = len(systems) * len(gold.scores.segments)
    say(f"{gold.name}: scoring {size:,} translations of the test side")
    with heartbeat(say, lambda: f"{gold.name}: still scoring"):
        scored = [ask_about(reward, gold, **asking)]
    whole = next(one for one in data.gold if one.name == gold.name)
    train = [row for row in rated(whole) if row.document in data.split.train]
    if train:
        scored.append(baselines.LengthModel.fitted(train).scored(gold, systems))
    if reference is not None:
        scored.append(ask_about(build_reward("chrf"), gold, **asking))
    if scored[0].spans is not None and gold.spans:
        rates = baselines.MarkingRates.counted(train)
        scored.append(baselines.mark_everything(gold, systems, rates))
        scored.append(baselines.mark_at_random(gold, systems, rates, seed=config.seed))
    return scored


def preferred(
    config: TrainRewardConfig, data: TrainingData, reward: Reward
) -> tuple[Figures, dict[str, int]]:
    """The accuracy on held-out pairs of answers, beside that of longer and of shorter answers.

    Args:
        config: The configuration, for its resamples and seed.
        data: The data with the pairs.
        reward: The trained scorer.

    Returns:
        The accuracies, and the number of answers without a score for each status.
    """
    pairs = data.preferences
    if not pairs:
        return {}, {}
    sides = [[pair.chosen for pair in pairs], [pair.rejected for pair in pairs]]
    outputs = [reward(side) for side in sides]
    failed = Counter(
        status.value for output in outputs for status in output.status if not status.scored
    )
    chosen, rejected = (np.array([float(len(one.hypothesis)) for one in side]) for side in sides)
    scores = {
        reward.name: (outputs[0].scores, outputs[1].scores),
        "longer": (chosen, rejected),
        "shorter": (-chosen, -rejected),
    }
    figures = preference_accuracy(pairs, scores, resamples=config.resamples, seed=config.seed)
    return figures, dict(failed)


def _by_scorer(figures: Figures) -> dict[str, dict[str, list[float]]]:
    """Scorer -> statistic -> value, lower and upper end."""
    by_scorer: dict[str, dict[str, list[float]]] = {}
    for (scorer, statistic), one in figures.items():
        by_scorer.setdefault(scorer, {})[statistic] = [*one]
    return by_scorer
