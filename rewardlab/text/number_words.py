"""Words for numbers: small numbers by language, Chinese numerals, and words that scale a number.

This is enough to see that "14 billion" may be 140亿 and that "sechs" may be 6; it is not a parser
of spelled-out numbers. A new language is one line in `SMALL`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from rewardlab.text.languages import known_code
from rewardlab.text.patterns import compiled

SMALL = MappingProxyType(
    {
        "da": "nul en to tre fire fem seks syv otte ni ti elleve tolv",
        "de": "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
        "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen "
        "fourteen fifteen sixteen seventeen eighteen nineteen twenty",
        "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce",
        "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze",
        "it": "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici",
        "nb": "null en to tre fire fem seks sju åtte ni ti elleve tolv",
        "nl": "nul een twee drie vier vijf zes zeven acht negen tien elf twaalf",
        "pt": "zero um dois três quatro cinco seis sete oito nove dez onze doze",
        "ru": "ноль один два три четыре пять шесть семь восемь девять десять",
        "sv": "noll ett två tre fyra fem sex sju åtta nio tio elva tolv",
        "uk": "нуль один два три чотири п'ять шість сім вісім дев'ять десять",
    }
)
"""By language, the words for 0, 1, 2 and so on."""

TENS = MappingProxyType(
    {
        "de": "dreizehn:13 vierzehn:14 fünfzehn:15 zwanzig:20 dreißig:30 vierzig:40 fünfzig:50 "
        "sechzig:60 siebzig:70 achtzig:80 neunzig:90 hundert:100 tausend:1000",
        "en": "thirty:30 forty:40 fifty:50 sixty:60 seventy:70 eighty:80 ninety:90 hundred:100 "
        "thousand:1000",
    }
)
"""Additional words with their values."""

SCALES = MappingProxyType(
    {
        (2,): r"hundreds?|hundert|सौ",
        (0, 2): r"cent[so]?",
        (3,): r"thousands?|tausend|tsd|mila|duizend|tus(?:ind|en)|tuhat(?:ta)?|ezer|tisíc\w*"
        r"|tysi[ąę]\w*|ribu|nghìn|ngàn|тыс\w*|тис\w*|хиляди|мың|миң|ألف|آلاف|هزار|हज़ार|हजार|হাজার",
        (0, 3): r"k|mil|mille|bin",
        (5,): r"lakhs?|lacs?|लाख|লাখ",
        (6,): r"millions?|mln|mn|mio|millionen|mill(?:ón|ones|oni?|ió)|milh(?:ão|ões)|milion\w*"
        r"|miljoen|milj(?:on(?:er)?|oonaa?)|million(?:er)?|milyon|juta|triệu|м[лі]н|мільйон\w*"
        r"|миллион\w*|εκατομμύρι\w*|مليون|ملايين|میلیون",
        (0, 6): r"m",
        (7,): r"crores?|करोड़|কোটি",
        (9,): r"bn|milliarden?|mrd|milliards?|miliard\w*|miljard(?:er|ia?)?|milliard(?:er)?"
        r"|milyar|miliar|tỷ|bilh(?:ão|ões)|млрд|мільярд\w*|миллиард\w*|мілья?рд\w*"
        r"|δισεκατομμύρι\w*|مليار|میلیارد",
        (9, 12): r"billions?|billionen|bilion\w*|biljoen|biljon(?:er)?|bill(?:ón|ones)",
        (12,): r"trn|трлн|трильйон\w*|триллион\w*|trilyon",
        (0, 12): r"tn",
        (12, 18): r"trillions?|trillionen|trili?on\w*|trilh(?:ão|ões)|triljoen|triljon(?:er)?",
    }
)
"""Words after a number that multiply it, in alphabetic scripts: the powers of ten that a word may
stand for -> the words of many languages. A billion is a thousand or a million millions, and a
letter may also be a unit (5 m)."""
SCALES_DENSE = MappingProxyType(
    dict.fromkeys("十십", 1)
    | dict.fromkeys("百백", 2)
    | dict.fromkeys("千천", 3)
    | dict.fromkeys("万萬만", 4)
    | dict.fromkeys("亿億억", 8)
    | dict.fromkeys("兆조", 12)
)
"""Characters after a number that multiply it, in scripts without spaces, with the power of ten."""
MOST_SCALES = 3
"""Largest number of words that multiply one number: "thousand million"."""

DIGITS = MappingProxyType(
    {character: value for value, character in enumerate("〇一二三四五六七八九")}
    | {"零": 0, "两": 2, "兩": 2}
)
UNITS = MappingProxyType({"十": 10, "百": 100, "千": 1000})
MOST = 10**9
"""A number larger than all of `MYRIADS`."""
MYRIADS = MappingProxyType({"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8})

_DIGITS, _UNITS = "".join(DIGITS), "".join((*UNITS, *MYRIADS))
WORD = r"\p{L}[\p{L}\p{M}'’]*"
NUMERAL = rf"(?<!\p{{Nd}}\s?)[{_DIGITS}{_UNITS}]+|[{_DIGITS}][{_DIGITS}{_UNITS}]*"
"""A unit after digits (138亿) is part of that number, not a numeral by itself."""
_GROUPS = "|".join(f"(?P<s{at}>{words})" for at, words in enumerate(SCALES.values()))
SCALE = rf"(?i)[\s\-\u2010-\u2012]?(?:{_GROUPS})(?![\p{{L}}\p{{M}}])"
SCALE_DENSE = rf"\s?[{''.join(SCALES_DENSE)}]+"


class SpelledNumber(NamedTuple):
    """A number written as a word.

    Attributes:
        value: Value of the number.
        start: Position of the first character.
        end: One past the last character.
    """

    value: int
    start: int
    end: int


def spelled_numbers(text: str, language: str | None) -> Iterator[SpelledNumber]:
    """The number words of a language, then the Chinese numerals in any language, each in order.

    Args:
        text: The text to search.
        language: Code of its language; with None or an unknown language, only Chinese numerals are
            found.

    >>> [one.value for one in spelled_numbers("Ten out of twenty-four", "en")]
    [10, 24]
    >>> [one.value for one in spelled_numbers("超过十万年，三十亿", None)]
    [100000, 3000000000]
    """
    if text.isascii() and not (language or "").strip():
        return
    if known := _words(known_code(language)):
        yield from _spelled_words(text, known)
    for match in compiled(NUMERAL).finditer(text):
        yield SpelledNumber(chinese_number(match.group()), *match.span())


def chinese_number(numeral: str) -> int:
    """The value of a Chinese numeral; a sequence of digits is read in decimal notation.

    >>> chinese_number("两千五百万"), chinese_number("十二"), chinese_number("二〇二一")
    (25000000, 12, 2021)
    """
    if all(character in DIGITS for character in numeral):
        return int("".join(str(DIGITS[character]) for character in numeral))
    total = part = digit = 0
    before = MOST
    for character in numeral:
        if character in DIGITS:
            digit = DIGITS[character]
        elif character in UNITS:
            part += (digit or 1) * UNITS[character]
            digit = 0
        else:
            unit = MYRIADS[character]
            # 一万亿 is ten thousand times a hundred million, 一亿二千万 is their sum.
            scaled = unit * (part + digit or (0 if total else 1))
            total = total + scaled if unit < before else (total + part + digit) * unit
            before, part, digit = unit, 0, 0
    return total + part + digit


class Scale(NamedTuple):
    """Words that multiply the number before them.

    Attributes:
        exponents: The powers of ten that they may stand for, the most likely first.
        end: One past their last character.
        dense: They are characters of a script without spaces.
    """

    exponents: tuple[int, ...]
    end: int
    dense: bool = False


def scale_after(text: str, end: int) -> Scale | None:
    """The words after a number that multiply it; None if there are none.

    Args:
        text: The text.
        end: One past the last character of the number.

    >>> scale_after("2.5 million", 3), scale_after("3 thousand million", 1).exponents
    (Scale(exponents=(6,), end=11, dense=False), (9,))
    >>> scale_after("25千万", 2).exponents, scale_after("25 mice", 2)
    ((7,), None)
    """
    if found := compiled(SCALE_DENSE).match(text, end):
        exponents = (sum(SCALES_DENSE[one] for one in found.group().strip()),)
        return Scale(exponents, found.end(), dense=True)
    scale: Scale | None = None
    for _ in range(MOST_SCALES):
        found = compiled(SCALE).match(text, scale.end if scale else end)
        if found is None:
            break
        name = next(name for name, group in found.groupdict().items() if group is not None)
        more = [*SCALES][int(name[1:])]
        before = scale.exponents if scale else (0,)
        exponents = tuple(dict.fromkeys(one + other for one in before for other in more))
        scale = Scale(exponents, found.end())
    return scale


def _spelled_words(text: str, known: Mapping[str, int]) -> list[SpelledNumber]:
    """The known number words; tens and the following ones are joined ("twenty-four")."""
    joined: list[SpelledNumber] = []
    for match in compiled(WORD).finditer(text):
        value = known.get(match.group().casefold())
        before = joined[-1] if joined else SpelledNumber(0, 0, 0)
        tens_and_ones = before.value in range(20, 100, 10) and value in range(1, 10)
        if value and tens_and_ones and text[before.end : match.start()] in ("-", " ", "\u2010"):
            joined[-1] = SpelledNumber(before.value + value, before.start, match.end())
        elif value is not None:
            joined.append(SpelledNumber(value, *match.span()))
    return joined


@cache
def _words(code: str) -> dict[str, int]:
    small = {word: value for value, word in enumerate(SMALL.get(code, "").split())}
    more = (entry.split(":") for entry in TENS.get(code, "").split())
    return small | {word: int(value) for word, value in more}
