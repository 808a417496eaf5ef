"""The configuration of ``rewardlab evaluate``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from rewardlab.config import checks
from rewardlab.config.history import History, history
from rewardlab.config.problems import missing_key
from rewardlab.config.sections import (
    GenerationConfig,
    ListOf,
    NonEmpty,
    Rewarded,
    RunConfig,
    Section,
    Seed,
    SystemConfig,
    Text,
)
from rewardlab.config.strict_yaml import Document, Keys
from rewardlab.config.translate import generation_problems
from rewardlab.errors import Problem, UserError, nearest, shown
from rewardlab.evaluation.metrics import Metric
from rewardlab.types import Reward

UNFIT = frozenset('/\\:*?"<>|')
"""Characters that are not allowed in a system's name: it names a file."""


class MetricConfig(Rewarded):
    """A registered reward as a metric, by its name alone or with its options.

    Attributes:
        reward: A registered name, or a specification such as ``chrf:word_order=2``.
    """

    def build(self) -> Metric:
        """The metric.

        Raises:
            UserError: E029, E101..E104.
        """
        return Metric(checks.build_entry(self))


class BootstrapConfig(Section):
    """How differences are tested.

    Attributes:
        resamples: Bootstrap resamples of the test rows.
        seed: Seed of the draws; 12345 is sacrebleu's.
    """

    resamples: Annotated[int, Field(ge=40, le=1_000_000)] = 1000
    seed: Seed = 12345


class EvaluateConfig(RunConfig):
    """An evaluation.

    Attributes:
        split: The ``heldout`` rows of the data, or ``all``.
        prompt: A prompt style's name; needed if a model is decoded.
        generation: How models are decoded.
        systems: The systems to measure.
        baseline: The system or group that the others are compared with.
        metrics: The metrics.
        independent: Metrics claimed to be unrelated to the training rewards of all systems.
        bootstrap: How differences are tested.
    """

    split: Literal["heldout", "all"] = "heldout"
    prompt: Text | None = None
    generation: GenerationConfig = GenerationConfig()
    systems: NonEmpty[SystemConfig]
    baseline: Text | None = None
    metrics: NonEmpty[MetricConfig]
    independent: ListOf[Text] = ()
    bootstrap: BootstrapConfig = BootstrapConfig()

    @property
    def served(self) -> bool:
        """Whether models run in another process."""
        return not self.generation.needs_checkpoint


def check_evaluate(
    config: EvaluateConfig, document: Document = checks.NOWHERE
) -> Iterator[Problem]:
    """Problems between the parts of a configuration that fits its schema.

    Args:
        config: The configuration.
        document: Its file.

    Yields:
        E024, E026, E029, E032, E036, E039, E047, E070..E073, E075, E080, E086, E101..E104.
    """
    yield from _decoding_problems(config, document)
    yield from _name_problems(config, document)
    metrics, problems = checks.build_entries("metrics", config.metrics, config.data, document)
    yield from problems
    histories: dict[str, History] = {}
    for at, system in enumerate(config.systems):
        try:
            histories[system.name] = history(system, served=config.served)
        except UserError as error:
            key = "model" if system.model is not None else "translations"
            keys: Keys = ("systems", at, key)
            yield from checks.model_problems(error.problems, system.model, keys, document)
    yield from _independence_problems(config, document, metrics, histories)


def _decoding_problems(config: EvaluateConfig, document: Document) -> Iterator[Problem]:
    """Problems of models; finished translations cannot have them."""
    if config.prompt is not None:
        yield from checks.prompt_problems(config.prompt, config.data, document)
    models = [at for at, system in enumerate(config.systems) if system.model is not None]
    if not models:
        return
    if config.prompt is None:
        yield missing_key(("prompt",), document, why="a model is decoded with it")
    yield from generation_problems(config.generation, document)
    if config.served and len(models) > 1:
        what = f"a server answers for one model, and {len(models)} systems have one"
        fix = "translate with each (rewardlab translate), then evaluate their translations"
        yield document.problem("E075", ("systems", models[1], "model"), what, fix)


def _name_problems(config: EvaluateConfig, document: Document) -> Iterator[Problem]:
    """E072 duplicate names; E073 names that a file cannot have; E071 an unknown baseline."""
    groups = {system.group for system in config.systems if system.group is not None}
    seen: dict[str, int] = {}
    for at, system in enumerate(config.systems):
        name = system.name
        keys: Keys = ("systems", at, "name")
        if seen.setdefault(name, at) != at:
            what = f"{shown(name)} names this system and systems.{seen[name]}"
            yield document.problem("E072", keys, what, f"name: {name}-2")
        elif name in groups:
            what = f"{shown(name)} names a system and a group"
            yield document.problem("E072", keys, what, f"name: {name}-1")
        if UNFIT & {*name} or not name.isprintable() or name.startswith("."):
            fix = "take letters, digits, spaces and - _ . + only"
            yield document.problem("E073", keys, f"{shown(name)} cannot name a file", fix)
    names = [*seen, *sorted(groups)]
    if config.baseline is not None and config.baseline not in names:
        close = nearest(config.baseline, names)
        what = f"{shown(config.baseline)} is neither a system nor a group"
        fix = f"baseline: {close}" if close is not None else f"one of {', '.join(names)}"
        yield document.problem("E071", ("baseline",), what, fix)


def _independence_problems(
    config: EvaluateConfig,
    document: Document,
    metrics: Mapping[str, Reward],
    histories: Mapping[str, History],
) -> Iterator[Problem]:
    """E026 unknown metrics among the independent ones; E070 metrics that are not independent."""
    for at, name in enumerate(config.independent):
        keys: Keys = ("independent", at)
        yield from checks.choice_problems(keys, name, metrics, "a metric of this file", document)
        for system, known in histories.items() if name in metrics else ():
            metric = Metric(metrics[name])
            relatives = [reward for reward in known.rewards if metric.is_relative_of(reward)]
            if relatives:
                what = (
                    f"{name} is no independent check of {system}: {known.origin} was optimised by "
                    f"{relatives[0].name} (family {relatives[0].family})"
                )
                fix = f"take {name} out of independent, or measure with another family"
                yield document.problem("E070", keys, what, fix)
