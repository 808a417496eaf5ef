"""``rewardlab curate``: turn sources into pairs that are worth training on."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from rewardlab.cli import life_cycle
from rewardlab.cli.life_cycle import Arguments, conclude, read_config
from rewardlab.cli.options import ConfigFile, DryRun, Overrides
from rewardlab.cli.output import say
from rewardlab.cli.quiet import hush
from rewardlab.config.checks import check_run_directory, free_name
from rewardlab.config.curate import CurateConfig, build_stage, check_curate
from rewardlab.config.load import to_yaml
from rewardlab.config.rows import stream_corpora
from rewardlab.config.translate import build_sampling
from rewardlab.curation.card import write_card
from rewardlab.curation.dataset import as_json, write_dataset
from rewardlab.curation.engine import Engine, LocalEngine
from rewardlab.curation.items import Item
from rewardlab.curation.job import Curated, run_job
from rewardlab.curation.ray_engine import RayEngine
from rewardlab.curation.sampler import Sampler
from rewardlab.curation.stage import Job, Stage
from rewardlab.curation.work import Work
from rewardlab.data.funnel import Funnel
from rewardlab.data.rows import RowStream, all_rows, scan
from rewardlab.dry_run.decoding import signed_generator
from rewardlab.errors import UserError, quantity
from rewardlab.generate import Generator as TextGenerator
from rewardlab.generate import Prompt
from rewardlab.store.files import disk_errors, replace_file
from rewardlab.store.journal import Journal, Json
from rewardlab.store.run_directory import versions
from rewardlab.text.prompts import write_prompt

EngineName = Literal["local", "ray"]

JOURNAL, WORK, DATASET = "journal.sqlite", "work.sqlite", "dataset"


def command(
    config: ConfigFile,
    overrides: Overrides = None,
    *,
    dry_run: DryRun = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Score again where a reward was unavailable.")
    ] = False,
    engine: Annotated[EngineName, typer.Option(help="Where models run.")] = "local",
    workers: Annotated[
        int, typer.Option(min=1, help="Samplers, and scorers, of --engine ray.")
    ] = 2,
    ray_address: Annotated[
        str, typer.Option(metavar="ADDRESS", help="A running Ray cluster; else one is started.")
    ] = "",
    ray_gpus: Annotated[float, typer.Option(min=0, help="GPUs of each sampler.")] = 0.0,
) -> None:
    """Filter sources, sample and select translations, and write a data set.

    The same command resumes an interrupted job, and takes in data that was added since. For
    example: rewardlab curate curate.yaml
    """
    arguments = Arguments(config, overrides or ())
    runs_on = LocalEngine() if engine == "local" else RayEngine(workers, ray_address, ray_gpus)
    job = partial(work, engine=runs_on, retry=retry_failed)
    life_cycle.run(arguments, check, job, write, dry_run=dry_run)


@dataclass(frozen=True, eq=False)
class Ready(life_cycle.Ready):
    """A job that passed all checks.

    Attributes:
        config: The configuration.
        sources: The rows of the corpora, read from their files each time.
        read: What was left out on reading.
        stages: The stages.
        generator: The model that samples; None if no stage does.
    """

    config: CurateConfig
    sources: Sequence[RowStream]
    read: Funnel
    stages: Sequence[Stage]
    generator: TextGenerator | None


def check(arguments: Arguments) -> Ready:
    """Check configuration, directory, data and model.

    Raises:
        UserError: All problems: configuration and checkpoint (exit code 2), data (3).
    """
    config, found = read_config(arguments, CurateConfig, check=check_curate)
    generator = None
    if config.samples and not found.problems:
        generator = found.attempt(signed_generator, config.generation, config.model)
    found.attempt(_check_directory, config.run)
    sources = stream_corpora(config.data)
    read, said = found.attempt(lambda: scan(sources)) or (Funnel(), [])
    stages = [] if found.problems else [build_stage(entry) for entry in config.stages]
    for stage in stages:
        found.attempt(_read, stage)
    summary: dict[str, Any] = {"run": str(config.run), "rows": read.kept}
    notes = conclude(found, *said, str(read))
    return Ready(summary, notes, config, sources, read, stages, generator)


def _read(stage: Stage) -> str:
    """The signature of a stage, for which the files that it depends on are read."""
    return stage.signature


def _check_directory(run: Path) -> None:
    """Refuse a directory that contains anything except a job.

    Raises:
        UserError: E030, exit code 2.
    """
    if not any(run.glob(f"{JOURNAL}*")):  # a killed job may have left only a lock file
        check_run_directory(run)


# ── work ────────────────────────────────────────────────────────────────────────────────────────


def work(ready: Ready, *, engine: Engine, retry: bool) -> Curated:
    """Run the stages, and write the data set.

    Args:
        ready: The job.
        engine: Runs samplers and scorers.
        retry: Score again what an earlier process could not score because a reward was unavailable.

    Raises:
        UserError: E083, E084 the directory belongs to another job (exit code 2); the server is
            gone (4); the disk is full (75).
        RewardUnavailable: A gate could not be reached.
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: A reward left too many texts unscored.
    """
    config = ready.config
    if config.samples and config.generation.needs_checkpoint:
        hush()
    say(f"curating {quantity(ready.read.kept, 'row')}; the same command resumes")
    with _opened(ready) as journal, Work.open(config.run / WORK) as rows:
        job = Job(rows, journal, engine, _sampler(ready), config.seed, say, retry)
        curated = run_job(all_rows(ready.sources), ready.stages, job, read=ready.read)
        card = write_card(
            curated,
            ready.stages,
            sources=[_facts(one.model_dump(mode="json")) for one in config.data],
            sampler=None if job.sampler is None else job.sampler.signature,
            seed=config.seed,
        )
        kept = (item for chunk in rows.chunks() for item in chunk)
        write_dataset(config.run / DATASET, kept, curated, card=card, kind=config.format)
    return curated


def _facts(source: dict[str, Any]) -> dict[str, str]:
    names = ("source", "reference", "source_lang", "target_lang", "licence")
    return {name: str(source[name]) for name in names if source.get(name)}


def _sampler(ready: Ready) -> Sampler | None:
    config = ready.config
    if ready.generator is None:
        return None

    def prompt(item: Item) -> Prompt:
        languages = {"source_lang": item.source_lang, "target_lang": item.target_lang}
        return write_prompt(config.prompt or "", item.source, **languages, chat=config.chat)

    return Sampler(ready.generator, prompt, build_sampling(config.generation), config.seed)


@contextmanager
def _opened(ready: Ready) -> Generator[Journal]:
    """The journal of the directory.

    Raises:
        UserError: E083 it belongs to another job, E084 another process works in it; exit code 2.
    """
    config = ready.config
    with disk_errors(config.run):
        config.run.mkdir(parents=True, exist_ok=True)
    try:
        journal = Journal.open(config.run / JOURNAL, dict(_settings(ready)), note=say)
    except UserError as error:
        fix = f"write to another directory: run={free_name(config.run)}"
        error.problems = [
            replace(one, fix=fix) if one.code == "E083" else one for one in error.problems
        ]
        raise
    with journal:
        replace_file(config.run / "config.yaml", to_yaml(config))
        replace_file(config.run / "versions.json", json.dumps(versions(), indent=2) + "\n")
        yield journal


def _settings(ready: Ready) -> Iterator[tuple[str, Json]]:
    """What samples and scores depend on, besides the rows: more data may come."""
    config = ready.config
    yield "seed", config.seed
    if ready.generator is not None:
        yield "generator", ready.generator.signature
        yield "prompt", config.prompt
        yield "chat", config.chat
        yield "generation", config.generation.model_dump(mode="json")
    for place, stage in enumerate(ready.stages):
        yield f"stage {place + 1}", stage.signature


def write(ready: Ready, curated: Curated) -> dict[str, Any]:
    """Report what became of the rows; the data set is written by `work`."""
    say(str(curated.funnel), f"written: {ready.config.run / DATASET}")
    return {
        "run": str(ready.config.run),
        "dataset": str(ready.config.run / DATASET),
        **as_json(curated.funnel),
        "pairs": curated.pairs,
    }
