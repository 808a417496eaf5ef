"""What raters say of translations, gathered from the rows of a file, on the way to `Gold`.

`Annotations` keeps the first version of every text and puts the segments in the order of the test
set. A rater gives a translation either a score (`rewardlab.human.direct_assessment`) or the errors
found in it (`ErrorAnnotations`: MQM, and ratings in JSON).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Generic, TypeAlias, TypeVar, cast

from rewardlab.data.lines import TextFile
from rewardlab.errors import Problem, quantity, refuse, shown
from rewardlab.human.gold import Cell, Gold
from rewardlab.human.marked_text import FAULTS, Marked, Stretch, moved
from rewardlab.human.score_matrix import ScoreMatrix
from rewardlab.human.tables import DUPLICATES, content_digest, counted, integer_of, some_of
from rewardlab.types import ErrorSpan, SeverityTable, Side

Key: TypeAlias = tuple[str, str]
"""A document, and the number of a segment in it."""
T = TypeVar("T")

WHITE_SPACE = "rows whose text differs from the first in white space at the end"
OTHER_TEXT = "rows whose text differs from the first"
LOST = "marks lost where texts differ"
ATTENTION_CHECK = "hotw-test"
NO_ERROR = "no-error"

CHECKS = "attention checks"
HEADERS = "repeated headers"
LEFT_OUT = (DUPLICATES, CHECKS, HEADERS)
UNRATED = "rows without a rating"
ONLY_CHECKS = "raters of a translation with attention checks alone"
NO_ERROR_MARKED = "marks where no error is named"
MOST_UNLIKE = 0.05
"""Share of texts that may have versions that are not alike before a file is refused."""
COMPARED = 300
"""Characters of two texts that are compared."""
FEWEST_WORDS = 3
"""Texts with at least so many words are compared by words, others by characters."""
ALIKE = 0.45
"""Similarity of two versions of one text, by `difflib`."""
NOTICED = (UNRATED, ONLY_CHECKS, WHITE_SPACE, OTHER_TEXT, LOST, NO_ERROR_MARKED, *FAULTS)
_PAIR = re.compile(r"([a-z]{2,3}(?:_[A-Za-z]+)*)-([a-z]{2,3}(?:_[A-Za-z]+)*)")


class Texts:
    """The source texts or the translations; the first version of each text is kept.

    Attributes:
        first: The first version of every text.
        unlike: Keys of texts that have a version which is not like the first one at all.
        spare: Texts of rows without a rating; used if there is no other version.
    """

    def __init__(self, counts: Counter[str]) -> None:
        self.first: dict[Hashable, str] = {}
        self.spare: dict[Hashable, str] = {}
        self.unlike: dict[Hashable, str] = {}
        self._counts = counts

    def add(self, key: Hashable, marked: Marked) -> Sequence[Stretch]:
        """Record a version of a text.

        Args:
            key: Identifies the text: all its versions have the same key.
            marked: The version with its marks.

        Returns:
            The marks, as stretches of the first version. Marks on characters that the first
            version does not have are dropped and counted.
        """
        self._counts.update(marked.faults)
        if marked.text is None:
            return marked.stretches
        kept = self.first.setdefault(key, marked.text)
        if kept == marked.text:
            return marked.stretches
        same = kept.rstrip() == marked.text.rstrip()
        self._counts[WHITE_SPACE if same else OTHER_TEXT] += 1
        if key not in self.unlike and not _alike(kept, marked.text):
            self.unlike[key] = marked.text
        found = [moved(stretch, marked.text, kept) for stretch in marked.stretches]
        self._counts[LOST] += found.count(None)
        return [stretch for stretch in found if stretch is not None]

    def get(self, key: Hashable) -> str | None:
        """The first version of the text, None if there is no text."""
        return self.first.get(key, self.spare.get(key))


class Annotations(Generic[T]):
    """What raters gave translations: values of type T.

    Attributes:
        counts: Reason -> number of rows left out, or odd, for this reason.
        ratings: (system, segment) -> rater -> what the rater gave, in the order of the file.
            A translation without a rater has an empty mapping.
        numbers: Segment -> its number in the test set, None if the file has none.
        sources: Source texts by segment.
        hypotheses: Translations by system and segment.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.ratings: dict[tuple[str, Key], dict[str, list[T]]] = {}
        self.numbers: dict[Key, int | None] = {}
        self.sources, self.hypotheses = Texts(self.counts), Texts(self.counts)

    def raters_of(self, system: str, key: Key, number: int | None) -> dict[str, list[T]]:
        """The mapping of what raters gave one translation so far, for the caller to add to.

        Args:
            system: Name of the system that translated.
            key: The segment.
            number: Number of the segment in the test set, None if the file has none.
        """
        self.numbers.setdefault(key, number)
        return self.ratings.setdefault((system, key), {})

    def gold(
        self, file: TextFile, score: Callable[[Collection[list[T]]], float], *, kind: str
    ) -> Gold:
        """Put everything in order.

        Args:
            file: The file that the annotations are from.
            score: Function from what all raters gave one translation to its score; higher is
                better, NaN for no score.
            kind: First part of the signature.

        Raises:
            UserError: E221, two segments have one id; E282, segments have several texts; exit
                code 3.
        """
        order, _ = segment_order(self.numbers)
        ids = {key: segment_id(key) for key in order}
        if twice := [name for name, count in Counter(ids.values()).items() if count > 1]:
            what = f"segments of different documents have the same id: {some_of(twice)}"
            refuse(Problem("E221", file.name, what, "name the document in every row"))
        self._check_segments(file.name)
        sources = tuple(self.sources.get(key) or "" for key in order)
        return Gold(
            ScoreMatrix.of_cells(
                dict.fromkeys(system for system, _ in self.ratings),
                ids.values(),
                {cell: score(raters.values()) for cell, raters in self.rated().items()},
                f"{kind}|sha256:{content_digest(file)}",
            ),
            documents=tuple(document for document, _ in order),
            numbers=tuple(self.numbers[key] for key in order),
            raters=len({name for raters in self.ratings.values() for name in raters} - {""}),
            sources=sources if any(sources) else None,
            hypotheses={
                (system, ids[key]): text
                for system, key in self.ratings
                if (text := self.hypotheses.get((system, key))) is not None
            },
        )

    def _check_segments(self, name: str) -> None:
        """Refuse segments that are not one: a key is missing, or in a column that is not read.

        Raises:
            UserError: E282; exit code 3.
        """
        for texts, what in ((self.sources, "sources"), (self.hypotheses, "translations")):
            if len(texts.unlike) > MOST_UNLIKE * len(texts.first):
                key, other = next(iter(texts.unlike.items()))
                named = key if what == "sources" else cast("tuple[str, Key]", key)[1]
                message = (
                    f"{len(texts.unlike):,} segments have several {what}, such as "
                    f"{shown(segment_id(cast('Key', named)))}: {shown(texts.first[key], 40)} and "
                    f"{shown(other, 40)}"
                )
                fix = "add the column that tells the rows apart: doc or domain"
                refuse(Problem("E282", name, message, fix))

    def rated(self) -> dict[Cell, dict[str, list[T]]]:
        """(system, segment id) -> rater -> what the rater gave, of translations with a rater."""
        return {
            (system, segment_id(key)): raters
            for (system, key), raters in self.ratings.items()
            if raters
        }


