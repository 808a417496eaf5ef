"""The forms of a judge's answers, as JSON schemas, and their strict parsing.

An answer is one JSON value and nothing else: prose is never searched for JSON. Two wrappings are
removed, but only if they are complete: a code fence around the answer, and reasoning before it
(`rewardlab.text.reasoning`). A truncated answer cannot contain a complete wrapping, so a repaired
answer means the same as the JSON in it. A list of errors is read as the object that contains it.

Severities and categories are enumerations, because both decide what an error costs: with free text,
a misspelt ``Non-translation`` would cost 5 instead of 25.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from rewardlab.text.reasoning import CLOSING, answer_start
from rewardlab.types import Status

LONGEST_ANSWER = 100_000
"""Maximum number of characters in an answer; a longer answer is not read."""
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
"""MQM categories, as annotators at WMT use them (Freitag et al. 2021, arXiv 2104.14478)."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class MQMError(_Strict):
    """One error of a translation.

    Attributes:
        span: The wrong words, quoted; or the words of the source that were left out.
        span_with_context: The same words with some words around them.
        severity: Severity of the error.
        category: Category of the error.
        side: The text that ``span`` quotes.
    """

    span: Quote
    span_with_context: Around
    severity: Literal["minor", "major", "critical"]
    category: Category
    side: Literal["translation", "source"] = Field(alias="in")


class MQMAnswer(_Strict):
    """All errors of a translation; an empty list if there are none."""

    errors: list[MQMError] = Field(max_length=MOST_ERRORS)


class UnnaturalSpan(_Strict):
    """Words of a translation that do not sound native.

    Attributes:
        span: The words, quoted.
        span_with_context: The same words with some words around them.
        severity: Severity of the error.
        excused: The source is itself unnatural at this place.
        source_span: The words of the source that excuse the span; empty if none do.
    """

    span: Quote
    span_with_context: Around
    severity: Literal["minor", "major"]
    excused: bool
    source_span: Around

    side: ClassVar = "translation"
    category: ClassVar = "Style/Unnatural"


class NaturalnessAnswer(_Strict):
    """All unnatural spans of a translation; an empty list if there are none."""

    errors: list[UnnaturalSpan] = Field(max_length=MOST_ERRORS)


class RubricAnswer(_Strict):
    """A grade.

    Attributes:
        reason: The reason; asking for it before the grade makes the grade better.
        score: 1 to 10, higher is better.
    """

    reason: str = Field(max_length=LONGEST_QUOTE)
    score: int = Field(ge=1, le=10)


Form = TypeVar("Form", bound=BaseModel)


class Reading(NamedTuple, Generic[Form]):
    """A parsed answer.

    Attributes:
        status: ``OK``, ``REPAIRED`` or ``UNPARSEABLE``.
        answer: The parsed answer; None if it is unparseable.
    """

    status: Status
    answer: Form | None


@cache
def json_schema(form: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a form, for backends that constrain a model to one.

    References are resolved. Limits on text length are left out, because they lead to grammars of
    thousands of states; `read_answer` checks them.
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


def read_answer(text: str, form: type[Form], closings: Sequence[str] = (CLOSING,)) -> Reading[Form]:
    """Parse a finished answer.

    Args:
        text: Everything that the judge wrote.
        form: The requested form.
        closings: The tags that end the judge's reasoning, from
            `rewardlab.text.reasoning.closing_tags`.

    >>> read_answer('{"errors": []}', MQMAnswer).status
    <Status.OK: 'ok'>
    >>> read_answer('Sure! {"errors": []}', MQMAnswer).status
    <Status.UNPARSEABLE: 'unparseable'>
    """
    if len(text) > LONGEST_ANSWER:
        return Reading(Status.UNPARSEABLE, None)
    answer = _strictly(text, form)
    if answer is not None:
        return Reading(Status.OK, answer)
    bare = _unwrapped(text, closings)
    answer = _strictly(bare, form) or _strictly(f'{{"errors": {bare}}}', form)
    return Reading(Status.UNPARSEABLE if answer is None else Status.REPAIRED, answer)


_CODE = re.compile(r"\A[\s\ufeff]*(`{3,}|~{3,})(?i:json)?\s*(.*)\1\s*\Z", re.DOTALL)
_ANSWERS_BEGIN = ("{", "[", "`")


def _unwrapped(text: str, closings: Sequence[str]) -> str:
    """The text without the reasoning before it and one code fence around all of it.

    Text that ends with a closing tag and begins like an answer is no reasoning but a broken answer,
    which must not be replaced by what follows.
    """
    start = answer_start(text, closings)
    blocks = re.split("|".join(map(re.escape, closings)), text[:start])
    if not any(block.lstrip().startswith(_ANSWERS_BEGIN) for block in blocks):
        text = text[start:]
    return _CODE.sub(r"\2", text, count=1)


def _strictly(text: str, form: type[Form]) -> Form | None:
    """The answer if the text is exactly one JSON value of the form, else None."""
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse)
        return form.model_validate(value)
    except (ValueError, RecursionError):  # pydantic's and json's errors are ValueErrors
        return None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a repeated key is refused, while most parsers would keep the last value."""
    if len(members := dict(pairs)) < len(pairs):
        raise ValueError("a key is repeated")
    return members


def _refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which JSON does not have."""
    raise ValueError(constant)
