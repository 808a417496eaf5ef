"""COMET, CometKiwi and xCOMET: regressors trained on human judgements of translations.

Rei et al. 2020 (arXiv 2009.09025) and 2022 (arXiv 2209.06243), Wan et al. 2022 (arXiv 2204.13346),
Guerreiro et al. 2024 (arXiv 2310.10482). Scores are on the published scale, about 0 to 1, higher
is better; `rewardlab.models.comet` has the models.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from rewardlab.errors import Problem, UserError, finite, shown
from rewardlab.rewards.base import BaseReward, Precision
from rewardlab.rewards.trained import as_trained
from rewardlab.store.checkpoints import LOADING
from rewardlab.types import XCOMET, Candidate, ErrorSpan, RewardOutput, SeverityTable

if TYPE_CHECKING:
    from rewardlab.models.comet import Comet as Network
    from rewardlab.models.comet import Estimates
    from rewardlab.models.comet_checkpoint import CometSettings
    from rewardlab.models.comet_spans import LabelledSpan, PieceLabels

Mode = Literal["qe", "reference"]
SpanRule = Literal["fixed", "published"]

PASS_WEIGHTS: Mapping[str, float] = {"src": 0.12, "ref": 0.33, "unified": 0.33}
MQM_WEIGHT = 0.22
MOST_ERRORS = 25.0
COUNTS = ("truncated", "unplaced")
"""Components that are counts; 0 for rows that are not applicable."""


@dataclass(frozen=True, kw_only=True)
class _CometReward(BaseReward):
    """The shared part of the three: options, loading the model, and the loop over rows."""

    model: Path
    encoder: str = ""
    batch_tokens: int = 8192
    device: str = "auto"
    dtype: Precision = "auto"
    pickle_sha256: str = ""
    worst: float = 0.0

    packages: ClassVar[tuple[str, ...]] = ("rewardlab", "tokenizers", "torch", "transformers")
    family = "comet"
    learned = True
    finds_spans = False

    def __post_init__(self) -> None:
        if self.batch_tokens < 1 or not finite(self.worst):
            raise ValueError(
                f"batch_tokens={self.batch_tokens} must be at least 1, worst={self.worst} finite"
            )

    @property
    def signature(self) -> str:
        """Name, options and package versions, then the digest of the model and the device.

        Raises:
            UserError: E320 the checkpoint is missing, E323 the encoder is missing; exit code 2.
        """
        from rewardlab.models.comet_checkpoint import comet_digest
        from rewardlab.models.device import pick_device

        digest = comet_digest(str(Path(self.model).resolve()), self.encoder)
        return f"{super().signature}|weights:{digest}|on:{pick_device(self.device).type}"

    @abstractmethod
    def takes(self, settings: CometSettings) -> bool:
        """Whether the reward supports a model with these settings."""

    def combined(self, estimates: Estimates, hypotheses: Sequence[str]) -> RewardOutput:
        """One score per translation: the mean of the readings, which also become components.

        Args:
            estimates: The model's output for N translations.
            hypotheses: The N translations.
        """
        del hypotheses
        scores = np.mean(list(estimates.scores.values()), axis=0)
        parts = estimates.scores if len(estimates.scores) > 1 else {}
        truncated = estimates.truncated.astype(np.float64)
        return RewardOutput.of(scores.tolist(), components={**parts, "truncated": truncated})

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates; a candidate without a needed reference is not applicable.

        Raises:
            UserError: The checkpoint, encoder or device cannot be used: E301 to E304, E309, E320
                to E324; exit code 2.
        """
        rows, total = self.applicable(candidates), len(candidates)
        if not rows:
            return RewardOutput.of([None] * total, components={"truncated": np.zeros(total)})
        scored = [candidates[row] for row in rows]
        hypotheses = [candidate.hypothesis for candidate in scored]
        estimates = self._network().estimate(
            hypotheses,
            [candidate.source for candidate in scored],
            [c.reference or "" for c in scored] if self.needs_reference else None,
            batch_tokens=self.batch_tokens,
        )
        return self.combined(estimates, hypotheses).spread(rows, total, counts=COUNTS)

    def _network(self) -> Network:
        """The model, loaded once per process.

        Raises:
            UserError: E322 a model of another kind, or an error in loading it; exit code 2.
        """
        model = Path(self.model).resolve()
        self._refuse_others(_settings(model, self.encoder))  # before reading gigabytes
        with LOADING:
            from rewardlab.models.comet_loading import load_comet

            network = load_comet(
                model,
                encoder=self.encoder,
                device=self.device,
                dtype=self.dtype,
                pickle_sha256=self.pickle_sha256,
            )
        self._refuse_others(network.settings)
        return network

    def _refuse_others(self, settings: CometSettings) -> None:
        if self.takes(settings):
            return
        reads = f" of {', '.join(settings.input_segments)}" if settings.kind == "unified" else ""
        what = f"it is a {settings.kind} model{reads}, which {self.name} does not take"
        where = f"model {shown(str(self.model))}"
        raise UserError([Problem("E322", where, what, f"reward {_fitting(settings)}")])


