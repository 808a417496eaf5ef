"""Synthetic errors in translations, with their cost and spans, for training scorers.

People judge translations by systems, which are hardly ever copies of the source, truncated,
repeated or unrelated to the source. A scorer trained only on such judgements may give these
failures good scores. So synthetic rows with these failures are mixed into the training data, as for
MetricX-24 (arXiv 2410.03983) and MetricX-23, whose authors describe their rows in the README of
their code. We use their kinds of failures, and their worst label for non-translations and
repetitions. They also give the worst label to truncated texts; here the error of a truncated text
grows with the missing share, so that a scorer has a gradient to follow. The draws are ours.

An error is a sum of MQM points (minor 1, major 5), more than 0 and at most 25. Added or wrong text
has a span in the hypothesis. Omitted text has a span in the source if its place is known; the cost
is the same without a span.

The result does not depend on the order of the rows: each row has its own seed. A new kind is one
function and one line in `FAILURES`.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rewardlab.data.rows import Row
from rewardlab.human.rated import Rated
from rewardlab.perturbations.attacks import Case, cases, joined, sentence_repeated
from rewardlab.perturbations.wrong_words import MINOR, Text, same_words, wrong_words
from rewardlab.seeds import seed_for
from rewardlab.text.languages import known_code
from rewardlab.text.sentences import final_marks, sentences
from rewardlab.text.words import spoken
from rewardlab.types import Candidate, ErrorSpan

WORST, MAJOR = 25.0, 5.0
SHORTEST_CUT, LONGEST_CUT = 0.2, 0.8
"""The share of its words that a truncated text loses."""


class Damaged(NamedTuple):
    """A text with a synthetic error.

    Attributes:
        kind: Kind of the error.
        hypothesis: The damaged text, different from the original.
        error: MQM points, in (0, 25].
        spans: Spans of the errors that have a place in the text.
    """

    kind: str
    hypothesis: str
    error: float
    spans: tuple[ErrorSpan, ...]


# ── whole texts ─────────────────────────────────────────────────────────────────────────────────
#
# A kind of failure takes a case and a random generator, and returns the damaged text, or None
# if it does not apply. Its docstring gives the error in MQM points.


def untranslated(case: Case, _rng: random.Random) -> Damaged | None:
    """The source, unchanged: 25."""
    return _no_translation("untranslated", case.honest.source)


def unrelated(case: Case, _rng: random.Random) -> Damaged | None:
    """A translation of another source, about as long: 25."""
    return _no_translation("unrelated", case.other)


def truncated(case: Case, rng: random.Random) -> Damaged | None:
    """Remove the last 20% to 80% of the words: 25 points times the share removed, at least 5.

    Half of the texts still end in the original final mark, so that a full stop proves nothing.
    """
    text = case.honest.hypothesis
    found = spoken(text)
    if len(found) < 2:  # noqa: PLR2004 - something must stay
        return None
    share = rng.uniform(SHORTEST_CUT, LONGEST_CUT)
    kept = min(len(found) - 1, max(1, round((1 - share) * len(found))))
    final = final_marks(text)
    close = final.group() if final and rng.random() < 0.5 else ""  # noqa: PLR2004 - every other
    error = max(MAJOR, round(WORST * (1 - kept / len(found)), 2))
    return Damaged("truncated", text[: found[kept - 1].end] + close, error, ())


def repeated(case: Case, rng: random.Random) -> Damaged | None:
    """The whole text twice: 25. Half of the time, if possible, only the last sentence twice: 5."""
    text = case.honest.hypothesis.strip()
    parts = [one.text for one in sentences(text) if spoken(one.text)]
    if not parts:
        return None
    if len(parts) > 1 and rng.random() < 0.5:  # noqa: PLR2004 - every other time
        longer = sentence_repeated(case) or ""
        return Damaged("repeated", longer, MAJOR, (_addition(longer, parts[-1], "major"),))
    longer = joined(case.honest.hypothesis, text)
    return Damaged("repeated", longer, WORST, (_addition(longer, text, "critical"),))


def no_punctuation(case: Case, _rng: random.Random) -> Damaged | None:
    """The final mark missing: 1. The span is that of the source's final mark, if it has one."""
    text = case.honest.hypothesis
    final, mark = final_marks(text), final_marks(case.honest.source)
    if final is None or not spoken(text):
        return None
    bare = text[: final.start()].rstrip() + text[final.end() :]
    place = mark and ErrorSpan(*mark.span(), "minor", "Fluency/Punctuation", "source")
    return Damaged("no_punctuation", bare, MINOR, (place,) if place else ())


