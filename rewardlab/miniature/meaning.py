"""Meanings of sentences, independent of any language, and the world that they are drawn from.

A meaning consists of concepts (``dog``, ``buy``, ``behind``) and their relations. It has no gender,
case, tense form or word order: these belong to each `Language`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from random import Random
from typing import Any, Literal, TypeVar

Item = TypeVar("Item")
Number = Literal["singular", "plural", "mass"]

FEWEST_CONCEPTS = 4
MOST_CONCEPTS = 13
"""Bounds on `Clause.size` that keep sentences between 4 and about 14 words."""


def pick(rng: Random, items: Sequence[Item]) -> Item:
    """One item, all equally likely.

    A seed must always give the same sentence, and ``random()`` is the only method of `random` that
    is guaranteed to stay the same in later Python versions.

    Args:
        rng: Generator of the draw.
        items: At least one item.

    >>> pick(Random(0), "abc")
    'c'
    """
    return items[int(rng.random() * len(items))]


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun with its determiner and adjectives.

    Attributes:
        noun: Concept of the noun.
        determiner: ``definite``, ``indefinite``, ``demonstrative`` or ``possessive`` (the
            speaker's).
        number: Grammatical number; ``mass`` for uncountable nouns.
        adjectives: Concepts of the adjectives, in order.
        relation: Concept of the adposition that links the phrase to its clause, or None.
    """

    noun: str
    determiner: str = "definite"
    number: Number = "singular"
    adjectives: tuple[str, ...] = ()
    relation: str | None = None

    @property
    def size(self) -> int:
        """Number of concepts; an indefinite plural or mass noun has no article."""
        article = self.determiner != "indefinite" or self.number == "singular"
        return 1 + article + len(self.adjectives) + (self.relation is not None)


@dataclass(frozen=True, slots=True)
class Clause:
    """The meaning of a clause; a main clause is a whole sentence.

    Attributes:
        verb: Concept of the verb.
        subject: The agent; always third person.
        object: The patient, or None.
        recipient: The recipient, or None.
        adjunct: Place, company or beneficiary: a phrase with a relation, or None.
        mode: ``present``, ``past``, ``can``, ``want`` or ``must``.
        time: Concept of an adverb of time, or None.
        connective: Concept that links this clause to the clause above; None for a main clause.
        subordinate: A clause with a connective, or None.
    """

    verb: str
    subject: NounPhrase
    object: NounPhrase | None = None
    recipient: NounPhrase | None = None
    adjunct: NounPhrase | None = None
    mode: str = "present"
    time: str | None = None
    connective: str | None = None
    subordinate: Clause | None = None

    @property
    def phrases(self) -> dict[str, NounPhrase]:
        """The noun phrases of this clause alone, by role."""
        roles = {
            "subject": self.subject,
            "object": self.object,
            "recipient": self.recipient,
            "adjunct": self.adjunct,
        }
        return {role: phrase for role, phrase in roles.items() if phrase is not None}

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """This clause and all clauses below it; the index of a clause is its depth."""
        return (self, *(self.subordinate.clauses if self.subordinate else ()))

    @property
    def size(self) -> int:
        """Number of concepts in this clause and all clauses below it."""
        modal = self.mode not in ("present", "past")
        extras = (modal, self.time is not None, self.connective is not None)
        phrases = sum(phrase.size for phrase in self.phrases.values())
        return 1 + sum(extras) + phrases + (self.subordinate.size if self.subordinate else 0)

    def with_phrase(self, depth: int, role: str, phrase: NounPhrase) -> Clause:
        """The same meaning with one noun phrase replaced.

        Args:
            depth: Depth of the clause.
            role: Role of the noun phrase in the clause.
            phrase: The new noun phrase.
        """
        if depth and self.subordinate:
            below = self.subordinate.with_phrase(depth - 1, role, phrase)
            return replace(self, subordinate=below)
        return replace(self, **{role: phrase})


