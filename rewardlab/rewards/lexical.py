"""Overlap with the reference by sacrebleu: chrF, BLEU and TER, all from 0 to 100.

Each reward answers what sacrebleu's ``sentence_score`` answers for one reference.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal, cast, get_args

from rewardlab.rewards.base import BaseReward
from rewardlab.types import Candidate, RewardOutput

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric
    from sacrebleu.metrics.bleu import BLEU as SacreBLEU  # noqa: N811 - our class has its name
    from sacrebleu.metrics.ter import TER as SacreTER  # noqa: N811 - our class has its name


@dataclass(frozen=True, kw_only=True)
class _SacreBLEU(BaseReward):
    """A sentence score of sacrebleu (Post 2018, arXiv 1804.08771)."""

    packages: ClassVar[tuple[str, ...]] = ()  # sacrebleu's own signature carries its version

    @property
    def reads(self) -> tuple[str, ...]:
        """Hypothesis and reference."""
        return ("hypothesis", "reference")

    @property
    def signature(self) -> str:
        """Name, class and options, then sacrebleu's own signature."""
        metric = _metric(self)
        metric.sentence_score("", [""])  # it knows the number of references from its last score
        return f"{super().signature}|sacrebleu|{metric.get_signature()}"

    @abstractmethod
    def metric(self) -> Metric:
        """Build the metric with these options, for single sentences."""

    def corpus_metric(self) -> Metric:
        """Build it as sacrebleu does for a whole corpus."""
        return self.metric()

    def score(self, hypothesis: str, reference: str) -> float | None:
        """Score one hypothesis, higher is better; None where the reward does not apply."""
        return float(_metric(self).sentence_score(hypothesis, [reference]).score)

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates; one without a reference is not applicable."""
        return RewardOutput.of(
            [
                None if c.reference is None else self.score(c.hypothesis, c.reference)
                for c in candidates
            ]
        )


@cache
def _metric(reward: _SacreBLEU) -> Metric:
    """One metric per set of options, built when it first scores."""
    return reward.metric()


@dataclass(frozen=True, kw_only=True)
class ChrF(_SacreBLEU):
    """Character n-gram F-score (Popović 2015, W15-3049), 0 to 100.

    With ``word_order=2`` it is chrF++ (Popović 2017, W17-4770).

    Attributes:
        char_order: Longest character n-gram.
        word_order: Longest word n-gram; 0 leaves words out.
        beta: How many times recall counts as much as precision.
        lowercase: Ignore case.
        whitespace: Let n-grams contain white space.
        eps_smoothing: Average F over orders as chrF++.py and NLTK do, instead of averaging
            precision and recall over the orders both texts have.

    Raises:
        ValueError: An order or ``beta`` is out of range.
    """

    name: str = "chrf"
    char_order: int = 6
    word_order: int = 0
    beta: int = 2
    lowercase: bool = False
    whitespace: bool = False
    eps_smoothing: bool = False

    family = "ngram_overlap"
    worst = 0.0

    def __post_init__(self) -> None:
        if self.char_order < 1 or self.word_order < 0 or self.beta < 1:
            raise ValueError(
                f"char_order={self.char_order} and beta={self.beta} must be at least 1, "
                f"word_order={self.word_order} at least 0"
            )

    def metric(self) -> Metric:
        """Build sacrebleu's CHRF with these options."""
        from sacrebleu.metrics import chrf

        return chrf.CHRF(
            char_order=self.char_order,
            word_order=self.word_order,
            beta=self.beta,
            lowercase=self.lowercase,
            whitespace=self.whitespace,
            eps_smoothing=self.eps_smoothing,
        )


Tokenizer = Literal["13a", "intl", "zh", "char", "none", "ja-mecab", "ko-mecab", "flores200"]
"""Names of sacrebleu's tokenizers. ``ja-mecab`` and ``ko-mecab`` need its extras, ``flores200``
(for spBLEU) fetches its model on first use."""

Smoothing = Literal["exp", "floor", "add-k", "none"]
"""Names of sacrebleu's smoothing methods (Chen and Cherry 2014, W14-3346)."""


