"""The parts of a server's answer that are read, in OpenAI's protocol; a server may send more."""

from __future__ import annotations

import re

from pydantic import BaseModel, Field

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
    """One text and its token counts."""

    model: str | None = None
    choices: list[_Choice] = Field(min_length=1, max_length=1)
    usage: _Usage | None = None


def generated(answer: Answer) -> Generated:
    """The text of an answer; if the model refused, the text of its refusal."""
    choice, message, usage = answer.choices[0], answer.choices[0].message, answer.usage or _Usage()
    refusal = message.refusal if message else None
    text = choice.text if message is None else message.content or refusal
    return Generated(
        text or "",
        usage.completion_tokens or 0,
        finished=choice.finish_reason == "stop",
        prompt_tokens=usage.prompt_tokens or 0,
        refused=bool(refusal) or choice.finish_reason == "content_filter",
    )


def is_named(stated: str, asked: str) -> bool:
    """Whether an answer comes from the requested model.

    Args:
        stated: The model's name in the answer; many services add a date to it.
        asked: The name in the request.
    """
    name = re.escape(asked.removesuffix("-latest"))
    return stated == asked or bool(
        re.fullmatch(rf"{name}[-@:]\d[\d-]{{2,}}", stated, re.IGNORECASE)
    )
