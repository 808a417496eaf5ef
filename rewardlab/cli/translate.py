"""``rewardlab translate``: translate texts with a model; an interrupted run can be resumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rewardlab.cli import decoding, life_cycle
from rewardlab.cli.life_cycle import Arguments, conclude, read_config
from rewardlab.cli.options import ConfigFile, DryRun, Overrides
from rewardlab.cli.output import say
from rewardlab.cli.rows import NO_ROWS, pairs_of, prompts_of, row_notes
from rewardlab.config.translate import TranslateConfig, check_translate
from rewardlab.data.corpora import Corpus
from rewardlab.decoding.translate import Translated, prompts_digest
from rewardlab.dry_run.decoding import check_decoding, signed_generator
from rewardlab.errors import quantity
from rewardlab.generate import Generator


def command(config: ConfigFile, overrides: Overrides = None, *, dry_run: DryRun = False) -> None:
    """Translate texts; the same command resumes an interrupted run.

    For example: rewardlab translate translate.yaml model=runs/rl data.source=news.da
    """
    life_cycle.run(Arguments(config, overrides or ()), check, work, write, dry_run=dry_run)


@dataclass(frozen=True, eq=False)
class Ready(life_cycle.Ready):
    """A translation run that passed all checks.

    Attributes:
        config: The configuration.
        corpus: The rows to translate.
        generator: The model.
    """

    config: TranslateConfig
    corpus: Corpus
    generator: Generator


def check(arguments: Arguments) -> Ready:
    """Check configuration, directory, data and model; a finished run needs no model.

    Raises:
        UserError: All problems: configuration and checkpoint (exit code 2), data (3), server (4).
    """
    config, found = read_config(arguments, TranslateConfig, check=check_translate)
    generator = (
        None if found.problems else found.attempt(signed_generator, config.generation, config.model)
    )
    found.attempt(decoding.check_directory, config.run)
    corpus = found.attempt(decoding.rows_of, config, with_references=False) or NO_ROWS
    summary: dict[str, Any] = {"run": str(config.run), "rows": len(corpus)}
    if not decoding.is_finished(config.run):
        pairs = pairs_of(corpus.rows, config.prompt, config.data, chat=config.chat)
        summary |= check_decoding(generator, config.model, pairs, config.generation, found)
    notes = conclude(found, *row_notes(corpus))
    assert generator is not None  # noqa: S101 - it has no problems
    return Ready(summary, notes, config, corpus, generator)


def work(ready: Ready) -> Translated | None:
    """Translate the rows that are not in the run's journal yet; None if the run is finished.

    Raises:
        UserError: E083, E084 the directory belongs to another run (exit code 2); the server is
            gone (4); the disk is full (75).
    """
    config, rows, signature = ready.config, ready.corpus.rows, ready.generator.signature
    prompts = prompts_of(rows, config.prompt, chat=config.chat)
    origin = {"generator": signature, "prompts": prompts_digest(prompts)}
    with decoding.open_run(config, origin, signatures=[signature]) as journal:
        if decoding.is_finished(config.run):
            return None
        todo = quantity(len(rows), "row")
        say(f"translating {todo}; the same command resumes if it is interrupted")
        return decoding.decode_rows(config, ready.generator, rows, journal, samples=config.samples)


def write(ready: Ready, translated: Translated | None) -> dict[str, Any]:
    """Write texts and costs.

    Args:
        ready: The run.
        translated: Translations of all rows; None if the run was finished before.

    Returns:
        The report: costs, and counts of lines and texts.
    """
    config = ready.config
    if translated is None:
        return decoding.earlier_report(config.run)
    counts = decoding.write_texts(config, ready.corpus.rows, translated.translations)
    costs = decoding.cost_report(translated.cost) | decoding.peaks(config.generation.backend)
    return decoding.finish(config.run, {**costs, **counts})
