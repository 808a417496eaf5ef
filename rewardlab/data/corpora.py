r"""Line-aligned text: one segment per line, the same line number in every file.

What is done to the text, all of it: a byte-order mark at the very start and the ``\r`` of a
``\r\n`` line end are taken off, each with a note. Only ``\n`` ends a line; U+2028, U+0085 and
vertical tabs are characters like any other. Rows with an empty side are left out and counted.

A corpus tells its own story in one line, its funnel: ``1,997 lines: 3 empty, 40 over 300
characters left out; 1,954 rows``.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import BinaryIO

from rewardlab.errors import EXIT_DATA, Problem, UserError, refuse, shown
from rewardlab.types import Candidate

GZIP_MAGIC = b"\x1f\x8b"
LISTED = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One segment.

    Attributes:
        id: Its line number, from 1; behind the corpus's name and a colon where it has one.
        source: The text to translate.
        reference: Its translation, or None where the corpus has none.
        source_lang: Language code of the source.
        target_lang: Language code of the translation.
        document: The document it belongs to, or None.
    """

    id: str
    source: str
    reference: str | None
    source_lang: str
    target_lang: str
    document: str | None = None

    def candidate(self, hypothesis: str) -> Candidate:
        """The row with a translation, as rewards read it.

        Args:
            hypothesis: The translation under judgement.
        """
        return Candidate(
            source=self.source,
            hypothesis=hypothesis,
            reference=self.reference,
            source_lang=self.source_lang or None,
            target_lang=self.target_lang or None,
            id=self.id,
        )


@dataclass(frozen=True)
class Corpus:
    """Rows in the order of their lines.

    Attributes:
        rows: The segments.
        funnel: How many lines there were, what was left out and why, and what remains.
        notes: What a reader should know and no rule forbids: duplicates, untranslated rows.
    """

    rows: tuple[Row, ...]
    funnel: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class TextFile:
    """The lines of one file, without their ends."""

    name: str
    lines: list[str]
    notes: tuple[str, ...] = ()


def read_parallel(
    source: str | Path,
    reference: str | Path | None = None,
    *,
    source_lang: str,
    target_lang: str,
    documents: str | Path | None = None,
    max_characters: int | None = None,
    name: str = "",
) -> Corpus:
    """Read a corpus from line-aligned UTF-8 files, plain or gzipped.

    Args:
        source: The texts to translate.
        reference: Their translations.
        source_lang: Language code of ``source``.
        target_lang: Language code of ``reference``.
        documents: One document id per line; of several tab-separated columns the first.
        max_characters: Rows with a longer side are left out and counted. At least 1.
        name: Goes before the line number in ids, to tell joined corpora apart.

    Raises:
        UserError: E201..E208, exit code 3, with every problem of every file.
    """
    files = read_aligned([path for path in (source, reference, documents) if path is not None])
    sources = files[0].lines
    references = files[1].lines if reference is not None else [None] * len(sources)
    ids = _document_ids(files[-1]) if documents is not None else [None] * len(sources)
    rows: list[Row] = []
    empty = long = 0
    for number, (text, translation, document) in enumerate(
        zip(sources, references, ids, strict=True), start=1
    ):
        sides = (text,) if translation is None else (text, translation)
        if not all(side.strip() for side in sides):
            empty += 1
        elif max_characters is not None and max(map(len, sides)) > max_characters:
            long += 1
        else:
            row_id = f"{name}:{number}" if name else str(number)
            rows.append(Row(row_id, text, translation, source_lang, target_lang, document))
    left_out = [f"{empty:,} empty"] if empty else []
    left_out += [f"{long:,} over {max_characters} characters"] if long else []
    funnel = _funnel(f"{len(sources):,} lines", left_out, len(rows))
    if not rows:
        refuse(Problem("E206", files[0].name, f"no rows: {funnel}", "give a file with text"))
    notes = [note for file in files for note in file.notes]
    return Corpus(tuple(rows), funnel, (*notes, *_content_notes(rows)))


def join(corpora: Sequence[Corpus]) -> Corpus:
    """Put corpora behind one another; their ids must differ, so name them when reading.

    Raises:
        ValueError: Two rows have one id.
    """
    rows = tuple(row for corpus in corpora for row in corpus.rows)
    if repeated := [row_id for row_id, n in Counter(row.id for row in rows).items() if n > 1]:
        raise ValueError(f"{len(repeated)} ids appear twice, first {repeated[0]}: name the corpora")
    notes = tuple(note for corpus in corpora for note in corpus.notes)
    return Corpus(rows, " + ".join(corpus.funnel for corpus in corpora), notes)


