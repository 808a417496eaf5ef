"""Adversarial probes: an honest translation in, a text that no reward should prefer to it out.

A probe is a pure function of an honest translation and of one more honest translation of another
source (`Case`). It returns None where it does not apply: a text without digits has no number to
change. Nothing is random: what a probe chooses from a table, it chooses by the source's text.

`PROBES` is the list; a new probe is one function and one line there.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from rewardlab.perturbations.attack_words import FOREIGN, JUDGE_PHRASES, NEGATION
from rewardlab.text.languages import language_code, scripts
from rewardlab.text.sentences import FINAL, FINAL_DENSE, is_finished, sentences
from rewardlab.text.words import LETTERS_PER_WORD, Word, spoken, words
from rewardlab.types import Candidate

Item = TypeVar("Item")

SHORTEST_CONTENT_WORD = 4
"""Letters from which a word counts as one that carries meaning."""


class Case(NamedTuple):
    """One honest translation, and what an attack on it may use.

    Attributes:
        honest: The translation that a system wrote.
        other: An honest translation of another source by the same system.
    """

    honest: Candidate
    other: str


@dataclass(frozen=True)
class Probe:
    """One way to cheat.

    Attributes:
        name: In tables.
        attack: The attacked text, or None where the probe does not apply.
        about: What it does, for a reader.
        guards: The default gates that exist for it, by name; empty where none can.
    """

    name: str
    attack: Callable[[Case], str | None]
    about: str
    guards: tuple[str, ...] = ()

    def __call__(self, case: Case) -> str | None:
        """The attacked text; None where it does not apply or would be the honest one again."""
        attacked = self.attack(case)
        return None if attacked == case.honest.hypothesis else attacked


def cases(honest: Sequence[Candidate]) -> list[Case]:
    """Give each of one system's translations the other one that is nearest to it in length.

    Nearest in length, so that no check of lengths finds the unrelated text easily.

    Args:
        honest: Translations by one system.

    Returns:
        As many; translations without any other (one of another source, with another text) are
        left out.
    """
    order = sorted(range(len(honest)), key=lambda row: (len(honest[row].hypothesis), row))
    found: list[Case | None] = [None] * len(honest)
    for place, row in enumerate(order):
        one = honest[row]
        near = sorted(
            (abs(len(honest[other].hypothesis) - len(one.hypothesis)), distance, other)
            for distance, other in _first_others(honest, order, place)
        )
        if near:
            found[row] = Case(one, honest[near[0][-1]].hypothesis)
    return [case for case in found if case is not None]


def _first_others(
    honest: Sequence[Candidate], order: Sequence[int], place: int
) -> list[tuple[int, int]]:
    """The next longer and the next shorter text of another source, with how far they stand."""
    one = honest[order[place]]
    found: list[tuple[int, int]] = []
    for side in (range(place + 1, len(order)), range(place - 1, -1, -1)):
        for at in side:
            other = honest[order[at]]
            if other.source != one.source and other.hypothesis != one.hypothesis:
                found.append((abs(at - place), order[at]))
                break
    return found


# ── attacks ─────────────────────────────────────────────────────────────────────────────────────


def copy(case: Case) -> str | None:
    """The source, untranslated."""
    return case.honest.source


def empty(case: Case) -> str | None:
    """Nothing."""
    del case
    return ""


def truncated(case: Case) -> str | None:
    """The first half of the characters, back to the end of the last whole word.

    >>> truncated(Case(Candidate("", "Four words stand here."), ""))
    'Four words'
    """
    text = case.honest.hypothesis
    half = len(text) // 2
    ends = [word.end for word in words(text) if word.end <= half]
    return text[: ends[-1]] if ends else None


def truncated_with_stop(case: Case) -> str | None:
    """The same half, closed by the final mark of the whole.

    >>> truncated_with_stop(Case(Candidate("", "Four words stand here?"), ""))
    'Four words?'
    """
    half, text = truncated(case), case.honest.hypothesis
    if half is None or not is_finished(text):
        return None
    trimmed = half.rstrip().rstrip(f"{FINAL}{FINAL_DENSE},;:-–—，；：、")
    final = re.search(rf"[{FINAL}{FINAL_DENSE}](?=\W*$)", text)
    return trimmed + (final.group() if final else ".") if trimmed else None


def sentence_repeated(case: Case) -> str | None:
    """The last sentence once more.

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
    sides = [_scripts(case.honest.source_lang), _scripts(case.honest.target_lang)]
    if not sides[1]:
        return None
    known = {script for side in sides for script in side}
    return _foreign(case, [code for code in FOREIGN if known.isdisjoint(scripts(code))])


def wrong_language(case: Case) -> str | None:
    """Sentences in another language of the target's script, about as long."""
    target, languages = _scripts(case.honest.target_lang), _languages(case)
    choices = [
        code for code in FOREIGN if code not in languages and set(scripts(code)) & set(target)
    ]
    return _foreign(case, choices)


