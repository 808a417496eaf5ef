"""Attacks on rewards: they turn an honest translation into a text that no reward should prefer.

An attack is a pure function of a `Case`: an honest translation, and another one as material. It
returns None if it does not apply: a text without digits has no number to change. Nothing is random:
choices from a table depend on the source text.

A new attack is one function and one line in `ATTACKS`.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from rewardlab.perturbations.attack_words import FOREIGN, JUDGE_PHRASES, NEGATION
from rewardlab.text.characters import FINAL_DENSE
from rewardlab.text.languages import known_code, scripts
from rewardlab.text.sentences import (
    final_marks,
    is_finished,
    sentences,
    without_final_marks,
)
from rewardlab.text.words import LETTERS_PER_WORD, spoken, words
from rewardlab.types import Candidate

Item = TypeVar("Item")

SHORTEST_CONTENT_WORD = 4
"""Minimum number of letters in a content word."""


class Case(NamedTuple):
    """One honest translation, and the material for attacks on it.

    Attributes:
        honest: The translation, as a system wrote it.
        other: An honest translation of another source by the same system.
    """

    honest: Candidate
    other: str


@dataclass(frozen=True)
class Attack:
    """One way to cheat.

    Attributes:
        name: Name of the attack in tables.
        rewrite: Returns the attacked text, or None if the attack does not apply.
        about: Description of the attack, for a reader.
        guards: Names of the default gates that guard against it; empty if no gate can.
    """

    name: str
    rewrite: Callable[[Case], str | None]
    about: str
    guards: tuple[str, ...] = ()

    def __call__(self, case: Case) -> str | None:
        """The attacked text; None if the attack does not apply or changes nothing."""
        attacked = self.rewrite(case)
        return None if attacked == case.honest.hypothesis else attacked


def cases(honest: Sequence[Candidate]) -> list[Case]:
    """Pair each translation with the translation of another source that is nearest in length.

    The lengths are similar so that the unrelated text cannot be detected by its length.

    Args:
        honest: Translations by one system.

    Returns:
        Cases in the same order. A translation is left out if there is no translation of another
        source with a different text.
    """
    order = sorted(range(len(honest)), key=lambda row: (len(honest[row].hypothesis), row))
    found: dict[int, Case] = {}
    for place, row in enumerate(order):
        one = honest[row]
        near: list[tuple[int, int, int]] = []  # difference in length, distance in order, row
        for side in (range(place + 1, len(order)), range(place - 1, -1, -1)):
            for at in side:
                other = honest[order[at]]
                if other.source != one.source and other.hypothesis != one.hypothesis:
                    difference = abs(len(other.hypothesis) - len(one.hypothesis))
                    near.append((difference, abs(at - place), order[at]))
                    break
        if near:
            found[row] = Case(one, honest[min(near)[-1]].hypothesis)
    return [found[row] for row in sorted(found)]


# ── attacks ─────────────────────────────────────────────────────────────────────────────────────


def copy(case: Case) -> str | None:
    """The source, untranslated."""
    return case.honest.source


def empty(_case: Case) -> str | None:
    """No text."""
    return ""


def truncated(case: Case) -> str | None:
    """The first half of the characters, cut after the last whole word.

    >>> truncated(Case(Candidate("", "Four words stand here."), ""))
    'Four words'
    """
    text = case.honest.hypothesis
    half = len(text) // 2
    ends = [word.end for word in words(text) if word.end <= half]
    return text[: ends[-1]] if ends else None


def truncated_with_stop(case: Case) -> str | None:
    """The first half as in `truncated`, followed by the final mark of the whole text.

    >>> truncated_with_stop(Case(Candidate("", "Four words stand here?"), ""))
    'Four words?'
    """
    half, text = truncated(case), case.honest.hypothesis
    if half is None or not is_finished(text):
        return None
    trimmed, final = without_final_marks(half), final_marks(text)
    return trimmed + (final.group()[0] if final else ".") if trimmed else None


def sentence_repeated(case: Case) -> str | None:
    """The last sentence repeated.

    >>> sentence_repeated(Case(Candidate("", "Hi. How are you?"), ""))
    'Hi. How are you? How are you?'
    """
    text = case.honest.hypothesis
    found = [one for one in sentences(text) if spoken(one.text)]
    return joined(text, found[-1].text) if found else None


def unrelated(case: Case) -> str | None:
    """The other translation: fluent, and about something else."""
    return case.other


def wrong_script(case: Case) -> str | None:
    """Sentences in a script of neither language, about as long as the honest text."""
    target = scripts(case.honest.target_lang or "")
    known = {*target, *scripts(case.honest.source_lang or "")}
    others = [code for code in FOREIGN if known.isdisjoint(scripts(code))]
    return _foreign(case, others) if target else None


def wrong_language(case: Case) -> str | None:
    """Sentences in another language with the target's script, about as long as the honest text."""
    target = {*scripts(case.honest.target_lang or "")}
    known = [known_code(case.honest.source_lang), known_code(case.honest.target_lang)]
    others = [
        code for code in FOREIGN if code not in known and not target.isdisjoint(scripts(code))
    ]
    return _foreign(case, others)


