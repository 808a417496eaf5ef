"""The configuration of ``rewardlab evaluate``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Field,
    model_validator,
)

from rewardlab.config.checks import (
    NOWHERE,
    build,
    choice_problems,
    placed,
    prompt_problems,
    without_reference,
)
from rewardlab.config.history import History, history
from rewardlab.config.load import load
from rewardlab.config.problems import nearest
from rewardlab.config.sections import (
    Data,
    FileName,
    GenerationConfig,
    Rewarded,
    Section,
    Seed,
    SystemConfig,
    Text,
    Whole,
)
from rewardlab.config.strict_yaml import Document, Keys
from rewardlab.config.translate import generation_problems
from rewardlab.errors import Problem, UserError, shown
from rewardlab.evaluation.metrics import Metric

UNFIT = frozenset('/\\:*?"<>|')
"""Characters that no system's name may have: it names a file."""


class MetricConfig(Rewarded):
    """A registered reward as a metric, by its name alone or with its options.

    Attributes:
        reward: A registered name, or a specification such as ``chrf:word_order=2``.
        options: The other keys of the entry.
    """

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: object) -> object:
        return {"reward": value} if isinstance(value, str) else value

    def build(self) -> Metric:
        """The metric; BLEU follows the target language unless it was given a tokenizer.

        Raises:
            UserError: E029, E101..E104.
        """
        named = "tokenize=" in self.reward or "tokenize" in self.options
        return Metric(build(self.reward, self.options), by_language=not named)


class BootstrapConfig(Section):
    """How differences are tested.

    Attributes:
        resamples: How often the test rows are drawn anew.
        seed: Of the draws; 12345 is sacrebleu's.
    """

    resamples: Annotated[Whole, Field(ge=40, le=1_000_000)] = 1000
    seed: Seed = 12345


class EvaluateConfig(Section):
    """An evaluation.

    Attributes:
        run: The directory it writes.
        seed: Of sampled translations.
        data: The test set.
        split: The ``heldout`` rows of the data, or ``all``.
        prompt: A prompt style's name; needed where a model is decoded.
        chat: The prompt is one user turn of the checkpoint's chat template.
        generation: How models are decoded.
        systems: What is measured.
        baseline: The system or group that the others are compared with.
        metrics: What they are measured by.
        independent: Metrics that are claimed to be no system's training reward, nor a relative.
        bootstrap: How differences are tested.
    """

    run: FileName
    seed: Seed = 0
    data: Data
    split: Literal["heldout", "all"] = "heldout"
    prompt: Text | None = None
    chat: bool = Field(default=False, strict=True)
    generation: GenerationConfig = GenerationConfig()
    systems: Annotated[tuple[SystemConfig, ...], Field(min_length=1, strict=False)]
    baseline: Text | None = None
    metrics: Annotated[tuple[MetricConfig, ...], Field(min_length=1, strict=False)]
    independent: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    bootstrap: BootstrapConfig = BootstrapConfig()

    @property
    def served(self) -> bool:
        """Models run in another process."""
        return self.generation.backend == "server"


def load_evaluate_config(path: str | Path, overrides: Sequence[str] = ()) -> EvaluateConfig:
    """Read and check the configuration of an evaluation.

    Args:
        path: A YAML file.
        overrides: Arguments ``key=value``.

    Raises:
        UserError: E001..E039, E047, E070..E073, E080, E101..E104. Exit code 2.
    """
    return load(EvaluateConfig, path, overrides, check=check_evaluate)


def check_evaluate(config: EvaluateConfig, document: Document = NOWHERE) -> Iterator[Problem]:
    """What is wrong between the parts of a configuration whose schema holds."""
    yield from _decoding_problems(config, document)
    yield from _name_problems(config, document)
    metrics: dict[str, Metric] = {}
    yield from _metric_problems(config, document, metrics)
    histories: dict[str, History] = {}
    for at, system in enumerate(config.systems):
        try:
            histories[system.name] = history(system, served=config.served)
        except UserError as error:
            key = "model" if system.model is not None else "translations"
            where = document.where(("systems", at, key))
            yield from (replace(problem, where=where) for problem in error.problems)
    yield from _independence_problems(config, document, metrics, histories)