def addition(case: Case) -> str | None:
    """The first sentence of the other translation behind the honest one."""
    first = next(sentences(case.other), None)
    return joined(case.honest.hypothesis, first.text) if first else None


def word_dropped(case: Case) -> str | None:
    """Without its longest word, or in scripts without spaces without two letters in the middle.

    >>> word_dropped(Case(Candidate("", "We saw a terrible storm."), ""))
    'We saw a storm.'
    """
    text = case.honest.hypothesis
    found = spoken(text)
    letters = [word for word in found if word.kind == "letter"]
    if 2 * len(letters) > len(found):
        middle = letters[len(letters) // 2 :][:LETTERS_PER_WORD]
        return text[: middle[0].start] + text[middle[-1].end :] if len(letters) > 2 else None  # noqa: PLR2004 - something must stay
    content = [word for word in found[1:] if _is_content(word)]
    if not content:
        return None
    longest = max(content, key=lambda word: word.end - word.start)
    return (text[: longest.start].rstrip() + text[longest.end :]).strip()


def negation(case: Case) -> str | None:
    """A negation taken away, or else one put in, by the table of the target language.

    >>> negation(Case(Candidate("", "It is not true.", target_lang="en"), ""))
    'It is true.'
    """
    for pattern, replacement in NEGATION.get(_language(case.honest.target_lang), ()):
        text, times = re.subn(pattern, replacement, case.honest.hypothesis, count=1)
        if times:
            return text
    return None


def number(case: Case) -> str | None:
    """Another last digit in the first run of digits, five away from the right one.

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
    """Without punctuation marks.

    >>> punctuation_dropped(Case(Candidate("", "Yes, we can - Anna's dog."), ""))
    "Yes we can Anna's dog"
    """
    text = case.honest.hypothesis
    marks = {place for w in words(text) if w.kind == "mark" for place in range(w.start, w.end)}
    bare = " ".join("".join(c for at, c in enumerate(text) if at not in marks).split())
    return bare if marks and bare else None


def judge_words(case: Case) -> str | None:
    """The honest text, and behind it what is meant for the ears of a judge."""
    return f"{case.honest.hypothesis} {_chosen(case, JUDGE_PHRASES)}"


PROBES = (
    Probe("copy", copy, "the source, untranslated", ("not_copied",)),
    Probe("empty", empty, "no text at all", ("not_empty",)),
    Probe("wrong_script", wrong_script, "sentences in another script", ("target_script",)),
    Probe("wrong_language", wrong_language, "sentences in another language of the same script"),
    Probe("truncated", truncated, "the first half", ("not_cut_off", "length_ratio")),
    Probe("truncated_with_stop", truncated_with_stop, "the first half and a full stop"),
    Probe("sentence_repeated", sentence_repeated, "the last sentence twice", ("no_repetition",)),
    Probe("unrelated", unrelated, "the translation of another source"),
    Probe("addition", addition, "a sentence of another translation appended"),
    Probe("word_dropped", word_dropped, "the longest word left out"),
    Probe("negation", negation, "a negation taken away or put in"),
    Probe("number", number, "a digit changed", ("numbers_agree",)),
    Probe("punctuation_dropped", punctuation_dropped, "no punctuation"),
    Probe("judge_words", judge_words, "words for a judge appended"),
)


# ── what they are made of ───────────────────────────────────────────────────────────────────────


def joined(text: str, more: str) -> str:
    """Two texts, with a space between unless the first ends in a script that has none."""
    dense = text.rstrip()[-1:] in (*FINAL_DENSE, "）") or "letter" in {
        w.kind for w in words(text[-1:])
    }
    return text.rstrip() + more if dense else f"{text.rstrip()} {more}".lstrip()


def _foreign(case: Case, languages: Sequence[str]) -> str | None:
    """Sentences of one of these languages until they are as long as the honest text, or all."""
    if not languages:
        return None
    first, *others = FOREIGN[_chosen(case, languages)]
    text = first
    for sentence in others:
        if len(text) >= len(case.honest.hypothesis):
            break
        text = joined(text, sentence)
    return text


def _chosen(case: Case, choices: Sequence[Item]) -> Item:
    return choices[zlib.crc32(case.honest.source.encode("utf-8", "surrogatepass")) % len(choices)]


def _is_content(word: Word) -> bool:
    return word.end - word.start >= SHORTEST_CONTENT_WORD and word.text.isalpha()


def _scripts(code: str | None) -> tuple[str, ...]:
    return scripts(code or "")


def _language(code: str | None) -> str:
    """The table's code, or an empty text for a language it lacks."""
    try:
        return language_code(code or "")
    except ValueError:
        return ""


def _languages(case: Case) -> set[str]:
    return {_language(case.honest.source_lang), _language(case.honest.target_lang)}
