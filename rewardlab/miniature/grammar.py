"""Exactly parallel sentences in two languages: drawn meanings, said twice.

>>> from rewardlab.miniature import Clause, Grammar, NounPhrase
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
    """The same thing said in two languages.

    Attributes:
        source: The sentence to translate.
        target: Its translation, without error.
        meaning: What both say.
        grammar: Who said it.
    """

    source: str
    target: str
    meaning: Clause
    grammar: Grammar = field(repr=False, compare=False)


@dataclass(frozen=True)
class Grammar:
    """Exactly parallel sentences in two languages, without end.

    Attributes:
        source: The language translated from.
        target: The language translated into.
        world: What there is to talk about.
    """

    source: Language
    target: Language
    world: World

    @classmethod
    def load(cls, source: str, target: str) -> Grammar:
        """Read both languages by their codes.

        Raises:
            ValueError: There is no such language, or it lacks words for this world.
        """
        grammar = cls(Language.load(source), Language.load(target), World.load())
        for language in (grammar.source, grammar.target):
            for part, concepts in grammar.world.concepts().items():
                if missing := sorted(concepts - language.lexicon[part].keys()):
                    raise ValueError(f"{language.code}.toml: lexicon.{part} lacks {missing}")
        return grammar

    def realise(self, meaning: Clause) -> SentencePair:
        """Say one meaning in both languages."""
        source, target = self.source.sentence(meaning), self.target.sentence(meaning)
        return SentencePair(source, target, meaning, self)

    def sentence(self, seed: int) -> SentencePair:
        """The sentence of this seed: the same on every machine and in every Python."""
        [pair] = self.pairs(1, seed=seed)
        return pair

    def pairs(
        self, count: int, *, seed: int = 0, exclude: Collection[str] = ()
    ) -> list[SentencePair]:
        """Draw pairs with distinct sources.

        Args:
            count: How many.
            seed: The same seed gives the same pairs; a smaller count gives the first of them.
            exclude: Sources not to draw, so that a held-out set shares none with another.

        Returns:
            ``count`` pairs in the order drawn.
        """
        drawn: dict[str, SentencePair] = {}
        meanings = self.world.meanings(Random(seed))  # noqa: S311 - a language is no secret
        while len(drawn) < count:
            pair = self.realise(next(meanings))
            if pair.source not in exclude:
                drawn.setdefault(pair.source, pair)
        return list(drawn.values())
