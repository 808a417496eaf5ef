"""Collects the problems and notes of several checks, to report them together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ParamSpec, TypeVar

from rewardlab.errors import EXIT_USAGE, Problem, UserError, shown

Arguments = ParamSpec("Arguments")
Entry = TypeVar("Entry")
Result = TypeVar("Result")
LONGEST = 200


@dataclass
class Findings:
    """Problems and notes of all checks so far, so that the first problem does not hide others.

    Attributes:
        problems: Problems in the order in which they were found.
        notes: Information for the user that is not an error.
        exit_code: Exit code for the most basic kind of problem: 2 configuration, 3 data, 4 rewards;
            0 without problems.
        places: File name -> the place of the configuration that names it.
        maker: The command that writes a missing file, by the file's name; None if unknown.
        cause: The first exception behind the problems; `--debug` shows it.
    """

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    exit_code: int = 0
    places: Mapping[str, str] = field(default_factory=dict[str, str])
    maker: Callable[[str], str | None] = lambda _name: None
    cause: BaseException | None = None

    def attempt(
        self,
        step: Callable[Arguments, Result],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Result | None:
        """Run a step and keep its problems.

        Args:
            step: The function to call.
            *arguments: Passed to the step.
            **options: Passed to the step.

        Returns:
            The step's result, or None if it raised a `UserError`.
        """
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
        """Keep problems; a problem that is already known is not added again.

        Args:
            problems: Any number.
            exit_code: Exit code for these problems.
            cause: The exception behind them.
        """
        placed = [self._placed(problem) for problem in problems]
        new = [problem for problem in placed if problem not in self.problems]
        if new:
            self.problems += new
            self.exit_code = min(exit_code, self.exit_code or exit_code)
            self.cause = self.cause or cause

    def _placed(self, problem: Problem) -> Problem:
        """A file that cannot be read, at the key of the configuration that names it."""
        where = self.places.get(problem.where)
        if problem.code != "E201" or where is None:
            return problem
        fix = problem.fix
        if command := self.maker(problem.where):
            fix = f"first run: {command}"
        elif not Path(problem.where).is_absolute():
            fix = f"{fix}; it is relative to {Path.cwd()}"
        return replace(problem, where=where, what=f"{shown(problem.where)} {problem.what}", fix=fix)

    def raise_if_any(self) -> None:
        """Stop if there are problems.

        Raises:
            UserError: All problems.
        """
        if self.problems:
            raise UserError(self.problems, self.exit_code) from self.cause


def valid(build: Callable[[Entry], Result], entries: Iterable[Entry]) -> Iterator[Result]:
    """Build the entries that can be built; the problems of the rest are reported elsewhere.

    Args:
        build: Raises `UserError` for an entry that is wrong.
        entries: Any number.
    """
    for entry in entries:
        with suppress(UserError):
            yield build(entry)


def one_line(error: BaseException) -> str:
    """The message of a library's exception, on one line and not too long."""
    return " ".join(str(error).split())[:LONGEST].rstrip(".")
