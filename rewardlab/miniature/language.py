"""One engine for every language: from a meaning to its words.

A language is one TOML file (``de.toml`` explains the format): word orders, paradigms, a lexicon. A
new language is a new file. All tables follow one principle: **a table's keys are sets of features,
and of the keys that apply, the most specific one is used** (Panini's elsewhere condition). German
adjectives, English verbs and the verb-second order after an adverb are each one such table.
Agreement consists only of the features that a table's keys mention.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from typing import Any, Generic, NamedTuple, TypeVar

from rewardlab.miniature.meaning import Clause

Value = TypeVar("Value")
Features = frozenset[str]

STEM = "~"
MARK = "mark"
"""The slot of punctuation."""
NOTHING: Features = frozenset()


@dataclass(frozen=True)
class Table(Generic[Value]):
    """Values by the features they require; the most specific key that applies is used.

    >>> Table.of({"": "the", "plural": "these"}).find(frozenset({"plural", "dative"}))
    'these'
    """

    rows: tuple[tuple[Features, Value], ...]

    @classmethod
    def of(cls, entries: Mapping[str, Value]) -> Table[Value]:
        """Read keys such as ``weak masculine dative``; the order of features does not matter."""
        return cls(tuple((frozenset(key.split()), value) for key, value in entries.items()))

    def find(self, features: Features) -> Value | None:
        """The value of the largest key that is a subset of ``features``, or None.

        Raises:
            ValueError: Two largest keys have the same size, so the table is ambiguous.
        """
        holding = [(key, value) for key, value in self.rows if key <= features]
        if not holding:
            return None
        longest = max(len(key) for key, _ in holding)
        best = [(key, value) for key, value in holding if len(key) == longest]
        if len(best) > 1:
            keys = " and ".join(repr(" ".join(sorted(key))) for key, _ in best)
            raise ValueError(f"{keys} both hold for {sorted(features)}; add a row that has both")
        return best[0][1]


BARE = Table.of({"": STEM})
"""The paradigm of words with a single form."""


@dataclass(frozen=True)
class Lexeme:
    """A word in all its forms.

    Attributes:
        stem: Text that replaces ``~`` in the forms.
        own: Forms of this word alone; they take precedence over the paradigm.
        paradigm: Forms shared with other words.
        features: Features of the word itself, such as its gender or the auxiliary it takes.
        governs: By role, the case that the word requires.
        passes: Features that the word gives to later words of the phrase, space-separated.
    """

    stem: str
    own: Table[str]
    paradigm: Table[str]
    features: Features
    governs: Mapping[str, str]
    passes: Table[str]

    def form(self, features: Features) -> str:
        """The spelling of the form with these features; may be empty.

        Raises:
            ValueError: The lexeme has no such form.
        """
        known = features | self.features
        form = self.own.find(known)
        form = self.paradigm.find(known) if form is None else form
        if form is None:
            raise ValueError(f"{self.stem!r} has no form for {sorted(known)}")
        return form.replace(STEM, self.stem)

    @cached_property
    def spellings(self) -> tuple[str, ...]:
        """All forms that are not empty, without repetitions."""
        forms = (form for table in (self.own, self.paradigm) for _, form in table.rows if form)
        return tuple(dict.fromkeys(form.replace(STEM, self.stem) for form in forms))


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a realised sentence and its origin.

    Attributes:
        text: The word as written inside a sentence.
        depth: Depth of the word's clause: 0 main, 1 subordinate.
        role: Part of the clause: ``subject``, ``finite``, ``time``, ...
        slot: Slot in that part: ``determiner``, ``noun``, ...; equals ``role`` if the part has no
            slots.
        concept: Concept of the word.
        spellings: All forms of the same lexeme.
        error: Kind of the error made at this word, or None.
    """

    text: str
    depth: int
    role: str
    slot: str
    concept: str
    spellings: tuple[str, ...] = ()
    error: str | None = None

    @property
    def address(self) -> tuple[int, str, str, str]:
        """A key that identifies the same place in every language."""
        return self.depth, self.role, self.slot, self.concept


