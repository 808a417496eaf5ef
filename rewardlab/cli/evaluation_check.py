"""``rewardlab evaluate --dry-run``: what can be known before anything is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardlab.cli.training import answer_of, conclude, prompt_of, report, say
from rewardlab.data.corpora import Corpus
from rewardlab.errors import UserError

if TYPE_CHECKING:
    from rewardlab.config.evaluate import EvaluateConfig
    from rewardlab.config.history import History
    from rewardlab.data.corpora import Row
    from rewardlab.dry_run import Findings
    from rewardlab.text.prompts import Prompt
    from rewardlab.types import Term


def dry_run(path: Path, overrides: Sequence[str]) -> None:
    """Look at everything that can be looked at; print what is known of the run on stdout.

    Args:
        path: The YAML file.
        overrides: Arguments ``key=value``.

    Raises:
        UserError: With everything that is wrong: configuration and checkpoints (exit code 2), data
            and translations (3), metrics and server (4).
    """
    from rewardlab.cli.evaluate import check_run, finished_translations, overlap
    from rewardlab.config.evaluate import EvaluateConfig, check_evaluate
    from rewardlab.config.load import examine
    from rewardlab.config.rows import select_rows
    from rewardlab.dry_run import Findings, check_rewards, tell

    config, problems = examine(EvaluateConfig, path, overrides, check=check_evaluate)
    if config is None:
        raise UserError(problems)
    found = Findings()
    found.add(problems)
    found.attempt(check_run, config)
    test = found.attempt(select_rows, config.data, config.split) or Corpus((), "")
    names = [system.name for system in config.systems]
    summary: dict[str, Any] = {"run": str(config.run), "rows": len(test), "systems": names}
    decoding = check_models(config, test.rows, found)
    if test.rows:
        found.attempt(finished_translations, config, test.rows)
        _, warnings = overlap(test.rows, known_histories(config))
        found.notes += warnings
        summary["rewards"] = check_rewards(scored_by(config), (), test.rows[0], found)
    conclude(found, summary, *test.notes, test.funnel)
    for name, known in decoding.items():
        say(*(f"{name}: {line}" for line in tell(known)))
    report({"dry_run": True, **summary, "decoding": decoding})


def check_models(
    config: EvaluateConfig, rows: Sequence[Row], found: Findings
) -> dict[str, dict[str, Any]]:
    """What is known of every system that is decoded here."""
    from rewardlab.config.checks import NOWHERE, prompt_problems
    from rewardlab.dry_run import examine_decoding

    pairs: list[tuple[Prompt, Prompt | None]] = []
    if config.prompt and not any(prompt_problems(config.prompt, config.data, NOWHERE)):
        pairs = [(prompt_of(config, row), answer_of(row, chat=config.chat)) for row in rows]
    return {
        system.name: examine_decoding(system.model, pairs, config.generation, found)
        for system in config.systems
        if system.model is not None
    }


def known_histories(config: EvaluateConfig) -> dict[str, History]:
    """What is known of each system, where that can be read."""
    from rewardlab.config.history import history

    known: dict[str, History] = {}
    for system in config.systems:
        with suppress(UserError):  # told where the configuration is read
            known[system.name] = history(system, served=config.served)
    return known


def scored_by(config: EvaluateConfig) -> list[Term]:
    """The metrics that score row by row and can be built, each as a term."""
    from rewardlab.types import Term

    terms: list[Term] = []
    for entry in config.metrics:
        with suppress(UserError):  # told where the configuration is read
            metric = entry.build()
            terms += [] if metric.is_corpus else [Term(metric.reward)]
    return terms
