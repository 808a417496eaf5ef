"""Output of the commands: progress on stderr, the result as JSON on stdout, by one process only."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from rewardlab.cli.judgements import console
from rewardlab.store.files import replace_file


def is_first_process() -> bool:
    """Whether this is the only process, or the first that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


def say(*lines: str) -> None:
    """Print lines on stderr, in the first process."""
    for line in lines if is_first_process() else ():
        typer.echo(line, err=True)


def report(result: Mapping[str, Any], *, file: Path | None = None, shown: bool = False) -> None:
    """Give a command's result as JSON, in the first process.

    A file that the user names gets it, and nothing is printed on stdout. Without a file it is
    printed on stdout, except on a terminal that shows the same result for people already.

    Args:
        result: Plain values, without NaN.
        file: What ``--json`` names; ``-`` is stdout, also on a terminal.
        shown: The result was printed for people on stderr.

    Raises:
        UserError: E210, the disk is full or gone; exit code 75.
    """
    if not is_first_process():
        return
    if file is not None and file != Path("-"):
        write_json(file, result)
    elif file is not None or not (shown and sys.stdout.isatty() and sys.stderr.isatty()):
        typer.echo(json.dumps(result, ensure_ascii=False))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file for people and programs to read, completely or not at all.

    Args:
        path: The file.
        value: A mapping of plain values, without NaN.

    Raises:
        UserError: E210, the disk is full or gone; exit code 75.
    """
    text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False)
    replace_file(path, f"{text}\n")


def print_tables(tables: Iterable[Table | None]) -> None:
    """Print the tables that are not None on stderr."""
    stderr = console()
    for table in tables:
        if table is not None:
            stderr.print(table)


def peak_memory_mb() -> float:
    """Peak memory of this process in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