FAILURES: Mapping[str, Callable[[Case, random.Random], Damaged | None]] = {
    kind.__name__: kind for kind in (untranslated, truncated, repeated, unrelated, no_punctuation)
}
"""The kinds of `failures` by name."""
ANEW = ("untranslated", "unrelated")
"""Kinds that replace the whole text."""


def fail(case: Case, kind: str, *, seed: int) -> Damaged | None:
    """Put one kind of failure into a text.

    Args:
        case: The text is ``case.honest.hypothesis``; ``case.other`` may be empty.
        kind: One of `FAILURES`.
        seed: Seed of the draws.

    Returns:
        The damaged text; None if the kind does not apply or would not change the text.

    >>> case = Case(Candidate("Hej!", "Hello!"), "Unrelated.")
    >>> fail(case, "untranslated", seed=0).hypothesis, fail(case, "no_punctuation", seed=0).error
    ('Hej!', 1.0)
    """
    made = FAILURES[kind](case, random.Random(seed))  # noqa: S311 - no secrets here
    return None if made is None or same_words(made.hypothesis, case.honest.hypothesis) else made


def failures(rows: Sequence[Rated], *, share: float, seed: int) -> list[Rated]:
    """Rows with synthetic errors, to be mixed with judged rows.

    The error is added to the row's own hypothesis, which keeps its earlier errors in score and
    spans. If flawless references were damaged instead, a reference without its full stop would
    still be better than most texts, and a missing full stop would become a sign of quality. Only
    copies of the source and unrelated texts lose the earlier errors.

    Args:
        rows: Judged translations.
        share: Number of synthetic rows per judged row, at least 0.
        seed: Seed of all draws.

    Returns:
        ``round(share * len(rows))`` rows, all different, with the kinds in turn; fewer rows if no
        further different text can be made. ``system`` is ``made-up:KIND``. If a row has errors
        that no rater marked, only its score is known, and its damaged copies have no spans.

    Raises:
        ValueError: ``share`` is negative.
    """
    if share < 0:
        raise ValueError(f"share={share} must be at least 0")
    wanted = round(share * len(rows))
    order = sorted(rows, key=lambda row: (seed_for(seed, *_names(row)), _names(row)))
    others = _others([row.candidate for row in order])
    made: list[Rated] = []
    seen: set[tuple[str, str, str]] = set()
    counts = dict.fromkeys(FAILURES, 0)
    for turn in itertools.count():
        before = len(made)
        for row in order:
            if len(made) == wanted:
                return made
            one = row.candidate
            case = Case(one, others.get(_key(one), ""))
            for kind in sorted(FAILURES, key=counts.__getitem__):
                damage = fail(case, kind, seed=seed_for(seed, *_names(row), kind, turn))
                if damage and (text := (one.id, one.source, damage.hypothesis)) not in seen:
                    seen.add(text)
                    counts[kind] += 1
                    made.append(_with_damage(row, damage))
                    break
        if len(made) == before:
            break
    return made


def _with_damage(row: Rated, damage: Damaged) -> Rated:
    """A copy of the row with a synthetic error in addition to its earlier errors."""
    anew = damage.kind in ANEW
    return Rated(
        dataclasses.replace(row.candidate, hypothesis=damage.hypothesis),
        -min(WORST, damage.error + (0.0 if anew else max(0.0, -row.score))),
        (damage.spans,) if anew else _with_own_spans(row, damage),
        f"made-up:{damage.kind}",
        row.document,
    )


def _with_own_spans(row: Rated, damage: Damaged) -> tuple[tuple[ErrorSpan, ...], ...]:
    """By rater, the earlier spans whose text is still there, and the spans of the damage.

    Texts are damaged at their end, so the beginning that both texts share has kept its place.
    """
    if not row.spans:
        return () if row.score < 0 else (damage.spans,)
    kept = _common_prefix(row.candidate.hypothesis, damage.hypothesis)
    return tuple(
        (
            *(span for span in spans if span.side == "source"),
            *(
                dataclasses.replace(span, end=min(span.end, kept))
                for span in spans
                if span.side == "hypothesis" and span.start < kept
            ),
            *damage.spans,
        )
        for spans in row.spans
    )


