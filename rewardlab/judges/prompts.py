"""What a judge is asked: a prompt file, with the texts under judgement between fences.

A prompt file is TOML with ``instructions``, a ``reminder`` that follows every question, and
``examples`` of ``data`` and the right ``answer``; those in ``prompts/`` are the library's. Examples
are shown exactly as questions are asked and answers read, and are held to the same reading: their
answers fit the form, and the words they quote stand in their texts.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rewardlab.errors import Problem, UserError, shown
from rewardlab.judges.answers import read_answer
from rewardlab.judges.fences import fenced, nonce_of, quoted
from rewardlab.judges.locating import Lost, locate
from rewardlab.text.languages import language_name
from rewardlab.text.prompts import Prompt

DIGEST_DIGITS = 16

Name = Literal[
    "source_language", "target_language", "source", "reference", "translation", "request", "answer"
]
"""What the texts of a question are called."""


class _Example(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    data: dict[Name, str] = Field(min_length=1)
    answer: dict[str, Any]


class _File(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    instructions: str = Field(min_length=1)
    reminder: str = Field(min_length=1)
    examples: list[_Example] = []


class Example(NamedTuple):
    """One question and its right answer.

    Attributes:
        question: The texts between their fences, and the reminder.
        answer: One line of JSON.
    """

    question: str
    answer: str


@dataclass(frozen=True)
class Template:
    """A prompt file.

    Attributes:
        instructions: What comes first.
        reminder: What comes after the texts, so that theirs are not the last words.
        examples: Questions with their answers, between the two.
        digest: Sixteen hexadecimal digits of the SHA-256 of the file.
    """

    instructions: str
    reminder: str
    examples: tuple[Example, ...]
    digest: str

    def followed_by(self, text: str) -> Template:
        """The same with more instructions, such as a rubric."""
        digest = digest_of(f"{self.digest}\0{text}".encode())
        instructions = f"{self.instructions}\n{text.strip()}"
        return Template(instructions, self.reminder, self.examples, digest)


def write_question(
    template: Template, data: Mapping[str, str], *, chat: bool, attempt: int = 0
) -> Prompt:
    """A question about some texts.

    A chat has turns of user and assistant only, the instructions at the head of the first: several
    families of models have no turn of the system, and those that have read this as well.

    Args:
        template: The prompt file.
        data: The texts by name, in the order they are shown in.
        chat: Make it a chat; else one text that ends where the answer begins.
        attempt: Another one has another nonce, so that a model asked again is asked anew.
    """
    question = _turn(data, question_nonce(template, data, attempt), template.reminder)
    if not chat:
        told = "".join(f"{one}\nAnswer: {answer}\n\n" for one, answer in template.examples)
        return f"{template.instructions}\n\n{told}{question}\nAnswer:"
    messages: list[dict[str, str]] = []
    for one, answer in template.examples:
        messages.append({"role": "user", "content": one})
        messages.append({"role": "assistant", "content": answer})
    messages.append({"role": "user", "content": question})
    messages[0]["content"] = f"{template.instructions}\n\n{messages[0]['content']}"
    return messages


def question_nonce(template: Template, data: Mapping[str, str], attempt: int = 0) -> str:
    """The nonce of a question; follows from all that it shows."""
    return nonce_of(template.digest, str(attempt), quoted(data))


def _turn(data: Mapping[str, str], nonce: str, reminder: str) -> str:
    return f"{fenced(data, nonce)}\n{reminder}"


def language_shown(code: str | None) -> str:
    """A language as a judge is told it; a code that we do not know is told as it is.

    >>> language_shown("pt-BR"), language_shown("tlh"), language_shown(None)
    ('Portuguese (pt-BR)', 'tlh', 'not stated')
    """
    if not code:
        return "not stated"
    try:
        return f"{language_name(code)} ({code})"
    except ValueError:
        return code


def load_template(name: str, form: type[BaseModel], *, path: str = "") -> Template:
    """A prompt file, read once.

    Args:
        name: One of ours, without its ending.
        form: What the answers of its examples must be.
        path: A file to take in its place; empty for ours.

    Raises:
        UserError: E340 it cannot be read, E341 it is no prompt file, or an example is wrong; exit
            code 2.
    """
    return _template(path or name, form, ours=not path)


def load_text(name: str, *, path: str = "") -> str:
    """A text file, ours by name or another by its path, read once.

    Raises:
        UserError: E340, it cannot be read; exit code 2.
    """
    return _content(path or name, ours=not path).decode()


def digest_of(content: bytes) -> str:
    """Sixteen hexadecimal digits of a SHA-256."""
    return hashlib.sha256(content).hexdigest()[:DIGEST_DIGITS]


@cache
def _content(place: str, *, ours: bool) -> bytes:
    """The bytes of a UTF-8 file."""
    try:
        file = files("rewardlab.judges") / "prompts" / place if ours else Path(place)
        content = file.read_bytes()
        content.decode()
    except (OSError, ValueError) as error:
        what = f"it cannot be read as UTF-8: {error}"
        raise _unusable("E340", place, what, "give the path of a text file") from None
    return content


@cache
def _template(place: str, form: type[BaseModel], *, ours: bool) -> Template:
    content = _content(f"{place}.toml" if ours else place, ours=ours)
    try:
        file = _File.model_validate(tomllib.loads(content.decode()))
    except tomllib.TOMLDecodeError as error:
        raise _unusable("E340", place, f"it is no TOML: {error}", "see docs/judges.md") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise _unusable("E341", place, f"{key}: {first['msg']}", "see docs/judges.md") from None
    for number, example in enumerate(file.examples, 1):
        for what in _wrong(example, form):
            fix = "write its answer as the judge is to answer"
            raise _unusable("E341", place, f"example {number}: {what}", fix)
    reminder, digest = file.reminder.strip(), digest_of(content)
    return Template(
        instructions=file.instructions.strip(),
        reminder=reminder,
        examples=tuple(
            _shown_as(example, nonce_of(digest, "example", str(number)), reminder)
            for number, example in enumerate(file.examples)
        ),
        digest=digest,
    )


def _shown_as(example: _Example, nonce: str, reminder: str) -> Example:
    data: dict[str, str] = {**example.data}
    return Example(_turn(data, nonce, reminder), json.dumps(example.answer, ensure_ascii=False))


def _wrong(example: _Example, form: type[BaseModel]) -> Iterator[str]:
    """What is wrong with an example: no answer of the form, or a quotation that is none."""
    answer = read_answer(json.dumps(example.answer), form).answer
    if answer is None:
        yield f"{shown(example.answer)} is no answer of the form asked for"
    texts: dict[str, str] = {**example.data}
    for error in getattr(answer, "errors", ()):
        place = locate(texts.get(error.side, ""), error.span, error.span_with_context)
        if isinstance(place, Lost):
            yield f"{shown(error.span)} stands {_TIMES[place]} in its {error.side}"


_TIMES = {Lost.AMBIGUOUS: "several times", Lost.NOWHERE: "nowhere"}


def _unusable(code: str, place: str, what: str, fix: str) -> UserError:
    return UserError([Problem(code, f"prompt file {shown(place)}", " ".join(what.split()), fix)])
