"""COMET, CometKiwi and xCOMET: regressors trained on human judgements of translations.

Rei et al. 2020 (arXiv 2009.09025) and 2022 (arXiv 2209.06243), Wan et al. 2022 (arXiv 2204.13346),
Guerreiro et al. 2024 (arXiv 2310.10482). Scores are the published ones, about 0 to 1, higher is
better; `rewardlab.models.comet` has the models.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rewardlab.errors import Problem, UserError, shown
from rewardlab.rewards.base import BaseReward
from rewardlab.store.checkpoints import LOADING
from rewardlab.types import XCOMET, Candidate, ErrorSpan, RewardOutput, SeverityTable

if TYPE_CHECKING:
    from rewardlab.models.comet import Comet as Network
    from rewardlab.models.comet import Estimates
    from rewardlab.models.comet_checkpoint import CometSettings
    from rewardlab.models.comet_spans import LabelledSpan, PieceLabels

Mode = Literal["qe", "reference"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
SpanRule = Literal["fixed", "published"]

PASS_WEIGHTS: Mapping[str, float] = {"src": 0.12, "ref": 0.33, "unified": 0.33}
MQM_WEIGHT = 0.22
MOST_ERRORS = 25.0


@dataclass(frozen=True, kw_only=True)
class _CometReward(BaseReward):
    """What the three share: options, the model behind them, and the walk over the rows."""

    model: Path
    encoder: str = ""
    batch_tokens: int = 8192
    device: str = "auto"
    dtype: Precision = "auto"
    pickle_sha256: str = ""
    worst: float = 0.0

    packages: ClassVar[tuple[str, ...]] = ("rewardlab", "tokenizers", "torch", "transformers")
    family = "comet"

    def __post_init__(self) -> None:
        if self.dtype not in get_args(Precision):
            listed = ", ".join(get_args(Precision))
            raise ValueError(f"dtype={self.dtype!r} is not one of {listed}")
        if self.batch_tokens < 1 or not math.isfinite(self.worst):
            raise ValueError(
                f"batch_tokens={self.batch_tokens} must be at least 1, worst={self.worst} finite"
            )

    @property
    def signature(self) -> str:
        """Name, options and package versions, then the digest of the model and the device.

        Raises:
            UserError: E320 no such checkpoint, E323 no encoder; exit code 2.
        """
        from rewardlab.models.comet_checkpoint import comet_digest
        from rewardlab.models.device import pick_device

        digest = comet_digest(str(Path(self.model).resolve()), self.encoder)
        return f"{super().signature}|weights:{digest}|on:{pick_device(self.device).type}"

    @abstractmethod
    def takes(self, settings: CometSettings) -> bool:
        """Whether the reward is made for such a model."""

    @abstractmethod
    def combined(self, estimates: Estimates, hypotheses: Sequence[str]) -> RewardOutput:
        """One score per translation from what the model says about it."""

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates; without the reference that it needs, one is not applicable.

        Raises:
            UserError: The checkpoint, encoder or device cannot be used: E301 to E304, E309, E320
                to E324; exit code 2.
        """
        rows = [
            row
            for row, candidate in enumerate(candidates)
            if not self.needs_reference or candidate.reference is not None
        ]
        if not rows:
            nothing = np.zeros(len(candidates))
            return RewardOutput.of([None] * len(candidates), components={"truncated": nothing})
        scored = [candidates[row] for row in rows]
        hypotheses = [candidate.hypothesis for candidate in scored]
        estimates = self._network().estimate(
            hypotheses,
            [candidate.source for candidate in scored],
            [c.reference or "" for c in scored] if self.needs_reference else None,
            batch_tokens=self.batch_tokens,
        )
        return _spread(self.combined(estimates, hypotheses), rows, len(candidates))

    def _network(self) -> Network:
        """The model, loaded once in all of the process.

        Raises:
            UserError: E322, a model of another kind; and what loading it finds; exit code 2.
        """
        model = Path(self.model).resolve()
        self._refuse_others(_settings(model, self.encoder))  # before gigabytes are read
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

    A regression compares the translation with source and reference. A unified model reads all of
    them at once; its score is the mean of three readings, which stand in ``components``: ``src``,
    ``ref``, ``unified``. The model loads on first use and is shared by all rewards of the process
    with the same model options. A prediction that is not a number is the text's fault
    (``NON_FINITE``). ``components["truncated"]`` is 1 where a text was cut.

    Attributes:
        model: Directory of a checkpoint as published: ``hparams.yaml`` with
            ``checkpoints/model.ckpt`` or with ``model.safetensors``.
        encoder: Directory with ``config.json`` and tokenizer of the encoder that ``hparams.yaml``
            names; empty takes ``encoder/`` in the checkpoint.
        batch_tokens: Tokens that go through the model at once, padding included.
        device: ``auto`` is the accelerator if there is one, else the CPU; or torch's name.
        dtype: Precision of the encoder; ``auto`` is the checkpoint's own.
        pickle_sha256: Digest of ``model.ckpt``, a pickle, as its publisher gives it; without it
            no pickle is read.
        worst: What a gated row gets. A regression has no lower end, and a row may score less.
            Models since 2022 are trained on human scores scaled to 0..1; those before on z-scores,
            which go below -1: give these -2.

    Raises:
        ValueError: An option is out of range.
    """

    name: str = "comet"

    @property
    def reads(self) -> tuple[str, ...]:
        """Source, hypothesis and reference."""
        return ("source", "hypothesis", "reference")

    def takes(self, settings: CometSettings) -> bool:
        """A regression, or a unified model that reads references."""
        unified = settings.kind == "unified" and "ref" in settings.input_segments
        return settings.kind == "regression" or unified

    def combined(self, estimates: Estimates, hypotheses: Sequence[str]) -> RewardOutput:
        """The mean of the readings; a regression has one."""
        del hypotheses
        return _plain(estimates)


@dataclass(frozen=True, kw_only=True)
class CometKiwi(_CometReward):
    """COMET without a reference: CometKiwi (unified) or a referenceless regression.

    A unified model that was trained with references as well (UniTE) reads source and translation
    only. What is said of `Comet` about loading, truncation and failures holds here.

    Attributes:
        model: See `Comet`.
        encoder: See `Comet`; of wmt22-cometkiwi-da that is microsoft/infoxlm-large.
        batch_tokens: See `Comet`.
        device: See `Comet`.
        dtype: See `Comet`.
        pickle_sha256: See `Comet`.
        worst: See `Comet`. With a sigmoid at the model's end (``final_activation``) 0 is the end
            of the scale, else there is none.

    Raises:
        ValueError: An option is out of range.
    """

    name: str = "comet_kiwi"

    def takes(self, settings: CometSettings) -> bool:
        """A referenceless regression, or a unified model that reads sources."""
        unified = settings.kind == "unified" and "src" in settings.input_segments
        return settings.kind == "referenceless" or unified

    def combined(self, estimates: Estimates, hypotheses: Sequence[str]) -> RewardOutput:
        """The one reading there is."""
        del hypotheses
        return _plain(estimates)


@dataclass(frozen=True, kw_only=True)
class XComet(_CometReward):
    """xCOMET: a regression and labelled error spans from one model, with or without reference.

    ``components`` has the readings as they enter the score (at most 1), ``mqm`` from the spans, and
    ``truncated``. What is said of `Comet` about loading and failures holds here. Errors marked in
    a text that was cut lie before the cut.

    Attributes:
        model: See `Comet`.
        encoder: See `Comet`; of XCOMET-XL and -XXL that is facebook/xlm-roberta-xl and -xxl.
        mode: ``qe`` reads source and translation, ``reference`` the reference too.
        spans: ``fixed`` places spans in the translation as it was written, gives each the most
            severe label of its pieces, and keeps one that reaches the end; ``published`` is
            unbabel-comet's own decoding, without the spans that are empty or reversed
            there (counted in ``components["unplaced"]``). ``mqm``, 22% of the score, follows: to
            compare with published figures take ``published``.
        batch_tokens: See `Comet`.
        device: See `Comet`.
        dtype: See `Comet`.
        pickle_sha256: See `Comet`.
        worst: See `Comet`. A score is at most 1, and the model is trained on scores of 0 to 1.

    Raises:
        ValueError: An option is out of range.
    """

    name: str = "xcomet"
    mode: Mode = "qe"
    spans: SpanRule = "fixed"

    span_severities: ClassVar[SeverityTable] = XCOMET

    def __post_init__(self) -> None:
        super().__post_init__()
        for option, choices in (("mode", Mode), ("spans", SpanRule)):
            if (value := getattr(self, option)) not in get_args(choices):
                raise ValueError(f"{option}={value!r} is not one of {', '.join(get_args(choices))}")

    @property
    def reads(self) -> tuple[str, ...]:
        """Source and hypothesis; the reference in that mode."""
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
        counts = zip(found, placed, strict=True)
        unplaced = np.array([float(len(all_ or []) - len(some)) for all_, some in counts])
        return RewardOutput.of(
            xcomet_score(readings, mqm).tolist(),
            spans=[
                [ErrorSpan(s.start, s.end, s.severity, confidence=s.confidence) for s in spans]
                for spans in placed
            ],
            components={
                **readings,
                "mqm": mqm,
                "unplaced": unplaced,
                "truncated": estimates.truncated.astype(np.float64),
            },
        )

    def _spans(self, labels: PieceLabels, text: str) -> list[LabelledSpan] | None:
        """Spans by the rule of the options; None where the labels are no numbers."""
        from rewardlab.models.comet_spans import error_spans, published_spans

        if not np.isfinite(labels.probabilities).all():
            return None
        return error_spans(labels, text) if self.spans == "fixed" else published_spans(labels)


def mqm_score(spans: Sequence[LabelledSpan]) -> float:
    """``(25 - min(25, Σ weight)) / 25`` with weights 1, 5 and 10, in [0, 1].

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
    """``min(x, 1)`` of numbers; what is none stays none, infinity included.

    >>> at_most_one(np.array([0.4, 1.7, np.inf])).tolist()
    [0.4, 1.0, nan]
    """
    return np.where(np.isfinite(scores), np.minimum(scores, 1.0), math.nan)


