"""Overlap with the reference by sacrebleu: chrF, BLEU and TER.

Each score is that of sacrebleu's ``sentence_score`` with one reference; TER's sign is flipped. BLEU
and TER cut a text into words as its target language needs, or its script if no language is given
(`rewardlab.rewards.segmentation`). The
words of chrF++ are those of sacrebleu in every language, so in Chinese they are whole clauses.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from rewardlab.rewards.base import NOT_APPLICABLE, RowReward, Verdict
from rewardlab.rewards.segmentation import (
    Tokenizer,
    choices,
    is_chinese,
    is_dense,
    language_of,
    tokenizer_for,
)
from rewardlab.text.words import spaced_out
from rewardlab.types import Candidate

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric
    from sacrebleu.metrics.bleu import BLEU as SacreBLEU  # noqa: N811 - our class has its name
    from sacrebleu.metrics.ter import TER as SacreTER  # noqa: N811 - our class has its name


@dataclass(frozen=True, kw_only=True)
class _SacreBLEU(RowReward):
    """A sentence score of sacrebleu (Post 2018, arXiv 1804.08771)."""

    reads = ("hypothesis", "reference")
    finds_spans: ClassVar[bool | None] = False
    packages: ClassVar[tuple[str, ...]] = ()  # sacrebleu's own signature carries its version

    @property
    def signature(self) -> str:
        """Name, class and options, then sacrebleu's own signature."""
        metric = _metric(self, None)
        metric.sentence_score("", [""])  # its signature has the number of references it last saw
        peer = metric.get_signature()
        for key, value in self.by_language().items():
            peer.update(key, value)
        return f"{super().signature}|sacrebleu|{peer}"

    @abstractmethod
    def metric(self, target_lang: str | None = None) -> Metric:
        """Sacrebleu's metric with these options, for single sentences.

        Args:
            target_lang: Language of the texts in any spelling, or None.
        """

    def corpus_metric(self, target_lang: str | None = None) -> Metric:
        """The metric with these options, for a whole corpus.

        Args:
            target_lang: Language of the texts in any spelling, or None.
        """
        return self.metric(target_lang)

    def by_language(self) -> dict[str, str]:
        """Entries of sacrebleu's signature that depend on the language of a row, for any row."""
        return {}

    @property
    def by_script(self) -> bool:
        """Whether the script of the texts decides how words are found if no language is given."""
        return bool(self.by_language())

    def metric_of(self, candidate: Candidate) -> Metric:
        """The metric for the texts of one candidate."""
        texts = (candidate.reference or "", candidate.hypothesis) if self.by_script else ()
        return _metric(self, language_of(candidate.target_lang, *texts))

    def judge(self, candidate: Candidate) -> Verdict:
        """Score one hypothesis."""
        return Verdict(self._sentence_score(candidate), [])

    def _options(self, **changed: Any) -> dict[str, Any]:
        """The options that sacrebleu has under the same names, some of them changed."""
        ours = ("name", "worst", "max_words")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ours} | changed

    def _sentence_score(self, candidate: Candidate) -> float:
        score = self.metric_of(candidate).sentence_score
        return float(score(candidate.hypothesis, [candidate.reference or ""]).score)


@cache
def _metric(reward: _SacreBLEU, target_lang: str | None) -> Metric:
    """One metric for each set of options and language, built on first use."""
    return reward.metric(target_lang)


@dataclass(frozen=True, kw_only=True)
class ChrF(_SacreBLEU):
    """Character n-gram F-score (Popović 2015, W15-3049), 0 to 100.

    With ``word_order=2`` it is chrF++ (Popović 2017, W17-4770).

    Attributes:
        char_order: Longest character n-gram.
        word_order: Longest word n-gram; 0 for none.
        beta: Weight of recall relative to precision.
        lowercase: Ignore case.
        whitespace: Include white space in n-grams.
        eps_smoothing: Average F over orders as chrF++.py and NLTK do, instead of averaging
            precision and recall over the orders that both texts have.

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
    bounds = (0.0, 100.0)

    def __post_init__(self) -> None:
        if self.char_order < 1 or self.word_order < 0 or self.beta < 1:
            raise ValueError(
                f"char_order={self.char_order} and beta={self.beta} must be at least 1, "
                f"word_order={self.word_order} at least 0"
            )

    def metric(self, target_lang: str | None = None) -> Metric:
        """Sacrebleu's CHRF with these options, which is the same for every language.

        Args:
            target_lang: Ignored.
        """
        del target_lang
        from sacrebleu.metrics import chrf

        return chrf.CHRF(**self._options())


Smoothing = Literal["exp", "floor", "add-k", "none"]
"""Names of sacrebleu's smoothing methods (Chen and Cherry 2014, W14-3346)."""


