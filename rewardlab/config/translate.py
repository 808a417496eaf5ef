"""The configurations of ``rewardlab translate`` and ``rewardlab rerank``, and what they share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rewardlab.config import checks
from rewardlab.config.sections import (
    EnsembleConfig,
    FileName,
    GenerationConfig,
    RunConfig,
    Text,
    needs,
)
from rewardlab.config.strict_yaml import Document
from rewardlab.errors import Problem, UserError
from rewardlab.generate import Generator, Sampling
from rewardlab.generate.apertium import ApertiumGenerator
from rewardlab.generate.backends import new_backend
from rewardlab.store.checkpoints import find_checkpoint


class TranslateConfig(RunConfig):
    """A translation run; the data needs no references.

    Attributes:
        prompt: A prompt style's name: `rewardlab.text.prompts.PROMPTS`.
        split: ``all`` rows, or the ``heldout`` ones.
        model: A saved checkpoint, or a run directory with ``model/`` in it. Not needed with
            ``backend: server``; it is then recorded as the model that the server runs.
        generation: The backend that writes the translations, and its options.
        samples: Number of translations of each source.
    """

    prompt: Text
    split: Literal["all", "heldout"] = "all"
    model: FileName | None = None
    generation: GenerationConfig = GenerationConfig()
    samples: Annotated[int, Field(ge=1, le=1024)] = 1

    @model_validator(mode="after")
    def _has_a_model(self) -> Self:
        if self.model is None and self.generation.needs_checkpoint:
            raise needs("model", "a checkpoint or a run directory")
        return self


class RerankGenerationConfig(GenerationConfig):
    """How candidates are sampled; otherwise as `GenerationConfig`.

    Attributes:
        temperature: Temperature, above 0 so that the samples differ.
    """

    temperature: Annotated[float, Field(ge=0, le=10)] = 1.0


class RerankConfig(EnsembleConfig, TranslateConfig):
    """A reranking run: sample, score, keep the best.

    The rewards' ``weight`` decides; ``token_weight`` has no effect here. A candidate with a closed
    gate is chosen only if all candidates of the source have a closed gate.

    Attributes:
        generation: The backend that writes the candidates, and its options.
        samples: Number of candidates for each source.
        samples_from: A translate or rerank run whose samples (the first ``samples`` of each source)
            are used in place of new ones; that run's model is then also the model of this run.
        references: References for rewards that read them: ``samples`` compares each candidate with
            every other one (minimum Bayes risk); ``data`` takes the references of the data, so the
            result is an upper bound and not a real system.
    """

    generation: RerankGenerationConfig = RerankGenerationConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - a frozen model
    samples: Annotated[int, Field(ge=2, le=1024)] = 8
    samples_from: FileName | None = None
    references: Literal["samples", "data"] = "samples"

    @model_validator(mode="after")
    def _has_a_model(self) -> Self:
        if (self.model or self.samples_from) is None and self.generation.needs_checkpoint:
            raise needs("model", "a checkpoint or a run directory, or samples_from")
        return self


def check_translate(
    config: TranslateConfig, document: Document = checks.NOWHERE
) -> Iterator[Problem]:
    """Problems between the parts of a configuration that fits its schema.

    Args:
        config: The configuration.
        document: Its file.

    Yields:
        E026, E039, E080, E082, E086.
    """
    yield from checks.prompt_problems(config.prompt, config.data, document)
    yield from _model_problems(config.model, document)
    yield from generation_problems(config.generation, document, samples=config.samples)


def check_rerank(config: RerankConfig, document: Document = checks.NOWHERE) -> Iterator[Problem]:
    """Problems between the parts of a configuration that fits its schema.

    Args:
        config: The configuration.
        document: Its file.

    Yields:
        As `check_translate`, E038, and those of `reward_problems`.
    """
    yield from checks.prompt_problems(config.prompt, config.data, document)
    yield from _model_problems(config.model, document)
    if config.samples_from is None:
        yield from generation_problems(config.generation, document, samples=config.samples)
    # Samples replace references, so that the data needs none.
    data = config.data if config.references == "data" else ()
    yield from checks.reward_problems(config, data, document)
    if not any(entry.weight for entry in config.rewards):
        what = "every weight is 0, so there is nothing to choose by"
        yield document.problem("E038", ("rewards",), what, "give one a weight")


def _model_problems(model: Path | None, document: Document) -> Iterator[Problem]:
    """E080: neither a checkpoint nor a run directory that contains one."""
    try:
        _ = None if model is None else find_checkpoint(model)
    except UserError as error:
        yield from checks.model_problems(error.problems, model, ("model",), document)


def generation_problems(
    generation: GenerationConfig, document: Document, *, samples: int = 1
) -> Iterator[Problem]:
    """E082 samples that would all be the same; E086 the server's URL is invalid.

    Args:
        generation: The section ``generation``.
        document: The file.
        samples: Texts for each source.
    """
    if samples > 1 and generation.temperature == 0:
        how = f"beams: {generation.beams}" if generation.beams > 1 else "temperature: 0"
        what = f"samples: {samples} with {how} would be one text {samples} times"
        fix = "samples: 1, or generation.beams=1 generation.temperature=1.0"
        yield document.problem("E082", ("samples",), what, fix)
    if generation.backend == "server":
        from rewardlab.generate.server import url_problem

        if (problem := url_problem(generation.url or "")) is not None:
            yield replace(problem, where=document.where(("generation", "url")))


def build_sampling(generation: GenerationConfig, *, samples: int = 1) -> Sampling:
    """The sampling options.

    Args:
        generation: The section ``generation``, which has the other fields of `Sampling`.
        samples: Texts for each source.
    """
    names = {field.name for field in fields(Sampling)}
    return Sampling(**generation.model_dump(include=names), samples=samples)


def build_generator(generation: GenerationConfig, model: Path | None) -> Generator:
    """The generator of texts; no model is loaded and no server is contacted yet.

    Args:
        generation: The section ``generation``.
        model: A checkpoint, or a run directory that contains one; ignored with a server.

    Raises:
        UserError: E080, the checkpoint is missing.
    """
    if generation.backend == "apertium":
        return ApertiumGenerator(generation.pair or "", generation.unknown)
    served = generation.backend == "server"
    name = generation.server_model if served else find_checkpoint(model or "")
    url = generation.url or ""
    return new_backend(generation.backend, str(name), url, generation.batch_size)
