"""What a missing or unknown language means for the scores of a batch, as notes for the user."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rewardlab.errors import shown
from rewardlab.rewards.guards import Guard, TargetScript
from rewardlab.rewards.segmentation import by_script_note, language_of
from rewardlab.text.languages import language_notes, scripts
from rewardlab.types import Candidate, Reward, Status

LANGUAGES = ("source_lang", "target_lang")
LOOKED_AT = 200
"""Number of texts of a language whose script is looked at, at most."""


class Asked(NamedTuple):
    """A reward and what it answered.

    Attributes:
        reward: The reward of a term or gate.
        rows: The rows that it was asked about.
        status: N statuses.
    """

    reward: Reward
    rows: Sequence[int]
    status: Sequence[Status]


def notes_on_languages(asked: Sequence[Asked], candidates: Sequence[Candidate]) -> Iterator[str]:
    """What a user should know about the languages of a batch, one line each.

    Args:
        asked: The rewards, with their answers.
        candidates: N candidates, whose languages exist.
    """
    pairs = dict.fromkeys((one.source_lang or None, one.target_lang or None) for one in candidates)
    for pair in pairs:
        yield from language_notes(*pair)
    for field in LANGUAGES:
        lacking = {row for row, one in enumerate(candidates) if not getattr(one, field)}
        if lacking:
            some = "no" if len(lacking) == len(candidates) else "some rows have no"
            yield from (f"{some} {field}: {effect}" for effect in _effects(asked, field, lacking))
    yield from words_by_script([one.reward for one in asked], candidates)
    yield from script_notes(candidates)


def script_notes(candidates: Sequence[Candidate]) -> Iterator[str]:
    """A note for each language if most of its texts are not in a script of it.

    These are the sources, and the references or, in rows without one, the hypotheses. So a system
    that translates into another language than the references gives no note: rewards tell that.

    Args:
        candidates: N candidates, whose languages exist.

    >>> list(script_notes([Candidate("", "狗在叫。", target_lang="en")]))
    ["target_lang 'en': most texts are not in its script (Latin)"]
    """
    texts: dict[tuple[str, str], list[str]] = {}
    for one in candidates:
        translation = one.hypothesis if one.reference is None else one.reference
        sides = ((one.source_lang, one.source), (one.target_lang, translation))
        for field, (language, text) in zip(LANGUAGES, sides, strict=True):
            if language and any(map(str.isalpha, text)):
                texts.setdefault((field, language), []).append(text)
    for (field, language), found in texts.items():
        shares = [_share_in_script(text, language) for text in found[:LOOKED_AT]]
        if 2 * sum(share < 0.5 for share in shares) > len(shares):  # noqa: PLR2004 - most
            written = ", ".join(scripts(language))
            yield f"{field} {shown(language)}: most texts are not in its script ({written})"


_TARGET_SCRIPT = TargetScript()


def _share_in_script(text: str, language: str) -> float:
    """The share of letters in a script of the language; 1 if its scripts are not known."""
    share = _TARGET_SCRIPT.judge(Candidate("", text, target_lang=language)).score
    return 1.0 if share is None else share


def words_by_script(rewards: Sequence[Reward], candidates: Sequence[Candidate]) -> Iterator[str]:
    """A note if BLEU or TER took the language from the script of the texts.

    Args:
        rewards: The rewards; only those with a true ``by_script`` do so.
        candidates: The candidates that they scored.
    """
    names = [one.name for one in rewards if getattr(one, "by_script", False)]
    if names:
        without = (one for one in candidates if not one.target_lang)
        found = (language_of(None, one.reference or "", one.hypothesis) for one in without)
        yield from by_script_note(names, found)


def _effects(asked: Sequence[Asked], field: str, lacking: set[int]) -> Iterator[str]:
    """What rewards did in rows that lack a language which they read."""
    unused: dict[str, None] = {}
    limited: dict[str, None] = {}
    for reward, rows, status in asked:
        here = [status[row] for row in rows if row in lacking]
        if not here or field not in getattr(reward, "reads", ()):
            continue
        if all(one is Status.NOT_APPLICABLE for one in here):
            unused[reward.name] = None
        elif isinstance(reward, Guard):
            limited[reward.name] = None
    if unused:
        yield f"{', '.join(unused)} {'do' if len(unused) > 1 else 'does'} not apply"
    if limited:
        yield f"{', '.join(limited)} cannot check everything"
