"""Translations with deliberate learner's errors, each with its name and place.

An *error kind* lists all ways to make the error in a sentence, as `Draft`s; to make an error, one
of the drafts is picked. No kind depends on a language: a wrong article is a different form of the
same lexeme, a wrong word order is the order of the source language, and a wrong noun is another
noun of the same class in the right form. The meaning is known, and therefore the exact places of
the errors.

A new kind of error is one function and one line in `ERROR_KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from random import Random
from types import MappingProxyType

from rewardlab.miniature.grammar import Grammar, SentencePair
from rewardlab.miniature.language import MARK, Text, Word
from rewardlab.miniature.meaning import Clause, NounPhrase, pick
from rewardlab.types import ErrorSpan, Side

ANOTHER_ERROR = 0.25
"""Probability that a sentence with an error gets another error."""

Words = tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """A translation being changed; words with an error carry its kind.

    Attributes:
        grammar: The grammar of both languages.
        meaning: The meaning of the target; with a wrong noun it differs from the source's meaning.
        source: Words of the source, marked if the target leaves them out.
        target: Words of the target.
    """

    grammar: Grammar
    meaning: Clause
    source: Words
    target: Words

    @property
    def untouched(self) -> list[tuple[int, Word]]:
        """The target's words without an error, with their positions."""
        return [
            (position, word)
            for position, word in enumerate(self.target)
            if word.error is None and word.slot != MARK
        ]

    def with_word(self, position: int, word: Word) -> Draft:
        """The draft with a new word in one position of the target.

        Args:
            position: Index in ``target``.
            word: The new word.
        """
        return replace(self, target=_put(self.target, position, position + 1, [word]))


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One kind of error.

    Attributes:
        name: Name in spans and tables.
        category: MQM category.
        severity: MQM severity.
        ways: Function that returns all drafts with one more error of this kind; the words of the
            error are marked with ``name``.
    """

    name: str
    category: str
    severity: str
    ways: Callable[[Draft, str], Iterable[Draft]]


@dataclass(frozen=True, slots=True)
class Imperfect:
    """A translation with known errors.

    Attributes:
        source: The source sentence.
        hypothesis: The translation.
        spans: The errors in order; empty for a perfect translation. An omission is on the source
            side. ``explanation`` is the name of the `ErrorKind`.
    """

    source: str
    hypothesis: str
    spans: tuple[ErrorSpan, ...]


def imperfect(pair: SentencePair, rng: Random, *, rate: float) -> Imperfect:
    """Translate with a learner's errors.

    Args:
        pair: The sentence and its correct translation.
        rng: Generator of the draws.
        rate: Probability in [0, 1] that the translation has at least one error.

    Returns:
        The translation and its errors.

    Raises:
        ValueError: The rate is not in [0, 1].
    """
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"rate={rate} is not in [0, 1]; it is the share of flawed sentences")
    flawed = rng.random() < rate
    count = flawed + (flawed and rng.random() < ANOTHER_ERROR)
    return _with_errors(pair, rng, count=count, kinds=ERROR_KINDS)


def with_error(pair: SentencePair, rng: Random, *, kind: str) -> Imperfect:
    """Translate with one error of a kind, or without errors if the kind does not apply.

    Args:
        pair: The sentence and its correct translation.
        rng: Generator of the draws.
        kind: One of `ERROR_KINDS`.

    Raises:
        KeyError: There is no such kind in `ERROR_KINDS`.
    """
    return _with_errors(pair, rng, count=1, kinds={kind: ERROR_KINDS[kind]})


def _with_errors(
    pair: SentencePair, rng: Random, *, count: int, kinds: Mapping[str, ErrorKind]
) -> Imperfect:
    grammar, meaning = pair.grammar, pair.meaning
    draft = Draft(grammar, meaning, grammar.source.words(meaning), grammar.target.words(meaning))
    for _ in range(count):
        draft = _one_more(draft, rng, list(kinds.values()))
    source, target = grammar.source.write(draft.source), grammar.target.write(draft.target)
    spans = (*_spans(target, "hypothesis"), *_spans(source, "source"))
    return Imperfect(pair.source, target.text, spans)


def _one_more(draft: Draft, rng: Random, kinds: list[ErrorKind]) -> Draft:
    """Pick a kind, then one of its drafts; the draft is unchanged if no kind applies."""
    while kinds:
        kind = kinds.pop(int(rng.random() * len(kinds)))
        if ways := list(kind.ways(draft, kind.name)):
            return pick(rng, ways)
    return draft


def _spans(text: Text, side: Side) -> Iterable[ErrorSpan]:
    """One span per run of words with the same error."""
    written = zip(text.words, text.offsets, strict=True)
    for error, run in groupby(written, key=lambda item: item[0].error):
        if error is not None:
            kind, offsets = ERROR_KINDS[error], [offset for _, offset in run]
            place = (offsets[0][0], offsets[-1][1])
            yield ErrorSpan(*place, kind.severity, kind.category, side, explanation=kind.name)


# --- The kinds: every way to make an error ------------------------------------------------------


def _wrong_form(draft: Draft, error: str, *, slot: str) -> Iterable[Draft]:
    """Another form of the same lexeme: wrong in gender, case or number."""
    for position, word in draft.untouched:
        for text in word.spellings:
            if word.slot == slot and text != word.text:
                yield draft.with_word(position, replace(word, text=text, error=error))


def _wrong_order(draft: Draft, error: str) -> Iterable[Draft]:
    """The parts of a clause in the order of the source language."""
    for depth, clause in enumerate(draft.meaning.clauses):
        places = [
            position
            for position, word in enumerate(draft.target)
            if word.depth == depth and word.slot != MARK
        ]
        words = [draft.target[position] for position in places]
        order = {part: rank for rank, part in enumerate(draft.grammar.source.order(clause))}
        if any(word.error or word.role not in order for word in words):
            continue
        foreign = sorted(words, key=lambda word: order[word.role])
        moved = [i for i, pair in enumerate(zip(words, foreign, strict=True)) if pair[0] != pair[1]]
        if moved:
            target = list(draft.target)
            for i in range(moved[0], moved[-1] + 1):
                target[places[i]] = replace(foreign[i], error=error)
            yield replace(draft, target=tuple(target))


def _wrong_noun(draft: Draft, error: str) -> Iterable[Draft]:
    """Another noun of the same class; article and adjective agree with it."""
    for depth, role, phrase in _clean_phrases(draft):
        for noun in draft.grammar.world.alike(phrase.noun):
            new = _with_phrase(draft, depth, role, replace(phrase, noun=noun))
            yield replace(new, target=_marked(new.target, (depth, role, "noun", noun), error))


def _added(draft: Draft, error: str) -> Iterable[Draft]:
    """An adjective that the source does not have."""
    for depth, role, phrase in _clean_phrases(draft):
        for adjective in draft.grammar.world.fitting(phrase.noun) if not phrase.adjectives else ():
            new = _with_phrase(draft, depth, role, replace(phrase, adjectives=(adjective,)))
            address = (depth, role, "adjective", adjective)
            yield replace(new, target=_marked(new.target, address, error))


def _omitted(draft: Draft, error: str) -> Iterable[Draft]:
    """An adjective left out; the mark is on the source."""
    for depth, role, phrase in _clean_phrases(draft):
        for adjective in phrase.adjectives:
            kept = tuple(other for other in phrase.adjectives if other != adjective)
            new = _with_phrase(draft, depth, role, replace(phrase, adjectives=kept))
            address = (depth, role, "adjective", adjective)
            yield replace(new, source=_marked(new.source, address, error))


def _untranslated(draft: Draft, error: str) -> Iterable[Draft]:
    """A noun or an adjective left in the source language."""
    originals = {word.address: word.text for word in draft.source}
    for position, word in draft.untouched:
        text = originals.get(word.address, word.text)
        known = {spelling.casefold() for spelling in word.spellings}
        if word.slot in ("noun", "adjective") and text.casefold() not in known:
            yield draft.with_word(position, replace(word, text=text, error=error))


def _repeated(draft: Draft, error: str) -> Iterable[Draft]:
    """A word twice."""
    for position, word in draft.untouched:
        again = [replace(word, error=error)]
        yield replace(draft, target=_put(draft.target, position + 1, position + 1, again))


GRAMMAR = "Fluency/Grammar"
ERROR_KINDS: Mapping[str, ErrorKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            ErrorKind("wrong article", GRAMMAR, "minor", partial(_wrong_form, slot="determiner")),
            ErrorKind("wrong ending", GRAMMAR, "minor", partial(_wrong_form, slot="adjective")),
            ErrorKind("wrong order", GRAMMAR, "minor", _wrong_order),
            ErrorKind("repeated word", GRAMMAR, "minor", _repeated),
            ErrorKind("wrong noun", "Accuracy/Mistranslation", "major", _wrong_noun),
            ErrorKind("added adjective", "Accuracy/Addition", "major", _added),
            ErrorKind("omitted adjective", "Accuracy/Omission", "major", _omitted),
            ErrorKind("untranslated word", "Accuracy/Untranslated text", "major", _untranslated),
        )
    }
)
"""Every kind of error by its name."""


# --- Working on drafts --------------------------------------------------------------------------


def _clean_phrases(draft: Draft) -> Iterable[tuple[int, str, NounPhrase]]:
    """The noun phrases without an error, each with its depth and role."""
    wrong = {(word.depth, word.role) for word in draft.target if word.error}
    for depth, clause in enumerate(draft.meaning.clauses):
        for role, phrase in clause.phrases.items():
            if (depth, role) not in wrong:
                yield depth, role, phrase


def _with_phrase(draft: Draft, depth: int, role: str, phrase: NounPhrase) -> Draft:
    """The draft with one noun phrase replaced."""
    meaning = draft.meaning.with_phrase(depth, role, phrase)
    words = draft.grammar.target.phrase(meaning.clauses[depth], role, depth)
    places = [i for i, w in enumerate(draft.target) if (w.depth, w.role) == (depth, role)]
    target = _put(draft.target, places[0], places[-1] + 1, words)
    return replace(draft, meaning=meaning, target=target)


def _put(words: Words, start: int, end: int, new: Sequence[Word]) -> Words:
    return (*words[:start], *new, *words[end:])


def _marked(words: Words, address: tuple[int, str, str, str], error: str) -> Words:
    return tuple(replace(word, error=error) if word.address == address else word for word in words)