def split(corpus: Corpus, heldout: float) -> tuple[Corpus, Corpus]:
    """Hold rows out from the end, by whole documents where rows have ids.

    Sources that stand on both sides are then taken out of the training side and counted.

    Args:
        corpus: What to split.
        heldout: A share in [0, 1) if it is a float, rounded up; a number of rows if it is an
            int, at least 0. With documents, as many from the end as reach it.

    Returns:
        The training side and the held-out side.

    Raises:
        ValueError: ``heldout`` is negative, or a share of 1 or more.
        UserError: E207, exit code 3: nothing is left to train on.
    """
    if heldout < 0 or (isinstance(heldout, float) and not heldout < 1):
        raise ValueError(f"heldout={heldout} is neither a share in [0, 1) nor a number of rows")
    # The tiny offset keeps 0.1 of 30 at 3: in binary the product is above it.
    wanted = math.ceil(heldout * len(corpus) - 1e-9) if isinstance(heldout, float) else heldout
    chosen = _last_rows(corpus.rows, wanted)
    held = tuple(row for number, row in enumerate(corpus.rows) if number in chosen)
    kept = tuple(row for number, row in enumerate(corpus.rows) if number not in chosen)
    train = replace(corpus, rows=kept, funnel=f"{corpus.funnel}; {len(kept):,} to train on")
    side = Corpus(held, f"{corpus.funnel}; {len(held):,} held out")
    train = without_overlap(train, side)
    if not train.rows:
        what = f"holding out {len(held):,} of {len(corpus):,} rows leaves none to train on"
        refuse(Problem("E207", "heldout", what, "hold out fewer, or split longer documents"))
    return train, side


def without_overlap(train: Corpus, heldout: Corpus) -> Corpus:
    """Take rows out of ``train`` whose source text stands in ``heldout``, and count them."""
    seen = {row.source for row in heldout.rows}
    rows = tuple(row for row in train.rows if row.source not in seen)
    if len(rows) == len(train):
        return train
    overlap = f"{len(train) - len(rows):,} sources that are also held out"
    return replace(train, rows=rows, funnel=_funnel(train.funnel, [overlap], len(rows)))


def read_aligned(paths: Sequence[str | Path], *, stdin: BinaryIO | None = None) -> list[TextFile]:
    """Read files that must have equally many lines.

    Args:
        paths: The files.
        stdin: What a path of ``-`` reads; without it, that is a file of this name.

    Raises:
        UserError: E201..E205, exit code 3, with every problem of every file.
    """
    files: list[TextFile] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            if stdin is not None and str(path) == "-":
                files.append(lines_of(stdin.read(), "stdin"))
            else:
                files.append(read_lines(path))
        except UserError as error:
            problems.extend(error.problems)
    if problems:
        raise UserError(problems, EXIT_DATA)
    check_aligned(files)
    return files


def read_lines(path: str | Path) -> TextFile:
    """Read the lines of one file.

    Raises:
        UserError: E201 it cannot be read; else as `lines_of`. Exit code 3.
    """
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        fix = "name one of its files" if Path(path).is_dir() else "check the path"
        refuse(Problem("E201", str(path), f"cannot be read: {reason}", fix))
    return lines_of(data, str(path))


def lines_of(data: bytes, name: str) -> TextFile:
    """Split a file's content into lines.

    Args:
        data: UTF-8, or gzip of it (recognised by its first bytes or a name in ``.gz``).
        name: Stands in front of every message.

    Raises:
        UserError: E202 not UTF-8; E203 NUL characters; E205 broken gzip. Exit code 3.
    """
    if data.startswith(GZIP_MAGIC) or (name.endswith(".gz") and data):
        data = _gunzip(data, name)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        refuse(_not_utf8(data, name))
    notes: list[str] = []
    if text.startswith("\ufeff"):
        text = text[1:]
        notes.append(f"{name}: a byte-order mark was taken off the start")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if carriages := sum(line.endswith("\r") for line in lines):
        lines = [line.removesuffix("\r") for line in lines]
        notes.append(f"{name}: {carriages:,} of {len(lines):,} lines end in CRLF; read as LF")
    if "\0" in text:
        bad = [number for number, line in enumerate(lines, start=1) if "\0" in line]
        what = f"NUL characters in {_of_rows(bad, len(lines))}"
        refuse(Problem("E203", f"{name}:{bad[0]}", what, "make the file anew: it is damaged"))
    return TextFile(name, lines, tuple(notes))