def _decoding_problems(config: EvaluateConfig, document: Document) -> Iterator[Problem]:
    """What models need that finished translations do not."""
    if config.prompt is not None:
        yield from prompt_problems(config.prompt, config.data, document)
    models = [at for at, system in enumerate(config.systems) if system.model is not None]
    if not models:
        return
    if config.prompt is None:
        what = "is missing: a model is decoded with it"
        yield Problem("E024", document.where(("prompt",)), what, "add prompt: to the file")
    yield from generation_problems(config.generation, document)
    if config.served and len(models) > 1:
        what = f"a server answers for one model, and {len(models)} systems have one"
        fix = "translate with each (rewardlab translate), then evaluate their translations"
        yield Problem("E075", document.where(("systems", models[1], "model")), what, fix)


def _name_problems(config: EvaluateConfig, document: Document) -> Iterator[Problem]:
    """Names of systems and groups: different ones, fit for a file, and one of them the baseline."""
    groups = {system.group for system in config.systems} - {None}
    seen: dict[str, int] = {}
    for at, system in enumerate(config.systems):
        keys: Keys = ("systems", at, "name")
        if seen.setdefault(system.name, at) != at:
            what = f"{shown(system.name)} names this system and systems.{seen[system.name]}"
            yield Problem("E072", document.where(keys), what, f"name: {system.name}-2")
        elif system.name in groups:
            what = f"{shown(system.name)} names a system and a group"
            yield Problem("E072", document.where(keys), what, f"name: {system.name}-1")
        if UNFIT & {*system.name} or not system.name.isprintable() or system.name.startswith("."):
            what = f"{shown(system.name)} cannot name a file"
            fix = "take letters, digits, spaces and - _ . + only"
            yield Problem("E073", document.where(keys), what, fix)
    if config.baseline is not None and config.baseline not in {*seen, *groups}:
        what = f"{shown(config.baseline)} is neither a system nor a group"
        names = [*seen, *sorted(filter(None, groups))]
        close = nearest(config.baseline, names)
        fix = f"baseline: {close}" if close is not None else f"one of {', '.join(names)}"
        yield Problem("E071", document.where(("baseline",)), what, fix)


def _metric_problems(
    config: EvaluateConfig, document: Document, built: dict[str, Metric]
) -> Iterator[Problem]:
    """Metrics that do not exist, lack references, or share a name; the others go into ``built``."""
    without = without_reference(config.data)
    for at, entry in enumerate(config.metrics):
        keys: Keys = ("metrics", at)
        try:
            metric = entry.build()
        except UserError as error:
            for problem in error.problems:
                yield placed(problem, keys, entry.options, (), document)
            continue
        if metric.reward.needs_reference and without:
            what = f"{metric.name} reads references, and {without[0]} has none"
            fix = "add reference: to the data, or remove the metric"
            yield Problem("E032", document.where(keys), what, fix)
        if metric.name in built:
            what = f"{metric.name} is asked for twice"
            fix = f"remove one, or give it a name of its own, name: {metric.name}_2"
            yield Problem("E036", document.where(keys), what, fix)
        built.setdefault(metric.name, metric)


def _independence_problems(
    config: EvaluateConfig,
    document: Document,
    metrics: Mapping[str, Metric],
    histories: Mapping[str, History],
) -> Iterator[Problem]:
    """Metrics that are called independent and are not."""
    for at, name in enumerate(config.independent):
        keys: Keys = ("independent", at)
        if name not in metrics:
            yield from choice_problems(keys, name, metrics, "a metric of this file", document)
            continue
        for system, known in histories.items():
            relatives = [reward for reward in known.rewards if metrics[name].is_relative_of(reward)]
            if relatives:
                what = (
                    f"{name} is no independent check of {system}: {known.origin} was optimised by "
                    f"{relatives[0].name} (family {relatives[0].family})"
                )
                fix = f"take {name} out of independent, or measure with another family"
                yield Problem("E070", document.where(keys), what, fix)
