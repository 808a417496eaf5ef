"""``rewardlab evaluate --dry-run``: what can be known before anything is decoded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardlab.cli.training import answer_of, conclude, prompt_of, report, say
from rewardlab.data.corpora import Corpus
from rewardlab.errors import EXIT_DATA, Problem, UserError, shown

if TYPE_CHECKING:
    from rewardlab.config.evaluate import EvaluateConfig
    from rewardlab.config.history import History
    from rewardlab.data.corpora import Row
    from rewardlab.dry_run import Findings
    from rewardlab.text.prompts import Prompt
    from rewardlab.types import Term


RESULT = "evaluation.json"
HYPOTHESES = "hypotheses"
JOURNALS = "journals"
OWN_FILES = frozenset({"config.yaml", "versions.json", HYPOTHESES, JOURNALS, f".{RESULT}.partial"})
"""What an evaluation that was interrupted leaves in its directory."""


def dry_run(path: Path, overrides: Sequence[str]) -> None:
    """Look at everything that can be looked at; print what is known of the run on stdout.

    Args:
        path: The YAML file.
        overrides: Arguments ``key=value``.

    Raises:
        UserError: With everything that is wrong: configuration and checkpoints (exit code 2), data
            and translations (3), metrics and server (4).
    """
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
    test = found.attempt(select_rows, config.data, config.split) or Corpus()
    names = [system.name for system in config.systems]
    summary: dict[str, Any] = {"run": str(config.run), "rows": len(test), "systems": names}
    decoding = check_models(config, test.rows, found)
    if test.rows:
        found.attempt(finished_translations, config, test.rows)
        _, warnings = overlap(test.rows, known_histories(config))
        found.notes += warnings
        summary["rewards"] = check_rewards(scored_by(config), (), test.rows[0], found)
    conclude(found, summary, *test.notes, str(test.funnel))
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


def check_run(config: EvaluateConfig) -> None:
    """Refuse a directory that holds anything but the beginnings of this very evaluation.

    Raises:
        UserError: E030, exit code 2.
    """
    from rewardlab.config import to_yaml
    from rewardlab.config.checks import check_run_directory

    written = config.run / "config.yaml"
    if written.is_file() and {path.name for path in config.run.iterdir()} <= OWN_FILES:
        if written.read_text(encoding="utf-8") == to_yaml(config):
            say(f"going on in {config.run}")
            return
        what = "holds the beginnings of an evaluation with another configuration"
        fix = f"give another one: run={config.run}-2"
        raise UserError([Problem("E030", f"run {shown(str(config.run))}", what, fix)])
    check_run_directory(config.run)


def finished_translations(config: EvaluateConfig, rows: Sequence[Row]) -> dict[str, list[str]]:
    """The translations of every system that is no model.

    Raises:
        UserError: E201..E205, E209 with the problems of all files; exit code 3.
    """
    from rewardlab.decoding.outputs import read_outputs

    found: dict[str, list[str]] = {}
    problems: list[Problem] = []
    for system in config.systems:
        if system.copies:
            found[system.name] = [row.source for row in rows]
        elif system.translations is not None:
            try:
                found[system.name], notes = read_outputs(system.translations, rows)
                say(*notes)
            except UserError as error:
                problems += error.problems
    if problems:
        raise UserError(problems, EXIT_DATA)
    return found


def overlap(
    rows: Sequence[Row], histories: Mapping[str, History]
) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Test rows with a side that a system was trained on, as far as its files are still there.

    Returns:
        By system how many sources, references, and rows with either; and what to warn of.
    """
    from pydantic import ValidationError

    from rewardlab.config.history import training_texts

    seen: dict[Any, frozenset[str]] = {}
    found: dict[str, dict[str, int]] = {}
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
        found[name] = {"sources": sum(sources), "references": sum(references), "rows": either}
        if either:
            warnings.append(
                f"{name} was trained on texts of {either:,} of {len(rows):,} test rows: "
                f"{sum(sources):,} sources, {sum(references):,} references"
            )
    return found, warnings
