"""The configurations of ``rewardlab translate`` and ``rewardlab rerank``, and what they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from rewardlab.config.checks import NOWHERE, prompt_problems, reward_problems
from rewardlab.config.load import load
from rewardlab.config.sections import (
    Data,
    FileName,
    Gates,
    GenerationConfig,
    Number,
    Rewards,
    Section,
    Seed,
    Text,
    Whole,
)
from rewardlab.config.strict_yaml import Document
from rewardlab.errors import Problem, UserError
from rewardlab.generate import Generator, Sampling
from rewardlab.store.checkpoints import find_checkpoint

Samples = Annotated[Whole, Field(le=1024)]


class TranslateConfig(Section):
    """A translation run.

    Attributes:
        run: The directory it writes, or goes on in.
        seed: Of what is sampled.
        data: What to translate; references are not needed.
        split: ``all`` rows, or the ``heldout`` ones.
        prompt: A prompt style's name: `rewardlab.text.prompts.PROMPTS`.
        chat: The prompt is one user turn of the checkpoint's chat template.
        model: A saved checkpoint, or a run directory with ``model/`` in it. With ``backend:
            server`` not needed; it is then recorded as what the server runs.
        generation: What writes the translations, and how.
        samples: Translations of each source.
    """

    run: FileName
    seed: Seed = 0
    data: Data
    split: Literal["all", "heldout"] = "all"
    prompt: Text
    chat: bool = Field(default=False, strict=True)
    model: FileName | None = None
    generation: GenerationConfig = GenerationConfig()
    samples: Annotated[Samples, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _has_a_model(self) -> Self:
        if self.model is None and self.generation.backend != "server":
            context = {"key": "model"}
            raise PydanticCustomError("needs", "a checkpoint or a run directory", context)
        return self


class RerankGenerationConfig(GenerationConfig):
    """How candidates are sampled; otherwise as `GenerationConfig`.

    Attributes:
        temperature: Above 0, for the samples to differ.
    """

    temperature: Annotated[Number, Field(ge=0, le=10)] = 1.0


class RerankConfig(Section):
    """A reranking run: sample, score, keep the best; as `TranslateConfig` where not said.

    Attributes:
        run: The directory it writes, or goes on in.
        seed: Of what is sampled.
        data: What to translate.
        split: ``all`` rows, or the ``heldout`` ones.
        prompt: A prompt style's name.
        chat: The prompt is one user turn of the checkpoint's chat template.
        model: A saved checkpoint, or a run directory with ``model/`` in it.
        generation: What writes the candidates, and how.
        samples: Candidates for each source.
        samples_from: A translate or rerank run whose samples are taken, the first ``samples`` of
            each source, and none are made; its model is then this run's.
        references: What rewards that read a reference get: ``samples``, each candidate against
            each other one (minimum Bayes risk), or ``data``, the references of the data, which
            makes the result an upper bound and no system.
        rewards: The ensemble's terms; ``weight`` decides, ``token_weight`` has no meaning here.
        gates: Its guards: a candidate that one closes on wins only where all are.
    """

    run: FileName
    seed: Seed = 0
    data: Data
    split: Literal["all", "heldout"] = "all"
    prompt: Text
    chat: bool = Field(default=False, strict=True)
    model: FileName | None = None
    generation: RerankGenerationConfig = RerankGenerationConfig()
    samples: Annotated[Samples, Field(ge=2)] = 8
    samples_from: FileName | None = None
    references: Literal["samples", "data"] = "samples"
    rewards: Rewards
    gates: Gates = ()

    @model_validator(mode="after")
    def _has_a_model(self) -> Self:
        has_none = self.model is None and self.samples_from is None
        if has_none and self.generation.backend != "server":
            context = {"key": "model"}
            message = "a checkpoint or a run directory, or samples_from"
            raise PydanticCustomError("needs", message, context)
        return self


def load_translate_config(path: str | Path, overrides: Sequence[str] = ()) -> TranslateConfig:
    """Read and check the configuration of a translation run.

    Args:
        path: A YAML file.
        overrides: Arguments ``key=value``.

    Raises:
        UserError: E001..E039, E080, E082, E086. Exit code 2.
    """
    return load(TranslateConfig, path, overrides, check=check_translate)


def load_rerank_config(path: str | Path, overrides: Sequence[str] = ()) -> RerankConfig:
    """Read and check the configuration of a reranking run.

    Args:
        path: A YAML file.
        overrides: Arguments ``key=value``.

    Raises:
        UserError: E001..E039, E080, E082, E086, E101..E104. Exit code 2.
    """
    return load(RerankConfig, path, overrides, check=check_rerank)


def check_translate(config: TranslateConfig, document: Document = NOWHERE) -> Iterator[Problem]:
    """What is wrong between the parts of a configuration whose schema holds."""
    yield from prompt_problems(config.prompt, config.data, document)
    yield from model_problems(config.model, document)
    yield from generation_problems(config.generation, document, samples=config.samples)


def check_rerank(config: RerankConfig, document: Document = NOWHERE) -> Iterator[Problem]:
    """What is wrong between the parts of a configuration whose schema holds."""
    yield from prompt_problems(config.prompt, config.data, document)
    yield from model_problems(config.model, document)
    if config.samples_from is None:
        yield from generation_problems(config.generation, document, samples=config.samples)
    # Samples stand in for references, so that the data needs none.
    data = config.data if config.references == "data" else ()
    yield from reward_problems(config.rewards, config.gates, data, document)
    if not any(entry.weight for entry in config.rewards):
        what = "every weight is 0, so there is nothing to choose by"
        yield Problem("E038", document.where(("rewards",)), what, "give one a weight")


def model_problems(model: Path | None, document: Document, key: str = "model") -> Iterator[Problem]:
    """E080: neither a checkpoint nor a run directory that holds one."""
    try:
        _ = None if model is None else find_checkpoint(model)
    except UserError as error:
        yield from (replace(one, where=document.where((key,))) for one in error.problems)


def generation_problems(
    generation: GenerationConfig, document: Document, *, samples: int = 1
) -> Iterator[Problem]:
    """E082 samples that would all be the same; E086 a server's address that is none."""
    if samples > 1 and generation.temperature == 0:
        how = f"beams: {generation.beams}" if generation.beams > 1 else "temperature: 0"
        what = f"samples: {samples} with {how} would be one text {samples} times"
        fix = "samples: 1, or generation.beams=1 generation.temperature=1.0"
        yield Problem("E082", document.where(("samples",)), what, fix)
    if generation.backend == "server":
        from rewardlab.generate.server import url_problem

        if (problem := url_problem(generation.url or "")) is not None:
            yield replace(problem, where=document.where(("generation", "url")))


def build_sampling(generation: GenerationConfig, *, samples: int = 1) -> Sampling:
    """How texts are chosen, as the configuration says."""
    return Sampling(
        max_new_tokens=generation.max_new_tokens,
        beams=generation.beams,
        temperature=generation.temperature,
        top_p=generation.top_p,
        top_k=generation.top_k,
        samples=samples,
    )


def build_generator(generation: GenerationConfig, model: Path | None) -> Generator:
    """What writes texts, as the configuration says; nothing is loaded or reached yet.

    Args:
        generation: The backend and its options.
        model: A checkpoint, or a run directory that holds one; not looked at for a server.

    Raises:
        UserError: E080, there is no checkpoint.
    """
    if generation.backend == "server":
        from rewardlab.generate.server import ServerGenerator

        return ServerGenerator(
            url=generation.url or "",
            model=generation.server_model or "",
            concurrency=generation.batch_size,
        )
    checkpoint = find_checkpoint(model or "")
    if generation.backend == "vllm":
        from rewardlab.generate.vllm_engine import VLLMGenerator

        return VLLMGenerator(checkpoint, generation.batch_size)
    from rewardlab.generate.local import TransformersGenerator

    return TransformersGenerator(checkpoint, generation.batch_size)
