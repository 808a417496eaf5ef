"""What every reward must be shown with, to be held to the one contract in ``test_contract.py``.

A new reward adds its line to `CASES`; without it the contract test fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import reward_service
import scripted_judge
import tiny_checkpoints
import tiny_classifiers
import tiny_comet
import tiny_metricx

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


def scripted(reward, prompt, **changes):
    """A judge that answers by rule, and another value for each of its options."""
    options = {
        "model": "other",
        "backend": "transformers",
        "url": "http://127.0.0.1:9/v1",
        "batch_size": 8,
        "max_new_tokens": 64,
        "max_characters": 1000,
        "chat": False,
        "prompt": str(files("rewardlab.judges") / "prompts" / prompt),
        **changes,
    }
    judge = reward(model=scripted_judge.MODEL, backend="server", url=scripted_judge.url())
    return Case(judge, candidate(GOOD), NEAR_MISS, options)


NEAR_MISS = candidate("Anna's dog slept on 14 May 2021, she said.")


def comet(reward, kind, worse, *, seed, **changes):
    """A tiny random model; which of two texts it likes better was tried out."""
    other = tiny_comet.for_the_contract(kind, seed=seed + 1)
    options = {
        "model": other,
        "encoder": str(other / "encoder"),
        "batch_tokens": 512,
        "device": "cpu",
        "dtype": "bfloat16",
        "pickle_sha256": "0" * 64,
        "worst": -1.0,
        **changes,
    }
    made = reward(model=tiny_comet.for_the_contract(kind, seed=seed))
    return Case(made, candidate(GOOD), worse, options, tolerance=1e-5)


def metricx():
    """A tiny random regressor that finds 7 more errors in the near miss."""
    found = {GOOD: 4.0, NEAR_MISS.hypothesis: 11.0}
    errors = {f"source: {SOURCE} candidate: {text}": wrong for text, wrong in found.items()}
    other = tiny_metricx.for_the_contract(tuple(errors.items()), seed=1)
    return Case(
        rewards.MetricX(model=tiny_metricx.for_the_contract(tuple(errors.items()))),
        candidate(GOOD),
        NEAR_MISS,
        {
            "model": other,
            "version": "23",
            "mode": "reference",
            "tokenizer": str(other),
            "max_length": 512,
            "batch_tokens": 512,
            "device": "cpu",
            "dtype": "bfloat16",
            "pickle_sha256": "0" * 64,
        },
        tolerance=1e-4,
    )


CASES = {
    "automqm": scripted(rewards.AutoMQM, "automqm.toml", reference=True, severities="xcomet"),
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
    "comet": comet(rewards.Comet, "regression", NEAR_MISS, seed=4),
    "comet_kiwi": comet(rewards.CometKiwi, "kiwi", candidate(""), seed=4),
    "embedding": Case(
        rewards.Embedding(model=tiny_checkpoints.for_the_contract(tiny_checkpoints.xlm_r)),
        candidate(GOOD),
        NEAR_MISS,
        {
            "model": tiny_checkpoints.for_the_contract(tiny_checkpoints.xlm_r, seed=1),
            "mode": "source",
            "prefix": "",
            "batch_tokens": 64,
            "device": "cpu",
            "dtype": "bfloat16",
        },
        tolerance=1e-5,
    ),
    "exact_match": Case(rewards.ExactMatch(), candidate(GOOD), NEAR_MISS),
    "fluency": Case(
        rewards.Fluency(
            model=tiny_checkpoints.for_the_contract(tiny_checkpoints.qwen3, spread=0.05)
        ),
        candidate(GOOD),
        candidate(""),
        {
            "model": tiny_checkpoints.for_the_contract(tiny_checkpoints.qwen3, seed=1),
            "enough": 1.0,
            "max_length": 8,
            "batch_tokens": 64,
            "device": "cpu",
            "dtype": "bfloat16",
        },
        tolerance=1e-4,
    ),
    "from_function": Case(
        rewards.FromFunction(brevity, worst=-1e6, name="from_function"),
        candidate("short"),
        candidate("rather long"),
        {"function": negative_length, "worst": -2e6, "needs_reference": True},
    ),
    "generalist": Case(
        rewards.Generalist(model=tiny_classifiers.for_the_contract(), max_length=256),
        candidate(GOOD),
        NEAR_MISS,
        {
            "model": tiny_classifiers.for_the_contract(seed=1),
            "label": 0,
            "max_length": 128,
            "batch_tokens": 512,
            "device": "cpu",
            "dtype": "bfloat16",
            "worst": -20.0,
        },
        tolerance=1e-5,
    ),
    "length_ratio": Case(
        rewards.LengthRatio(),
        candidate(GOOD),
        candidate(GOOD * 9),
        {"min_ratio": 0.5, "max_ratio": 2.0, "slack": 0},
    ),
    "lexical_spans": Case(rewards.LexicalSpans(), candidate(GOOD), NEAR_MISS),
    "metricx": metricx(),
    "naturalness": scripted(rewards.Naturalness, "naturalness.toml"),
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
    "rubric": scripted(
        rewards.Rubric,
        "rubric.toml",
        rubric=str(files("rewardlab.judges") / "prompts" / "rubric.txt"),
    ),
    "remote": Case(
        rewards.Remote(url=reward_service.for_the_contract(), worst=-100.0, expects="judge|1"),
        candidate(GOOD),
        NEAR_MISS,
        {
            "url": "http://127.0.0.1:9/score",
            "worst": -200.0,
            "needs_reference": True,
            "expects": "judge|2",
            "timeout": 9.0,
            "batch_size": 8,
            "concurrency": 2,
            "attempts": 2,
        },
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
    "xcomet": comet(
        rewards.XComet,
        "xcomet",
        candidate("Anna said the dog sleeps."),
        seed=2,
        mode="reference",
        spans="published",
    ),
}

UNBOUNDED = {"comet", "comet_kiwi", "generalist", "ter", "xcomet"}
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
