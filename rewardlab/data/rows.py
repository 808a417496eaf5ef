"""Rows of parallel text, read one after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rewardlab.data.funnel import Funnel
from rewardlab.data.readers import READERS, Files
from rewardlab.errors import EXIT_DATA, Problem, UserError, quantity, refuse
from rewardlab.text.languages import language_notes, language_problems
from rewardlab.types import Candidate


@dataclass(frozen=True, slots=True)
class Row:
    """One segment.

    Attributes:
        id: ``LINE``, or ``CORPUS:LINE`` if the corpus has a name.
        source: The text to translate.
        reference: Translation of the source, or None if the corpus has no references.
        source_lang: Language code of the source.
        target_lang: Language code of the translation.
        document: The document of the row, or None.
        corpus: Name of the corpus; empty if there is only one corpus.
        line: Line number in the corpus, from 1; 0 for a row that was not read from a file.
        image: Path of the picture that the source is in, or None.
    """

    id: str
    source: str
    reference: str | None
    source_lang: str
    target_lang: str
    document: str | None = None
    corpus: str = field(default="", kw_only=True)
    line: int = field(default=0, kw_only=True)
    image: str | None = field(default=None, kw_only=True)

    @property
    def texts(self) -> tuple[str, ...]:
        """The source and, if it exists, the reference."""
        return (self.source,) if self.reference is None else (self.source, self.reference)

    def candidate(self, hypothesis: str) -> Candidate:
        """The row with a translation, as a candidate for rewards.

        Args:
            hypothesis: The translation to score.
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
class RowStream:
    """The rows of one corpus; its files are read anew each time, so memory does not grow with them.

    Attributes:
        files: The files, with their languages.
        format: One of `READERS`.
        name: Prefix of the line number in ids.
        max_characters: Rows with a longer side are left out and counted; at least 1.
    """

    files: Files
    format: str = "lines"
    name: str = ""
    max_characters: int | None = None

    def read(self) -> Reading:
        """Begin to read.

        Raises:
            KeyError: No such format.
            UserError: E260, a language is unknown; the problems of the reader, now or when the rows
                are read; exit code 3.
        """
        languages = {"source_lang": self.files.source_lang, "target_lang": self.files.target_lang}
        if unknown := [
            one for key, code in languages.items() for one in language_problems(key, [code])
        ]:
            refuse(*unknown)
        return Reading(self)


class Reading:
    """The rows with text, once, in the order of the files.

    Attributes:
        funnel: Rows read so far, and left out by reason.
        notes: Changes that were made on reading; complete at the end.
    """

    def __init__(self, stream: RowStream) -> None:
        self._stream = stream
        self._segments, self.notes = READERS.load(stream.format)(stream.files)
        self._read = 0
        self._left_out: Counter[str] = Counter()

    @property
    def funnel(self) -> Funnel:
        """Counts of what was read so far."""
        funnel = Funnel(self._read)
        for reason in self._reasons():
            funnel = funnel.without(reason, self._left_out[reason])
        return funnel

    def __iter__(self) -> Iterator[Row]:
        stream, files = self._stream, self._stream.files
        empty, *long = self._reasons()
        for line, source, reference, document, image in self._segments:
            self._read += 1
            row = Row(
                f"{stream.name}:{line}" if stream.name else str(line),
                source,
                reference,
                files.source_lang,
                files.target_lang,
                document,
                corpus=stream.name,
                line=line,
                image=image,
            )
            if not all(text.strip() for text in row.texts):
                self._left_out[empty] += 1
            elif stream.max_characters is not None and stream.max_characters < max(
                map(len, row.texts)
            ):
                self._left_out[long[0]] += 1
            else:
                yield row

    def _reasons(self) -> list[str]:
        most = self._stream.max_characters
        return ["empty", *([] if most is None else [f"over {quantity(most, 'character')}"])]


def all_rows(streams: Iterable[RowStream]) -> Iterator[Row]:
    """The rows of several corpora, one after another."""
    for stream in streams:
        yield from stream.read()


def scan(streams: Iterable[RowStream]) -> tuple[Funnel, list[str]]:
    """Read all corpora once, and keep nothing.

    Returns:
        How many rows there are and what was left out, and the notes of the readers.

    Raises:
        UserError: The problems of all corpora; E206, one has no rows; exit code 3.
    """
    funnels: list[Funnel] = []
    notes: list[str] = []
    problems: list[Problem] = []
    for stream in streams:
        languages = (stream.files.source_lang, stream.files.target_lang)
        try:
            reading = stream.read()
            if not sum(1 for _ in reading):
                refuse(no_rows(stream.files.source, reading.funnel))
        except UserError as error:
            problems += error.problems
            continue
        funnels.append(reading.funnel)
        notes += [*language_notes(*languages), *reading.notes]
    if problems:
        raise UserError(problems, EXIT_DATA)
    return Funnel.joined(funnels), notes


def no_rows(source: str | Path, funnel: Funnel) -> Problem:
    """E206, a corpus without rows.

    Args:
        source: Its file.
        funnel: What became of its lines.
    """
    return Problem("E206", str(source), f"no rows: {funnel}", "give a file with text")