@dataclass(frozen=True, kw_only=True)
class Comet(_CometReward):
    """COMET with a reference: a regression (wmt22-comet-da) or a unified model (UniTE).

    A regression compares the translation with source and reference. A unified model reads the
    translation jointly with the other texts; its score is the mean of three readings, which are in
    ``components``: ``src``, ``ref``, ``unified``. The model loads on first use and is shared by all
    rewards of the process with the same model options. A prediction that is not finite has status
    ``NON_FINITE``. ``components["truncated"]`` is 1 if a text was truncated.

    Attributes:
        model: Directory of a checkpoint as published: ``hparams.yaml`` with
            ``checkpoints/model.ckpt`` or with ``model.safetensors``.
        encoder: Directory with ``config.json`` and tokenizer of the encoder that ``hparams.yaml``
            names; if empty, ``encoder/`` in the checkpoint.
        batch_tokens: Maximum number of tokens in a batch, padding included.
        device: ``auto`` is the accelerator if there is one, else the CPU; or torch's name.
        dtype: Precision of the encoder; ``auto`` is that of the checkpoint.
        pickle_sha256: SHA-256 of ``model.ckpt``, a pickle, as published; without this option no
            pickle is read.
        worst: The score of a gated row. A regression is unbounded, so a row may score less.
            Models since 2022 are trained on human scores scaled to 0..1. Earlier models are trained
            on z-scores, which go below -1: use -2 for them.

    Raises:
        ValueError: An option is out of range.
    """

    name: str = "comet"
    reads = ("source", "hypothesis", "reference")

    def takes(self, settings: CometSettings) -> bool:
        """A regression, or a unified model that reads references."""
        unified = settings.kind == "unified" and "ref" in settings.input_segments
        return settings.kind == "regression" or unified


@dataclass(frozen=True, kw_only=True)
class CometKiwi(_CometReward):
    """COMET without a reference: CometKiwi (unified) or a regression without references.

    A unified model that was also trained with references (UniTE) reads source and translation
    only. Loading, truncation and failures are as for `Comet`.

    Attributes:
        model: See `Comet`.
        encoder: See `Comet`; for wmt22-cometkiwi-da it is microsoft/infoxlm-large.
        batch_tokens: See `Comet`.
        device: See `Comet`.
        dtype: See `Comet`.
        pickle_sha256: SHA-256 of ``model.ckpt``, a pickle, as published; without this option no
            pickle is read.
        worst: See `Comet`. A model that ends in a sigmoid (``final_activation``) is bounded by 0,
            others are unbounded.

    Raises:
        ValueError: An option is out of range.
    """

    name: str = "comet_kiwi"

    def takes(self, settings: CometSettings) -> bool:
        """A regression without references, or a unified model that reads sources."""
        unified = settings.kind == "unified" and "src" in settings.input_segments
        return settings.kind == "referenceless" or unified


