"""Translations that people judged by marking errors, whatever file they came from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from rewardlab.human.marked_text import FAULTS, Marked, Stretch, moved
from rewardlab.human.tables import ascending, counted
from rewardlab.types import ErrorSpan, SeverityTable, Side

Key: TypeAlias = tuple[str, str]
"""A document, and the number of a segment in it."""
Cell: TypeAlias = tuple[str, str]
"""A system, and the id of a segment."""

ATTENTION_CHECK = "hotw-test"
NO_ERROR = "no-error"

DUPLICATES = "exact duplicates"
CHECKS = "attention checks"
HEADERS = "repeated headers"
LEFT_OUT = (DUPLICATES, CHECKS, HEADERS)
UNRATED = "rows that rate nothing"
ONLY_CHECKS = "raters of a translation with attention checks alone"
WHITE_SPACE = "rows whose text differs from the first in white space at the end"
OTHER_TEXT = "rows whose text differs from the first"
LOST = "marks lost where texts differ"
NO_ERROR_MARKED = "marks where no error is named"
NOTICED = (UNRATED, ONLY_CHECKS, WHITE_SPACE, OTHER_TEXT, LOST, NO_ERROR_MARKED, *FAULTS)
_PAIR = re.compile(r"([a-z]{2,3}(?:_[A-Za-z]+)*)-([a-z]{2,3}(?:_[A-Za-z]+)*)")


@dataclass(frozen=True, slots=True)
class RatedError:
    """One error that a rater found; it counts once however many stretches are marked.

    Attributes:
        severity: The file's word.
        category: The file's word, or None.
        spans: Where it is marked, on either side; none for an error of the whole translation.
    """

    severity: str
    category: str | None = None
    spans: tuple[ErrorSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class Rating:
    """One rater's judgement of one translation.

    Attributes:
        system: Whose translation.
        segment: The id of what was translated.
        rater: Who judged.
        errors: In the order of the file; none where nothing is wrong.
    """

    system: str
    segment: str
    rater: str
    errors: tuple[RatedError, ...] = ()

    @property
    def spans(self) -> tuple[ErrorSpan, ...]:
        """Every marked stretch, error by error."""
        return tuple(span for error in self.errors for span in error.spans)

    def error(self, severities: SeverityTable) -> float:
        """The weights of the errors, added up and cut at the table's cap; lower is better."""
        # Added one after another in the order of the file, and neither by fsum nor by sum, which
        # compensates rounding since Python 3.12: the last bit decides which translations tie, and
        # the published scores were added so.
        total = 0.0
        for error in self.errors:
            total += severities.weight_of(error.severity, error.category)
        return total if severities.cap is None else min(total, severities.cap)


def mean_error(ratings: Sequence[Rating], severities: SeverityTable) -> float:
    """MQM of one translation: the mean over its raters; lower is better.

    Args:
        ratings: At least one.
        severities: What an error costs.

    >>> from rewardlab.types import WMT_MQM
    >>> good, bad = Rating("a", "1", "r1"), Rating("a", "1", "r2", (RatedError("Major"),))
    >>> mean_error([good, bad], WMT_MQM)
    2.5
    """
    total = 0.0
    for rating in ratings:
        total += rating.error(severities)
    return total / len(ratings)


def is_no_error(severity: str, category: str | None) -> bool:
    """Whether a row says that nothing is wrong, in any of the spellings in use.

    >>> is_no_error("No-error", "No-error"), is_no_error("", "no_error"), is_no_error("Minor", None)
    (True, True, False)
    """
    word = (severity or category or "").lower()
    return word.replace("_", "-").replace(" ", "-") == NO_ERROR


@dataclass(frozen=True, slots=True)
class Segment:
    """What was translated.

    Attributes:
        id: Unique in the file.
        document: Its document; empty where the file names none.
        source: The text without marks; empty where the file has none.
    """

    id: str
    document: str
    source: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """One row of a file: an error, that a rater found none, or a translation to be rated.

    Attributes:
        system: Whose translation.
        key: What was translated.
        rater: Who judged; empty where nobody has yet.
        severity: Its word.
        category: Its word, or None.
        source: With the marks of this row; None where the file has no texts.
        target: The translation, likewise.
        overall: Number of the segment in the test set; empty where the file has none.
        spans: Where the error is, in place of marks in texts.
    """

    system: str
    key: Key
    rater: str
    severity: str
    category: str | None = None
    source: Marked | None = None
    target: Marked | None = None
    overall: str = ""
    spans: tuple[ErrorSpan, ...] = ()


@dataclass(frozen=True)
class MqmFile:
    """Judged translations.

    Attributes:
        segments: M, in the order of the test set: `rewardlab.human.tables.ascending`.
        systems: S, in the order of first appearance.
        raters: In the order of first appearance.
        hypotheses: (system, segment id) -> the text without marks, where the file has it.
        ratings: (system, segment id) -> one rating for each rater, in the order of first
            appearance. A translation that nobody has rated is not in it.
        funnel: What was read, left out and noticed, in one line.
        digest: Of the content.
        languages: Codes of the source and the target, None where the file does not say.
    """

    segments: tuple[Segment, ...]
    systems: tuple[str, ...]
    raters: tuple[str, ...]
    hypotheses: Mapping[Cell, str]
    ratings: Mapping[Cell, tuple[Rating, ...]]
    funnel: str
    digest: str
    languages: tuple[str | None, str | None] = (None, None)


