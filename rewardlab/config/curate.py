"""The configuration of ``rewardlab curate``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from rewardlab.arguments import BadArgument
from rewardlab.config import checks
from rewardlab.config.sections import (
    FileName,
    GateConfig,
    GenerationConfig,
    ListOf,
    NonEmpty,
    Options,
    RewardConfig,
    Rewarded,
    Section,
    Seed,
    Several,
    Text,
    TextsConfig,
    needs,
)
from rewardlab.config.strict_yaml import Document
from rewardlab.config.translate import generation_problems
from rewardlab.curation.stage import Stage
from rewardlab.curation.stages import STAGES
from rewardlab.errors import Problem, UserError, nearest, shown
from rewardlab.store.checkpoints import find_checkpoint
from rewardlab.types import Gate, Reward, Term


class SourcesConfig(TextsConfig):
    """A corpus of sources; with ``reference``, of pairs that are to be filtered.

    Attributes:
        licence: Its licence, for the card of the data set.
    """

    licence: Text | None = None


class StageConfig(Section):
    """One stage; all other keys are its options.

    Attributes:
        stage: Name of the stage.
    """

    model_config = ConfigDict(extra="allow")

    stage: Text

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: object) -> object:
        return {"stage": value} if isinstance(value, str) else value

    @property
    def options(self) -> Options:
        """The options of the stage."""
        return self.model_extra or {}


class CurateConfig(Section):
    """A curation job.

    Attributes:
        run: The directory that the job writes.
        seed: Seed of all draws.
        data: The corpora.
        stages: The stages, in order.
        prompt: A prompt style's name; needed if a stage samples.
        chat: A prompt is one user turn of the checkpoint's chat template.
        model: The checkpoint that samples, or a run directory with ``model/`` in it.
        generation: The backend that samples; the stages choose temperatures.
        format: Format of the data set.
    """

    run: FileName
    seed: Seed = 0
    data: Annotated[Several[SourcesConfig], Field(min_length=1)]
    stages: NonEmpty[StageConfig]
    prompt: Text | None = None
    chat: bool = False
    model: FileName | None = None
    generation: GenerationConfig = GenerationConfig()
    format: Literal["parquet", "jsonl"] = "parquet"

    @property
    def samples(self) -> bool:
        """Whether a stage samples translations."""
        known = STAGES.names()
        return any(STAGES.load(one.stage).sampling for one in self.stages if one.stage in known)

    @model_validator(mode="after")
    def _can_sample(self) -> Self:
        if self.samples and self.prompt is None:
            raise needs("prompt", "a stage samples translations; write prompt: translategemma")
        if self.samples and self.model is None and self.generation.needs_checkpoint:
            raise needs("model", "a stage samples translations: a checkpoint or a run directory")
        return self


_AS_WRITTEN: Mapping[object, Any] = MappingProxyType(
    {
        Reward: Rewarded,
        Sequence[Term]: NonEmpty[RewardConfig],
        Sequence[Gate]: ListOf[GateConfig],
        Sequence[Path]: NonEmpty[FileName],
    }
)
"""How the file gives an option of a type."""


def check_curate(config: CurateConfig, document: Document = checks.NOWHERE) -> Iterator[Problem]:
    """Problems between the parts of a configuration that fits its schema.

    Args:
        config: The configuration.
        document: Its file.

    Yields:
        E026, E039, E080, E086; E100 an unknown stage, and E102 and E103 its options; the problems
        of rewards.
    """
    if config.prompt is not None:
        yield from checks.prompt_problems(config.prompt, config.data, document)
    if config.samples:
        yield from generation_problems(config.generation, document)
        try:
            _ = None if config.model is None else find_checkpoint(config.model)
        except UserError as error:
            yield from checks.model_problems(error.problems, config.model, ("model",), document)
    for at, entry in enumerate(config.stages):
        try:
            build_stage(entry)
        except UserError as error:
            where = document.where(("stages", at))
            yield from (dataclasses.replace(one, where=where) for one in error.problems)


def build_stage(entry: StageConfig) -> Stage:
    """The stage of an entry; no model is loaded.

    Raises:
        UserError: E100 an unknown stage; E103 an unknown, missing or wrong option; the problems of
            rewards. Exit code 2.
    """
    names = STAGES.names()
    if entry.stage not in names:
        near = nearest(entry.stage, names)
        fix = f"stage: {near}" if near else f"one of {', '.join(names)}"
        raise UserError([Problem("E100", "stages", f"unknown stage {shown(entry.stage)}", fix)])
    stage = STAGES.load(entry.stage)
    try:
        options = _schema(stage).model_validate(entry.options)
    except ValidationError as error:
        raise UserError([_problem(entry.stage, one) for one in error.errors()]) from error
    given = {name: _built(getattr(options, name)) for name in options.model_fields_set}
    try:
        return stage(**given)
    except BadArgument:
        raise
    except ValueError as error:
        fix = f"change the options of {entry.stage}"
        raise UserError([Problem("E103", "stages", f"{entry.stage}: {error}", fix)]) from error


@cache
def _schema(stage: type[Stage]) -> type[BaseModel]:
    """The options of a stage as a section."""
    hints = get_type_hints(stage, include_extras=True)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(cast("Any", stage)):
        required = field.default is dataclasses.MISSING
        fields[field.name] = (_written(hints[field.name]), ... if required else field.default)
    return create_model(stage.__name__, __base__=Section, **fields)


def _written(hint: Any) -> Any:
    """The type of an option as the file gives it."""
    plain = getattr(hint, "__origin__", hint) if hasattr(hint, "__metadata__") else hint
    if plain == Sequence[int]:
        return Annotated[ListOf[int], *hint.__metadata__] if plain is not hint else ListOf[int]
    return _AS_WRITTEN.get(plain, hint)


def _built(value: Any) -> Any:
    """An option as the stage takes it."""
    makers: dict[type[Any], Callable[[Any], Any]] = {
        RewardConfig: lambda one: checks.build_terms([one])[0],
        GateConfig: lambda one: checks.build_gates([one])[0],
        Rewarded: checks.build_entry,
    }
    if isinstance(value, tuple):
        return tuple(map(_built, cast("tuple[Any, ...]", value)))
    maker = makers.get(type(value))
    return value if maker is None else maker(value)


def _problem(stage: str, error: Any) -> Problem:
    """A problem of an option."""
    option = ".".join(map(str, error["loc"]))
    known = [field.name for field in dataclasses.fields(cast("Any", STAGES.load(stage)))]
    if error["type"] == "extra_forbidden":
        near = nearest(option, known)
        fix = near or f"one of {', '.join(known)}"
        return Problem("E103", "stages", f"{stage} has no option {shown(option)}", fix)
    what = f"{stage}.{option}: {error['msg']}"
    fix = "write it" if error["type"] == "missing" else f"not {shown(error['input'])}"
    return Problem("E103", "stages", what, fix)
