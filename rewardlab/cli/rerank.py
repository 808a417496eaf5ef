"""``rewardlab rerank``: sample several translations of each source and keep the best one."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rewardlab.cli import decoding, life_cycle
from rewardlab.cli.life_cycle import Arguments, conclude, read_config
from rewardlab.cli.options import ConfigFile, DryRun, Overrides
from rewardlab.cli.output import say
from rewardlab.cli.rows import NO_ROWS, pairs_of, prompts_of, row_notes
from rewardlab.cli.samples import SAMPLES, keep, taken_samples
from rewardlab.config.translate import RerankConfig, check_rerank
from rewardlab.data.rows import Row
from rewardlab.decoding.files import write_translations
from rewardlab.decoding.rerank import Choice, SampleScores, choose, is_oracle, judge_samples
from rewardlab.decoding.translate import (
    Translated,
    Translation,
    cost_of,
    prompts_digest,
    texts_digest,
)
from rewardlab.dry_run.decoding import check_decoding, signed_generator
from rewardlab.dry_run.rewards import build_each, check_rewards
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import quantity
from rewardlab.generate import Generator
from rewardlab.json_values import json_value
from rewardlab.preflight.planted import spread_rows
from rewardlab.store.files import write_jsonl
from rewardlab.store.journal import Journal, Json

SELECTION = "selection.jsonl"


def command(config: ConfigFile, overrides: Overrides = None, *, dry_run: DryRun = False) -> None:
    """Sample several translations of each source and keep the best by an ensemble of rewards.

    For example: rewardlab rerank rerank.yaml model=runs/sft samples=16
    """
    life_cycle.run(Arguments(config, overrides or ()), check, work, write, dry_run=dry_run)


@dataclass(frozen=True, eq=False)
class Ready(life_cycle.Ready):
    """A reranking run that passed all checks.

    Attributes:
        config: The configuration, with the model of the run that samples are taken from.
        rows: The sources.
        ensemble: The ensemble that chooses.
        samples_by: The model, or the samples of an earlier run.
    """

    config: RerankConfig
    rows: Sequence[Row]
    ensemble: RewardEnsemble
    samples_by: Generator | list[Translation]


class Outcome(NamedTuple):
    """Samples and their scores, both in the order of the rows.

    Attributes:
        sampled: The samples and their costs.
        judged: The scores of the samples.
        choices: The chosen samples.
    """

    sampled: Translated
    judged: list[SampleScores]
    choices: list[Choice]


def check(arguments: Arguments) -> Ready:
    """Check configuration, directory, data, model or earlier run, and rewards.

    Raises:
        UserError: All problems: configuration and checkpoint (exit code 2), data and the run that
            samples are taken from (3), rewards and server (4).
    """
    config, found = read_config(arguments, RerankConfig, check=check_rerank)
    makes_samples = config.samples_from is None
    generator = None
    if makes_samples and not found.problems:
        generator = found.attempt(signed_generator, config.generation, config.model)
    found.attempt(decoding.check_directory, config.run)
    with_references = config.references == "data"
    corpus = found.attempt(decoding.rows_of, config, with_references=with_references) or NO_ROWS
    summary: dict[str, Any] = {"run": str(config.run), "rows": len(corpus)}
    taken = None
    if config.samples_from is not None:
        taken = found.attempt(taken_samples, config, config.samples_from, corpus.rows)
    elif not decoding.is_finished(config.run):
        pairs = pairs_of(corpus.rows, config.prompt, config.data, chat=config.chat)
        summary |= check_decoding(generator, config.model, pairs, config.generation, found)
    terms, gates = build_each(config.rewards, config.gates)
    if corpus.rows and not decoding.is_finished(config.run):
        candidates = [row.candidate("") for row in spread_rows(corpus.rows)]
        summary["rewards"] = check_rewards(terms, gates, candidates, found)
    notes = conclude(found, *row_notes(corpus))
    config, samples = taken or (config, None)
    samples_by = generator if samples is None else samples
    assert samples_by is not None  # noqa: S101 - it has no problems
    ensemble = RewardEnsemble(terms, gates=gates)
    return Ready(summary, notes, config, corpus.rows, ensemble, samples_by)


# ── work ────────────────────────────────────────────────────────────────────────────────────────


def work(ready: Ready) -> Outcome | None:
    """Sample, score and choose; None if the run is finished.

    Raises:
        UserError: E083, E084 the directory belongs to another run (exit code 2); the server is
            gone (4); the disk is full (75).
        RewardUnavailable: A reward could not be reached.
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: A reward left too many texts unscored.
    """
    config, rows, ensemble = ready.config, ready.rows, ready.ensemble
    origin = _origin(ready)
    with decoding.open_run(config, origin, signatures=[*map(str, origin.values())]) as journal:
        if decoding.is_finished(config.run):
            return None
        sampled = _samples(ready, journal)
        say(f"scoring {config.samples} samples of each of {quantity(len(rows), 'row')}")
        judged = judge_samples(
            rows,
            {row.id: row.texts for row in sampled.translations},
            ensemble,
            references=config.references,
            journal=journal,
            say=say,
        )
    weights = [term.weight for term in ensemble.terms]
    return Outcome(sampled, judged, [choose(one, weights) for one in judged])


def _origin(ready: Ready) -> dict[str, Json]:
    """Everything that the choice depends on besides the configuration."""
    if isinstance(ready.samples_by, list):
        texts = {row.id: json.dumps(row.texts) for row in ready.samples_by}
        origin: dict[str, Json] = {"taken_samples": texts_digest(texts)}
    else:
        prompts = prompts_of(ready.rows, ready.config.prompt, chat=ready.config.chat)
        origin = {"generator": ready.samples_by.signature, "prompts": prompts_digest(prompts)}
    if ready.config.references == "data":
        references = {row.id: row.reference or "" for row in ready.rows}
        origin["reference_texts"] = texts_digest(references)
    return {**origin, "ensemble": ready.ensemble.signature}


def _samples(ready: Ready, journal: Journal) -> Translated:
    """Samples of the earlier run, or new samples, which are kept in ``samples.jsonl``."""
    config = ready.config
    if isinstance(ready.samples_by, list):
        say(f"taking {config.samples} samples of each source from {config.samples_from}")
        return Translated(ready.samples_by, cost_of(ready.samples_by))
    say(f"sampling {config.samples} translations of each of {quantity(len(ready.rows), 'row')}")
    sampled = decoding.decode_rows(
        config, ready.samples_by, ready.rows, journal, samples=config.samples
    )
    sources = {row.id: row.source for row in ready.rows}
    write_translations(config.run / SAMPLES, sampled.translations, sources)
    return sampled


# ── write ───────────────────────────────────────────────────────────────────────────────────────


def write(ready: Ready, outcome: Outcome | None) -> dict[str, Any]:
    """Write the selection, the chosen texts and the costs.

    Args:
        ready: The run.
        outcome: Samples and choices; None if the run was finished before.

    Returns:
        The report.
    """
    config = ready.config
    if outcome is None:
        return decoding.earlier_report(config.run)
    write_selection(ready, outcome)
    chosen = [
        keep(row, slice(choice.index, choice.index + 1))
        for row, choice in zip(outcome.sampled.translations, outcome.choices, strict=True)
    ]
    counts = decoding.write_texts(config, ready.rows, chosen)
    return decoding.finish(
        config.run, {**_report(ready, outcome, cost_of(chosen).tokens), **counts}
    )


def write_selection(ready: Ready, outcome: Outcome) -> None:
    """Write the chosen sample and the scores of all samples for every row; null is unscored.

    Args:
        ready: The run.
        outcome: The scores and choices.
    """
    names = ready.ensemble.names
    write_jsonl(
        ready.config.run / SELECTION,
        (
            {
                "id": one.id,
                "chosen": choice.index,
                "totals": json_value(choice.totals),
                "scores": {name: json_value(one.scores[:, at]) for at, name in enumerate(names)},
                "gated": one.gated,
                "failed": one.failed,
            }
            for one, choice in zip(outcome.judged, outcome.choices, strict=True)
        ),
    )


def _report(ready: Ready, outcome: Outcome, tokens: int) -> dict[str, Any]:
    """Costs of sampling and scoring, and how much the choice raised the ensemble's rewards."""
    config, ensemble, (sampled, judged, choices) = ready.config, ready.ensemble, outcome
    oracle = "the rewards read the test references"
    rows = list(zip(judged, choices, strict=True))
    return {
        "samples": config.samples,
        "references": config.references,
        **({"oracle": oracle} if is_oracle(ensemble, config.references) else {}),
        "chose_another_than_the_first": sum(choice.index > 0 for choice in choices),
        "rewards": {
            name: {
                "first": _mean([one.scores[0, at] for one in judged]),
                "chosen": _mean([one.scores[choice.index, at] for one, choice in rows]),
            }
            for at, name in enumerate(ensemble.names)
        },
        "sampling": decoding.cost_report(sampled.cost),
        "scoring": {"seconds": round(math.fsum(one.seconds for one in judged), 3)},
        # A greedy translation would have about as many tokens as the chosen one.
        "tokens_by_those_of_one_translation": round(sampled.cost.tokens / tokens, 2)
        if tokens
        else None,
        **decoding.peaks(config.generation.backend),
    }


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return round(math.fsum(known) / len(known), 4) if known else None
