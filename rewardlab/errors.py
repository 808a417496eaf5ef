"""Error messages and exit codes.

An error says where, what, why and how to fix it, on one line:

``error[E023] rl.yaml:14:3 trainer.num_generation: unknown key. fix: num_generations: 8``
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

EXIT_USAGE = 2
EXIT_DATA = 3
EXIT_REWARD = 4
EXIT_RESUMABLE = 75


def shown(value: object, limit: int = 80) -> str:
    """A value for a message: escaped, on one line.

    Args:
        value: The value; texts keep non-Latin scripts, other values are shown in ASCII.
        limit: Maximum number of characters.
    """
    text = ascii(value) if not isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(reason: object, limit: int = 300) -> str:
    """Another library's message as part of ours: on one line, without a final full stop.

    Args:
        reason: The message, or the exception that contains it.
        limit: Maximum number of characters.
    """
    text = " ".join(str(reason).split()).rstrip(".")
    return text if len(text) <= limit else text[: limit - 1] + "…"


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
        fix = f" fix: {self.fix}" if self.fix else ""
        return f"error[{self.code}] {self.where}: {self.what}.{fix}"


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