def check_aligned(files: Sequence[TextFile]) -> None:
    """Refuse files whose numbers of lines differ from the first one's.

    Raises:
        UserError: E204 for each that does, with the line where the texts seem to drift apart.
    """
    problems: list[Problem] = []
    for other in files[1:]:
        have, want = len(other.lines), len(files[0].lines)
        if have != want:
            what = f"{have:,} lines, but {files[0].name} has {want:,}"
            line = drift(files[0].lines, other.lines)
            problems.append(Problem("E204", other.name, what, f"look near line {line:,}"))
    if problems:
        raise UserError(problems, EXIT_DATA)


def drift(source: Sequence[str], other: Sequence[str]) -> int:
    """The line, from 1, where two misaligned texts most likely part.

    Translations are about as long as their sources, up to one factor. So the place is the one
    where pairing lines from the start before it, and from the end after it, makes the log length
    ratios differ least (L1) from the usual one, the difference of the median log lengths. It
    supposes one insertion or loss; with several it finds the one that explains most.
    """
    short = min(len(source), len(other))
    if short == 0:
        return 1
    lengths = [[math.log(len(line) + 1) for line in text] for text in (source, other)]
    from_start = [b - a for a, b in zip(*lengths, strict=False)]
    from_end = [b - a for a, b in zip(lengths[0][-short:], lengths[1][-short:], strict=True)]
    usual = median(lengths[1]) - median(lengths[0])
    before = [0.0, *accumulate(abs(ratio - usual) for ratio in from_start)]
    after = [0.0, *accumulate(abs(ratio - usual) for ratio in reversed(from_end))]
    costs = [before[cut] + after[short - cut] for cut in range(short + 1)]
    return costs.index(min(costs)) + 1


def _gunzip(data: bytes, name: str) -> bytes:
    try:
        return gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        what = f"broken gzip: {error}"
        refuse(Problem("E205", name, what, f"fetch or make it anew; test with: gzip -t {name}"))


def _not_utf8(data: bytes, name: str) -> Problem:
    """Name the lines that are not UTF-8, and the first byte that is not."""
    lines = data.removesuffix(b"\n").split(b"\n")
    bad: list[tuple[int, int]] = []
    start = 0
    for number, line in enumerate(lines, start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            bad.append((number, start + error.start))
        start += len(line) + 1
    number, offset = bad[0]
    what = (
        f"not UTF-8: {_of_rows([line for line, _ in bad], len(lines))}; "
        f"byte {data[offset]:#04x} at offset {offset:,}"
    )
    return Problem("E202", f"{name}:{number}", what, "convert it: iconv -f latin1 -t utf-8")


def _document_ids(file: TextFile) -> list[str]:
    ids = [line.split("\t", 1)[0].strip() for line in file.lines]
    if missing := [number for number, document in enumerate(ids, start=1) if not document]:
        what = f"no document id in {_of_rows(missing, len(ids))}"
        refuse(Problem("E208", f"{file.name}:{missing[0]}", what, "write one id per line"))
    return ids


def _last_rows(rows: Sequence[Row], wanted: int) -> set[int]:
    """Indices of the held-out rows; a document counts by its last row, and comes whole."""
    of_document: dict[object, list[int]] = {}
    for number in range(len(rows) - 1, -1, -1):
        document = rows[number].document
        of_document.setdefault(number if document is None else document, []).append(number)
    chosen: set[int] = set()
    for numbers in of_document.values():
        if len(chosen) >= wanted:
            break
        chosen.update(numbers)
    return chosen


def _content_notes(rows: Sequence[Row]) -> Iterable[str]:
    """Count rows that no rule forbids and nobody wants many of."""
    copies = [row.id for row in rows if row.source == row.reference]
    if copies:
        yield f"source equals reference in {_of_rows(copies, len(rows))}"
    pairs = Counter((row.source, row.reference) for row in rows)
    if repeated := sum(count - 1 for count in pairs.values()):
        text, _ = pairs.most_common(1)[0][0]
        yield f"{repeated:,} of {len(rows):,} rows repeat an earlier one, most often {shown(text)}"


def _of_rows(numbers: Sequence[int | str], total: int) -> str:
    """``37 of 2,000 rows; first 5: 3, 8, 9, 12, 40``."""
    some = ", ".join(str(number) for number in numbers[:LISTED])
    first = f"first {LISTED}" if len(numbers) > LISTED else "at"
    return f"{len(numbers):,} of {total:,} rows; {first}: {some}"


def _funnel(start: str, left_out: Sequence[str], rows: int) -> str:
    return f"{start}: {', '.join(left_out)} left out; {rows:,} rows" if left_out else start