@dataclass(frozen=True, kw_only=True)
class BLEU(_SacreBLEU):
    """Sentence BLEU (Papineni et al. 2002, P02-1040), 0 to 100.

    N-gram orders longer than the hypothesis are left out (``effective_order``), as sacrebleu
    recommends for single sentences.

    Attributes:
        tokenize: Tokenizer; ``auto`` takes the one for the row's target language
            or, without one, for the script of the texts (`rewardlab.rewards.segmentation`).
        smooth_method: Smoothing of n-gram orders without a match.
        smooth_value: Value for ``floor`` and ``add-k``; None for sacrebleu's default.
        max_ngram_order: Longest word n-gram.
        lowercase: Ignore case.

    Raises:
        ValueError: An unknown tokenizer or smoothing method, or an order below 1.
    """

    name: str = "bleu"
    tokenize: Tokenizer = "auto"
    smooth_method: Smoothing = "exp"
    smooth_value: float | None = None
    max_ngram_order: int = 4
    lowercase: bool = False

    family = "ngram_overlap"
    worst = 0.0
    reads = ("hypothesis", "reference", "target_lang")
    bounds = (0.0, 100.0)

    def __post_init__(self) -> None:
        if self.max_ngram_order < 1:
            raise ValueError(f"max_ngram_order={self.max_ngram_order} must be at least 1")
        if self.smooth_value is not None and not self.smooth_value >= 0.0:
            raise ValueError(f"smooth_value={self.smooth_value} must not be negative")

    def metric(self, target_lang: str | None = None) -> Metric:
        """Sacrebleu's BLEU with these options.

        Args:
            target_lang: Language of the texts in any spelling, or None.
        """
        from sacrebleu.metrics import bleu

        tokenize = tokenizer_for(target_lang) if self.tokenize == "auto" else self.tokenize
        return bleu.BLEU(**self._options(tokenize=tokenize), effective_order=True)

    def corpus_metric(self, target_lang: str | None = None) -> Metric:
        """The metric with these options, for a whole corpus: every order counts.

        Args:
            target_lang: Language of the texts in any spelling, or None.
        """
        metric = cast("SacreBLEU", self.metric(target_lang))
        metric.effective_order = False
        return metric

    def by_language(self) -> dict[str, str]:
        """The tokenizers that ``auto`` chooses from."""
        return {"tok": choices()} if self.tokenize == "auto" else {}


REWRITE = 100.0
"""TER of a hypothesis that is as long as the reference and shares no word with it."""


@dataclass(frozen=True, kw_only=True)
class TER(_SacreBLEU):
    """Minus the translation edit rate (Snover et al. 2006), at most 0 and unbounded below.

    TER is edits and shifts per reference word, in percent. The time of its search for shifts grows
    with about the cube of the length (measured: 100 words against the same words shuffled, 2 s;
    1000 words, minutes), and in languages without spaces every letter is a word. Therefore a row
    whose reference is longer than ``max_words`` is not applicable; no hypothesis can cause this. A
    hypothesis that is longer is not searched: it scores ``worst``, or minus the cost of its
    superfluous words if that is lower.

    Attributes:
        normalized: Normalise and split punctuation as Tercom does.
        no_punct: Remove punctuation.
        asian_support: Split Chinese and Japanese characters; needs ``normalized``. None does so in
            languages (or, if none is given, texts) without spaces between words, with
            ``normalized``; in those that Tercom does not know, such as Thai, every letter is a
            word.
        case_sensitive: Distinguish case.
        worst: The score of a gated row: edits of three times the reference's length. A hypothesis
            many times too long may score lower.
        max_words: Maximum number of tokenized words in a text that is searched.

    Raises:
        ValueError: ``worst`` is above minus `REWRITE`, or ``max_words`` below 1.
    """

    name: str = "ter"
    normalized: bool = False
    no_punct: bool = False
    asian_support: bool | None = None
    case_sensitive: bool = False
    worst: float = -300.0
    max_words: int = 200

    family = "edit_distance"
    reads = ("hypothesis", "reference", "target_lang")
    bounds = (-math.inf, 0.0)

    def __post_init__(self) -> None:
        if not -math.inf < self.worst <= -REWRITE or self.max_words < 1:
            raise ValueError(
                f"worst={self.worst} must be finite and at most {-REWRITE:g}, "
                f"max_words={self.max_words} at least 1"
            )

    def metric(self, target_lang: str | None = None) -> Metric:
        """Sacrebleu's TER with these options.

        Args:
            target_lang: Language of the texts in any spelling, or None.
        """
        from sacrebleu.metrics import ter

        if self.asian_support is not None or not is_dense(target_lang):
            return ter.TER(**self._options(asian_support=bool(self.asian_support)))
        metric = ter.TER(**self._options(asian_support=True, normalized=True))
        if not is_chinese(target_lang):
            tercom: Any = metric.tokenizer

            def letters(text: str) -> str:
                return str(tercom(spaced_out(text)))

            metric.tokenizer = cast("Any", letters)
            metric.tokenizer_signature = "letters+tercom"
        return metric

    def by_language(self) -> dict[str, str]:
        """How languages without spaces are cut into words."""
        if self.asian_support is not None:
            return {}
        tokenizers = "tercom,dense:letters+tercom,unknown:script"
        return {"tok": tokenizers, "asian": "dense"}

    def judge(self, candidate: Candidate) -> Verdict:
        """Score one hypothesis; a reference that is too long is not applicable."""
        tokenize = cast("SacreTER", self.metric_of(candidate)).tokenizer
        texts = (candidate.hypothesis, candidate.reference or "")
        edited, wanted = (len(tokenize(text.rstrip()).split()) for text in texts)
        if wanted > self.max_words:
            return NOT_APPLICABLE
        if edited > self.max_words:
            return Verdict(min(self.worst, REWRITE * (wanted - edited) / max(wanted, 1)), [])
        return Verdict(0.0 - self._sentence_score(candidate), [])  # TER is an error: sign flips
