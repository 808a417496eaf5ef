"""Planted texts: does a reward put a good translation above texts that are plainly bad?

A judge that answers ``{"errors": []}`` to everything, or a regressor that collapsed, gives every
row a valid score and the same one. Training then learns nothing, or noise. So before training each
reward scores texts whose order is known: references of a few rows, and bad texts made from them.

A reward is *blind* if the mean score of the references is not above that of gibberish. The mean
decides, because gibberish costs so much that one noisy row cannot turn it. A reward does not
*tell apart* the reference and another text if the mean is not above that text's, or if most rows
are not: this is only reported, since half of a sentence may well be hard for a small judge.

A new kind of bad text is a line in `planted_texts` and in `KINDS`.
"""

from __future__ import annotations

import math
import random
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np

from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import Problem
from rewardlab.human.score_matrix import Floats
from rewardlab.perturbations.attack_words import FOREIGN, PARALLEL
from rewardlab.perturbations.attacks import Case, cases, copy, truncated
from rewardlab.text.languages import known_code
from rewardlab.types import Candidate, Gate, Reward, Status, Term, always

KINDS: Mapping[str, str] = {
    "reference": "the reference",
    "half": "half of it",
    "copy": "a copy of the source",
    "unrelated": "the reference of another row",
    "gibberish": "gibberish",
}
"""Kinds of planted texts, the good one first, with the words for messages."""
ROWS = 4
"""Number of rows that texts are planted for."""
SPREAD = 400
"""The rows are chosen among this many rows of the data."""
CLOSE = 0.01
"""Means that differ by less than this share of the larger one count as equal: a constant regressor
in 16 bits gives scores that differ in the third digit."""

Item = TypeVar("Item")
PlantedRow: TypeAlias = Mapping[str, Candidate]
"""The candidates planted for one source, by kind; a kind that cannot be made is missing."""
Verdict: TypeAlias = Literal["sees", "confuses", "blind", "unscored", "unavailable", "unchecked"]


@dataclass(frozen=True)
class PlantedScores:
    """The scores of one reward on the planted texts.

    Attributes:
        reward: Name of the reward.
        values: float64 (rows, kinds of `KINDS`), NaN where there is no text or no score.
        status: Number of texts by status.
        confused: Kinds that the reward does not put below the reference.
        verdict: ``blind``: the reference is not above gibberish. ``confuses``: it is, but some
            other text is not below it. ``sees``: neither. ``unscored``: no text has a score,
            because of the texts; ``unavailable``: because of the service. ``unchecked``: no
            row has both a reference and gibberish.
        seconds: Time taken, loading included.
    """

    reward: str
    values: Floats
    status: Mapping[Status, int]
    confused: tuple[str, ...]
    verdict: Verdict
    seconds: float

    @property
    def means(self) -> dict[str, float]:
        """Mean score of each kind that has one."""
        columns = zip(KINDS, self.values.T, strict=True)
        return {
            kind: float(column[~np.isnan(column)].mean())
            for kind, column in columns
            if not np.isnan(column).all()
        }

    @property
    def figures(self) -> str:
        """The means in words, for a message."""
        parts = ", ".join(f"{kind} {mean:z.4g}" for kind, mean in self.means.items())
        rows = len(self.values)
        return f"mean score of {rows} {'rows' if rows > 1 else 'row'}: {parts}"


# ── the texts ───────────────────────────────────────────────────────────────────────────────────