class Text(NamedTuple):
    """A sentence as written.

    Attributes:
        text: The sentence.
        words: Its words after sandhi.
        offsets: Start and end of each word in ``text``, in code points.
    """

    text: str
    words: tuple[Word, ...]
    offsets: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Language:
    """One language; `Language.load` reads it from its TOML file.

    Attributes:
        code: Language code, such as ``de``.
        cases: The case of each role, unless a verb or an adposition governs a different case.
        clause_order: Templates of part names, by kind of clause and the parts that it has.
        phrase_order: Templates of slots.
        predicates: The words of ``finite`` and ``nonfinite``, by mode and the verb's features.
        hides: Features that another feature removes.
        sandhi: Patterns over two neighbouring words, and their replacements.
        lexicon: Lexemes by part of speech and concept.
    """

    code: str
    cases: Mapping[str, str]
    clause_order: Table[str]
    phrase_order: Table[str]
    predicates: Table[Mapping[str, str]]
    hides: Mapping[str, Features]
    sandhi: tuple[tuple[re.Pattern[str], str], ...]
    lexicon: Mapping[str, Mapping[str, Lexeme]]

    @classmethod
    def load(cls, code: str) -> Language:
        """Read a language of the package by its code.

        Raises:
            ValueError: There is no such language.
        """
        file = files("rewardlab.miniature").joinpath(f"{code}.toml")
        data = tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
        if "lexicon" not in data:
            raise ValueError(f"no language {code!r}: rewardlab/miniature/{code}.toml is missing")
        paradigms = {name: _paradigm(rows) for name, rows in data["paradigms"].items()}
        return cls(
            code=data["code"],
            cases=data["cases"],
            clause_order=Table.of(data["order"]["clause"]),
            phrase_order=Table.of(data["order"]["phrase"]),
            predicates=Table.of(data["predicates"]),
            hides={shown: frozenset(hidden) for shown, hidden in data["hides"].items()},
            sandhi=tuple((re.compile(pair), result) for pair, result in data["sandhi"].items()),
            lexicon={
                part: {
                    concept: _lexeme(entry, part, paradigms) for concept, entry in entries.items()
                }
                for part, entries in data["lexicon"].items()
            },
        )

    def words(self, meaning: Clause) -> tuple[Word, ...]:
        """The words of the sentence, before sandhi and capitals."""
        return (*self._clause(meaning, 0), Word(".", 0, MARK, MARK, "period"))

    def order(self, clause: Clause) -> list[str]:
        """The names of the parts that a clause of this kind can have, in order.

        Raises:
            ValueError: The language's file has no template for this kind of clause.
        """
        kind = "subordinate" if clause.connective else "main"
        features = {kind, clause.mode, *clause.phrases, *(["time"] if clause.time else [])}
        template = self.clause_order.find(frozenset(features))
        if template is None:
            raise ValueError(f"{self.code}.toml: order.clause has no row for a {kind} clause")
        return template.split()

    def phrase(self, clause: Clause, role: str, depth: int = 0) -> tuple[Word, ...]:
        """One noun phrase of a clause, in the case that its role requires.

        Args:
            clause: The clause.
            role: Role of one of the clause's ``phrases``.
            depth: Depth of the clause, for the words' addresses.
        """
        noun_phrase = clause.phrases[role]
        features = self._features(clause, role)
        slots: dict[str, tuple[str, Sequence[str]]] = {
            "adposition": ("relations", [relation] if (relation := noun_phrase.relation) else []),
            "determiner": ("determiners", [noun_phrase.determiner]),
            "adjective": ("adjectives", noun_phrase.adjectives),
            "noun": ("nouns", [noun_phrase.noun]),
        }
        words: list[Word] = []
        for slot in (self.phrase_order.find(features) or "").split():
            part, concepts = slots[slot]
            for concept in concepts:
                lexeme = self._lexeme(part, concept)
                words += self._words(lexeme, features, (depth, role, slot, concept))
                features |= frozenset((lexeme.passes.find(features) or "").split())
        return tuple(words)

    def write(self, words: Sequence[Word]) -> Text:
        """The words as text, with sandhi, an initial capital, and no space before punctuation."""
        joined: list[Word] = []
        for word in words:
            joined += self._joined(joined.pop(), word) if joined else [word]
        joined[0] = replace(joined[0], text=joined[0].text[:1].upper() + joined[0].text[1:])
        text = ""
        offsets: list[tuple[int, int]] = []
        for word in joined:
            text += " " if text and word.text[0].isalnum() else ""
            offsets.append((len(text), len(text) + len(word.text)))
            text += word.text
        return Text(text, tuple(joined), tuple(offsets))

    def _clause(self, clause: Clause, depth: int) -> list[Word]:
        parts: dict[str, Sequence[Word]] = {
            role: self.phrase(clause, role, depth) for role in clause.phrases
        }
        parts |= self._predicate(clause, depth)
        for slot, part, concept in (
            ("time", "times", clause.time),
            ("connective", "connectives", clause.connective),
        ):
            if concept:
                lexeme = self._lexeme(part, concept)
                parts[slot] = self._words(lexeme, NOTHING, (depth, slot, slot, concept))
        if clause.subordinate:
            parts["subordinate"] = self._clause(clause.subordinate, depth + 1)
        order = self.order(clause)
        if homeless := sorted(parts.keys() - set(order)):
            raise ValueError(f"{self.code}.toml: the order {order} has no place for {homeless}")
        return [word for slot in order for word in parts.get(slot, ())]

    def _predicate(self, clause: Clause, depth: int) -> dict[str, Sequence[Word]]:
        verb = self._lexeme("verbs", clause.verb)
        parts = self.predicates.find(frozenset({clause.mode}) | verb.features)
        if parts is None:
            raise ValueError(f"{self.code}.toml: predicates has no row for {clause.mode!r}")
        subject = self._features(clause, "subject")
        words: dict[str, Sequence[Word]] = {}
        for slot, recipe in parts.items():
            name, *form = recipe.split()
            lexeme = verb if name == "verb" else self._lexeme("auxiliaries", name)
            concept = clause.verb if name == "verb" else name
            words[slot] = self._words(lexeme, subject | set(form), (depth, slot, slot, concept))
        return words

    def _features(self, clause: Clause, role: str) -> Features:
        """The features of a noun phrase and of the words that agree with it."""
        phrase = clause.phrases[role]
        governor = ("relations", phrase.relation) if phrase.relation else ("verbs", clause.verb)
        case = self._lexeme(*governor).governs.get(role, self.cases.get(role))
        features = self._lexeme("nouns", phrase.noun).features | {phrase.number}
        features -= frozenset[str]().union(*(self.hides.get(shown, ()) for shown in features))
        return features | {case} if case else features

    def _lexeme(self, part: str, concept: str) -> Lexeme:
        if concept not in self.lexicon[part]:
            raise ValueError(f"{self.code}.toml: lexicon.{part} has no word for {concept!r}")
        return self.lexicon[part][concept]

    def _words(
        self, lexeme: Lexeme, features: Features, address: tuple[int, str, str, str]
    ) -> list[Word]:
        depth, role, slot, concept = address
        return [
            Word(text, depth, role, slot if text.isalnum() else MARK, concept, lexeme.spellings)
            for text in re.findall(r"\w+|[^\w\s]", lexeme.form(features))
        ]

    def _joined(self, left: Word, right: Word) -> list[Word]:
        """Two neighbouring words as written: unchanged, changed, or merged into one."""
        for pattern, result in self.sandhi:
            if match := pattern.fullmatch(f"{left.text} {right.text}"):
                texts = match.expand(result).split()
                if len(texts) == 1:
                    return [replace(right, text=texts[0], error=left.error or right.error)]
                return [replace(left, text=texts[0]), replace(right, text=texts[1])]
        return [left, right]


def _paradigm(rows: Mapping[str, Any]) -> Table[str]:
    """Expand a grid by its columns: ``masculine = [...]`` becomes one row per case."""
    columns: list[str] = rows.get("columns", [])
    spread: dict[str, str] = {}
    for key, forms in rows.items():
        if isinstance(forms, str):
            spread[key] = forms
        elif key != "columns":
            spread |= {f"{key} {name}": form for name, form in zip(columns, forms, strict=True)}
    return Table.of(spread)


def _lexeme(entry: str | dict[str, Any], part: str, paradigms: Mapping[str, Table[str]]) -> Lexeme:
    """Read one word of the lexicon, given by its stem alone or by a table."""
    forms: dict[str, Any] = {"stem": entry} if isinstance(entry, str) else dict(entry)
    passes: str | dict[str, str] = forms.pop("passes", {})
    return Lexeme(
        stem=forms.pop("stem", ""),
        paradigm=paradigms[forms.pop("like")] if "like" in forms else paradigms.get(part, BARE),
        features=frozenset(forms.pop("is", "").split()),
        governs=forms.pop("governs", {}),
        passes=Table.of({"": passes} if isinstance(passes, str) else passes),
        own=Table.of(forms),
    )
