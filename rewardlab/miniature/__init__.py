"""The embedded world: a controlled grammar in real languages, and text with known errors."""

from rewardlab.miniature.grammar import Grammar, SentencePair
from rewardlab.miniature.language import Language
from rewardlab.miniature.meaning import Clause, NounPhrase
from rewardlab.miniature.noise import ERROR_KINDS, ErrorKind, Imperfect, imperfect, with_error

__all__ = [
    "ERROR_KINDS",
    "Clause",
    "ErrorKind",
    "Grammar",
    "Imperfect",
    "Language",
    "NounPhrase",
    "SentencePair",
    "imperfect",
    "with_error",
]
