"""The parts that configurations have in common, each a mapping of the file.

A configuration is one `Section` whose fields are other sections and plain values; unknown keys
are refused everywhere. `rewardlab.config.load` reads a file against one. Library functions never
see these objects; the commands take them apart into plain values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from rewardlab.data.readers import READERS

Options: TypeAlias = dict[str, Any]


def _file_name(value: object) -> object:
    if value == "":
        raise PydanticCustomError("path_type", "an empty path")
    return value


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PydanticCustomError("float_type", "not a number")
    return value


def _corpus_format(value: str) -> str:
    if value not in (names := READERS.names()):
        raise PydanticCustomError("literal_error", "no format", {"expected": ", ".join(names)})
    return value


def as_list(value: object) -> object:
    """One mapping where a list may stand is a list of one."""
    return [value] if isinstance(value, dict) else value


Text = Annotated[str, Strict(), Field(min_length=1)]
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
FileName = Annotated[Path, BeforeValidator(_file_name)]
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]
RowsOrShare = Annotated[int | float, BeforeValidator(_number), Field(ge=0)]
"""A share of the rows if it is a float, a number of rows if it is an int."""


class Section(BaseModel):
    """A mapping of the file; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def require_share(key: str, value: float) -> None:
    """Refuse a float of 1 or more where `RowsOrShare` stands.

    Raises:
        PydanticCustomError: For the validator of a section to let through.
    """
    if isinstance(value, float) and value >= 1:
        context = {"key": key, "value": value}
        raise PydanticCustomError("out_of_range", "write a share below 1.0", context)


class TextsConfig(Section):
    """A parallel corpus.

    Attributes:
        source: In the format ``lines``: plain or gzipped UTF-8 text, one segment per line.
        reference: Its translations, line by line; not needed where nothing reads them.
        source_lang: Language code of ``source``.
        target_lang: Language code of ``reference``.
        documents: One document id per line.
        max_characters: Rows with a longer side are left out.
        format: The name of a corpus reader, see `rewardlab.data.readers`.
    """

    source: FileName
    reference: FileName | None = None
    source_lang: Text
    target_lang: Text
    documents: FileName | None = None
    max_characters: Annotated[Whole, Field(ge=1)] | None = None
    format: Annotated[Text, AfterValidator(_corpus_format)] = "lines"


class DataConfig(TextsConfig):
    """A corpus that is split; the held-out side consists of whole documents where it has any.

    Several corpora that share document ids hold out the same ones.

    Attributes:
        heldout: What to hold out, from the end: a share in [0, 1), or a number of lines.
    """

    heldout: RowsOrShare = 0.1

    @model_validator(mode="after")
    def _share(self) -> Self:
        require_share("heldout", self.heldout)
        return self


Data = Annotated[
    tuple[DataConfig, ...], BeforeValidator(as_list), Field(min_length=1, strict=False)
]
"""The corpora of a run; the file may give one mapping in place of a list."""


class Rewarded(Section):
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

    @model_serializer(mode="wrap")
    def _spread_options(self, as_mapping: SerializerFunctionWrapHandler) -> Options:
        entry = cast("Options", as_mapping(self))
        return entry | entry.pop("options")


Rows = Literal["all", "translations", "generic"]
"""Of a mixed batch: those with a target language are translations, the others generic."""


class RewardConfig(Rewarded):
    """One term of the ensemble; all other keys are options of the reward.

    Attributes:
        reward: A registered name, or a specification such as ``no_repetition:n=4``.
        options: The other keys of the entry.
        weight: In the sequence-level advantage; 0 measures and logs only.
        token_weight: Of its error spans in the token-level advantage.
        applies: The rows that it scores.
        cache: A file that remembers its scores, shared with other runs; its directory exists.
    """

    weight: Number = 1.0
    token_weight: Number = 0.0
    applies: Rows = "all"
    cache: FileName | None = None


class GateConfig(Rewarded):
    """A guard; all other keys are options of its reward.

    Attributes:
        reward: A registered name, or a specification.
        options: The other keys of the entry.
        below: Rows whose guard scores less get the worst score on every term.
        applies: The rows that it looks at.
    """

    below: Number
    applies: Rows = "all"