class _Texts:
    """The first version of every text of one side."""

    def __init__(self, side: Side, counts: Counter[str]) -> None:
        self.side: Side = side
        self.first: dict[Hashable, str] = {}
        self._counts = counts

    def marks(self, key: Hashable, marked: Marked | None) -> tuple[Stretch, ...]:
        """Take a text; where its marks are in the first version of it."""
        if marked is None:
            return ()
        self._counts.update(marked.faults)
        kept = self.first.setdefault(key, marked.text)
        if kept == marked.text:
            return marked.stretches
        same = kept.rstrip() == marked.text.rstrip()
        self._counts[WHITE_SPACE if same else OTHER_TEXT] += 1
        found = [moved(stretch, marked.text, kept) for stretch in marked.stretches]
        self._counts[LOST] += found.count(None)
        return tuple(stretch for stretch in found if stretch is not None)

    def spans(
        self, key: Hashable, marked: Marked | None, severity: str, category: str | None
    ) -> tuple[ErrorSpan, ...]:
        """As `marks`, each as a span of the row's error."""
        return tuple(
            ErrorSpan(start, end, severity, category, self.side)
            for start, end in self.marks(key, marked)
        )


class Gathering:
    """Judgements on their way from the rows of a file to an `MqmFile`.

    Attributes:
        counts: What was left out or noticed so far; `LEFT_OUT` and `NOTICED` have the words.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._overall: dict[Key, str] = {}
        self._sources = _Texts("source", self.counts)
        self._hypotheses = _Texts("hypothesis", self.counts)
        self._unjudged: dict[tuple[str, Key], tuple[Marked | None, Marked | None]] = {}
        self._ratings: dict[tuple[str, Key], dict[str, list[RatedError]]] = {}
        self._checked: set[tuple[str, Key, str]] = set()

    def add(self, row: Judgement) -> None:
        """Take one row: an error, that a rater found none, or a translation to be rated."""
        cell = (row.system, row.key)
        self._overall.setdefault(row.key, row.overall)
        of_cell = self._ratings.setdefault(cell, {})
        is_check = row.severity.lower() == ATTENTION_CHECK
        if is_check or not row.rater or not (row.severity or row.category):
            # No judgement, but its texts may be all there is; those of judgements go first.
            self._unjudged.setdefault(cell, (row.source, row.target))
            self.counts[CHECKS if is_check else UNRATED] += 1
            if is_check:
                self._checked.add((*cell, row.rater))
            return
        spans = (
            *row.spans,
            *self._hypotheses.spans(cell, row.target, row.severity, row.category),
            *self._sources.spans(row.key, row.source, row.severity, row.category),
        )
        of_rater = of_cell.setdefault(row.rater, [])
        if is_no_error(row.severity, row.category):
            self.counts[NO_ERROR_MARKED] += len(spans)
        else:
            of_rater.append(RatedError(row.severity, row.category, spans))

    def finish(self, *, rows: int, digest: str, notes: Sequence[str] = ()) -> MqmFile:
        """Put everything in order.

        Args:
            rows: How many there were.
            digest: Of the content.
            notes: What was done to the file on reading.
        """
        for cell, (source, target) in self._unjudged.items():
            for texts, key, marked in (
                (self._hypotheses, cell, target),
                (self._sources, cell[1], source),
            ):
                if marked is not None:
                    texts.first.setdefault(key, marked.text)
        order, by = ascending(list(self._overall), self._overall)
        ids = {key: segment_id(key) for key in order}
        sources = self._sources.first
        ratings = {
            (system, ids[key]): tuple(
                Rating(system, ids[key], rater, tuple(errors)) for rater, errors in raters.items()
            )
            for (system, key), raters in self._ratings.items()
            if raters
        }
        self.counts[ONLY_CHECKS] = sum(
            rater not in self._ratings[system, key] for system, key, rater in self._checked
        )
        file = MqmFile(
            segments=tuple(Segment(ids[key], key[0], sources.get(key, "")) for key in order),
            systems=tuple(dict.fromkeys(system for system, _ in self._ratings)),
            raters=tuple(
                dict.fromkeys(one.rater for several in ratings.values() for one in several)
            ),
            hypotheses={
                (system, ids[key]): self._hypotheses.first[system, key]
                for system, key in self._ratings
                if (system, key) in self._hypotheses.first
            },
            ratings=ratings,
            funnel="",
            digest=digest,
            languages=languages_of([document for document, _ in order]),
        )
        return replace(file, funnel=self._funnel(file, rows, by, notes))

    def _funnel(self, file: MqmFile, rows: int, by: str, notes: Sequence[str]) -> str:
        left_out = counted(self.counts, LEFT_OUT)
        several = sum(map(len, file.ratings.values()))
        size = len(file.systems) * len(file.segments)
        unrated = size - len(file.ratings)
        parts = [
            f"{rows:,} rows" + (f": {left_out} left out" if left_out else ""),
            (
                f"{len(file.systems):,} systems x {len(file.segments):,} segments ({by}), "
                f"{several:,} ratings of {len(file.raters):,} raters, "
                f"{unrated:,} of {size:,} translations without one"
            ),
            ", ".join(f"{what}: {n:,}" for what in NOTICED if (n := self.counts[what])),
            *notes,
        ]
        return "; ".join(filter(None, parts))


def segment_id(key: Key) -> str:
    """``document:number``, or the number alone where there is no document."""
    document, number = key
    return f"{document}:{number}" if document else number


def languages_of(documents: Sequence[str]) -> tuple[str | None, str | None]:
    """The language pair at the end of every document's name, as Marot recommends to write it.

    >>> languages_of(["news.1:en-de", "news.2:en-de"]), languages_of(["news.1:en-de", "talk.1"])
    (('en', 'de'), (None, None))
    """
    endings = {document.rpartition(":")[2] for document in documents}
    found = _PAIR.fullmatch(endings.pop()) if len(endings) == 1 else None
    return (found[1], found[2]) if found else (None, None)
