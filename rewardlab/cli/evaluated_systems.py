"""Systems of an evaluation: finished translations, costs, training histories, overlaps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from rewardlab.cli.decoding import COST
from rewardlab.cli.evaluation_result import Costs
from rewardlab.config.evaluate import EvaluateConfig
from rewardlab.config.history import History, history, run_of, training_texts
from rewardlab.data.rows import Row
from rewardlab.decoding.outputs import read_outputs
from rewardlab.dry_run.findings import Findings, valid
from rewardlab.errors import UserError, quantity

Overlaps = dict[str, dict[str, int]]


def finished_translations(
    config: EvaluateConfig, rows: Sequence[Row]
) -> tuple[dict[str, list[str]], list[str]]:
    """The translations of every system that is not a model.

    Args:
        config: The evaluation.
        rows: The N test rows.

    Returns:
        System -> N texts, and notes on the files.

    Raises:
        UserError: E201..E205, E209 with the problems of all files; exit code 3.
    """
    texts: dict[str, list[str]] = {}
    notes: list[str] = []
    found = Findings()
    for system in config.systems:
        if system.copies:
            texts[system.name] = [row.source for row in rows]
        elif system.translations is not None:
            outputs = found.attempt(read_outputs, system.translations, rows)
            texts[system.name], more = outputs or ([], ())
            notes += more
    found.raise_if_any()
    return texts, notes


def earlier_costs(config: EvaluateConfig) -> tuple[dict[str, Costs], list[str]]:
    """Costs of translate and rerank runs, and notes on costs that are only an upper bound."""
    costs: dict[str, Costs] = {}
    notes: list[str] = []
    for system in config.systems:
        if system.translations is None or not (run_of(system.translations) / COST).is_file():
            continue
        cost = json.loads((run_of(system.translations) / COST).read_text(encoding="utf-8"))
        sampling = cost.get("sampling", cost)
        seconds = sampling.get("seconds", 0.0) + cost.get("scoring", {}).get("seconds", 0.0)
        costs[system.name] = {"tokens": sampling.get("tokens", 0), "seconds": seconds}
        if "oracle" in cost:
            notes.append(f"{system.name} is an upper bound and no system: {cost['oracle']}")
    return costs, notes


def known_histories(config: EvaluateConfig) -> dict[str, History]:
    """The training of each system; unreadable ones are reported with the configuration."""
    known = valid(lambda one: (one.name, history(one, served=config.served)), config.systems)
    return dict(known)


def overlap(rows: Sequence[Row], histories: Mapping[str, History]) -> tuple[Overlaps, list[str]]:
    """Test rows that a system was trained on, as far as its training files still exist.

    Args:
        rows: The test rows.
        histories: System -> the training behind its translations.

    Returns:
        System -> numbers of sources, references, and rows with either; and warnings.
    """
    seen: dict[Any, frozenset[str]] = {}
    overlaps: Overlaps = {}
    warnings: list[str] = []
    for name, known in histories.items():
        if not known.stages:
            continue
        stages = json.dumps(known.stages, sort_keys=True)
        try:
            seen[stages] = seen.get(stages) or training_texts(known)
        except (UserError, ValidationError) as error:
            reason = error.problems[0].what if isinstance(error, UserError) else "unknown sections"
            warnings.append(f"{name}: overlap with its training data not checked: {reason}")
            continue
        sources = [row.source in seen[stages] for row in rows]
        references = [row.reference in seen[stages] for row in rows]
        either = sum(map(max, sources, references))
        overlaps[name] = {"sources": sum(sources), "references": sum(references), "rows": either}
        if either:
            warnings.append(
                f"{name} was trained on texts of {either:,} of {len(rows):,} test rows: "
                f"{quantity(sum(sources), 'source')}, {quantity(sum(references), 'reference')}"
            )
    return overlaps, warnings


def independence_notes(config: EvaluateConfig, histories: Mapping[str, History]) -> list[str]:
    """Claims of independence that cannot be checked.

    Args:
        config: The evaluation.
        histories: System -> the training behind its translations.
    """
    unknown = [name for name, known in histories.items() if not known.known]
    if not config.independent or not unknown:
        return []
    claims = ", ".join(config.independent)
    return [f"{claims}: independent of {', '.join(unknown)} by claim; their training is not known"]
