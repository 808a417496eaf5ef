"""Parallel corpora: rows of any format, filtered, joined and split, with their counts."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rewardlab.data.encodings import some_rows
from rewardlab.data.funnel import Funnel
from rewardlab.data.readers import Files
from rewardlab.data.rows import Row, RowStream, no_rows
from rewardlab.errors import Problem, quantity, refuse, shown
from rewardlab.text.languages import language_notes


@dataclass(frozen=True)
class Corpus:
    """Rows in the order of their lines.

    Attributes:
        rows: The segments.
        funnel: Number of lines read, and of lines left out by reason.
        notes: Warnings that do not stop a run: duplicates, untranslated rows.
    """

    rows: tuple[Row, ...] = ()
    funnel: Funnel = field(default_factory=Funnel)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def without(self, reason: str, leaves_out: Callable[[Row], bool]) -> Corpus:
        """The corpus without some of its rows.

        Args:
            reason: Why they are left out, for the funnel; completes "3 rows ...".
            leaves_out: Function that says whether a row is left out.
        """
        rows = tuple(row for row in self.rows if not leaves_out(row))
        funnel = self.funnel.without(reason, len(self) - len(rows))
        return replace(self, rows=rows, funnel=funnel)


def read_parallel(
    source: str | Path,
    reference: str | Path | None = None,
    *,
    source_lang: str,
    target_lang: str,
    documents: str | Path | None = None,
    max_characters: int | None = None,
    name: str = "",
    format: str = "lines",  # noqa: A002 - the name of the configuration's key
    columns: Mapping[str, str] | None = None,
) -> Corpus:
    """Read a corpus; rows with an empty side are left out and counted.

    Args:
        source: The file with the texts to translate.
        reference: The file with their translations.
        source_lang: Language of the sources, in any spelling.
        target_lang: Language of the translations.
        documents: The file with a document id for each segment.
        max_characters: Rows with a longer side are left out and counted; at least 1.
        name: Prefix of the line number in ids, to distinguish joined corpora.
        format: One of `READERS`.
        columns: Part of a segment -> column, for formats with columns.

    Raises:
        KeyError: No such format.
        UserError: E201..E209, E270, E271, exit code 3, with every problem of every file; E260, a
            language is unknown.
    """
    files = Files(source, reference, documents, source_lang, target_lang, columns or {})
    stream = RowStream(files, format=format, name=name, max_characters=max_characters)
    reading = stream.read()
    rows = tuple(reading)
    if not rows:
        refuse(no_rows(source, reading.funnel))
    notes = (*language_notes(source_lang, target_lang), *reading.notes, *_content_notes(rows))
    return Corpus(rows, reading.funnel, notes)


def join(corpora: Sequence[Corpus]) -> Corpus:
    """Concatenate corpora; their ids must differ, so give the corpora names when reading them.

    Raises:
        ValueError: Two rows have the same id.
    """
    rows = tuple(row for corpus in corpora for row in corpus.rows)
    if repeated := [row_id for row_id, n in Counter(row.id for row in rows).items() if n > 1]:
        raise ValueError(f"{len(repeated)} ids appear twice, first {repeated[0]}: name the corpora")
    notes = tuple(note for corpus in corpora for note in corpus.notes)
    return Corpus(rows, Funnel.joined(corpus.funnel for corpus in corpora), notes)


# ── splitting ───────────────────────────────────────────────────────────────────────────────────


def split(corpus: Corpus, heldout: float) -> tuple[Corpus, Corpus]:
    """Hold out rows from the end, by whole documents if rows have documents.

    Rows of the training side whose text is also held out are then left out; see `apart`.

    Args:
        corpus: The corpus to split.
        heldout: Share of rows in [0, 1) as a float, rounded up; or number of rows as an int, at
            least 0. If rows have documents, the last documents that together have at least this
            many rows are held out.

    Returns:
        The training side and the held-out side.

    Raises:
        ValueError: ``heldout`` is negative, or a share of 1 or more.
        UserError: E207, exit code 3: nothing is left to train on.
    """
    if heldout < 0 or (isinstance(heldout, float) and not heldout < 1):
        raise ValueError(f"heldout={heldout} is neither a share in [0, 1) nor a number of rows")
    kept, held = _divided(corpus, _documents(corpus.rows[::-1]), heldout, reason="held out")
    train = apart(kept, held)
    if not train.rows:
        what = (
            f"holding out {len(held):,} of {quantity(len(corpus), 'row')} leaves none to train on"
        )
        refuse(Problem("E207", "heldout", what, "hold out fewer, or split longer documents"))
    return train, held


def validation_split(train: Corpus, validation: float, *, seed: int) -> tuple[Corpus, Corpus]:
    """Set aside training rows that decide when to stop: whole documents, drawn at random.

    Args:
        train: Training rows, of any number of corpora.
        validation: Share of rows in (0, 1) as a float, rounded up; or number of rows as an int.
            Documents are drawn until they have at least this many rows; a row without a document
            counts as a document.
        seed: Seed of the draw.

    Returns:
        The remaining training rows, and the validation rows.

    Raises:
        UserError: E207, exit code 3: nothing is left to train on.
    """
    documents = _documents(train.rows)
    random.Random(seed).shuffle(documents)  # noqa: S311 - a draw of rows, not a secret
    reason = "set aside for validation"
    rest, aside = _divided(train, documents, validation, reason=reason)
    kept = apart(rest, aside)
    if not kept.rows:
        what = f"setting {len(aside):,} of {len(train):,} rows aside leaves none to train on"
        fix = "set fewer aside, or split longer documents"
        refuse(Problem("E207", "validation", what, fix))
    return kept, aside


def apart(train: Corpus, other: Corpus) -> Corpus:
    """The training rows that share no text with other rows.

    A row is left out if ``other`` contains its document, its source, or the same pair of texts with
    source and reference exchanged (as in a corpus of the opposite direction).

    Args:
        train: The training rows.
        other: Rows that are not trained on.
    """
    documents = {row.document for row in other.rows} - {None}
    pairs = {(row.reference, row.source) for row in other.rows}
    sources = {row.source for row in other.rows}
    train = train.without(
        "of documents that are held out elsewhere", lambda row: row.document in documents
    )
    train = train.without(
        "that are held out in the other direction", lambda row: (row.source, row.reference) in pairs
    )
    return train.without("whose source is also held out", lambda row: row.source in sources)


def _documents(rows: Iterable[Row]) -> list[list[Row]]:
    """The rows by document; a row without a document is a document by itself."""
    found: dict[Hashable, list[Row]] = {}
    for row in rows:
        found.setdefault((row.id,) if row.document is None else row.document, []).append(row)
    return list(found.values())


def _divided(
    corpus: Corpus, documents: Iterable[Sequence[Row]], wanted: float, *, reason: str
) -> tuple[Corpus, Corpus]:
    """The remaining rows, and the first documents that have the wanted share or number of rows."""
    if isinstance(wanted, float):
        # The tiny offset makes 0.1 of 30 equal 3: in binary the product is slightly above 3.
        wanted = math.ceil(wanted * len(corpus) - 1e-9)
    chosen: set[str] = set()
    for rows in documents:
        if len(chosen) >= wanted:
            break
        chosen.update(row.id for row in rows)
    rest = corpus.without(reason, lambda row: row.id in chosen)
    return rest, corpus.without("to train on", lambda row: row.id not in chosen)


def _content_notes(rows: Sequence[Row]) -> Iterable[str]:
    """Warnings about rows that are suspicious but allowed."""
    if copies := [row.id for row in rows if row.source == row.reference]:
        yield f"source equals reference in {some_rows(copies, len(rows))}"
    pairs = Counter((row.source, row.reference) for row in rows)
    if repeated := sum(count - 1 for count in pairs.values()):
        text, _ = pairs.most_common(1)[0][0]
        yield f"{repeated:,} of {len(rows):,} rows repeat an earlier one, most often {shown(text)}"
