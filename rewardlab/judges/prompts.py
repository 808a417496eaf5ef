"""The questions that a judge is asked: prompt files, with the judged texts between fences.

A prompt file is TOML with ``instructions``, a ``reminder`` that follows every question, and
``examples`` of ``data`` with the correct ``answer``; the library's own files are in ``prompts/``.
Examples are shown in the same format as real questions and answers, and are checked like them: an
answer must match the form, and the words that it quotes must be in the texts of its example.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rewardlab.data.encodings import foreign
from rewardlab.errors import Problem, UserError, shown
from rewardlab.judges.answers import read_answer
from rewardlab.judges.fences import fenced, nonce_of, quoted
from rewardlab.judges.locating import Lost, locate
from rewardlab.text.languages import find_language, written_code
from rewardlab.text.prompts import Prompt

DIGEST_DIGITS = 16

Name = Literal[
    "source_language", "target_language", "source", "reference", "translation", "request", "answer"
]
"""Names of the texts of a question."""


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
    """One question and its correct answer.

    Attributes:
        question: The texts between fences, and the reminder.
        answer: The answer as one line of JSON.
    """

    question: str
    answer: str


@dataclass(frozen=True)
class Template:
    """A prompt file.

    Attributes:
        instructions: Text at the beginning of the prompt.
        reminder: Text after the judged texts, so that the prompt does not end with their words.
        examples: Questions with their answers, shown after the instructions.
        digest: Sixteen hexadecimal digits of the SHA-256 of the file.
    """

    instructions: str
    reminder: str
    examples: tuple[Example, ...]
    digest: str

    def followed_by(self, text: str) -> Template:
        """The same template with more instructions, such as a rubric."""
        digest = short_sha256(f"{self.digest}\0{text}".encode())
        return replace(self, instructions=f"{self.instructions}\n{text.strip()}", digest=digest)


def write_question(
    template: Template, data: Mapping[str, str], *, chat: bool, attempt: int = 0
) -> Prompt:
    """A question about some texts.

    A chat has only user and assistant turns, and the first turn begins with the instructions:
    several families of models have no system turn, and the others understand this form as well.

    Args:
        template: The prompt file.
        data: Name -> text, in the order in which the texts are shown.
        chat: Make a chat; otherwise one text that ends where the answer begins.
        attempt: Number of the attempt; each attempt has a different nonce and so another prompt.
    """
    question = _turn(data, question_nonce(template, data, attempt), template.reminder)
    if not chat:
        shots = "".join(f"{asked}\nAnswer: {answer}\n\n" for asked, answer in template.examples)
        return f"{template.instructions}\n\n{shots}{question}\nAnswer:"
    messages: list[dict[str, str]] = []
    for asked, answer in template.examples:
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": answer})
    messages.append({"role": "user", "content": question})
    messages[0]["content"] = f"{template.instructions}\n\n{messages[0]['content']}"
    return messages


def question_nonce(template: Template, data: Mapping[str, str], attempt: int = 0) -> str:
    """The nonce of a question; it follows from everything that the question shows.

    Args:
        template: The prompt file.
        data: Name -> text.
        attempt: See `write_question`.
    """
    return nonce_of(template.digest, str(attempt), quoted(data))


def _turn(data: Mapping[str, str], nonce: str, reminder: str) -> str:
    return f"{fenced(data, nonce)}\n{reminder}"


def language_shown(code: str | None) -> str:
    """The name of a language with its code, as judges see it; codes for private use stand alone.

    Raises:
        UnknownLanguage: There is no such language.

    >>> language_shown("pt-BR"), language_shown("German"), language_shown(None)
    ('Portuguese (pt-BR)', 'German (de)', 'not stated')
    """
    if not code:
        return "not stated"
    name, written = find_language(code).name, written_code(code)
    return f"{name} ({written})" if name else written


@cache
def load_template(name: str, form: type[BaseModel], *, path: str = "") -> Template:
    """Read a prompt file, once per process.

    Args:
        name: Name of one of the library's files, without its extension.
        form: The form of the answers of its examples.
        path: A file to use instead; empty for the library's.

    Raises:
        UserError: E340 the file cannot be read; E341 it is not a prompt file, or an example is
            wrong; exit code 2.
    """
    place = path or name
    content = _content(path or f"{name}.toml", ours=not path)
    try:
        file = _File.model_validate(tomllib.loads(content.decode()))
    except tomllib.TOMLDecodeError as error:
        raise _unusable("E340", place, f"it is not TOML: {error}", "see docs/judges.md") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise _unusable("E341", place, f"{key}: {first['msg']}", "see docs/judges.md") from None
    for number, example in enumerate(file.examples, 1):
        for what in _wrong(example, form):
            fix = "write its answer as the judge should answer"
            raise _unusable("E341", place, f"example {number}: {what}", fix)
    reminder, digest = file.reminder.strip(), short_sha256(content)
    return Template(
        instructions=file.instructions.strip(),
        reminder=reminder,
        examples=tuple(
            _rendered(example, nonce_of(digest, "example", str(number)), reminder)
            for number, example in enumerate(file.examples)
        ),
        digest=digest,
    )


def load_text(name: str, *, path: str = "") -> str:
    """Read a text file, once per process.

    Args:
        name: Name of one of the library's files.
        path: A file to use instead; empty for the library's.

    Raises:
        UserError: E340, the file cannot be read; exit code 2.
    """
    return _content(path or name, ours=not path).decode()


def short_sha256(content: bytes) -> str:
    """Sixteen hexadecimal digits of a SHA-256."""
    return hashlib.sha256(content).hexdigest()[:DIGEST_DIGITS]


@cache
def _content(place: str, *, ours: bool) -> bytes:
    """The bytes of a UTF-8 file."""
    try:
        file = files("rewardlab.judges") / "prompts" / place if ours else Path(place)
        content = file.read_bytes()
    except (OSError, ValueError) as error:
        what = f"it cannot be read: {error}"
        raise _unusable("E340", place, what, "give the path of a text file") from None
    if (found := foreign(content, place)) is not None:
        raise _unusable("E340", place, f"it is {found.what}", found.fix)
    if content.startswith(BOM_UTF8):
        what = "it starts with a byte-order mark (U+FEFF)"
        raise _unusable("E340", place, what, "save the file as UTF-8 without BOM")
    return content


def _rendered(example: _Example, nonce: str, reminder: str) -> Example:
    data: dict[str, str] = {**example.data}
    return Example(_turn(data, nonce, reminder), json.dumps(example.answer, ensure_ascii=False))


def _wrong(example: _Example, form: type[BaseModel]) -> Iterator[str]:
    """Problems of an example: an answer not in the form, or quoted words not in the text."""
    answer = read_answer(json.dumps(example.answer), form).answer
    if answer is None:
        yield f"{shown(example.answer)} is not an answer of the form asked for"
    texts: dict[str, str] = {**example.data}
    for error in getattr(answer, "errors", ()):
        place = locate(texts.get(error.side, ""), error.span, error.span_with_context)
        if isinstance(place, Lost):
            yield f"{shown(error.span)} occurs {_TIMES[place]} in its {error.side}"


_TIMES = {Lost.AMBIGUOUS: "several times", Lost.NOWHERE: "nowhere"}


def _unusable(code: str, place: str, what: str, fix: str) -> UserError:
    return UserError([Problem(code, f"prompt file {shown(place)}", " ".join(what.split()), fix)])
