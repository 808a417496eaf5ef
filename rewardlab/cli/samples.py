"""Where ``rewardlab rerank`` gets its samples: from the model, or from an earlier run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from rewardlab.cli.decoding import COST
from rewardlab.cli.training import say
from rewardlab.errors import EXIT_DATA, Problem, UserError, shown

if TYPE_CHECKING:
    from rewardlab.config.translate import RerankConfig
    from rewardlab.data.corpora import Row
    from rewardlab.decoding.translate import Translated, Translation
    from rewardlab.store.journal import Journal, Json

SAMPLES = "samples.jsonl"
SHORT = 40


class Sampler(NamedTuple):
    """Where the samples come from.

    Attributes:
        config: The configuration, with the model of the run that the samples are taken from.
        origin: What they depend on.
        sample: Makes them, or hands out those that were taken.
    """

    config: RerankConfig
    origin: dict[str, Json]
    sample: Callable[[Journal], Translated]


def sampled(config: RerankConfig, rows: Sequence[Row]) -> Sampler:
    """Sample with the configured model, and keep the samples in ``samples.jsonl``."""
    from rewardlab.cli.decoding import hush_libraries, prompts_of
    from rewardlab.config.translate import build_generator, build_sampling
    from rewardlab.decoding.files import write_translations
    from rewardlab.decoding.translate import texts_digest, translate_rows

    prompts = prompts_of(config, rows)
    generator = build_generator(config.generation, config.model)

    def sample(journal: Journal) -> Translated:
        hush_libraries(config.generation.backend)
        say(f"sampling {config.samples} translations of each of {len(rows):,} rows")
        done = translate_rows(
            prompts,
            generator,
            build_sampling(config.generation, samples=config.samples),
            seed=config.seed,
            journal=journal,
            say=say,
        )
        sources = {row.id: row.source for row in rows}
        write_translations(config.run / SAMPLES, done.translations, sources)
        return done

    origin: dict[str, Json] = {"generator": generator.signature, "prompts": texts_digest(prompts)}
    return Sampler(config, origin, sample)


def taken(config: RerankConfig, rows: Sequence[Row]) -> Sampler | None:
    """The samples of an earlier run, where the configuration names one.

    Raises:
        UserError: E085, the run is not finished, has another model, or lacks samples of these
            sources; exit code 3.
    """
    from rewardlab.decoding.translate import Translated, cost_of, texts_digest

    run = config.samples_from
    if run is None:
        return None
    config = _with_its_model(config, run)
    found = _samples_of(run, rows, config.samples)
    rate = _seconds(run) / max(1, cost_of([*found.values()]).tokens)
    done = [_first(found[row.id], config.samples, seconds_per_token=rate) for row in rows]
    texts = {row.id: json.dumps(row.texts) for row in done}
    say(f"taking {config.samples} samples of each source from {run}")

    def sample(_: Journal) -> Translated:
        return Translated(done, cost_of(done))

    return Sampler(config, {"taken_samples": texts_digest(texts)}, sample)


def _samples_of(run: Path, rows: Sequence[Row], samples: int) -> dict[str, Translation]:
    """Row id -> what the run has of it; of each of ``rows`` enough, and of the same source."""
    from rewardlab.decoding.files import TRANSLATIONS, read_translations

    name = SAMPLES if (run / SAMPLES).is_file() else TRANSLATIONS
    found = read_translations(run / name)
    if lacking := [row.id for row in rows if row.id not in found]:
        what = f"lacks {len(lacking):,} of {len(rows):,} rows, first {shown(lacking[0])}"
        _refuse(run, what, "rerank the data that was translated there")
    for row in rows:
        source, translation = found[row.id]
        if source != row.source:
            here, there = shown(row.source, SHORT), shown(source, SHORT)
            what = f"translated another text: row {row.id} is {here} here and {there} there"
            _refuse(run, what, "rerank the data that was translated there")
        if len(translation.texts) < samples:
            have = len(translation.texts)
            fix = f"samples={have}" if have > 1 else "translate with more samples"
            _refuse(run, f"has {have} of the {samples} samples asked for", fix)
    return {row_id: translation for row_id, (_, translation) in found.items()}


def _with_its_model(config: RerankConfig, run: Path) -> RerankConfig:
    """The configuration with the run's model, so that the lineage of the texts is known."""
    from rewardlab.config import strict_yaml

    if not (run / COST).is_file():
        what = "is no finished translate or rerank run"
        _refuse(run, what, "give its directory, or finish it: rewardlab translate CONFIG")
    told = strict_yaml.read(run / "config.yaml").value
    model = told.get("model") if isinstance(told, dict) else None
    if config.model is not None and str(config.model) != model:
        what = f"used model {shown(model)}, and this run names {shown(str(config.model))}"
        _refuse(run, what, "remove model: it follows from samples_from")
    return config.model_copy(update={"model": None if model is None else Path(str(model))})


def _seconds(run: Path) -> float:
    """What sampling took there, whichever of the two kinds of run it is."""
    told: dict[str, Any] = json.loads((run / COST).read_text(encoding="utf-8"))
    return float(told.get("sampling", told)["seconds"])


def _first(row: Translation, count: int, *, seconds_per_token: float) -> Translation:
    tokens = row.tokens[:count]
    return replace(
        row,
        texts=row.texts[:count],
        tokens=tokens,
        finished=row.finished[:count],
        seconds=sum(tokens) * seconds_per_token,
    )


def _refuse(run: Path, what: str, fix: str) -> NoReturn:
    problem = Problem("E085", f"samples_from {shown(str(run))}", what, fix)
    raise UserError([problem], EXIT_DATA)
