"""What an evaluation found, as JSON and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from rewardlab.cli.training import peak_memory_mb, say

if TYPE_CHECKING:
    from rewardlab.config.history import History
    from rewardlab.evaluation.evaluate import Evaluation

Costs: TypeAlias = Mapping[str, float]
"""What a system's translations cost: ``tokens`` and ``seconds``."""
NONE: Mapping[str, Costs] = MappingProxyType({})
WIDTH = 120
"""Columns of a table that is not printed on a terminal."""


def as_json(
    evaluation: Evaluation,
    histories: Mapping[str, History],
    *,
    costs: Mapping[str, Costs],
    overlaps: Mapping[str, Mapping[str, int]],
    notes: Sequence[str],
) -> dict[str, Any]:
    """The evaluation, and what is known of each system."""
    plain = evaluation.as_json()
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
    notes = [*evaluation.notes, *notes]
    return {**plain, "systems": systems, "notes": notes, "peak_memory_mb": peak_memory_mb()}


def show(
    evaluation: Evaluation, costs: Mapping[str, Costs] = NONE, notes: Sequence[str] = ()
) -> None:
    """Print tables, and what they do not say by themselves, on stderr."""
    from rich.console import Console

    from rewardlab.evaluation.evaluate import MACRO
    from rewardlab.report.evaluation import reading_aid, score_table, text_table

    console = Console(stderr=True)
    if not console.is_terminal:
        console.width = WIDTH
    places = [*evaluation.rows, MACRO] if len(evaluation.rows) > 1 else [*evaluation.rows]
    for place in places:
        console.print(score_table(evaluation, place))
        console.print(text_table(evaluation, place))
    say(*reading_aid(evaluation))
    for name, cost in costs.items():
        say(f"{name}: {cost['tokens']:,} tokens in {cost['seconds']:.1f} s")
    say(f"peak memory {peak_memory_mb():,.0f} MiB")
    say(*(f"note: {note}" for note in (*evaluation.notes, *notes)))