def spread_rows(rows: Iterable[Item]) -> Iterator[Item]:
    """Up to `SPREAD` rows: evenly spread over the data, or the first ones of a stream.

    >>> list(spread_rows(["a", "b"])), len(list(spread_rows(range(1000))))
    (['a', 'b'], 400)
    """
    if not (isinstance(rows, Sized) and hasattr(rows, "__getitem__")):
        return islice(rows, SPREAD)
    data, size = cast("Sequence[Item]", rows), len(rows)
    number = min(size, SPREAD)
    return (data[at * size // number] for at in range(number))


def planted_rows(
    candidates: Iterable[Candidate], *, applies: Callable[[Candidate], bool] = always
) -> list[PlantedRow]:
    """Plant texts for up to `ROWS` rows.

    Rows of about the median length are chosen, so that a text is neither one word nor a document;
    rows for which every kind can be made come first. If no row has a reference, sentences of the
    library take their place, where it has both languages.

    Args:
        candidates: Rows of the data, such as `spread_rows` gives; hypotheses are not read.
        applies: Which rows a term or gate scores.

    Returns:
        The rows; empty if none has a reference and the library lacks one of the languages.
    """
    given = [one for one in candidates if applies(one)]
    usable = {one.source: one for one in given if one.source.strip() and _reference(one).strip()}
    pool = [*usable.values()] or [one for one in _built_in(given) if applies(one)]
    if not pool:
        return []
    honest = [replace(one, hypothesis=_reference(one)) for one in pool]
    median = sorted(len(one.hypothesis) for one in honest)[len(honest) // 2]
    honest.sort(key=lambda one: abs(len(one.hypothesis) - median))
    letters = sorted({c for one in honest for c in one.hypothesis.lower() if c.isalpha()})
    material = {case.honest.source: case.other for case in cases(honest)}
    made = [planted_texts(one, material.get(one.source), letters) for one in honest]
    made.sort(key=len, reverse=True)  # stable: the nearest to the median stay first
    return made[:ROWS]


def planted_texts(honest: Candidate, other: str | None, letters: Sequence[str]) -> PlantedRow:
    """The texts planted for one row; a kind that equals the reference is left out.

    Args:
        honest: The row, with its reference as the hypothesis.
        other: The reference of another row, or None.
        letters: Letters that gibberish is made of.
    """
    case = Case(honest, other or "")
    texts = {
        "reference": honest.hypothesis,
        "half": truncated(case),
        "copy": copy(case),
        "unrelated": other,
        "gibberish": gibberish(honest.hypothesis, letters),
    }
    return {
        kind: replace(honest, hypothesis=text)
        for kind, text in texts.items()
        if text is not None and (kind == "reference" or text != honest.hypothesis)
    }


def gibberish(text: str, letters: Sequence[str]) -> str:
    """The text with every letter replaced by one drawn at random; marks and digits stay.

    Script and length are those of the text, so neither gives it away.

    Args:
        text: Any text; the same text gives the same gibberish.
        letters: The letters to draw from, at least one if the text has any.

    >>> gibberish("Der Hund bellt.", "aefghlnorst")
    'hta sttg nhete.'
    """
    seed = zlib.crc32(text.encode("utf-8", "surrogatepass"))
    draw = random.Random(seed)  # noqa: S311 - repeatable, not secret
    return "".join(draw.choice(letters) if letter.isalpha() else letter for letter in text)


def _reference(candidate: Candidate) -> str:
    return candidate.reference or ""


def _built_in(given: Sequence[Candidate]) -> list[Candidate]:
    """Sentence pairs of the library in the languages of the rows; empty if it lacks one."""
    sentences = {**FOREIGN, **PARALLEL}
    for one in given:
        source, target = known_code(one.source_lang), known_code(one.target_lang)
        if source != target and source in sentences and target in sentences:
            pairs = zip(sentences[source], sentences[target], strict=True)
            return [
                replace(one, source=said, reference=meant, prompt=None, id=f"built-in {number}")
                for number, (said, meant) in enumerate(pairs, 1)
            ]
    return []


# ── the scores ──────────────────────────────────────────────────────────────────────────────────


def ask_planted(
    reward: Reward, rows: Sequence[PlantedRow], *, timeout: float = 600.0
) -> PlantedScores:
    """Score planted texts with one reward, without gates.

    A text that the reward fails on gets the lowest score of its row, as it would in training.

    Args:
        reward: The reward.
        rows: Rows of `planted_rows`.
        timeout: Seconds that the reward may take.

    Raises:
        RewardFailed: The reward raised or broke its contract.
        UserError: The reward's input or options cannot be used.
    """
    places = [(at, kind) for at, row in enumerate(rows) for kind in row]
    began = time.perf_counter()
    ensemble = RewardEnsemble([Term(reward)], timeout=timeout)
    scores = ensemble([rows[at][kind] for at, kind in places])
    values = np.full((len(rows), len(KINDS)), math.nan)
    failed = np.zeros_like(values, dtype=np.bool_)
    kinds = [*KINDS]
    for (at, kind), value, status in zip(places, scores.values[:, 0], scores.status, strict=True):
        values[at, kinds.index(kind)] = value
        failed[at, kinds.index(kind)] = status[0].failed
    lowest = np.fmin.reduce(values, axis=1, keepdims=True)
    values = np.where(failed, lowest, values)
    statuses = Counter(status[0] for status in scores.status)
    seconds = time.perf_counter() - began
    verdict, confused = _judged(values, statuses)
    return PlantedScores(reward.name, values, statuses, confused, verdict, seconds)


def _judged(values: Floats, statuses: Mapping[Status, int]) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, and the kinds that are not below the reference."""
    if np.isnan(values).all():
        down = statuses.get(Status.UNAVAILABLE, 0)
        failed = any(status.failed for status in statuses)
        return ("unavailable" if down else "unscored" if failed else "unchecked"), ()
    reference, *others = values.T
    compared = {
        kind: both
        for kind, other in zip([*KINDS][1:], others, strict=True)
        if len(both := np.stack([reference, other])[:, ~np.isnan(reference + other)].T)
    }
    if "gibberish" not in compared:
        return ("unavailable" if statuses.get(Status.UNAVAILABLE) else "unchecked"), ()
    confused = tuple(kind for kind, pairs in compared.items() if not _tells_apart(pairs))
    if not mean_is_above(*compared["gibberish"].T):
        return "blind", confused
    return ("confuses" if confused else "sees"), confused


def _tells_apart(pairs: Floats) -> bool:
    """Whether the first of two texts is above the second, in the mean and in most rows."""
    above = int((pairs[:, 0] > pairs[:, 1]).sum())
    return mean_is_above(*pairs.T) and 2 * above > len(pairs)


def mean_is_above(good: Floats, bad: Floats) -> bool:
    """Whether the mean of the good texts is above that of the bad ones by more than `CLOSE`.

    Args:
        good: Scores (n,).
        bad: Scores (n,) of the same rows.

    >>> mean_is_above(np.array([3.0, 3.01]), np.array([3.0, 2.99]))
    False
    """
    higher, lower = float(good.mean()), float(bad.mean())
    return higher > lower and not math.isclose(higher, lower, rel_tol=CLOSE)


# ── what it means for training ──────────────────────────────────────────────────────────────────


def is_learned(reward: Reward) -> bool | None:
    """Whether a model gives the scores; None for plain functions and others that do not say."""
    return getattr(reward, "learned", None)


class Consequences(NamedTuple):
    """What follows from planted scores.

    Attributes:
        problems: Why the reward is refused for training; empty if it is not.
        notes: What a person should know.
    """

    problems: list[Problem]
    notes: list[str]


def consequences(entry: Term | Gate, found: PlantedScores, *, refuse: bool) -> Consequences:
    """What follows from the scores of one term or gate.

    A term with a weight whose reward is learned is refused if it is blind or scores nothing. Gates,
    terms with both weights 0 and rewards that do not say whether they are learned are only
    reported. Rewards without a model have no consequences: a guard for numbers may well give a
    copy its best score.

    Args:
        entry: The term or gate.
        found: The scores of its reward.
        refuse: Whether a reward may be refused; otherwise everything is a note.
    """
    learned = is_learned(entry.reward)
    what = _finding(found) if learned is not False else None
    if what is None or (learned is None and found.verdict != "blind"):
        return Consequences([], [])
    kind = "gate" if isinstance(entry, Gate) else "reward"
    trains = isinstance(entry, Term) and bool(entry.weight or entry.token_weight)
    code = _CODES.get(found.verdict)
    if code is None or not (refuse and trains and learned):
        return Consequences([], [f"the {kind} {found.reward} {what}"])
    return Consequences([Problem(code, f"{kind} {found.reward}", what, _FIX)], [])


_FIX = (
    "use a better model or prompt, or give it weight 0 to log it only; to train on it all the "
    "same, planted_check: warn (in Python, trainer.remove_callback(PlantedCheck))"
)
_CODES: Mapping[Verdict, str] = {"blind": "E130", "unscored": "E131"}


def _finding(found: PlantedScores) -> str | None:
    """The verdict in words, after the name of the reward; None if there is nothing to say."""
    match found.verdict:
        case "sees":
            return None
        case "blind":
            constant = np.nanmax(found.values) == np.nanmin(found.values)
            what = (
                "gives every planted text the same score, gibberish included"
                if constant
                else "does not score the reference above gibberish"
            )
            return f"{what} ({found.figures})"
        case "confuses":
            kinds = " and ".join(KINDS[kind] for kind in found.confused)
            return f"does not score the reference above {kinds} ({found.figures})"
        case "unscored":
            counts = ", ".join(f"{status} {count}" for status, count in found.status.items())
            return f"scored no planted text, not even a reference: {counts}"
        case "unavailable":
            return "is unavailable, so it was not checked on planted texts"
        case "unchecked":
            return (
                "was not checked on planted texts: the data has no references, and the library "
                "has no sentences in both languages"
            )


def check_planted(
    entries: Iterable[Term | Gate], candidates: Sequence[Candidate], *, timeout: float
) -> Consequences:
    """Ask every reward that may be learned about planted texts.

    Args:
        entries: Terms and gates of an ensemble.
        candidates: Rows of the training data; hypotheses are not read.
        timeout: Seconds that one reward may take.

    Raises:
        RewardFailed: A reward raised or broke its contract.
        UserError: A reward's input or options cannot be used.
    """
    told = Consequences([], [])
    for entry in entries:
        if is_learned(entry.reward) is False:
            continue
        rows = planted_rows(candidates, applies=entry.applies)
        found = ask_planted(entry.reward, rows, timeout=timeout)
        problems, notes = consequences(entry, found, refuse=True)
        told.problems.extend(problems)
        told.notes.extend(notes)
    return told