def addition(case: Case) -> str | None:
    """The honest translation followed by the first sentence of the other one."""
    first = next(sentences(case.other), None)
    return joined(case.honest.hypothesis, first.text) if first else None


def word_dropped(case: Case) -> str | None:
    """The longest word left out; in scripts without spaces, two letters in the middle.

    >>> word_dropped(Case(Candidate("", "We saw a terrible storm."), ""))
    'We saw a storm.'
    """
    text = case.honest.hypothesis
    found = spoken(text)
    letters = [word for word in found if word.kind == "letter"]
    if 2 * len(letters) > len(found):
        middle = letters[len(letters) // 2 :][:LETTERS_PER_WORD]
        return text[: middle[0].start] + text[middle[-1].end :] if len(letters) > 2 else None  # noqa: PLR2004 - something must stay
    content = [w for w in found[1:] if len(w.text) >= SHORTEST_CONTENT_WORD and w.text.isalpha()]
    if not content:
        return None
    longest = max(content, key=lambda word: len(word.text))
    return (text[: longest.start].rstrip() + text[longest.end :]).strip()


def negation(case: Case) -> str | None:
    """A negation removed, or inserted if there is none, by the table of the target language.

    >>> negation(Case(Candidate("", "It is not true.", target_lang="en"), ""))
    'It is true.'
    """
    for pattern, replacement in NEGATION.get(known_code(case.honest.target_lang), ()):
        text, times = re.subn(pattern, replacement, case.honest.hypothesis, count=1)
        if times:
            return text
    return None


def number(case: Case) -> str | None:
    """The last digit of the first number changed by five.

    >>> number(Case(Candidate("", "It has 29 doors."), ""))
    'It has 24 doors.'
    """
    text = case.honest.hypothesis
    found = re.search(r"\d(?!\d)", text)
    if found is None:
        return None
    right = unicodedata.decimal(found.group())
    wrong = chr(ord(found.group()) - right + (right + 5) % 10)
    return text[: found.start()] + wrong + text[found.end() :]


def punctuation_dropped(case: Case) -> str | None:
    """Punctuation marks left out.

    >>> punctuation_dropped(Case(Candidate("", "Yes, we can - Anna's dog."), ""))
    "Yes we can Anna's dog"
    """
    text = case.honest.hypothesis
    marks = {place for w in words(text) if w.kind == "mark" for place in range(w.start, w.end)}
    bare = " ".join("".join(c for at, c in enumerate(text) if at not in marks).split())
    return bare if marks and bare else None


def judge_words(case: Case) -> str | None:
    """The honest text followed by a prompt injection."""
    return f"{case.honest.hypothesis} {_chosen(case, JUDGE_PHRASES)}"


ATTACKS = (
    Attack("copy", copy, "the source, untranslated", ("not_copied",)),
    Attack("empty", empty, "no text at all", ("not_empty",)),
    Attack("wrong_script", wrong_script, "sentences in another script", ("target_script",)),
    Attack("wrong_language", wrong_language, "sentences in another language of the same script"),
    Attack("truncated", truncated, "the first half", ("not_cut_off", "length_ratio")),
    Attack("truncated_with_stop", truncated_with_stop, "the first half and a full stop"),
    Attack("sentence_repeated", sentence_repeated, "the last sentence twice", ("no_repetition",)),
    Attack("unrelated", unrelated, "the translation of another source"),
    Attack("addition", addition, "a sentence of another translation appended"),
    Attack("word_dropped", word_dropped, "the longest word left out"),
    Attack("negation", negation, "a negation taken away or put in"),
    Attack("number", number, "a digit changed", ("numbers_agree",)),
    Attack("punctuation_dropped", punctuation_dropped, "no punctuation"),
    Attack("judge_words", judge_words, "words for a judge appended"),
)


# ── parts of attacks ────────────────────────────────────────────────────────────────────────────


def joined(text: str, more: str) -> str:
    """Two texts, with a space between unless the first ends in a script without spaces.

    Args:
        text: The first text.
        more: The second one.
    """
    dense = text.rstrip()[-1:] in (*FINAL_DENSE, "．", "）") or "letter" in {
        w.kind for w in words(text[-1:])
    }
    return text.rstrip() + more if dense else f"{text.rstrip()} {more}".lstrip()


def _foreign(case: Case, languages: Sequence[str]) -> str | None:
    """Sentences of one of these languages, as long as the honest text if there are enough."""
    if not languages:
        return None
    text = ""
    for sentence in FOREIGN[_chosen(case, languages)]:
        if text and len(text) >= len(case.honest.hypothesis):
            break
        text = joined(text, sentence)
    return text


def _chosen(case: Case, choices: Sequence[Item]) -> Item:
    return choices[zlib.crc32(case.honest.source.encode("utf-8", "surrogatepass")) % len(choices)]
