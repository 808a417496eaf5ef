"""Output of the commands: progress on stderr, the result as JSON on stdout, by one process only."""

from __future__ import annotations

import json
import os
import resource
import sys
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from rewardlab.report.html import page_html
from rewardlab.report.markdown import page_markdown
from rewardlab.report.table import Page, Table
from rewardlab.report.terminal import rendered
from rewardlab.spans import printable
from rewardlab.store.files import replace_file

WIDTH = 160
"""Width in columns of text that is not printed on a terminal."""


def is_first_process() -> bool:
    """Whether this is the only process, or the first that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


def say(*lines: str) -> None:
    """Print lines on stderr, in the first process; a terminal gets them wrapped at its width."""
    width = known_width(stderr=True)
    for line in lines if is_first_process() else ():
        typer.echo(line if width is None else wrapped(line, width), err=True)


def wrapped(line: str, width: int) -> str:
    """A line in several lines, broken at spaces only, so that paths and commands stay whole.

    Args:
        line: The line.
        width: The largest width, in characters.
    """
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(
        line,
        width,
        subsequent_indent=indent,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )


def known_width(*, stderr: bool) -> int | None:
    """The width of the terminal, or ``COLUMNS``; None for a file or a pipe.

    Args:
        stderr: Whether stderr is meant; stdout otherwise.
    """
    made = Console(stderr=stderr)
    known = made.is_terminal or os.environ.get("COLUMNS", "").isdigit()
    return (made.width or None) if known else None


def console(*, stderr: bool = True) -> Console:
    """A console for tables and texts: as wide as the terminal, and `WIDTH` in a file or a pipe.

    Args:
        stderr: Print on stderr; on stdout otherwise.
    """
    return Console(stderr=stderr, width=known_width(stderr=stderr) or WIDTH, highlight=False)


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


def print_tables(tables: Iterable[Table]) -> None:
    """Print tables on stderr, in the first process, with an empty line after each."""
    stderr = console()
    for table in tables if is_first_process() else ():
        for part in rendered(table, stderr.width):
            stderr.print(part)
            stderr.print()


def print_page(page: Page) -> None:
    """Print tables, notes and YAML on stderr, in the first process."""
    print_tables(page.tables)
    say(*map(printable, (*page.notes, *page.yaml)))


def write_page(page: Page, *, markdown: Path | None, html: Path | None) -> None:
    """Write a page to files for people, each completely or not at all.

    Args:
        page: The page.
        markdown: The Markdown file, or None.
        html: The HTML file, or None.

    Raises:
        UserError: E210, the disk is full or gone; exit code 75.
    """
    for path, text in ((markdown, page_markdown), (html, page_html)):
        if path is not None:
            replace_file(path, text(page))


def peak_memory_mb() -> float:
    """Peak memory of this process in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
