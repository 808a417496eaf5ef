"""The format ``mqm``: one row for each error that a rater marked in a translation.

A row is one error of one rater, or says that a rater found none. Two forms of a tab-separated file
are in use, distinguished by the header: the raw form of WMT (``system doc doc_id seg_id rater
source target category severity [comment]``) and Marot's (``... docSegId globalSegId ...
metadata``). Marot's header may be missing, may be repeated further down, and may have cells that
are not columns. Files are UTF-8, plain or gzipped; a byte-order mark and CRLF line ends are removed
with a note.

Rows are treated as follows, and each case is counted in the funnel:

- exact duplicates (every column) count once;
- attention checks (severity ``HOTW-test``) are not errors and are left out; a rater with nothing
  else on a translation has not rated it;
- rows without a rater, or with neither severity nor category, contain a translation without a
  rating;
- texts of one translation should be equal once marks are removed; the first text is kept. Errors
  in a different text keep their weight, and keep their marks if these cover the same characters of
  the first text;
- odd marks are read as described in `rewardlab.human.marked_text`.

Severity and category are kept as written in the file: a `SeverityTable` weighs them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rewardlab.data.lines import TextFile
from rewardlab.errors import Problem, refuse
from rewardlab.human import headers
from rewardlab.human.annotations import HEADERS, ErrorAnnotations, ErrorRow
from rewardlab.human.formats import Format, Match
from rewardlab.human.gold import Gold
from rewardlab.human.headers import (
    MAROT_HEADER,
    Place,
    documents_of,
    group_columns,
    is_marot_row,
    key_names,
)
from rewardlab.human.marked_text import read_marks
from rewardlab.human.tables import (
    Column,
    Line,
    RowProblems,
    columns_of,
    distinct,
    filled_lines,
    integer_of,
    missing_columns,
)
from rewardlab.types import SeverityTable

COLUMNS = {
    "system": Column(headers.SYSTEMS),
    "document": Column(headers.DOCUMENTS),
    "number": Column(("docsegid", "doc_seg_id", "doc_id", *headers.SEGMENTS)),
    "overall": Column(("globalsegid", "global_seg_id", "seg_id"), needed=False),
    "rater": Column(headers.RATERS),
    "source": Column(headers.SOURCES),
    "target": Column(headers.HYPOTHESES),
    "category": Column(("category", "error_category", "error_type")),
    "severity": Column(("severity", "error_severity")),
}


def recognises(_name: str, lines: Sequence[Line]) -> Match:
    """Whether the first line is the header of an MQM file, or a row of Marot's form.

    Args:
        lines: Lines of the file, at least one.
    """
    missing = len(missing_columns(key_names(lines[0].cells), COLUMNS))
    if not missing:
        return Match.HEADER
    if 2 * missing <= sum(column.needed for column in COLUMNS.values()):
        return Match.LIKELY  # `read` says which columns are missing
    return Match.POSSIBLE if is_marot_row(lines[0]) else Match.NO


def read_annotations(file: TextFile) -> ErrorAnnotations:
    """Read an MQM file, rated or not.

    Raises:
        UserError: E206 there are no rows; E220 columns are missing; E221 rows that cannot be read.
            Exit code 3.
    """
    lines = filled_lines(file)
    header = lines[0].cells
    if missing := missing_columns(key_names(header), COLUMNS):
        if "system" in columns_of(header, COLUMNS) or not is_marot_row(lines[0]):
            names = ", ".join(COLUMNS[key].names[0] for key in missing)
            what = f"the header is not that of an MQM file: no column {names}"
            fix = f"write the columns {' '.join(MAROT_HEADER)}, separated by tabs"
            refuse(Problem("E220", f"{file.name}:{lines[0].number}", what, fix))
        header = [*MAROT_HEADER]
        rows = lines
    else:
        rows = filled_lines(file, least=2)[1:]
    # Files that were concatenated have several headers; the second test recognises Marot's.
    kept = [
        line
        for line in rows
        if line.cells != header and not line.text.lower().startswith("system\tdoc")
    ]
    names = key_names(header)
    columns, problems = columns_of(names, COLUMNS), RowProblems(file.name, len(rows))
    annotations = ErrorAnnotations(len(rows))
    annotations.counts[HEADERS] = len(rows) - len(kept)
    found: list[ErrorRow] = []
    places: list[Place] = []
    for line in distinct(kept, annotations.counts):
        if (row := _row(line, columns, len(header), problems)) is not None:
            cells = line.cells
            groups = [cells[at].strip() for at in group_columns(names) if at < len(cells)]
            found.append(row)
            places.append(Place(*row.key, tuple(groups)))
    for row, document in zip(found, documents_of(places), strict=True):
        annotations.add(row if document == row.key[0] else replace(row, key=(document, row.key[1])))
    problems.raise_if_any()
    return annotations


def read(file: TextFile, severities: SeverityTable) -> Gold:
    """Read the human scores of an MQM file.

    Args:
        file: Lines of the file.
        severities: What an error costs.

    Raises:
        UserError: As `read_annotations`; E228 severities that the table does not contain.
    """
    return read_annotations(file).weighed(file, severities)


MQM = Format(recognises, read)


def _row(
    line: Line, columns: Mapping[str, int], width: int, problems: RowProblems
) -> ErrorRow | None:
    cells = line.cells
    needed = max(columns[key] for key, column in COLUMNS.items() if column.needed) + 1
    if not needed <= len(cells) <= width:
        enough = f"{needed} to {width}" if needed < width else str(width)
        what = f"a row has {{}} cells and needs {enough}"
        fix = "a tab or line break inside a text splits its row: write a space"
        problems.add("E221", what, fix, line=line.number, value=len(cells))
        return None
    cell = {key: cells[at] if at < len(cells) else "" for key, at in columns.items()}
    system, number, rater = (cell[key].strip() for key in ("system", "number", "rater"))
    if not system or not number or ":" in number:
        what = "a row needs a system, and a segment number without a colon, and has {}"
        value = f"{cell['system']}, {number}"
        problems.add("E221", what, "name both", line=line.number, value=value)
    if not rater and cell["severity"].strip():
        what, fix = "severity {} without a rater", "write who rated into the column rater"
        problems.add("E221", what, fix, line=line.number, value=cell["severity"])
    return ErrorRow(
        system=system,
        key=(cell["document"].strip(), number),
        rater=rater,
        severity=cell["severity"].strip(),
        category=cell["category"].strip() or None,
        source=read_marks(cell["source"]),
        target=read_marks(cell["target"]),
        number=integer_of(cell.get("overall", "").strip()),
    )
