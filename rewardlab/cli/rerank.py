"""``rewardlab rerank``: several translations of each source, and the best by any ensemble."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardlab.cli.arguments import Arguments, ConfigFile, DryRun, Overrides
from rewardlab.cli.training import conclude, report, say
from rewardlab.data.corpora import Corpus
from rewardlab.errors import UserError

if TYPE_CHECKING:
    from rewardlab.config.translate import RerankConfig
    from rewardlab.decoding.rerank import Choice, SampleScores
    from rewardlab.decoding.translate import Cost, Translation
    from rewardlab.ensemble import RewardEnsemble

SELECTION = "selection.jsonl"


def command(config: ConfigFile, overrides: Overrides = None, *, dry_run: DryRun = False) -> None:
    """Sample several translations of each source and keep the best by an ensemble of rewards.

    For example: rewardlab rerank rerank.yaml model=runs/sft samples=16
    """
    run(Arguments(config, tuple(overrides or ()), dry_run))


def run(arguments: Arguments) -> None:
    """Read, check, sample, score, choose, write; print a JSON summary on stdout.

    Raises:
        UserError: Everything wrong with the configuration (exit code 2), the data or the run that
            samples are taken from (3); the server is not there (4); the disk is full (75).
        RewardUnavailable: A reward could not be reached.
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: A reward left too many texts unscored.
    """
    from rewardlab.cli.decoding import (
        begin,
        finish,
        finished_before,
        notes_of,
        rows_of,
        settings_of,
        write_texts,
    )
    from rewardlab.cli.samples import sampled, taken
    from rewardlab.config.checks import build_gates, build_terms
    from rewardlab.config.load import load
    from rewardlab.config.translate import RerankConfig, check_rerank
    from rewardlab.decoding.rerank import choose, judge_samples
    from rewardlab.decoding.translate import texts_digest
    from rewardlab.dry_run import score_one_row
    from rewardlab.ensemble import RewardEnsemble

    if arguments.dry_run:
        dry_run(arguments)
        return
    config = load(RerankConfig, arguments.config, arguments.overrides, check=check_rerank)
    corpus = rows_of(config, with_references=config.references == "data")
    say(*corpus.notes, str(corpus.funnel))
    ensemble = RewardEnsemble(build_terms(config.rewards), gates=build_gates(config.gates))
    first = corpus.rows[0]
    row = replace(first, reference=first.reference or first.source)
    score_one_row(ensemble.terms, ensemble.gates, row)
    config, origin, sample = taken(config, corpus.rows) or sampled(config, corpus.rows)
    if config.references == "data":
        references = {row.id: row.reference or "" for row in corpus.rows}
        origin = {**origin, "reference_texts": texts_digest(references)}
    settings = settings_of(config, **origin, ensemble=ensemble.signature)
    signatures = [*map(str, origin.values()), ensemble.signature]
    with begin(config.run, settings, notes_of(config, *signatures)) as journal:
        if finished_before(config.run):
            return
        translated = sample(journal)
        say(f"scoring {config.samples} samples of each of {len(corpus):,} rows")
        judged = judge_samples(
            corpus.rows,
            {row.id: row.texts for row in translated.translations},
            ensemble,
            references=config.references,
            journal=journal,
            say=say,
        )
        choices = [choose(one, [term.weight for term in ensemble.terms]) for one in judged]
        write_selection(config.run / SELECTION, ensemble.names, judged, choices)
        chosen = [
            only(row, choice.index)
            for row, choice in zip(translated.translations, choices, strict=True)
        ]
        counts = write_texts(config, corpus.rows, chosen)
        told = summary(
            config,
            ensemble,
            cost=translated.cost,
            judged=judged,
            choices=choices,
            chosen=chosen,
        )
        finish(config.run, {**told, **counts})


def dry_run(arguments: Arguments) -> None:
    """Look at everything that can be looked at; print what is known of the run on stdout.

    Raises:
        UserError: With everything that is wrong: configuration and checkpoint (exit code 2), data
            and the run that samples are taken from (3), rewards and server (4).
    """
    from rewardlab.cli.decoding import check_directory, pairs_of, rows_of
    from rewardlab.cli.samples import taken
    from rewardlab.config.load import examine
    from rewardlab.config.translate import RerankConfig, check_rerank
    from rewardlab.dry_run import Findings, build_each, check_rewards, examine_decoding

    config, problems = examine(
        RerankConfig, arguments.config, arguments.overrides, check=check_rerank
    )
    if config is None:
        raise UserError(problems)
    found = Findings()
    found.add(problems)
    found.attempt(check_directory, config.run)
    with_references = config.references == "data"
    corpus = found.attempt(rows_of, config, with_references=with_references) or Corpus()
    summary: dict[str, Any] = {"run": str(config.run), "rows": len(corpus)}
    if config.samples_from is not None:
        found.attempt(taken, config, corpus.rows)
    else:
        pairs = pairs_of(config, corpus.rows)
        summary |= examine_decoding(config.model, pairs, config.generation, found)
    for first in corpus.rows[:1]:
        row = replace(first, reference=first.reference or first.source)
        summary["rewards"] = check_rewards(*build_each(config.rewards, config.gates), row, found)
    conclude(found, summary, *corpus.notes, str(corpus.funnel))
    report({"dry_run": True, **summary})


def only(row: Translation, index: int) -> Translation:
    """The row with one of its samples."""
    return replace(
        row,
        texts=(row.texts[index],),
        tokens=(row.tokens[index],),
        finished=(row.finished[index],),
    )


def write_selection(
    path: Path, names: Sequence[str], judged: Sequence[SampleScores], choices: Sequence[Choice]
) -> None:
    """Write for every row which sample was taken and what every sample scored; null: unscored."""
    from rewardlab.store.files import write_jsonl

    write_jsonl(
        path,
        (
            {
                "id": one.id,
                "chosen": choice.index,
                "totals": _numbers(choice.totals),
                "scores": {name: _numbers(one.scores[:, at]) for at, name in enumerate(names)},
                "gated": one.gated,
                "failed": one.failed,
            }
            for one, choice in zip(judged, choices, strict=True)
        ),
    )


def summary(
    config: RerankConfig,
    ensemble: RewardEnsemble,
    *,
    cost: Cost,
    judged: Sequence[SampleScores],
    choices: Sequence[Choice],
    chosen: Sequence[Translation],
) -> dict[str, Any]:
    """What it cost, sampling and scoring apart, and what the choice changed by its own rewards."""
    from rewardlab.cli.decoding import cost_report, peaks
    from rewardlab.decoding.rerank import is_oracle
    from rewardlab.decoding.translate import cost_of

    tokens = cost_of(chosen).tokens
    oracle = "the rewards read the test references"
    return {
        "samples": config.samples,
        "references": config.references,
        **({"oracle": oracle} if is_oracle(ensemble, config.references) else {}),
        "chose_another_than_the_first": sum(choice.index > 0 for choice in choices),
        "rewards": {
            name: {
                "first": _mean([one.scores[0, at] for one in judged]),
                "chosen": _mean(
                    [one.scores[c.index, at] for one, c in zip(judged, choices, strict=True)]
                ),
            }
            for at, name in enumerate(ensemble.names)
        },
        "sampling": cost_report(cost),
        "scoring": {"seconds": round(math.fsum(one.seconds for one in judged), 3)},
        # A greedy translation would have about as many tokens as the chosen one.
        "tokens_by_those_of_one_translation": round(cost.tokens / tokens, 2) if tokens else None,
        **peaks(config.generation.backend),
    }


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [None if math.isnan(value) else float(value) for value in values]


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return round(math.fsum(known) / len(known), 4) if known else None
