"""MQM files: errors that people marked in translations. The one parser of them.

A row is one error of one rater, or says that a rater found none. Two forms of a tab-separated file
are in use, told apart by the header: the raw form of WMT (``system doc doc_id seg_id rater source
target category severity [comment]``) and Marot's (``... docSegId globalSegId ... metadata``),
whose header may be missing, may stand again further down, and may have cells that are no column.
A cell is whatever stands between two tabs, quotes are characters like any other. UTF-8, plain or
gzipped; a byte-order mark and CRLF line ends are taken off with a note.

What is done with the rows, all of it counted in the file's funnel:

- exact duplicates (every column) count once;
- attention checks (severity ``HOTW-test``) are no errors and left out; a rater who has left nothing
  else on a translation has not rated it;
- rows without a rater, or with neither severity nor category, carry a translation that is not
  rated yet;
- texts of one translation must agree once marks are taken out: the first one counts. In one that
  differs, errors keep their weight, and their marks where they cover the same characters of the
  first one;
- odd marks are read as `rewardlab.human.marked_text` says.

Severity and category stay the words of the file: a `SeverityTable` weighs them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from rewardlab.data.lines import TextFile, read_lines
from rewardlab.errors import Problem, refuse
from rewardlab.human.marked_text import read_marks
from rewardlab.human.ratings import DUPLICATES, HEADERS, Gathering, Judgement, MqmFile
from rewardlab.human.tables import Cells, Column, RowProblems, cells_of, columns_of

COLUMNS = {
    "system": Column(("system",)),
    "document": Column(("doc",)),
    "number": Column(("docsegid", "doc_id")),
    "overall": Column(("globalsegid", "seg_id"), needed=False),
    "rater": Column(("rater",)),
    "source": Column(("source",)),
    "target": Column(("target",)),
    "category": Column(("category",)),
    "severity": Column(("severity",)),
}
MAROT_HEADER = (
    "system", "doc", "docSegId", "globalSegId", "rater",
    "source", "target", "category", "severity", "metadata",
)  # fmt: skip


def read_mqm(path: str | Path) -> MqmFile:
    """Read an MQM file, raw or in Marot's form.

    Raises:
        UserError: E201..E203, E205, E206 the file cannot be read or has no rows; E220 it has no
            columns of an MQM file; E221 rows that are none. Exit code 3.
    """
    return mqm_of(read_lines(path))


def mqm_of(file: TextFile) -> MqmFile:
    """As `read_mqm`, for lines that are read already."""
    columns, width, start = _header(file)
    rows = list(cells_of(file, start=start))
    if not rows:
        refuse(Problem("E206", file.name, "no rows", "give a file with judgements"))
    problems = RowProblems(file.name, len(rows))
    gathering = Gathering()
    seen: set[str] = set()
    header = file.lines[start - 1] if start else None
    for row in rows:
        line = file.lines[row.number - 1]
        # Files that were joined have several headers; the second sign is Marot's.
        if line == header or line.lower().startswith("system\tdoc"):
            gathering.counts[HEADERS] += 1
        elif line in seen:
            gathering.counts[DUPLICATES] += 1
        elif (judgement := _judgement(row, columns, width, problems)) is not None:
            gathering.add(judgement)
        seen.add(line)
    problems.raise_if_any()
    return gathering.finish(rows=len(rows), digest=digest_of(file), notes=file.notes)


def digest_of(file: TextFile) -> str:
    """Twelve hexadecimal digits of the content's SHA-256."""
    return hashlib.sha256("\n".join(file.lines).encode()).hexdigest()[:12]


def is_mqm_header(line: str) -> bool:
    """Whether a line names all columns that an MQM file needs."""
    found = columns_of(line.split("\t"), COLUMNS)
    return all(key in found for key, column in COLUMNS.items() if column.needed)


def is_nearly_mqm_header(line: str) -> bool:
    """Whether a line names at least half of the columns; `mqm_of` says which are missing."""
    needed = {key for key, column in COLUMNS.items() if column.needed}
    return 2 * len(needed & columns_of(line.split("\t"), COLUMNS).keys()) >= len(needed)


def is_marot_row(line: str) -> bool:
    """Whether a line can be a row of Marot's form: nine or ten cells, the last one JSON."""
    cells = line.split("\t")
    if not len(MAROT_HEADER) - 1 <= len(cells) <= len(MAROT_HEADER):
        return False
    metadata = cells[9].strip() if len(cells) == len(MAROT_HEADER) else ""
    return not metadata or metadata.startswith("{")


def _header(file: TextFile) -> tuple[dict[str, int], int, int]:
    """Where the columns stand, how many cells a row may have, and how many lines go before."""
    first = next((at for at, line in enumerate(file.lines) if line.strip()), None)
    if first is None:
        refuse(Problem("E206", file.name, "no rows", "give a file with judgements"))
    line = file.lines[first]
    cells = line.split("\t")
    found = columns_of(cells, COLUMNS)
    if is_mqm_header(line):
        return found, len(cells), first + 1
    if "system" in found or not is_marot_row(line):
        needed = {key: column for key, column in COLUMNS.items() if column.needed}
        missing = [column.names[0] for key, column in needed.items() if key not in found]
        what = f"the header is not that of an MQM file: no column {', '.join(missing)}"
        fix = f"write the columns {' '.join(MAROT_HEADER)}, separated by tabs"
        refuse(Problem("E220", f"{file.name}:{first + 1}", what, fix))
    return columns_of(MAROT_HEADER, COLUMNS), len(MAROT_HEADER), first


def _judgement(
    row: Cells, columns: Mapping[str, int], width: int, problems: RowProblems
) -> Judgement | None:
    count = len(row.cells)
    needed = max(columns[key] for key, column in COLUMNS.items() if column.needed) + 1
    if not needed <= count <= width:
        enough = f"{needed} to {width}" if needed < width else str(width)
        what = f"a row has {{}} cells and needs {enough}"
        fix = "a tab or line break inside a text splits its row: write a space"
        problems.add("E221", what, fix, line=row.number, value=count)
        return None
    cell = {key: row.cells[at] if at < count else "" for key, at in columns.items()}
    system, number = cell["system"].strip(), cell["number"].strip()
    if not system or not number or ":" in number:
        what = "a row needs a system, and a segment number without a colon, and has {}"
        value = f"{cell['system']}, {number}"
        problems.add("E221", what, "name both", line=row.number, value=value)
    if not cell["rater"].strip() and cell["severity"].strip():
        what, fix = "severity {} without a rater", "write who rated into the column rater"
        problems.add("E221", what, fix, line=row.number, value=cell["severity"])
    return Judgement(
        system=system,
        key=(cell["document"].strip(), number),
        overall=cell.get("overall", "").strip(),
        rater=cell["rater"].strip(),
        source=read_marks(cell["source"]),
        target=read_marks(cell["target"]),
        category=cell["category"].strip() or None,
        severity=cell["severity"].strip(),
    )
