"""The sections that configurations share; each is a mapping of the YAML file.

A configuration is a `Section` whose fields are other sections and plain values; unknown keys are
refused everywhere. `rewardlab.config.load` reads a file and checks it against a configuration.
Library functions never see these objects: the commands pass plain values to them. A new option of a
run is a field of its section.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias, TypeVar, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationInfo,
    create_model,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from rewardlab.data.readers import READERS, WITH_COLUMNS, Files
from rewardlab.text.languages import UnknownLanguage, written_code

T = TypeVar("T")
Options: TypeAlias = dict[str, Any]


def _file_name(value: object) -> object:
    if value == "":
        raise PydanticCustomError("path_type", "an empty path")
    return value


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PydanticCustomError("float_type", "not a number")
    return value


def one_of_names(names: Callable[[], Sequence[str]]) -> AfterValidator:
    """A text that must be one of the names that a registry has when the file is read."""

    def check(value: str) -> str:
        if value not in (known := names()):
            expected = {"expected": ", ".join(known)}
            raise PydanticCustomError("literal_error", "one of {expected}", expected)
        return value

    return AfterValidator(check)


def _share(value: float) -> float:
    if isinstance(value, float) and value >= 1:
        raise ValueError("write a share below 1.0")
    return value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, dict) else value


def _column(value: object) -> object:
    return str(value) if type(value) is int else value


def _text_as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _language(value: str, info: ValidationInfo) -> str:
    try:
        return written_code(value)
    except UnknownLanguage as error:
        context = {"what": error.what, "fix": error.fix_at(info.field_name or "")}
        raise PydanticCustomError("unknown_language", "{what}", context) from error


Text = Annotated[str, Field(min_length=1)]
Language = Annotated[str, Field(min_length=1), AfterValidator(_language)]
"""A language in any spelling; a name is replaced by its code."""
Positive = Annotated[int, Field(ge=1)]
FileName = Annotated[Path, Strict(False), BeforeValidator(_file_name)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
RowsOrShare = Annotated[int | float, BeforeValidator(_number), Field(ge=0), AfterValidator(_share)]
"""A share of the rows, below 1, if it is a float; a number of rows if it is an int."""
ListOf = Annotated[tuple[T, ...], Strict(False)]
NonEmpty = Annotated[ListOf[T], Field(min_length=1)]
Several = Annotated[ListOf[T], BeforeValidator(_as_list)]
"""A list; the file may give a mapping in place of a list with one item."""
Column = Annotated[Text, BeforeValidator(_column)]
FileNames = Annotated[ListOf[FileName], BeforeValidator(_text_as_list)]
"""A list; the file may give one name in place of a list with one item."""


def out_of_range(key: str, value: object, fix: str) -> PydanticCustomError:
    """The error of a check over several keys of a section, for its validator to raise.

    Args:
        key: The key to change.
        value: Its value.
        fix: What to write instead.
    """
    return PydanticCustomError("out_of_range", "{fix}", {"key": (key,), "value": value, "fix": fix})


def needs(key: str, why: str) -> PydanticCustomError:
    """The error of a missing key that other keys require, for a section's validator to raise.

    Args:
        key: The missing key.
        why: What the key is needed for.
    """
    return PydanticCustomError("needs", "{why}", {"key": (key,), "why": why})


class Section(BaseModel):
    """A mapping of the file; unknown keys are refused, and so are values of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    one_of: ClassVar[tuple[str, ...]] = ()
    """Fields of which exactly one must be given; empty if there is no such rule."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in self.one_of if getattr(self, name) not in (None, False)]
        if self.one_of and len(given) != 1:
            *others, last = (type(self).model_fields[name].alias or name for name in self.one_of)
            what = f"needs exactly one of {', '.join(others)} and {last}"
            raise PydanticCustomError("exactly_one", "{what}", {"what": what})
        return self


@dataclasses.dataclass(frozen=True)
class FieldsOf:
    """An annotation: the field takes a mapping with the fields of a library dataclass.

    The dataclass is the schema: names, types, ranges and defaults are declared nowhere else. It is
    imported when the first such mapping is read.

    Attributes:
        place: ``module:attribute`` of the dataclass.
    """

    place: str

    @cached_property
    def dataclass(self) -> type[Any]:
        """The dataclass."""
        module, _, name = self.place.partition(":")
        return getattr(importlib.import_module(module), name)

    @cached_property
    def section(self) -> type[Section]:
        """A section with the fields of the dataclass."""
        hints = get_type_hints(self.dataclass, include_extras=True)
        fields: Options = {
            field.name: (_AS_WRITTEN.get(hints[field.name], hints[field.name]), field.default)
            for field in dataclasses.fields(self.dataclass)
        }
        return create_model(self.dataclass.__name__, __base__=Section, **fields)

    def read(self, value: object) -> Section | None:
        """The mapping as a section."""
        return None if value is None else self.section.model_validate(value)

    def __get_pydantic_core_schema__(self, *_: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)


_FileNameOrNone: TypeAlias = FileName | None
# A path is text in the file, and an empty one is refused.
_AS_WRITTEN: dict[object, object] = {Path | None: _FileNameOrNone}


# ── data ────────────────────────────────────────────────────────────────────────────────────────


class ColumnsConfig(Section):
    """Names of columns, or their numbers from 1 in a table without a line of names.

    Attributes:
        source: The sources.
        reference: The translations.
        document: Document ids.
        image: Paths of the pictures that the sources are in.
    """

    source: Column | None = None
    reference: Column | None = None
    document: Column | None = None
    image: Column | None = None

    @property
    def named(self) -> dict[str, str]:
        """The columns that are given."""
        return {part: name for part, name in self if name is not None}


class TextsConfig(Section):
    """A parallel corpus.

    Attributes:
        source: The sources; in the format ``lines``, plain or gzipped UTF-8 text, one segment per
            line.
        reference: The translations, line by line; needed only if something reads them.
        source_lang: Language of ``source``: a code or an English name.
        target_lang: Language of ``reference``: a code or an English name.
        documents: One document id per line.
        max_characters: Maximum number of characters in a text; rows with a longer one are left out.
        format: The name of a corpus reader, see `rewardlab.data.readers`.
        columns: Columns of a table whose names are not the usual ones.
    """

    source: FileName
    reference: FileName | None = None
    source_lang: Language
    target_lang: Language
    documents: FileName | None = None
    max_characters: Positive | None = None
    format: Annotated[Text, one_of_names(READERS.names)] = "lines"
    columns: ColumnsConfig | None = None

    @property
    def files(self) -> Files:
        """What a reader gets."""
        named = {} if self.columns is None else self.columns.named
        languages = (self.source_lang, self.target_lang)
        return Files(self.source, self.reference, self.documents, *languages, named)

    @model_validator(mode="after")
    def _has_columns(self) -> Self:
        if self.columns is not None and self.format not in WITH_COLUMNS:
            raise needs("format", f"columns belong to {', '.join(sorted(WITH_COLUMNS))}")
        return self


class DataConfig(TextsConfig):
    """A corpus that is split; if it has documents, whole documents are held out.

    Several corpora that share document ids hold out the same ones.

    Attributes:
        heldout: What to hold out, from the end: a share in [0, 1), or a number of lines.
    """

    heldout: RowsOrShare = 0.1


class RunConfig(Section):
    """The options that all runs with a model share.

    Attributes:
        run: The directory that the run writes.
        seed: Seed of all random numbers.
        data: The corpora; the file may give one mapping in place of a list.
        chat: A prompt is one user turn of the checkpoint's chat template, and an answer is the
            assistant's turn.
    """

    run: FileName
    seed: Seed = 0
    data: Annotated[Several[DataConfig], Field(min_length=1)]
    chat: bool = False


# ── rewards ─────────────────────────────────────────────────────────────────────────────────────


class Rewarded(Section):
    """An entry that names a reward; all keys but the entry's own are the reward's options.

    The file may give the name alone in place of a mapping, but for a gate.
    """

    model_config = ConfigDict(extra="allow")

    reward: Text

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: object) -> object:
        return {"reward": value} if isinstance(value, str) else value

    @property
    def options(self) -> Options:
        """The reward's options."""
        return self.model_extra or {}


