"""Exactly parallel sentences in two languages: a meaning is drawn and realised in both.

>>> from rewardlab.miniature.meaning import NounPhrase
>>> grammar = Grammar.load("en", "de")
>>> meaning = Clause("help", subject=NounPhrase("boy"), object=NounPhrase("man"), time="today")
>>> pair = grammar.realise(meaning)
>>> print(pair.source, "=", pair.target)
Today the boy helps the man. = Heute hilft der Junge dem Mann.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from random import Random

from rewardlab.miniature.language import Language
from rewardlab.miniature.meaning import Clause, World


@dataclass(frozen=True, slots=True)
class SentencePair:
    """A sentence in two languages.

    Attributes:
        source: The sentence to translate.
        target: Its correct translation.
        meaning: The meaning of both.
        grammar: The grammar that realised it.
    """

    source: str
    target: str
    meaning: Clause
    grammar: Grammar = field(repr=False, compare=False)


@dataclass(frozen=True)
class Grammar:
    """Draws exactly parallel sentences in two languages.

    Attributes:
        source: The language translated from.
        target: The language translated into.
        world: The concepts that sentences consist of.
    """

    source: Language
    target: Language
    world: World

    @classmethod
    def load(cls, source: str, target: str) -> Grammar:
        """Read both languages.

        Args:
            source: Code of the language translated from, such as ``en``.
            target: Code of the language translated into.

        Raises:
            ValueError: There is no such language, or the language lacks words for this world.
        """
        grammar = cls(Language.load(source), Language.load(target), World.load())
        for language in (grammar.source, grammar.target):
            for part, concepts in grammar.world.concepts().items():
                if missing := sorted(concepts - language.lexicon[part].keys()):
                    raise ValueError(f"{language.code}.toml: lexicon.{part} lacks {missing}")
        return grammar

    def realise(self, meaning: Clause) -> SentencePair:
        """Realise a meaning in both languages."""
        sides = (self.source, self.target)
        source, target = (language.write(language.words(meaning)).text for language in sides)
        return SentencePair(source, target, meaning, self)

    def sentence(self, seed: int) -> SentencePair:
        """The sentence of a seed: the same on every machine and in every Python version."""
        [pair] = self.pairs(1, seed=seed)
        return pair

    def pairs(
        self, count: int, *, seed: int = 0, exclude: Collection[str] = ()
    ) -> list[SentencePair]:
        """Draw pairs with distinct sources.

        Args:
            count: Number of pairs.
            seed: The same seed gives the same pairs; a smaller count gives the first of them.
            exclude: Sources not to draw, so that a held-out set shares no source with another set.

        Returns:
            ``count`` pairs in the order of the draws.
        """
        drawn: dict[str, SentencePair] = {}
        meanings = self.world.meanings(Random(seed))  # noqa: S311 - a language is no secret
        while len(drawn) < count:
            pair = self.realise(next(meanings))
            if pair.source not in exclude:
                drawn.setdefault(pair.source, pair)
        return list(drawn.values())
