"""The result of an evaluation, as JSON and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from rewardlab.cli.output import peak_memory_mb, print_tables, say
from rewardlab.config.history import History
from rewardlab.evaluation.evaluate import Evaluation
from rewardlab.report.evaluation import reading_aid, tables

Costs: TypeAlias = Mapping[str, float]
"""Costs of a system's translations: ``tokens`` and ``seconds``."""


def as_json(
    evaluation: Evaluation,
    histories: Mapping[str, History],
    *,
    costs: Mapping[str, Costs],
    overlaps: Mapping[str, Mapping[str, int]],
    notes: Sequence[str],
) -> dict[str, Any]:
    """The evaluation, and the known facts about each system.

    Args:
        evaluation: The scores.
        histories: System -> the training behind its translations.
        costs: System -> its costs, where known.
        overlaps: System -> test rows that it was trained on, where known.
        notes: Besides those of the evaluation.
    """
    systems = {
        name: {
            "group": group,
            "origin": histories[name].origin,
            "training_known": histories[name].known,
            "trained_on": [[reward.name, reward.family] for reward in histories[name].rewards],
            "train_test_overlap": overlaps.get(name),
            "decoding": costs.get(name),
        }
        for name, group in evaluation.systems.items()
    }
    own = {"systems": systems, "notes": [*evaluation.notes, *notes]}
    return {**evaluation.as_json(), **own, "peak_memory_mb": peak_memory_mb()}


def show(evaluation: Evaluation, costs: Mapping[str, Costs], notes: Sequence[str]) -> None:
    """Print tables and their explanation on stderr.

    Args:
        evaluation: The scores.
        costs: System -> its costs, where known.
        notes: Besides those of the evaluation.
    """
    print_tables(tables(evaluation))
    say(*reading_aid(evaluation))
    for name, cost in costs.items():
        say(f"{name}: {cost['tokens']:,} tokens in {cost['seconds']:.1f} s")
    say(*(f"note: {note}" for note in (*evaluation.notes, *notes)))