def _common_prefix(one: str, other: str) -> int:
    """Number of characters before the first difference."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


# ── parallel text ───────────────────────────────────────────────────────────────────────────────


def damaged(rows: Sequence[Row], *, copies: int, seed: int) -> list[Rated]:
    """Rows for training a scorer before it sees judgements: references and damaged copies.

    A damaged copy has errors in single words, of one point each (`wrong_words`). If that is not
    possible, it has one of the `FAILURES`. No more `FAILURES` are added: with up to 25 points
    each, they would make up nearly all of the variance, and a scorer would learn nothing else.

    Args:
        rows: A parallel corpus; rows without a reference, or without words in the reference, are
            left out.
        copies: Number of damaged copies of each reference, at least 0.
        seed: Seed of all draws.

    Returns:
        For each row its reference, with ``system`` ``made-up:reference`` and score 0, then its
        damaged copies; fewer copies if no further different text can be made.

    Raises:
        ValueError: ``copies`` is negative.
    """
    if copies < 0:
        raise ValueError(f"copies={copies} must be at least 0")
    translated = [row for row in rows if row.reference and spoken(row.reference)]
    whole = [row.candidate(row.reference or "") for row in translated]
    others, texts = _others(whole), _texts_by_language(whole)
    made: list[Rated] = []
    for row, candidate in zip(translated, whole, strict=True):
        original = Rated(candidate, 0.0, ((),), "made-up:reference", row.document or "")
        made.append(original)
        case = Case(candidate, others.get(_key(candidate), ""))
        pool = texts[known_code(candidate.target_lang)]
        seen = {candidate.hypothesis}
        for copy in range(copies):
            damage = _damage(case, pool, seed=seed_for(seed, candidate.id, candidate.source, copy))
            if damage and damage.hypothesis not in seen:
                seen.add(damage.hypothesis)
                made.append(_with_damage(original, damage))
    return made


def damaged_once(rows: Sequence[Rated], *, seed: int) -> list[Rated | None]:
    """One damaged copy of each translation, which keeps its own errors.

    Args:
        rows: Rated translations. Where only the score of errors is known, the copy has no spans.
        seed: Seed of all draws.

    Returns:
        For each row the copy, with ``system`` ``made-up:KIND``; None if no error can be put in.
    """
    whole = [row.candidate for row in rows]
    others, texts = _others(whole), _texts_by_language(whole)
    made: list[Rated | None] = []
    for row, candidate in zip(rows, whole, strict=True):
        case = Case(candidate, others.get(_key(candidate), ""))
        pool = texts[known_code(candidate.target_lang)]
        damage = _damage(case, pool, seed=seed_for(seed, *_names(row)))
        made.append(None if damage is None else _with_damage(row, damage))
    return made


def _damage(case: Case, pool: Sequence[Text], *, seed: int) -> Damaged | None:
    rng = random.Random(seed)  # noqa: S311 - no secrets here
    kinds = rng.sample([*FAILURES], len(FAILURES))
    wrong = wrong_words(Text.of(case.honest.hypothesis), Text.of(case.honest.source), pool, rng)
    if wrong:
        return Damaged("words", wrong.text, min(WORST, wrong.points), wrong.spans)
    return next(filter(None, (fail(case, kind, seed=seed) for kind in kinds)), None)


# ── parts of both ───────────────────────────────────────────────────────────────────────────────


def _no_translation(kind: str, text: str) -> Damaged | None:
    """A text that is wrong from its first character to its last."""
    if not text.strip():
        return None
    span = ErrorSpan(0, len(text), "critical", "Non-translation")
    return Damaged(kind, text, WORST, (span,))


def _addition(text: str, more: str, severity: str) -> ErrorSpan:
    """The span of an addition that the text ends with."""
    return ErrorSpan(len(text) - len(more), len(text), severity, "Accuracy/Addition")


def _others(whole: Sequence[Candidate]) -> dict[tuple[str, ...], str]:
    """For each text, the text of another source in the same language that is nearest in length."""
    by_language: dict[str, dict[tuple[str, ...], Candidate]] = defaultdict(dict)
    for candidate in whole:
        by_language[known_code(candidate.target_lang)][_key(candidate)] = candidate
    return {
        _key(case.honest): case.other
        for group in by_language.values()
        for case in cases([group[key] for key in sorted(group)])
    }


def _key(candidate: Candidate) -> tuple[str, ...]:
    return candidate.target_lang or "", candidate.source, candidate.hypothesis


def _texts_by_language(whole: Sequence[Candidate]) -> dict[str, list[Text]]:
    """Sorted texts by language, without repetitions."""
    found: dict[str, set[str]] = defaultdict(set)
    for candidate in whole:
        found[known_code(candidate.target_lang)].add(candidate.hypothesis)
    return {code: [Text.of(t) for t in sorted(group)] for code, group in found.items()}


def _names(row: Rated) -> tuple[str, ...]:
    """The strings that identify a row, independent of its position."""
    one = row.candidate
    return (one.id, row.document, row.system, one.source, one.hypothesis)