@dataclass(frozen=True)
class World:
    """The concepts and their possible combinations; `World.load` reads ``world.toml``.

    Attributes:
        nouns: Members of each class of nouns.
        uncountable: Nouns without a plural.
        determiners: Determiners, each repeated by its weight.
        modes: Modes, each repeated by its weight.
        connectives: Concepts that link a clause to a main clause.
        adjectives: By adjective, the nouns that it can describe.
        relations: By relation, the nouns that it can combine with.
        times: By time, the modes that it can combine with.
        frames: By verb, the possible nouns of each role; for ``adjunct``, the possible relations.
        verb_modes: By verb, the possible modes.
        chances: Probability that a sentence has a time or a subordinate clause, a clause an
            optional adjunct, and a noun phrase the plural or an adjective.
    """

    nouns: Mapping[str, tuple[str, ...]]
    uncountable: frozenset[str]
    determiners: tuple[str, ...]
    modes: tuple[str, ...]
    connectives: tuple[str, ...]
    adjectives: Mapping[str, tuple[str, ...]]
    relations: Mapping[str, tuple[str, ...]]
    times: Mapping[str, tuple[str, ...]]
    frames: Mapping[str, Mapping[str, tuple[str, ...]]]
    verb_modes: Mapping[str, tuple[str, ...]]
    chances: Mapping[str, float]

    @classmethod
    def load(cls) -> World:
        """Read the world of the package."""
        data = tomllib.loads(files("rewardlab.miniature").joinpath("world.toml").read_text("utf-8"))
        classes: dict[str, list[str]] = data["classes"]

        def members(names: str) -> tuple[str, ...]:
            nouns = (noun for name in names.split() for noun in classes.get(name, [name]))
            return tuple(dict.fromkeys(nouns))

        def frame(verb: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
            roles = {role: members(verb[role]) for role in verb if role != "modes"}
            return roles | {"adjunct": tuple(verb.get("adjunct", "").split())}

        def weighted(weights: Mapping[str, int]) -> tuple[str, ...]:
            return tuple(name for name, weight in weights.items() for _ in range(weight))

        verbs: dict[str, dict[str, str]] = data["verbs"]
        modes = weighted(data["modes"])
        return cls(
            nouns={name: tuple(nouns) for name, nouns in classes.items()},
            uncountable=frozenset(data["uncountable"]),
            determiners=weighted(data["determiners"]),
            modes=modes,
            connectives=tuple(data["connectives"]),
            adjectives={name: members(of) for name, of in data["adjectives"].items()},
            relations={name: members(takes) for name, takes in data["relations"].items()},
            times={name: tuple(listed.split()) for name, listed in data["times"].items()},
            frames={verb: frame(entry) for verb, entry in verbs.items()},
            verb_modes={
                verb: tuple(entry.get("modes", "").split()) or modes
                for verb, entry in verbs.items()
            },
            chances=data["chances"],
        )

    def concepts(self) -> dict[str, set[str]]:
        """All concepts that a language needs words for, by part of speech."""
        return {
            "determiners": set(self.determiners),
            "adjectives": set(self.adjectives),
            "nouns": {noun for nouns in self.nouns.values() for noun in nouns},
            "verbs": set(self.frames),
            "relations": set(self.relations),
            "times": set(self.times),
            "connectives": set(self.connectives),
        }

    def alike(self, noun: str) -> tuple[str, ...]:
        """The other nouns of the same class and countability."""
        [siblings] = [nouns for nouns in self.nouns.values() if noun in nouns]
        mass = noun in self.uncountable
        return tuple(
            other for other in siblings if other != noun and (other in self.uncountable) == mass
        )

    def fitting(self, noun: str) -> tuple[str, ...]:
        """The adjectives that can describe a noun."""
        return tuple(adjective for adjective, nouns in self.adjectives.items() if noun in nouns)

    def meanings(self, rng: Random) -> Iterator[Clause]:
        """Draw meanings endlessly, each of a bounded size and without repeated nouns."""
        while True:
            meaning = self._sentence(rng)
            nouns = [part.noun for clause in meaning.clauses for part in clause.phrases.values()]
            fits = FEWEST_CONCEPTS <= meaning.size <= MOST_CONCEPTS
            if fits and len(set(nouns)) == len(nouns):
                yield meaning

    def _sentence(self, rng: Random) -> Clause:
        main = self._clause(rng, self.modes)
        if rng.random() < self.chances["time"]:
            times = [time for time, modes in self.times.items() if main.mode in modes]
            main = replace(main, time=pick(rng, times))
        if rng.random() < self.chances["subordinate"]:
            # In a sentence with two clauses, both are in the past or neither is.
            modes = [mode for mode in self.modes if (mode == "past") == (main.mode == "past")]
            below = replace(self._clause(rng, modes), connective=pick(rng, self.connectives))
            main = replace(main, subordinate=below)
        return main

    def _clause(self, rng: Random, modes: Sequence[str]) -> Clause:
        mode = pick(rng, modes)
        verb = pick(rng, [verb for verb in self.frames if mode in self.verb_modes[verb]])
        frame = self.frames[verb]
        parts: dict[str, Any] = {
            role: self._phrase(rng, nouns) for role, nouns in frame.items() if role != "adjunct"
        }
        chance = self.chances["adjunct"] if "object" in frame else 1.0
        if frame["adjunct"] and rng.random() < chance:
            relation = pick(rng, frame["adjunct"])
            phrase = self._phrase(rng, self.relations[relation])
            parts["adjunct"] = replace(phrase, relation=relation)
        return Clause(verb, mode=mode, **parts)

    def _phrase(self, rng: Random, nouns: Sequence[str]) -> NounPhrase:
        noun = pick(rng, nouns)
        number: Number = "plural" if rng.random() < self.chances["plural"] else "singular"
        if noun in self.uncountable:
            number = "mass"
        described = rng.random() < self.chances["adjective"]
        adjectives = (pick(rng, self.fitting(noun)),) if described else ()
        return NounPhrase(noun, pick(rng, self.determiners), number, adjectives)
