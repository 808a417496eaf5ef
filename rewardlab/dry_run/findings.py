"""Everything that several checks find, told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from rewardlab.errors import EXIT_USAGE, Problem, UserError

Arguments = ParamSpec("Arguments")
Found = TypeVar("Found")


@dataclass
class Findings:
    """Collects problems and notes; the first problem does not hide the others.

    Attributes:
        problems: What is wrong, in the order it was found.
        notes: What a person should know and no rule forbids.
        exit_code: Of the gravest class: 2 configuration, 3 data, 4 rewards; 0 without problems.
        cause: The first exception behind them, for whoever asks to see it.
    """

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    exit_code: int = 0
    cause: BaseException | None = None

    def attempt(
        self,
        step: Callable[Arguments, Found],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Found | None:
        """The step's result, or None where it ended in a `UserError`, whose problems are kept."""
        try:
            return step(*arguments, **options)
        except UserError as error:
            self.add(error.problems, exit_code=error.exit_code, cause=error)
            return None

    def add(
        self,
        problems: Iterable[Problem],
        *,
        exit_code: int = EXIT_USAGE,
        cause: BaseException | None = None,
    ) -> None:
        """Keep problems; one that was found before is kept once."""
        new = [problem for problem in problems if problem not in self.problems]
        if new:
            self.problems += new
            self.exit_code = min(exit_code, self.exit_code or exit_code)
            self.cause = self.cause or cause

    def raise_if_any(self) -> None:
        """Go on only if nothing is wrong.

        Raises:
            UserError: With every problem.
        """
        if self.problems:
            raise UserError(self.problems, self.exit_code) from self.cause
