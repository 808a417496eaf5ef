"""Error messages and exit codes.

An error says where, what, why and how to fix it, on one line:

``error[E023] rl.yaml:14:3 trainer.num_generation: unknown key. fix: num_generations: 8``
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from typing import NoReturn

EXIT_USAGE = 2
EXIT_DATA = 3
EXIT_REWARD = 4
EXIT_RESUMABLE = 75
NEAR = 0.82
"""Similarity (difflib) from which a spelling is near: ``bleurt`` is not ``bleu`` (0.80), and
``weigth`` is ``weight`` (0.83). One wrong, missing, additional or moved letter is always near."""
LARGEST = float.fromhex("0x1.fffffep+127")
"""The largest number of float32, the precision in which scores and weights reach the loss."""


def shown(value: object, limit: int = 80) -> str:
    """A value for a message: escaped, on one line.

    Args:
        value: The value; texts keep non-Latin scripts, other values are shown in ASCII.
        limit: Maximum number of characters.
    """
    text = " ".join(ascii(value).split()) if not isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(reason: object, limit: int = 300) -> str:
    """Another library's message as part of ours: on one line, without a final full stop.

    Args:
        reason: The message, or the exception that contains it.
        limit: Maximum number of characters.
    """
    text = " ".join(str(reason).split()).rstrip(".")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def quantity(count: int, noun: str) -> str:
    """A number of things, for a message.

    Args:
        count: The number.
        noun: The singular; its plural ends in s or es.

    >>> quantity(1, "rater"), quantity(2000, "process")
    ('1 rater', '2,000 processes')
    """
    plural = "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}{plural}"


def kind_of(value: object) -> str:
    """A value with its type, for a message.

    >>> [kind_of(value) for value in ("no", 1.5, True, None, [])]
    ["the text 'no'", 'the number 1.5', 'the boolean true', 'nothing', 'a list']
    """
    if value is None:
        return "nothing"
    if isinstance(value, (Mapping, list)):
        return "a mapping" if isinstance(value, Mapping) else "a list"
    nouns = {"bool": "the boolean", "int": "the integer", "float": "the number", "str": "the text"}
    text = str(value).lower() if isinstance(value, bool) else shown(value)
    return f"{nouns.get(type(value).__name__, 'the value')} {text}"


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that ``word`` was probably meant to be; None if none is close.

    Every suggestion of the library comes from here. Upper and lower case count as equal.

    Args:
        word: A misspelt name.
        choices: The names that exist.

    >>> [nearest(word, ["chrf", "bleu", "mqm"]) for word in ("ChrF", "mqn", "bleurt")]
    ['chrf', 'mqm', None]
    """
    known: dict[str, str] = {}
    for choice in choices:
        known.setdefault(choice.lower(), choice)
    close = get_close_matches(word.lower(), list(known), n=3, cutoff=0.6)
    return next((known[one] for one in close if _is_near(word.lower(), one)), None)


def _is_near(word: str, other: str) -> bool:
    match = SequenceMatcher(None, word, other)
    edits = sum(
        max(end - start, until - since)
        for kind, start, end, since, until in match.get_opcodes()
        if kind != "equal"
    )
    swapped = edits == 2 and sorted(word) == sorted(other)  # noqa: PLR2004 - one out, one in
    return edits <= 1 or swapped or match.ratio() >= NEAR


def finite(value: float) -> bool:
    """Whether a number is finite in float32, the precision in which it is used.

    >>> finite(1e38), finite(-1e43), finite(float("nan"))
    (True, False, False)
    """
    return math.isfinite(value) and abs(value) <= LARGEST


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        code: ``E`` and three digits, stable across releases; ``docs/errors.md`` lists them.
        where: ``file:line:column`` or the name of an argument.
        what: What was found, and why it cannot be used.
        fix: What to write instead, or a command.
    """

    code: str
    where: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"error{self._after_kind}"

    @property
    def warning(self) -> str:
        """The same line for a Python warning, where work goes on."""
        return f"warning{self._after_kind}"

    @property
    def _after_kind(self) -> str:
        fix = f" fix: {self.fix}" if self.fix else ""
        stop = "" if self.what.endswith(("?", "!", ".")) else "."
        return f"[{self.code}] {self.where}: {self.what}{stop}{fix}"


class UserError(Exception):
    """Input that cannot be used, with all problems that were found.

    Attributes:
        problems: The problems; at least one.
        exit_code: Exit code of the command: 2 usage or configuration, 3 data, 4 reward unavailable.
    """

    def __init__(self, problems: Sequence[Problem], exit_code: int = EXIT_USAGE) -> None:
        self.problems = list(problems)
        self.exit_code = exit_code
        super().__init__("\n".join(str(problem) for problem in problems))


def refuse(*problems: Problem, exit_code: int = EXIT_DATA) -> NoReturn:
    """Raise a `UserError`.

    Args:
        *problems: The problems; at least one.
        exit_code: Exit code of the command; by default that of wrong data.

    Raises:
        UserError: Always.
    """
    raise UserError(problems, exit_code)


class RewardUnavailable(Exception):  # noqa: N818 - a state of the world, not a bug
    """Raised by a reward that can score nothing now: its service or device is not available."""


class RewardFailed(RuntimeError):  # noqa: N818 - names what happened
    """A reward raised or broke its contract; stops the step on every rank."""


class TooManyFailures(RuntimeError):  # noqa: N818 - names what happened
    """One reward left too many rows unscored to train on the others."""
