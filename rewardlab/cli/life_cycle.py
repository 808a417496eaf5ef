"""The life cycle of every command with a configuration file: check, then work, then write.

A new command of this kind is a module with three functions, `check`, `work` and `write`, and a
``command`` that gives them to `run`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rewardlab.cli.interrupts import NOT_BEGUN, told
from rewardlab.cli.output import report, say
from rewardlab.config.checks import run_that_writes
from rewardlab.config.load import examine, file_places
from rewardlab.config.sections import Options, Section
from rewardlab.config.strict_yaml import Document
from rewardlab.dry_run.findings import Findings
from rewardlab.dry_run.summary import summary_lines
from rewardlab.errors import Problem, UserError


@dataclass(frozen=True)
class Arguments:
    """What a command is called with.

    Attributes:
        config: The YAML file.
        overrides: Arguments ``key=value``.
        started: Time of the call, by ``time.perf_counter``.
    """

    config: Path
    overrides: Sequence[str] = ()
    started: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True, eq=False)
class Ready:
    """A run that passed all checks; each command adds what its work needs.

    Attributes:
        summary: Facts known before the work; a dry run reports them.
        notes: Lines to print before the work.
    """

    summary: Mapping[str, Any]
    notes: Sequence[str]


Schema = TypeVar("Schema", bound=Section)
Checked = TypeVar("Checked", bound=Ready)
Outcome = TypeVar("Outcome")


def run(
    arguments: Arguments,
    check: Callable[[Arguments], Checked],
    work: Callable[[Checked], Outcome],
    write: Callable[[Checked, Outcome], Mapping[str, Any]],
    *,
    dry_run: bool,
    tables: bool = False,
) -> None:
    """Check, work, write the files, and give the result as JSON (`rewardlab.cli.output.report`).

    Args:
        arguments: What the command is called with.
        check: Reads and checks everything; changes nothing.
        work: Does the long work; it may keep its progress in the run directory.
        write: Writes the files of the result, and returns the report.
        dry_run: Report the summary of `check`, and stop.
        tables: `write` prints the result as tables.

    Raises:
        UserError: All problems that `check` found: configuration and checkpoint (exit code 2),
            data (3), rewards and server (4).
    """
    with told(lambda: NOT_BEGUN):
        ready = check(arguments)
    say(*summary_lines(ready.summary), *ready.notes)
    if dry_run:
        report({"dry_run": True, **ready.summary}, shown=True)
    else:
        report(write(ready, work(ready)), shown=tables)


def read_config(
    arguments: Arguments,
    schema: type[Schema],
    *,
    check: Callable[[Schema, Document], Iterable[Problem]],
    check_trainer: Callable[[Options, Document], Iterable[Problem]] | None = None,
) -> tuple[Schema, Findings]:
    """The configuration, and the problems between its parts; later checks add more problems.

    Args:
        arguments: The file and its overrides.
        schema: Schema of the file.
        check: Yields the problems between the parts of the file.
        check_trainer: Yields the problems of its ``trainer`` section.

    Raises:
        UserError: The file does not fit the schema; exit code 2.
    """
    config, problems, document = examine(
        schema, arguments.config, arguments.overrides, check=check, check_trainer=check_trainer
    )
    if config is None:
        raise UserError(problems)

    def maker(name: str) -> str | None:
        path = Path(name)
        return run_that_writes(path, document) or run_that_writes(path.parent, document)

    found = Findings(places=file_places(document), maker=maker)
    found.add(problems)
    return config, found


def conclude(found: Findings, *notes: str) -> tuple[str, ...]:
    """The notes of a run, if it passed all checks.

    Args:
        found: The findings of all checks.
        *notes: Notes on the data.

    Raises:
        UserError: All problems.
    """
    found.raise_if_any()
    return (*notes, *(f"note: {note}" for note in dict.fromkeys(found.notes)))