Rewards = Annotated[tuple[RewardConfig, ...], Field(min_length=1, strict=False)]
Gates = Annotated[tuple[GateConfig, ...], Field(strict=False)]


class LoraConfig(Section):
    """Low-rank adapters in place of full fine-tuning (arXiv 2106.09685).

    Attributes:
        r: Rank.
        alpha: The adapter's output is scaled by ``alpha / r``.
        dropout: On the adapter's input.
        target_modules: What gets one: ``all-linear`` (every linear layer but the output head), or
            a list of module names.
    """

    r: Annotated[Whole, Field(ge=1)] = 16
    alpha: Annotated[Whole, Field(ge=1)] = 32
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    target_modules: (
        Literal["all-linear"] | Annotated[tuple[Text, ...], Field(min_length=1, strict=False)]
    ) = "all-linear"


class ShapeConfig(Section):
    """Of a small model that starts from random weights.

    Attributes:
        vocab_size: At least 258: the bytes, padding and end of sequence.
        hidden_size: A multiple of ``heads``.
        layers: Transformer blocks.
        heads: Attention heads.
    """

    vocab_size: Annotated[Whole, Field(ge=258)] = 2000
    hidden_size: Annotated[Whole, Field(ge=8)] = 128
    layers: Annotated[Whole, Field(ge=1)] = 4
    heads: Annotated[Whole, Field(ge=1)] = 4

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % self.heads:
            context = {"key": "hidden_size", "value": self.hidden_size, "heads": self.heads}
            message = "write a multiple of heads: {heads}"
            raise PydanticCustomError("out_of_range", message, context)
        return self


class GenerationConfig(Section):
    """What writes the translations, and how.

    Attributes:
        backend: ``transformers`` in this process, ``vllm`` in this process, or an
            OpenAI-compatible ``server``.
        url: Of the server.
        server_model: The name by which the server knows the model.
        batch_size: Prompts decoded at once.
        max_new_tokens: A translation is cut here.
        beams: Beam search of this width; 1 is none.
        temperature: 0 takes the most likely token.
        top_p: Sample from the smallest set of tokens with this probability.
        top_k: Sample from so many most likely tokens; 0 is all.
    """

    backend: Literal["transformers", "vllm", "server"] = "transformers"
    url: Text | None = None
    server_model: Text | None = None
    batch_size: Annotated[Whole, Field(ge=1)] = 64
    max_new_tokens: Annotated[Whole, Field(ge=1, le=32_768)] = 256
    beams: Annotated[Whole, Field(ge=1, le=64)] = 1
    temperature: Annotated[Number, Field(ge=0, le=10)] = 0.0
    top_p: Annotated[Number, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[Whole, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        for key in ("url", "server_model") if self.backend == "server" else ():
            if getattr(self, key) is None:
                raise PydanticCustomError("needs", "backend: server needs it", {"key": key})
        if self.beams > 1 and (self.backend != "transformers" or self.temperature > 0):
            context = {"key": "beams", "value": self.beams}
            message = "beams: 1; beam search is greedy, and only the transformers backend has it"
            raise PydanticCustomError("out_of_range", message, context)
        return self


class SystemConfig(Section):
    """What is measured; exactly one of ``model``, ``translations`` and ``copy``.

    Attributes:
        name: Unique; names its files.
        group: Systems of one group are seeds of one experiment.
        model: A checkpoint directory, or the directory of the run that made it; decoded here.
        translations: The directory of a translate or rerank run, or a line-aligned text file.
        copies: The key ``copy``: the source itself is the translation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)

    name: Text
    group: Text | None = None
    model: FileName | None = None
    translations: FileName | None = None
    copies: bool = Field(default=False, strict=True, alias="copy")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = (self.model is not None, self.translations is not None, self.copies)
        if sum(given) != 1:
            message = "needs exactly one of model, translations and copy: true"
            raise PydanticCustomError("exactly_one", message)
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, as_mapping: SerializerFunctionWrapHandler) -> Options:
        entry = cast("Options", as_mapping(self))
        entry["copy"] = entry.pop("copies") or None
        return {key: value for key, value in entry.items() if value is not None}
