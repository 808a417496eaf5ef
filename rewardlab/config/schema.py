"""The configuration of an RL run: its schema, and how it is read from strict YAML.

A file is read once, as a whole: `load_rl_config` reports everything that is wrong with it, each
problem with its line and column. Command-line arguments ``key=value`` replace single values.
What the file means together with TRL, the rewards and the data is in `rewardlab.config.checks`.
Library functions never see these objects; the commands take them apart into plain values.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from rewardlab.config import strict_yaml
from rewardlab.config.overrides import with_overrides
from rewardlab.config.problems import kind_of, problems_of
from rewardlab.config.strict_yaml import Document
from rewardlab.errors import Problem, UserError

Text = Annotated[str, Strict(), Field(min_length=1)]
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Architecture = Literal["qwen3", "gemma3"]
Options: TypeAlias = dict[str, Any]


def _file_name(value: object) -> object:
    if value == "":
        raise PydanticCustomError("path_type", "an empty path")
    return value


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PydanticCustomError("float_type", "not a number")
    return value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, dict) else value


FileName = Annotated[Path, BeforeValidator(_file_name)]


class Section(BaseModel):
    """A mapping of the file; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(Section):
    """A line-aligned corpus.

    Attributes:
        source: Plain or gzipped UTF-8 text, one segment per line.
        reference: Its translations, line by line; not needed where no reward reads them.
        source_lang: Language code of ``source``.
        target_lang: Language code of ``reference``.
        documents: One document id per line; the held-out side then consists of whole documents.
        heldout: What to hold out, from the end: a share in [0, 1), or a number of lines.
        max_characters: Rows with a longer side are left out.
    """

    source: FileName
    reference: FileName | None = None
    source_lang: Text
    target_lang: Text
    documents: FileName | None = None
    heldout: Annotated[int | float, BeforeValidator(_number), Field(ge=0)] = 0.1
    max_characters: Annotated[Whole, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _share(self) -> Self:
        if isinstance(self.heldout, float) and self.heldout >= 1:
            context = {"key": "heldout", "value": self.heldout}
            raise PydanticCustomError("out_of_range", "write a share below 1.0", context)
        return self


class SFTConfig(Section):
    """How a policy from scratch learns to translate before RL.

    Attributes:
        max_steps: Optimiser steps.
        learning_rate: Its peak.
        batch_size: Rows per step.
    """

    max_steps: Annotated[Whole, Field(ge=1)] = 300
    learning_rate: Annotated[Number, Field(gt=0)] = 3e-3
    batch_size: Annotated[Whole, Field(ge=1)] = 32


class FromScratchConfig(Section):
    """A small policy whose tokenizer and weights are trained on the run's own data.

    Attributes:
        architecture: ``qwen3`` or ``gemma3``.
        vocab_size: At least 258: the bytes, padding and end of sequence.
        hidden_size: A multiple of ``heads``.
        layers: Transformer blocks.
        heads: Attention heads.
        sft: The training before RL.
    """

    architecture: Architecture = "qwen3"
    vocab_size: Annotated[Whole, Field(ge=258)] = 2000
    hidden_size: Annotated[Whole, Field(ge=8)] = 128
    layers: Annotated[Whole, Field(ge=1)] = 4
    heads: Annotated[Whole, Field(ge=1)] = 4
    sft: SFTConfig = SFTConfig()

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % self.heads:
            context = {"key": "hidden_size", "value": self.hidden_size, "heads": self.heads}
            message = "write a multiple of heads: {heads}"
            raise PydanticCustomError("out_of_range", message, context)
        return self


class PolicyConfig(Section):
    """The model that learns; exactly one key.

    Attributes:
        path: A saved checkpoint directory.
        from_scratch: A small policy trained here first.
    """

    path: FileName | None = None
    from_scratch: FromScratchConfig | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.path is None) == (self.from_scratch is None):
            raise PydanticCustomError("exactly_one", "needs exactly one of path and from_scratch")
        return self