@dataclass(frozen=True, kw_only=True)
class BLEU(_SacreBLEU):
    """Sentence BLEU (Papineni et al. 2002, P02-1040), 0 to 100.

    Orders for which the hypothesis is too short are left out (``effective_order``), as sacrebleu
    recommends for single sentences.

    Attributes:
        tokenize: Tokenizer; Chinese wants ``zh``, Japanese ``ja-mecab`` or ``char``.
        smooth_method: What stands for an n-gram order without a match.
        smooth_value: For ``floor`` and ``add-k``; None takes sacrebleu's default.
        max_ngram_order: Longest word n-gram.
        lowercase: Ignore case.

    Raises:
        ValueError: An unknown tokenizer or smoothing method, or an order below 1.
    """

    name: str = "bleu"
    tokenize: Tokenizer = "13a"
    smooth_method: Smoothing = "exp"
    smooth_value: float | None = None
    max_ngram_order: int = 4
    lowercase: bool = False

    family = "ngram_overlap"
    worst = 0.0

    def __post_init__(self) -> None:
        for option, choices in (("tokenize", Tokenizer), ("smooth_method", Smoothing)):
            if (value := getattr(self, option)) not in get_args(choices):
                raise ValueError(f"{option}={value!r} is not one of {', '.join(get_args(choices))}")
        if self.max_ngram_order < 1:
            raise ValueError(f"max_ngram_order={self.max_ngram_order} must be at least 1")
        if self.smooth_value is not None and not self.smooth_value >= 0.0:
            raise ValueError(f"smooth_value={self.smooth_value} must not be negative")

    def metric(self) -> Metric:
        """Build sacrebleu's BLEU with these options."""
        from sacrebleu.metrics import bleu

        return bleu.BLEU(
            tokenize=self.tokenize,
            smooth_method=self.smooth_method,
            smooth_value=self.smooth_value,
            max_ngram_order=self.max_ngram_order,
            lowercase=self.lowercase,
            effective_order=True,
        )

    def corpus_metric(self) -> Metric:
        """Build it as sacrebleu does for a whole corpus: every order counts."""
        metric = cast("SacreBLEU", self.metric())
        metric.effective_order = False
        return metric


REWRITE = 100.0
"""TER of a hypothesis as long as the reference that shares nothing with it."""


@dataclass(frozen=True, kw_only=True)
class TER(_SacreBLEU):
    """Minus the translation edit rate (Snover et al. 2006), at most 0 and without a lower end.

    TER is edits and shifts per reference word, in percent. Its search for shifts grows with about
    the cube of the length (measured: 100 words against the same words shuffled, 2 s; 1000 words,
    minutes). So references longer than ``max_words`` are not applicable: the reference decides,
    and no hypothesis can escape by it. A hypothesis longer than that is not searched: it scores
    ``worst``, or what its superfluous words alone cost if that is lower.

    Attributes:
        normalized: Normalise and split punctuation as Tercom does.
        no_punct: Remove punctuation.
        asian_support: Split Chinese and Japanese characters, with ``normalized``.
        case_sensitive: Heed case.
        worst: What a gated row gets: three reference lengths of edits. A hypothesis many times
            too long may score lower.
        max_words: Longest text that is searched, in words as tokenized.

    Raises:
        ValueError: ``worst`` is above minus `REWRITE`, or ``max_words`` below 1.
    """

    name: str = "ter"
    normalized: bool = False
    no_punct: bool = False
    asian_support: bool = False
    case_sensitive: bool = False
    worst: float = -300.0
    max_words: int = 200

    family = "edit_distance"

    def __post_init__(self) -> None:
        if not -math.inf < self.worst <= -REWRITE or self.max_words < 1:
            raise ValueError(
                f"worst={self.worst} must be finite and at most {-REWRITE:g}, "
                f"max_words={self.max_words} at least 1"
            )

    def metric(self) -> Metric:
        """Build sacrebleu's TER with these options."""
        from sacrebleu.metrics import ter

        return ter.TER(
            normalized=self.normalized,
            no_punct=self.no_punct,
            asian_support=self.asian_support,
            case_sensitive=self.case_sensitive,
        )

    def score(self, hypothesis: str, reference: str) -> float | None:
        """Score one hypothesis; a reference that is too long is not applicable."""
        tokenize = cast("SacreTER", _metric(self)).tokenizer
        edited, wanted = (len(tokenize(t.rstrip()).split()) for t in (hypothesis, reference))
        if wanted > self.max_words:
            return None
        if edited > self.max_words:
            return min(self.worst, REWRITE * (wanted - edited) / max(wanted, 1))
        ter = _metric(self).sentence_score(hypothesis, [reference]).score
        return 0.0 - ter  # TER is an error: the sign flips here