def _fitting(settings: CometSettings) -> str:
    """Which reward a model is for."""
    if settings.kind != "unified":
        known = {"regression": "comet", "referenceless": "comet_kiwi", "xcomet": "xcomet"}
        return known[settings.kind]
    with_reference = "comet" if "ref" in settings.input_segments else ""
    without = "comet_kiwi" if "src" in settings.input_segments else ""
    return " or ".join(name for name in (with_reference, without) if name)


def _plain(estimates: Estimates) -> RewardOutput:
    """The mean of the readings, which are components where there are several."""
    scores = np.mean(list(estimates.scores.values()), axis=0)
    parts = estimates.scores if len(estimates.scores) > 1 else {}
    truncated = estimates.truncated.astype(np.float64)
    return RewardOutput.of(scores.tolist(), components={**parts, "truncated": truncated})


def _spread(output: RewardOutput, rows: Sequence[int], total: int) -> RewardOutput:
    """The answers for some rows among all; the others are not applicable."""
    scores: list[float | None] = [None] * total
    spans: list[list[ErrorSpan]] = [[] for _ in range(total)]
    components = {
        name: np.zeros(total) if name in ("truncated", "unplaced") else np.full(total, math.nan)
        for name in output.components
    }
    for place, row in enumerate(rows):
        scores[row] = float(output.scores[place])
        if output.spans is not None:
            spans[row] = output.spans[place]
    for name, values in output.components.items():
        components[name][list(rows)] = values
    found = None if output.spans is None else spans
    return RewardOutput.of(scores, spans=found, components=components)


@cache
def _settings(model: Path, encoder: str) -> CometSettings:
    from rewardlab.models.comet_checkpoint import find_files, read_settings

    return read_settings(find_files(str(model), encoder).hparams)
