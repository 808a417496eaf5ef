"""What of a server's answer is read, in OpenAI's protocol; a server may send more."""

from __future__ import annotations

import re

from pydantic import BaseModel, Field, ValidationError

from rewardlab.errors import shown
from rewardlab.generate import Generated


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    text: str | None = None
    message: _Message | None = None
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = Field(default=None, ge=0)
    completion_tokens: int | None = Field(default=None, ge=0)


class Answer(BaseModel):
    """One text, and what it cost."""

    model: str | None = None
    choices: list[_Choice] = Field(min_length=1, max_length=1)
    usage: _Usage | None = None


class GarbageError(Exception):
    """The server answered with success, and what it sent is no answer."""


def parse(content: bytes) -> Answer:
    """The body of an answer.

    Raises:
        GarbageError: It is no JSON, or has no or several choices.
    """
    try:
        return Answer.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise GarbageError(
            f"it sends what is no answer ({place}: {first['msg']}): "
            f"{shown(content[:200].decode('utf-8', 'replace'))}"
        ) from None


def generated(answer: Answer) -> Generated:
    """The text of an answer; a refusal's words are its text."""
    choice, said, usage = answer.choices[0], answer.choices[0].message, answer.usage or _Usage()
    refusal = said.refusal if said else None
    text = choice.text if said is None else said.content or refusal
    return Generated(
        text or "",
        usage.completion_tokens or 0,
        finished=choice.finish_reason == "stop",
        prompt_tokens=usage.prompt_tokens or 0,
        refused=bool(refusal) or choice.finish_reason == "content_filter",
    )


def is_named(stated: str, asked: str) -> bool:
    """Whether a name is the one asked for; many services answer with its date as well."""
    name = re.escape(asked.removesuffix("-latest"))
    return stated == asked or bool(
        re.fullmatch(rf"{name}[-@:]\d[\d-]{{2,}}", stated, re.IGNORECASE)
    )
