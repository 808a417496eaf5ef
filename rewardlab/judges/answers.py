"""What a judge may answer, as a schema, and the strict reading of what it did answer.

An answer is one JSON value and nothing else, or it is no answer: prose is never searched for
something that looks like one. Two wrappings are taken off, and only as a whole: a code fence around
the answer, and a block of reasoning before it. Neither can be had by cutting an answer short, so a
repaired answer says what the strict reading of it would.

Severities and categories are enumerations, because both decide what an error costs: with a free
category, a slip in ``Non-translation`` would turn 25 into 5.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from rewardlab.types import Status

LONGEST_ANSWER = 100_000
"""Characters of an answer that are read."""
MOST_ERRORS = 50
LONGEST_QUOTE = 4_000

Quote = Annotated[str, Field(min_length=1, max_length=LONGEST_QUOTE)]
Around = Annotated[str, Field(max_length=LONGEST_QUOTE)]
Category = Literal[
    "Accuracy/Addition",
    "Accuracy/Mistranslation",
    "Accuracy/Omission",
    "Accuracy/Untranslated text",
    "Fluency/Character encoding",
    "Fluency/Grammar",
    "Fluency/Inconsistency",
    "Fluency/Punctuation",
    "Fluency/Register",
    "Fluency/Spelling",
    "Locale convention",
    "Style/Awkward",
    "Terminology/Inappropriate for context",
    "Terminology/Inconsistent use",
    "Non-translation",
    "Other",
]
"""MQM's, as annotators at WMT use them (Freitag et al. 2021, arXiv 2104.14478)."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class MQMError(_Strict):
    """One error of a translation.

    Attributes:
        span: The wrong words, quoted; or the words of the source that were left out.
        span_with_context: The same words and some around them.
        severity: How bad it is.
        category: What kind of error.
        side: The text that is quoted.
    """

    span: Quote
    span_with_context: Around
    severity: Literal["minor", "major", "critical"]
    category: Category
    side: Literal["translation", "source"] = Field(alias="in")


class MQMAnswer(_Strict):
    """All errors of a translation; none where it is fine."""

    errors: list[MQMError] = Field(max_length=MOST_ERRORS)


class UnnaturalSpan(_Strict):
    """Words of a translation that nobody would say so.

    Attributes:
        span: The words, quoted.
        span_with_context: The same words and some around them.
        severity: How much it shows.
        excused: The source is itself unnatural at this place.
        source_span: The words of the source that excuse it; empty where nothing does.
    """

    span: Quote
    span_with_context: Around
    severity: Literal["minor", "major"]
    excused: bool
    source_span: Around

    @property
    def side(self) -> Literal["translation"]:
        """The text that is quoted."""
        return "translation"


class NaturalnessAnswer(_Strict):
    """All that does not sound native; nothing where everything does."""

    errors: list[UnnaturalSpan] = Field(max_length=MOST_ERRORS)


class RubricAnswer(_Strict):
    """A grade.

    Attributes:
        reason: Said before the grade, which is better for it.
        score: 1 to 10, higher is better.
    """

    reason: str = Field(max_length=LONGEST_QUOTE)
    score: int = Field(ge=1, le=10)


Form = TypeVar("Form", bound=BaseModel)


class Reading(NamedTuple, Generic[Form]):
    """What an answer says.

    Attributes:
        status: ``OK``, ``REPAIRED`` or ``UNPARSEABLE``.
        answer: None where it is unparseable.
    """

    status: Status
    answer: Form | None


@cache
def json_schema(form: type[BaseModel]) -> dict[str, Any]:
    """The form as a JSON schema, for backends that hold a model to one.

    References are resolved, and only what makes a grammar is kept: lengths of texts make grammars
    of thousands of states, and are checked by `read_answer`.
    """
    schema = form.model_json_schema(by_alias=True)
    return _plain(schema, schema.get("$defs", {}))


_LEFT_OUT = ("$defs", "title", "description", "minLength", "maxLength")


def _plain(schema: Any, named: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_plain(one, named) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _plain(named[schema["$ref"].rpartition("/")[2]], named)
    return {key: _plain(one, named) for key, one in schema.items() if key not in _LEFT_OUT}


def read_answer(text: str, form: type[Form]) -> Reading[Form]:
    """Read an answer that the judge has finished.

    Args:
        text: All it wrote.
        form: What it was asked for.

    >>> read_answer('{"errors": []}', MQMAnswer).status
    <Status.OK: 'ok'>
    >>> read_answer('Sure! {"errors": []}', MQMAnswer).status
    <Status.UNPARSEABLE: 'unparseable'>
    """
    answer = _strictly(text, form)
    if answer is not None:
        return Reading(Status.OK, answer)
    bare = _unwrapped(text)
    answer = None if bare == text else _strictly(bare, form)
    return Reading(Status.UNPARSEABLE if answer is None else Status.REPAIRED, answer)


_REASONING = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_CODE = re.compile(r"\A\s*```(?:json)?[ \t]*\n(.*)\n[ \t]*```\s*\Z", re.DOTALL)


def _unwrapped(text: str) -> str:
    """Without one block of reasoning before it and one code fence around all of it."""
    if len(text) > LONGEST_ANSWER:
        return text
    text = _REASONING.sub("", text, count=1)
    return _CODE.sub(r"\1", text, count=1)


def _strictly(text: str, form: type[Form]) -> Form | None:
    """The answer if the text is one by the letter, or None."""
    if len(text) > LONGEST_ANSWER:
        return None
    try:
        value = json.loads(text, object_pairs_hook=_without_twins, parse_constant=_refuse)
        return form.model_validate(value)
    except (ValueError, RecursionError):  # pydantic's and json's errors are ValueErrors
        return None


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, unless it has a key twice, of which most parsers keep the last."""
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _refuse(constant: str) -> None:
    """NaN and Infinity, which JSON does not have."""
    raise ValueError(constant)
