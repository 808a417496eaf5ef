"""What every reward must be shown with, to be held to the one contract in ``test_contract.py``.

A new reward adds its line to `CASES`; without it the contract test fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rewardlab import rewards
from rewardlab.types import Candidate, Reward

SOURCE = "Der Hund von Anna hat am 14. Mai 2021 nicht geschlafen, sagte sie."
GOOD = "Anna's dog did not sleep on 14 May 2021, she said."
REFERENCE = "Anna's dog did not sleep on 14 May 2021, she said."


def candidate(hypothesis, **changes):
    fields = {
        "source": SOURCE,
        "reference": REFERENCE,
        "source_lang": "de",
        "target_lang": "en",
        **changes,
    }
    return Candidate(hypothesis=hypothesis, **fields)


@dataclass(frozen=True)
class Case:
    """One reward under the contract.

    Attributes:
        reward: An example.
        better: A candidate that must score strictly more than ``worse``.
        worse: See ``better``.
        other_options: For each option a value that differs from the example's.
        tolerance: By how much scores may differ with the batch they are in: a matrix product
            rounds a little differently in another shape.
    """

    reward: Reward
    better: Candidate
    worse: Candidate
    other_options: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 0.0


def brevity(completions, **columns):
    """An importable function for `rewards.FromFunction`; shorter is better."""
    return [-float(len(text)) for text in completions]


def negative_length(candidates):
    return [-float(len(c.hypothesis)) for c in candidates]


NEAR_MISS = candidate("Anna's dog slept on 14 May 2021, she said.")

CASES = {
    "bleu": Case(
        rewards.BLEU(),
        candidate(GOOD),
        NEAR_MISS,
        {
            "tokenize": "char",
            "smooth_method": "floor",
            "smooth_value": 0.5,
            "max_ngram_order": 2,
            "lowercase": True,
        },
    ),
    "chrf": Case(
        rewards.ChrF(),
        candidate(GOOD),
        NEAR_MISS,
        {
            "char_order": 4,
            "word_order": 2,
            "beta": 1,
            "lowercase": True,
            "whitespace": True,
            "eps_smoothing": True,
        },
    ),
    "exact_match": Case(rewards.ExactMatch(), candidate(GOOD), NEAR_MISS),
    "from_function": Case(
        rewards.FromFunction(brevity, worst=-1e6, name="from_function"),
        candidate("short"),
        candidate("rather long"),
        {"function": negative_length, "worst": -2e6, "needs_reference": True},
    ),
    "length_ratio": Case(
        rewards.LengthRatio(),
        candidate(GOOD),
        candidate(GOOD * 9),
        {"min_ratio": 0.5, "max_ratio": 2.0, "slack": 0},
    ),
    "lexical_spans": Case(rewards.LexicalSpans(), candidate(GOOD), NEAR_MISS),
    "no_repetition": Case(rewards.NoRepetition(), candidate(GOOD), candidate(GOOD * 2), {"n": 3}),
    "not_copied": Case(rewards.NotCopied(), candidate(GOOD), candidate(SOURCE), {"n": 3}),
    "not_cut_off": Case(rewards.NotCutOff(), candidate(GOOD), candidate("Anna's dog did not")),
    "not_empty": Case(rewards.NotEmpty(), candidate(GOOD), candidate("...")),
    "numbers_agree": Case(
        rewards.NumbersAgree(), candidate(GOOD), candidate(GOOD.replace("2021", "2026"))
    ),
    "numbers_kept": Case(
        rewards.NumbersKept(), candidate(GOOD), candidate(GOOD.replace("2021", "2012"))
    ),
    "target_script": Case(rewards.TargetScript(), candidate(GOOD), candidate("Пёс Анны не спал.")),
    "ter": Case(
        rewards.TER(),
        candidate(GOOD),
        NEAR_MISS,
        {
            "normalized": True,
            "no_punct": True,
            "asian_support": True,
            "case_sensitive": True,
            "worst": -200.0,
            "max_words": 100,
        },
    ),
}

UNBOUNDED = {"ter"}
"""Rewards without a lower end: their ``worst`` is stated for gates and bounds nothing."""

LONG = 100_000

HOSTILE = {
    "empty": "",
    "blank": " \t\n",
    "punctuation": "?!... — « »",
    "copy": SOURCE,
    "repetition": "the dog " * 50,
    "controls": "a\x00b\x1b[31mc\r\n\x7f",
    "bidi": "\u202eabc\u202c \u2066def\u2069 \u200f",
    "zero width": "\u200b\ufeff\u2060",
    "emoji": "👩‍👩‍👧‍👦 🇩🇪 👍🏽",
    "combining": "e\u0301\u0302\u0303" * 20,
    "only marks": "\u0301" * 50,
    "no spaces": "安娜的狗没有睡觉。",
    "markup": "<v>{name}</v> %s ```json [] ```",
    "separators": "1.,2,.3 1,,1",
    "line separators": "a\u2028b\u2029c\x85d",
    "long word": "a" * LONG,
    "long words": "a " * (LONG // 2),
    "long text": " ".join(f"w{n * n % 9973}" for n in range(LONG // 6)),
    "long letters": "北京" * (LONG // 2),
    "long punctuation": ",." * (LONG // 2),
    "long digits": "1." * (LONG // 2),
}
"""Texts a policy may well produce."""