Rows = Literal["all", "translations", "generic"]
"""Rows of a mixed batch: those with a target language are translations, the others generic."""


class RewardConfig(Rewarded):
    """One term of the ensemble; all other keys are options of the reward.

    Attributes:
        reward: A registered name, or a specification such as ``no_repetition:n=4``.
        weight: Weight of its score in the sequence-level advantage; 0 measures and logs only.
        token_weight: Weight of its error spans in the token-level advantage.
        applies: The rows that it scores.
        cache: A file that stores its scores, shared with other runs; its directory must exist.
    """

    weight: float = 1.0
    token_weight: float = 0.0
    applies: Rows = "all"
    cache: FileName | None = None


class GateConfig(Rewarded):
    """A gate; all other keys are options of its reward.

    Attributes:
        reward: A registered name, or a specification.
        below: Rows with a lower score get the worst score on every term.
        applies: The rows that it checks.
    """

    below: float
    applies: Rows = "all"

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: object) -> object:
        if isinstance(value, str):
            raise needs("below", f"write {{reward: {value}, below: THRESHOLD}}")
        return value


class EnsembleConfig(Section):
    """A reward ensemble.

    Attributes:
        rewards: Its terms; at least one.
        gates: Its gates.
    """

    rewards: NonEmpty[RewardConfig]
    gates: ListOf[GateConfig] = ()