class _Rewarded(Section):
    """An entry that names a reward; keys of its own aside, all keys are the reward's options."""

    reward: Text
    options: Options = {}

    @model_validator(mode="before")
    @classmethod
    def _gather_options(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        entry = cast("Options", value)
        own = cls.model_fields.keys() - {"options"}
        options = {key: option for key, option in entry.items() if key not in own}
        return {key: entry[key] for key in entry if key in own} | {"options": options}


class RewardConfig(_Rewarded):
    """One term of the ensemble; all other keys are options of the reward.

    Attributes:
        reward: A registered name, or a specification such as ``no_repetition:n=4``.
        options: The other keys of the entry.
        weight: In the sequence-level advantage; 0 measures and logs only.
        token_weight: Of its error spans in the token-level advantage.
    """

    weight: Number = 1.0
    token_weight: Number = 0.0


class GateConfig(_Rewarded):
    """A guard; all other keys are options of its reward.

    Attributes:
        reward: A registered name, or a specification.
        options: The other keys of the entry.
        below: Rows whose guard scores less get the worst score on every term.
    """

    below: Number


class AdvantageConfig(Section):
    """How scores and spans become advantages, by the names in `rewardlab.advantages`.

    Attributes:
        preset: The combination: ``PRESETS``.
        credit: What a span gives its tokens: ``CREDIT``.
        omission: Where errors without target text go: ``OMISSION``.
    """

    preset: Text = "gdpo"
    credit: Text = "span"
    omission: Text = "last_token"


class RLConfig(Section):
    """An RL run.

    Attributes:
        run: The directory it writes; must be empty or not exist.
        seed: Of everything random.
        data: The corpora; the file may give one mapping in place of a list.
        prompt: A prompt style's name: `rewardlab.data.prompts.PROMPTS`.
        policy: The model that learns.
        rewards: The ensemble's terms; at least one.
        gates: Its guards.
        advantage: How scores become advantages.
        trainer: Options of TRL's ``GRPOConfig``, by TRL's names.
    """

    run: FileName
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0
    data: Annotated[
        tuple[DataConfig, ...], BeforeValidator(_as_list), Field(min_length=1, strict=False)
    ]
    prompt: Text
    policy: PolicyConfig
    rewards: Annotated[tuple[RewardConfig, ...], Field(min_length=1, strict=False)]
    gates: Annotated[tuple[GateConfig, ...], Field(strict=False)] = ()
    advantage: AdvantageConfig = AdvantageConfig()
    trainer: Options = {}


def load_rl_config(path: str | Path, overrides: Sequence[str] = ()) -> RLConfig:
    """Read and check the configuration of an RL run.

    Args:
        path: A YAML file.
        overrides: Arguments ``key=value``: dotted keys, list positions as numbers, values in
            strict YAML (``trainer.learning_rate=1e-4``, ``rewards.0.weight=2``).

    Raises:
        UserError: E001..E012 the YAML; E020..E039 its content. Exit code 2.
    """
    from rewardlab.config.checks import check, check_trainer_block

    document = with_overrides(strict_yaml.read(path), overrides)
    config, problems = parse(document)
    block = document.value.get("trainer") if isinstance(document.value, dict) else None
    if isinstance(block, dict):
        problems += check_trainer_block(block, document)
    if config is not None:
        problems += check(config, document)
    if problems or config is None:
        raise UserError(problems)
    return config


def to_yaml(config: RLConfig) -> str:
    """Write a configuration with every default filled in, as a run directory records it.

    ``load_rl_config`` of the text gives an equal configuration.
    """
    value = config.model_dump(mode="json")
    for entry in (*value["rewards"], *value["gates"]):
        entry.update(entry.pop("options"))
    value["policy"] = {key: part for key, part in value["policy"].items() if part is not None}
    return strict_yaml.dump(value)


def parse(document: Document) -> tuple[RLConfig | None, list[Problem]]:
    """Hold a document against the schema; None where it does not fit."""
    if not isinstance(document.value, dict):
        what = f"the file must be a mapping, found {kind_of(document.value)}"
        return None, [Problem("E020", document.where(()), what, "write key: value lines")]
    try:
        return RLConfig.model_validate(document.value), []
    except ValidationError as error:
        return None, problems_of(error, RLConfig, document)
