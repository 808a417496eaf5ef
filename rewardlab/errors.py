"""The errors a person sees, and the exit code each one ends the command with.

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
    """A value as it may be printed: escaped, on one line, at most ``limit`` characters."""
    text = ascii(value) if not isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        code: ``E`` and three digits, stable across releases; ``docs/errors.md`` lists them.
        where: ``file:line:column`` or the argument's name.
        what: What was found and why it will not do.
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
    """Input that cannot be used; carries every problem found, not just the first.

    Attributes:
        problems: At least one.
        exit_code: 2 usage or configuration, 3 data, 4 reward unavailable.
    """

    def __init__(self, problems: Sequence[Problem], exit_code: int = EXIT_USAGE) -> None:
        self.problems = list(problems)
        self.exit_code = exit_code
        super().__init__("\n".join(str(problem) for problem in problems))


def refuse(*problems: Problem, exit_code: int = EXIT_DATA) -> NoReturn:
    """Stop with what is wrong with the data.

    Args:
        *problems: At least one.
        exit_code: Of the command.

    Raises:
        UserError: Always.
    """
    raise UserError(problems, exit_code)


class RewardUnavailable(Exception):  # noqa: N818 - a state of the world, not a bug
    """Raised by a reward that can score nothing now: the service is down, the device is gone."""


class RewardFailed(RuntimeError):  # noqa: N818 - names what happened
    """A reward raised or broke its contract; stops the step on every rank."""


class TooManyFailures(RuntimeError):  # noqa: N818 - names what happened
    """So many rows of one reward stayed unscored that training on the rest would mislead."""