# ── models ──────────────────────────────────────────────────────────────────────────────────────


class LoraConfig(Section):
    """Low-rank adapters in place of full fine-tuning (arXiv 2106.09685).

    Attributes:
        r: Rank.
        alpha: The adapter's output is scaled by ``alpha / r``.
        dropout: Dropout probability on the adapter's input.
        target_modules: The layers with an adapter: ``all-linear`` (every linear layer but the
            output head), or a list of module names.
    """

    r: Positive = 16
    alpha: Positive = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    target_modules: Literal["all-linear"] | NonEmpty[Text] = "all-linear"


class ShapeConfig(Section):
    """The size of a model that starts from random weights.

    Attributes:
        vocab_size: Number of tokens, at least 258: all bytes, padding and end of sequence.
        hidden_size: Width of the model, a multiple of ``heads``.
        layers: Number of transformer blocks.
        heads: Number of attention heads.
    """

    vocab_size: Annotated[int, Field(ge=258)] = 2000
    hidden_size: Annotated[int, Field(ge=8)] = 128
    layers: Positive = 4
    heads: Positive = 4

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % self.heads:
            fix = f"write a multiple of heads: {self.heads}"
            raise out_of_range("hidden_size", self.hidden_size, fix)
        return self


class GenerationConfig(Section):
    """The backend that writes the translations, and its options.

    Attributes:
        backend: ``transformers`` in this process, ``vllm`` in this process, an OpenAI-compatible
            ``server``, or ``apertium``, a rule-based translator.
        url: URL of the server.
        server_model: The server's name for the model.
        pair: Apertium's name of the direction, such as ``eng-spa``.
        unknown: What a translation by Apertium with unknown words is: a failure (``fail``), or a
            text with the words of the source (``keep``).
        batch_size: Number of prompts decoded at once.
        max_new_tokens: Maximum number of tokens in a translation; longer ones are truncated.
        beams: Width of the beam search; 1 for none.
        temperature: 0 takes the most likely token.
        top_p: Sample from the smallest set of tokens with this probability.
        top_k: Sample from this many most likely tokens; 0 for all.
    """

    backend: Literal["transformers", "vllm", "server", "apertium"] = "transformers"
    url: Text | None = None
    server_model: Text | None = None
    pair: Text | None = None
    unknown: Literal["fail", "keep"] = "fail"
    batch_size: Positive = 64
    max_new_tokens: Annotated[Positive, Field(le=32_768)] = 256
    beams: Annotated[Positive, Field(le=64)] = 1
    temperature: Annotated[float, Field(ge=0, le=10)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0

    @property
    def needs_checkpoint(self) -> bool:
        """Whether the backend loads a model of ours in this process."""
        return self.backend in {"transformers", "vllm"}

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        for key in ("url", "server_model") if self.backend == "server" else ():
            if getattr(self, key) is None:
                raise needs(key, "backend: server needs it")
        if self.backend == "apertium" and self.pair is None:
            raise needs("pair", "backend: apertium needs it")
        if self.beams > 1 and (self.backend != "transformers" or self.temperature > 0):
            fix = "beams: 1; beam search is greedy, and only the transformers backend has it"
            raise out_of_range("beams", self.beams, fix)
        return self


class SystemConfig(Section):
    """A system to measure; exactly one of ``model``, ``translations`` and ``copy``.

    Attributes:
        name: Unique; names its files.
        group: Systems of one group are seeds of one experiment.
        model: A checkpoint directory, or the directory of the run that made it; decoded here.
        translations: The directory of a translate or rerank run, or a line-aligned text file.
        copies: The key ``copy``: the source itself is the translation.
    """

    one_of = ("model", "translations", "copies")

    name: Text
    group: Text | None = None
    model: FileName | None = None
    translations: FileName | None = None
    copies: bool = Field(default=False, alias="copy")