def _alike(one: str, other: str) -> bool:
    """Whether two texts may be versions of one; an empty text is like any other."""
    if not (one.strip() and other.strip()):
        return True
    versions: list[Sequence[str]] = [one[:COMPARED].split(), other[:COMPARED].split()]
    if min(map(len, versions)) < FEWEST_WORDS:  # short, or written without spaces
        versions = [one[:COMPARED], other[:COMPARED]]
    return SequenceMatcher(None, *versions, autojunk=False).ratio() >= ALIKE


# ── marked errors ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class RatedError:
    """One error that a rater found; it counts once, even if several stretches are marked.

    Attributes:
        severity: Severity as written in the file.
        category: Category as written in the file, or None.
        spans: Stretches marked in source or translation; empty for an error of the whole
            translation.
    """

    severity: str
    category: str | None = None
    spans: tuple[ErrorSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One row of a file: an error, a rating without errors, or a translation without a rating.

    Attributes:
        system: Name of the system that translated.
        key: The segment.
        rater: Name of the rater; empty if the translation has no rating yet.
        severity: Severity as written in the file.
        category: Category as written in the file, or None.
        source: The source text with the marks of this row.
        target: The translation with the marks of this row.
        number: Number of the segment in the test set; None if the file has none.
    """

    system: str
    key: Key
    rater: str
    severity: str
    category: str | None
    source: Marked
    target: Marked
    number: int | None


class ErrorAnnotations(Annotations[RatedError]):
    """The errors that each rater found in each translation.

    Args:
        rows: Number of rows of the file.

    Attributes:
        languages: Pairs of source and target language that rows name.
    """

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.languages: set[tuple[str | None, str | None]] = set()
        self._rows = rows
        self._checks: set[tuple[str, Key, str]] = set()

    def add(self, row: ErrorRow) -> None:
        """Add one row."""
        cell = (row.system, row.key)
        raters = self.raters_of(row.system, row.key, row.number)
        sides: tuple[tuple[Side, Texts, Hashable, Marked], ...] = (
            ("hypothesis", self.hypotheses, cell, row.target),
            ("source", self.sources, row.key, row.source),
        )
        is_check = row.severity.lower() == ATTENTION_CHECK
        if is_check or not row.rater or not (row.severity or row.category):
            self.counts[CHECKS if is_check else UNRATED] += 1
            if is_check:
                self._checks.add((*cell, row.rater))
            for _, texts, key, marked in sides:
                if marked.text is not None:
                    texts.spare.setdefault(key, marked.text)
            return
        spans = tuple(
            ErrorSpan(start, end, row.severity, row.category, side)
            for side, texts, key, marked in sides
            for start, end in texts.add(key, marked)
        )
        errors = raters.setdefault(row.rater, [])
        if is_no_error(row.severity, row.category):
            self.counts[NO_ERROR_MARKED] += len(spans)
        else:
            errors.append(RatedError(row.severity, row.category, spans))

    def weighed(self, file: TextFile, severities: SeverityTable) -> Gold:
        """Weigh the errors.

        Args:
            file: The file that the annotations are from.
            severities: What an error costs.

        Raises:
            UserError: E228, the table contains none of the file's severities; exit code 3.
        """
        weights = f"severities {severities.name}{self._unknown(severities, file.name)}"
        gold = self.gold(
            file,
            lambda ratings: 0.0 - mean_error(ratings, severities),  # the sign flips here, once
            kind=f"mqm|severities:{severities.name}",
        )
        spans = {
            cell: tuple(
                tuple(s for error in found for s in error.spans) for found in raters.values()
            )
            for cell, raters in self.rated().items()
        }
        named = self.languages if len(self.languages) == 1 else [languages_of(gold.documents)]
        ((source_lang, target_lang),) = named
        return replace(
            gold,
            funnel="; ".join(filter(None, (*self._funnel(gold), weights))),
            spans=spans,
            source_lang=source_lang,
            target_lang=target_lang,
            severities=severities,
            negated=True,
        )

    def _funnel(self, gold: Gold) -> Iterator[str]:
        left_out = counted({what: self.counts[what] for what in LEFT_OUT})
        yield quantity(self._rows, "row") + (f": {left_out} left out" if left_out else "")
        systems, segments = gold.scores.values.shape
        rated, size = self.rated().values(), systems * segments
        yield (
            f"{quantity(systems, 'system')} x {quantity(segments, 'segment')} "
            f"({segment_order(self.numbers)[1]}), "
            f"{quantity(sum(map(len, rated)), 'rating')} of {quantity(gold.raters, 'rater')}, "
            f"{size - len(rated):,} of {quantity(size, 'translation')} without one"
        )
        self.counts[ONLY_CHECKS] = sum(
            rater not in self.ratings[system, key] for system, key, rater in self._checks
        )
        yield ", ".join(f"{what}: {n:,}" for what in NOTICED if (n := self.counts[what]))

    def _unknown(self, severities: SeverityTable, name: str) -> str:
        """A note on errors that weigh nothing because the table does not contain their severity."""
        raters = [errors for found in self.ratings.values() for errors in found.values()]
        words = Counter(error.severity for errors in raters for error in errors)
        unknown = [word for word in sorted(words) if not severities.knows(word)]
        if not unknown:
            return ""
        if len(unknown) == len(words):
            what = f"no weight for any severity of the file: {some_of(unknown)}"
            known = dict.fromkeys(key.partition("/")[0] for key in severities.weights)
            fix = f"the table {severities.name} knows {', '.join(known)}"
            refuse(Problem("E228", name, what, f"{fix}; give a table that knows the file's words"))
        count = sum(words[word] for word in unknown)
        return f", {count:,} errors of severities it does not know: {some_of(unknown)}"


def rater_error(errors: Iterable[RatedError], severities: SeverityTable) -> float:
    """MQM of one translation by one rater: the weights added up; lower is better.

    Args:
        errors: In the order of the file.
        severities: What an error costs; the sum is cut at the table's cap.
    """
    # Added one after another in the order of the file, as the published scores were: the last
    # bit decides which translations tie. fsum and sum would compensate rounding (sum since
    # Python 3.12).
    total = 0.0
    for error in errors:
        total += severities.weight_of(error.severity, error.category)
    return total if severities.cap is None else min(total, severities.cap)


def mean_error(ratings: Collection[Iterable[RatedError]], severities: SeverityTable) -> float:
    """MQM of one translation: the mean over its raters; lower is better.

    Args:
        ratings: The errors that each rater found; at least one rater.
        severities: What an error costs.

    >>> from rewardlab.types import WMT_MQM
    >>> mean_error([[], [RatedError("Major")]], WMT_MQM)
    2.5
    """
    total = 0.0
    for errors in ratings:
        total += rater_error(errors, severities)
    return total / len(ratings)


def is_no_error(severity: str, category: str | None) -> bool:
    """Whether a row says that the translation has no error, in any of the spellings in use.

    Args:
        severity: Severity as written in the file; may be empty.
        category: Category as written in the file, or None.

    >>> is_no_error("No-error", "No-error"), is_no_error("", "no_error"), is_no_error("Minor", None)
    (True, True, False)
    """
    word = (severity or category or "").lower()
    return word.replace("_", "-").replace(" ", "-") == NO_ERROR


def languages_of(documents: Sequence[str]) -> tuple[str | None, str | None]:
    """The language pair that all document names end with, in the form that Marot recommends.

    >>> languages_of(["news.1:en-de", "news.2:en-de"]), languages_of(["news.1:en-de", "talk.1"])
    (('en', 'de'), (None, None))
    """
    endings = {document.rpartition(":")[2] for document in documents}
    found = _PAIR.fullmatch(endings.pop()) if len(endings) == 1 else None
    return (found[1], found[2]) if found else (None, None)


# ── segments ────────────────────────────────────────────────────────────────────────────────────


def segment_id(key: Key) -> str:
    """``document:number``, or the number alone if there is no document."""
    return ":".join(filter(None, key))


def segment_order(numbers: Mapping[Key, int | None]) -> tuple[list[Key], str]:
    """Segments in the order of a test set.

    Args:
        numbers: Segments in the order of first appearance, with their numbers in the test set.

    Returns:
        The segments, and a description of their order. If every segment has its own number in the
        test set, they are sorted by it. Otherwise documents are in the order of first appearance.
        The segments of a document are then sorted by number if all their numbers are integers,
        else in the order of first appearance.
    """
    keys = [*numbers]
    known = {key: number for key, number in numbers.items() if number is not None}
    if len(set(known.values())) == len(keys):
        return sorted(keys, key=lambda key: known[key]), "by test set number"
    documents = {name: place for place, name in enumerate(dict.fromkeys(d for d, _ in keys))}
    inside = {key: at for key in keys if (at := integer_of(key[1])) is not None}
    places = inside if len(inside) == len(keys) else {key: at for at, key in enumerate(keys)}
    order = sorted(keys, key=lambda key: (documents[key[0]], places[key]))
    return order, "document by document"
