r"""Numbers and times of day in any script, by value.

Two numbers are the same if they are worth the same, however they are written: digits of all
scripts, separators of all locales, hours with ``p.m.`` or from 13 to 24, and words such as
"million" that multiply them. What a text leaves open stays open: ``7:30`` may be in the evening,
and a billion is a thousand or a million millions.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from rewardlab.text.characters import INVISIBLE, SPACES
from rewardlab.text.number_words import Scale, scale_after
from rewardlab.text.patterns import compiled

if TYPE_CHECKING:
    import regex

_HIDDEN = f"[{INVISIBLE}]*"
_WIDE = "[\uff10-\uff19]"
RUN = rf"""
    \p{{Nd}}+
    (?: {_HIDDEN} (?: [.,٫٬،'’‘ʼ′＇] | (?<={_WIDE})[，．](?={_WIDE}) ) {_HIDDEN} \p{{Nd}}+
      | {_HIDDEN} [，{SPACES}] {_HIDDEN} \p{{Nd}}{{3}} (?!\p{{Nd}})
      | [{INVISIBLE}]+ \p{{Nd}}+
    )*
"""
"""A run of digits and separators: one number or several. Spaces only group digits, and so does the
full-width comma, which ends clauses in Chinese, unless the digits are full-width too."""

_LATE = "下午|晚上|午後|午后|오후"
_EARLY = "上午|早上|午前|오전"
_HALF_OF_DAY = r"""
    [\s\u00a0\u202f]?
    (?: (?P<late>[pP]\.?\s?[mM]|μ\.?μ|م) | (?P<early>[aA]\.?\s?[mM]|π\.?μ|ص) ) (?!\p{L})
"""
TIME = rf"""
    (?: (?: (?P<late>{_LATE}) | (?P<early>{_EARLY}) ) \s? )?
    (?<! \p{{Nd}} [:：.,]? )
    (?P<hour> \p{{Nd}}{{1,2}} )
    (?: [:：∶] (?P<minute>\p{{Nd}}{{2}})
      | \s? (?:[hH]|Uhr|uur|時|时|点|點|시) \s? (?: (?P<minute>\p{{Nd}}{{2}}) | (?P<half>半|반) )
      | [.．] (?P<minute>\p{{Nd}}{{2}})
        (?= \s?(?:Uhr|uur|o['’]clock)(?!\p{{L}}) | {_HALF_OF_DAY} )
      | (?<= \b (?:[kK]l\.?|[kK]lo|[kK]lokken|[kK]lockan|[oO]re) \s \p{{Nd}}{{1,2}} )
        [.] (?P<minute>\p{{Nd}}{{2}})
      | (?= {_HALF_OF_DAY} )
      | (?<= (?:{_LATE}|{_EARLY}) \s? \p{{Nd}}{{1,2}} )
    )
    (?! \p{{Nd}} | [:.,] \p{{Nd}} )
    (?: {_HALF_OF_DAY} )?
"""
"""A time of day: hour and minute, or an hour of which the half of the day is known."""

NUMBER = r"""(?x)
    (?P<integer>
        [1-9][0-9]{0,2} (?P<group>[.,'\ ]) [0-9]{3} (?:(?P=group)[0-9]{3})*
        | [0-9]{1,2} (?:,[0-9]{2})+ ,[0-9]{3}
        | [0-9]+
    )
    (?: (?!(?P=group)) [.,٫] (?P<fraction>[0-9]+) )?
"""
"""One number: groups of three, Indian groups, or digits; then possibly a fraction.

A group of three does not follow a lone zero: 0.125 is an eighth.
"""
LAST_HOUR = 24
NOON = 12
HOUR = 60
_SEPARATORS = {"٬": "'", "،": ",", "．": "."} | dict.fromkeys("’‘ʼ′＇", "'")

Item = TypeVar("Item")


class Names(NamedTuple):
    """The names of an item; two items are the same if one looks for a name of the other.

    Attributes:
        has: The names of the item.
        looks_for: The names of its partners, the best ones first.
    """

    has: Sequence[str]
    looks_for: Sequence[str]


class Number(NamedTuple):
    """One number.

    Attributes:
        stated: Value of its digits: ``12.5``, ``12.`` or ``7:30``.
        start: First character.
        end: One past the last.
        values: What it may be worth; several if a word is ambiguous.
        marked: A word changes its value ("million", ``p.m.``).
    """

    stated: str
    start: int
    end: int
    values: tuple[str, ...]
    marked: bool = False

    @property
    def names(self) -> Names:
        """Its values, and a name by which it meets a number with the same digits.

        A number with a mark and one without are the same if their digits are, since the other text
        may say "million" or "in the evening" in words that are not known here.
        """
        ours, theirs = ("~", "!") if self.marked else ("!", "~")
        return Names((*self.values, self.stated + ours), (*self.values, self.stated + theirs))


def numbers_in(text: str, start: int, end: int) -> Iterator[Number]:
    """The number that a run of digits and separators forms, or else its parts.

    Args:
        text: The text.
        start: First character of the run, which `RUN` found.
        end: One past the last.

    >>> [one.values for one in numbers_in("1.000,5 and 1.2.3", 0, 7)]
    [('1000.5',)]
    >>> [one.stated for one in numbers_in("1.2.3", 0, 5)]
    ['1.', '2.', '3.']
    """
    hidden = compiled(f"[{INVISIBLE}]")
    places = [at for at in range(start, end) if hidden.match(text[at]) is None]
    plain = _ascii("".join(text[at] for at in places))
    plain = plain.replace("，", "," if compiled(_WIDE).search(text, start, end) else "'")
    if whole := compiled(NUMBER).fullmatch(plain):
        parts = [(whole["integer"], whole["fraction"] or "", 0, len(plain))]
    else:
        parts = [(p.group(), "", p.start(), p.end()) for p in compiled("[0-9]+").finditer(plain)]
    for integer, fraction, first, last in parts:
        digits = "".join(filter(str.isdecimal, integer)).lstrip("0") or "0"
        stop = places[last - 1] + 1
        stated = f"{digits}.{fraction.rstrip('0')}"
        yield _scaled(stated, places[first], stop, scale_after(text, stop))


def number_of(value: int, start: int, end: int, text: str) -> Number:
    """A whole number that is written in words.

    Args:
        value: Its value.
        start: First character.
        end: One past the last.
        text: The text, in which a scale may follow.
    """
    return _scaled(f"{value}.", start, end, scale_after(text, end))


def time_of(found: regex.Match[str]) -> Number | None:
    """The time of day that a match of `TIME` shows; None if it is none, as in 25:70.

    Full hours have the value of a plain number, so that "7 p.m." is "19 Uhr".
    """
    hour = int(_ascii(found["hour"]))
    minute = HOUR // 2 if found["half"] else int(_ascii(found["minute"] or "0"))
    if hour > LAST_HOUR or minute >= HOUR:
        return None
    end = max(found.end(name) for name in ("hour", "minute", "half"))
    stated = _clock(hour, minute)
    if hour > NOON or not (found["late"] or found["early"]):
        return Number(stated, found.start("hour"), end, (stated,))
    of_day = _clock(hour % NOON + (NOON if found["late"] else 0), minute)
    return Number(stated, found.start("hour"), end, (of_day,), marked=True)


def merged(found: Sequence[Number], text: str) -> list[Number]:
    """Numbers with characters that multiply them as one number if they follow each other: 3万2千.

    Args:
        found: The numbers of a text, in order.
        text: The text.
    """
    joined: list[Number] = []
    for one in found:
        scale = scale_after(text, joined[-1].end) if joined else None
        if scale and scale.dense and one.start - scale.end in (0, 1):
            total = _sum(joined[-1].values[0], one.values[0], below=10 ** scale.exponents[0])
            if total:
                before = joined.pop()
                one = Number(before.stated, before.start, one.end, (total,), marked=True)  # noqa: PLW2901
        joined.append(one)
    return joined


def unpaired(
    ones: Sequence[Item], others: Sequence[Item], names: Callable[[Item], Names]
) -> tuple[list[Item], list[Item]]:
    """The items left after each has taken the first free partner that is the same.

    Args:
        ones: Items, which choose in their order.
        others: Their possible partners.
        names: Function that says which items are the same.
    """
    places: dict[str, deque[int]] = defaultdict(deque)
    for place, other in enumerate(others):
        for name in names(other).has:
            places[name].append(place)
    taken: set[int] = set()
    alone: list[Item] = []
    for one in ones:
        wanted = (place for name in names(one).looks_for for place in free(places[name], taken))
        partner = next(wanted, None)
        if partner is None:
            alone.append(one)
        else:
            taken.add(partner)
    return alone, [other for place, other in enumerate(others) if place not in taken]


def free(places: deque[int], taken: set[int], width: int = 1) -> Iterator[int]:
    """The first place from which ``width`` places are free.

    Args:
        places: Places in increasing order; those that are taken are removed.
        taken: The places that are taken.
        width: Number of places that are needed.
    """
    while places and not taken.isdisjoint(range(places[0], places[0] + width)):
        places.popleft()
    yield from places and (places[0],)


def _scaled(stated: str, start: int, end: int, scale: Scale | None) -> Number:
    if scale is None:
        return Number(stated, start, end, (stated,))
    whole, fraction = stated.split(".")
    values: list[str] = []
    for power in scale.exponents:
        shifted = fraction.ljust(power, "0")
        digits = (whole + shifted[:power]).lstrip("0") or "0"
        values.append(f"{digits}.{shifted[power:].rstrip('0')}")
    return Number(stated, start, end, tuple(values), marked=True)


def _sum(one: str, other: str, *, below: int) -> str | None:
    """The sum of two whole values if the second is below a number; else None."""
    if not (one.endswith(".") and other.endswith(".")):
        return None
    more = int(other[:-1]) if len(other) <= len(str(below)) else below
    return f"{int(one[:-1]) + more}." if more < below else None


def _clock(hour: int, minute: int) -> str:
    return f"{hour}:{minute:02}" if minute else f"{hour}."


def _ascii(text: str) -> str:
    """Digits of any script as ASCII, and separators by their meaning."""
    return "".join(
        str(unicodedata.decimal(one))
        if one.isdecimal()
        else " "
        if one.isspace()
        else _SEPARATORS.get(one, one)
        for one in text
    )
