"""Pages as one HTML file that opens from disk: no script, no other file, every text escaped."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from rewardlab.report.table import Cell, Column, Page, Table
from rewardlab.spans import printable

STYLE = """\
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem; max-width: 100rem; }
section { overflow-x: auto; }
table { border-collapse: collapse; margin-bottom: 1.5rem; }
caption { text-align: left; font-weight: 600; padding: .4rem 0; }
th, td { padding: .2rem .7rem; text-align: left; vertical-align: top; unicode-bidi: isolate; }
thead th { border-bottom: 2px solid #888; vertical-align: bottom; }
tbody tr:nth-child(even) { background: #8881; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.green { color: #1a7f37; } .yellow { color: #9a6700; } .red { color: #cf222e; }
.dim { opacity: .6; } .bold { font-weight: 700; } .italic { font-style: italic; }
pre { background: #8882; padding: .7rem; overflow-x: auto; }
@media (prefers-color-scheme: dark) {
  body { background: #111; color: #ddd; }
  .green { color: #3fb950; } .yellow { color: #d29922; } .red { color: #f85149; }
}"""


def page_html(page: Page) -> str:
    """A page as a complete HTML document."""
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    title = _text(page.title)
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>"
    yield f"<h1>{title}</h1>"
    for table in page.tables:
        yield from _table(table)
    if page.notes:
        yield "<ul>"
        yield from (f"<li>{_text(note)}</li>" for note in page.notes)
        yield "</ul>"
    if page.yaml:
        lines = "\n".join(_text(line) for line in page.yaml)
        yield f"<pre>{lines}</pre>"
    if page.depends_on:
        lines = "\n".join(_text(line) for line in page.depends_on)
        yield f"<h2>What the numbers depend on</h2>\n<pre>{lines}</pre>"
    yield "</body>\n</html>"


def _table(table: Table) -> Iterator[str]:
    yield "<section>\n<table>"
    if table.title:
        yield f"<caption>{_text(table.title)}</caption>"
    headings = "".join(
        f'<th scope="col" class="{column.kind}">{_text(column.heading)}</th>'
        for column in table.columns
    )
    yield f"<thead><tr>{headings}</tr></thead>\n<tbody>"
    for row in table.rows:
        cells = zip(table.columns, row, strict=True)
        yield f"<tr>{''.join(_cell(column, cell) for column, cell in cells)}</tr>"
    yield "</tbody>\n</table>\n</section>"


def _cell(column: Column, cell: Cell) -> str:
    classes = f"{column.kind} {cell.style}".strip()
    direction = "" if column.kind == "number" else ' dir="auto"'
    return f'<td class="{classes}"{direction}>{_text(cell.text)}</td>'


def _text(text: str) -> str:
    return escape(printable(text))
