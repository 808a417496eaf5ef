"""Tables and pages as Markdown, in the dialect of GitHub.

Names come from files, so every character that could change the meaning of the text is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rewardlab.report.table import Cell, Page, Table
from rewardlab.spans import printable

MARKS = {"bold": "**", "italic": "*"}
"""Styles that Markdown has; colours are left out."""
RULES = {"number": "---:", "name": "---", "prose": "---"}
_SPECIAL = re.compile(r"[\\`*|<>\[\]~$&]|(?<![^\W_])_|_(?![^\W_])")


def page_markdown(page: Page) -> str:
    """A page: its title, tables under their titles, a list of notes, and a block of YAML."""
    return "\n\n".join(_blocks(page)) + "\n"


def table_markdown(table: Table) -> str:
    """A table without its title."""
    headings = [escaped(column.heading) for column in table.columns]
    rules = [RULES[column.kind] for column in table.columns]
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, rules, *rows))


def escaped(text: str) -> str:
    r"""Text that Markdown shows as it is.

    >>> print(escaped("a|b *c* d_e _f_"))
    a\|b \*c\* d_e \_f\_
    """
    return _SPECIAL.sub(r"\\\g<0>", printable(text))


def _blocks(page: Page) -> Iterator[str]:
    yield f"# {escaped(page.title)}"
    for table in page.tables:
        if table.title:
            yield f"## {escaped(table.title)}"
        yield table_markdown(table)
    if page.notes:
        yield "\n".join(f"- {escaped(note)}" for note in page.notes)
    if page.yaml:
        yield "\n".join(["```yaml", *map(printable, page.yaml), "```"])
    if page.depends_on:
        yield "## What the numbers depend on"
        yield "\n".join(f"- {escaped(line)}" for line in page.depends_on)


def _cell(cell: Cell) -> str:
    mark = MARKS.get(cell.style, "") if cell.text else ""
    return f"{mark}{escaped(cell.text)}{mark}"
