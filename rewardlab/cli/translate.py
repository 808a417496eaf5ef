"""``rewardlab translate``: translate texts with a model, and go on after any interruption."""

from __future__ import annotations

from rewardlab.cli.arguments import Arguments, ConfigFile, DryRun, Overrides
from rewardlab.cli.training import conclude, report, say
from rewardlab.data.corpora import Corpus
from rewardlab.errors import UserError


def command(config: ConfigFile, overrides: Overrides = None, *, dry_run: DryRun = False) -> None:
    """Translate texts; the same command goes on where it was interrupted.

    For example: rewardlab translate translate.yaml model=runs/rl data.source=news.da
    """
    run(Arguments(config, tuple(overrides or ()), dry_run))


def run(arguments: Arguments) -> None:
    """Read, check, translate, write; print a JSON summary on stdout.

    Raises:
        UserError: Everything wrong with the configuration (exit code 2) or the data (3); the
            server is not there (4); the disk is full (75).
    """
    from rewardlab.cli.decoding import (
        begin,
        cost_report,
        finish,
        finished_before,
        hush_libraries,
        notes_of,
        peaks,
        prompts_of,
        rows_of,
        settings_of,
        write_texts,
    )
    from rewardlab.config.load import load
    from rewardlab.config.translate import (
        TranslateConfig,
        build_generator,
        build_sampling,
        check_translate,
    )
    from rewardlab.decoding.translate import texts_digest, translate_rows

    if arguments.dry_run:
        dry_run(arguments)
        return
    config = load(TranslateConfig, arguments.config, arguments.overrides, check=check_translate)
    corpus = rows_of(config, with_references=False)
    say(*corpus.notes, str(corpus.funnel))
    prompts = prompts_of(config, corpus.rows)
    generator = build_generator(config.generation, config.model)
    signature = generator.signature
    settings = settings_of(config, generator=signature, prompts=texts_digest(prompts))
    with begin(config.run, settings, notes_of(config, signature)) as journal:
        if finished_before(config.run):
            return
        hush_libraries(config.generation.backend)
        say(f"translating {len(corpus):,} rows; {config.run} goes on if this is interrupted")
        done, cost = translate_rows(
            prompts,
            generator,
            build_sampling(config.generation, samples=config.samples),
            seed=config.seed,
            journal=journal,
            say=say,
        )
        counts = write_texts(config, corpus.rows, done)
        memory = peaks(config.generation.backend)
        finish(config.run, {**cost_report(cost), **memory, **counts})


def dry_run(arguments: Arguments) -> None:
    """Look at everything that can be looked at; print what is known of the run on stdout.

    Raises:
        UserError: With everything that is wrong: configuration and checkpoint (exit code 2), data
            (3), server (4).
    """
    from rewardlab.cli.decoding import check_directory, pairs_of, rows_of
    from rewardlab.config.load import examine
    from rewardlab.config.translate import TranslateConfig, check_translate
    from rewardlab.dry_run import Findings, examine_decoding

    config, problems = examine(
        TranslateConfig, arguments.config, arguments.overrides, check=check_translate
    )
    if config is None:
        raise UserError(problems)
    found = Findings()
    found.add(problems)
    found.attempt(check_directory, config.run)
    corpus = found.attempt(rows_of, config, with_references=False) or Corpus()
    summary = {"run": str(config.run), "rows": len(corpus)}
    summary |= examine_decoding(
        config.model, pairs_of(config, corpus.rows), config.generation, found
    )
    conclude(found, summary, *corpus.notes, str(corpus.funnel))
    report({"dry_run": True, **summary})