@as_trained
@dataclass(frozen=True, kw_only=True)
class XComet(_CometReward):
    """xCOMET: a regression and labelled error spans from one model, with or without reference.

    ``components`` has the readings, clipped to at most 1 as in the score, ``mqm`` from the spans,
    and ``truncated``. Loading and failures are as for `Comet`. In a truncated text only the part
    that was read has spans.

    Attributes:
        model: See `Comet`.
        encoder: See `Comet`; for XCOMET-XL and -XXL it is facebook/xlm-roberta-xl and -xxl.
        mode: ``qe`` reads source and translation, ``reference`` also the reference. A model of
            ``train-reward`` knows its modes; by default it is used in the one that it learned.
        spans: ``fixed`` places spans in the translation as it was written, gives each the most
            severe label of its pieces, and keeps a span that reaches the end. ``published`` is
            unbabel-comet's own decoding, minus its empty and reversed spans (counted in
            ``components["unplaced"]``). ``mqm``, 22% of the score, depends on this option: use
            ``published`` to compare with published figures.
        batch_tokens: See `Comet`.
        device: See `Comet`.
        dtype: See `Comet`.
        pickle_sha256: SHA-256 of ``model.ckpt``, a pickle, as published; without this option no
            pickle is read.
        worst: See `Comet`. A score is at most 1, and the model is trained on scores of 0 to 1.

    Raises:
        ValueError: An option is out of range.
    """

    name: str = "xcomet"
    mode: Mode = "qe"
    spans: SpanRule = "fixed"

    bounds = (-math.inf, 1.0)
    finds_spans = True
    span_severities: ClassVar[SeverityTable] = XCOMET

    def __post_init__(self) -> None:
        super().__post_init__()

    @property
    def reads(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Source and hypothesis; also the reference in mode ``reference``."""
        reference = ("reference",) if self.mode == "reference" else ()
        return ("source", "hypothesis", *reference)

    def takes(self, settings: CometSettings) -> bool:
        """An xCOMET model, on XLM-R or XLM-R-XL."""
        return settings.kind == "xcomet"

    def combined(self, estimates: Estimates, hypotheses: Sequence[str]) -> RewardOutput:
        """`xcomet_score` of the readings and of the spans' `mqm_score`."""
        labels = estimates.labels or []
        found = [self._spans(own, text) for own, text in zip(labels, hypotheses, strict=True)]
        mqm = np.array([math.nan if spans is None else mqm_score(spans) for spans in found])
        readings = {name: at_most_one(scores) for name, scores in estimates.scores.items()}
        placed = [[span for span in spans or [] if span.start < span.end] for spans in found]
        lost = [len(spans or []) - len(some) for spans, some in zip(found, placed, strict=True)]
        return RewardOutput.of(
            xcomet_score(readings, mqm).tolist(),
            spans=[
                [ErrorSpan(s.start, s.end, s.severity, confidence=s.confidence) for s in spans]
                for spans in placed
            ],
            components={
                **readings,
                "mqm": mqm,
                "unplaced": np.array(lost, dtype=np.float64),
                "truncated": estimates.truncated.astype(np.float64),
            },
        )

    def _spans(self, labels: PieceLabels, text: str) -> list[LabelledSpan] | None:
        """Spans by the rule of ``spans``; None if a probability is not finite."""
        from rewardlab.models.comet_spans import error_spans, published_spans

        if not np.isfinite(labels.probabilities).all():
            return None
        return error_spans(labels, text) if self.spans == "fixed" else published_spans(labels)


def mqm_score(spans: Sequence[LabelledSpan]) -> float:
    """``(25 - min(25, Σ weight)) / 25`` with weights 1, 5 and 10 for the severities, in [0, 1].

    >>> from rewardlab.models.comet_spans import LabelledSpan
    >>> mqm_score([LabelledSpan(0, 3, "major", 0.9), LabelledSpan(4, 6, "minor", 0.6)])
    0.76
    """
    total = math.fsum(XCOMET.weight_of(span.severity) for span in spans)
    return (MOST_ERRORS - min(MOST_ERRORS, total)) / MOST_ERRORS


def xcomet_score(
    readings: Mapping[str, NDArray[np.float64]], mqm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``0.12 src + 0.33 ref + 0.33 unified + 0.22 mqm``; without reference ``0.78 src + 0.22 mqm``.

    Guerreiro et al. 2024, with the weights of the released code.

    Args:
        readings: Name to float64 (N,) at most 1.
        mqm: float64 (N,) in [0, 1].

    >>> xcomet_score({"src": np.array([0.5])}, np.array([1.0])).round(3).tolist()
    [0.61]
    """
    weights = PASS_WEIGHTS if len(readings) > 1 else {"src": sum(PASS_WEIGHTS.values())}
    total = MQM_WEIGHT * mqm
    for name, scores in readings.items():
        total = total + weights[name] * scores
    return total


def at_most_one(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """``min(x, 1)``; NaN for infinities and NaN.

    >>> at_most_one(np.array([0.4, 1.7, np.inf])).tolist()
    [0.4, 1.0, nan]
    """
    return np.where(np.isfinite(scores), np.minimum(scores, 1.0), math.nan)


def _fitting(settings: CometSettings) -> str:
    """The names of the rewards that support a model."""
    if settings.kind != "unified":
        known = {"regression": "comet", "referenceless": "comet_kiwi", "xcomet": "xcomet"}
        return known[settings.kind]
    with_reference = "comet" if "ref" in settings.input_segments else ""
    without = "comet_kiwi" if "src" in settings.input_segments else ""
    return " or ".join(name for name in (with_reference, without) if name)


@cache
def _settings(model: Path, encoder: str) -> CometSettings:
    from rewardlab.models.comet_checkpoint import find_files, read_settings

    return read_settings(find_files(str(model), encoder).hparams)
