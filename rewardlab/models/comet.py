"""COMET models on torch and transformers: the network of every kind, and how it scores.

Rei et al. 2020 (COMET, arXiv 2009.09025) and 2022 (CometKiwi, arXiv 2209.06243), Wan et al. 2022
(UniTE, arXiv 2204.13346), Guerreiro et al. 2024 (xCOMET, arXiv 2310.10482). Checked against
unbabel-comet 2.2.7 (``tests/golden/comet``), whose classes are named in brackets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from rewardlab.models.batches import in_batches, padded
from rewardlab.models.comet_checkpoint import CometSettings
from rewardlab.models.comet_inputs import CometTokenizer, Pieces
from rewardlab.models.comet_spans import PieceLabels
from rewardlab.types import SEVERITIES

PASS_WEIGHTS = (0.1667, 0.3333, 0.5)
"""Weights of the label probabilities read with source, reference, and both (UnifiedMetric)."""


class Estimates(NamedTuple):
    """A model's output for N translations.

    Attributes:
        scores: Reading -> float64 (N,), higher is better, about 0 to 1, not clipped. A regression
            has ``score``; joint readings are ``src``, ``ref`` and ``unified``: with the source,
            with the reference, and with both.
        truncated: bool (N,), True if a text was longer than the encoder's limit.
        labels: N labels of pieces; None if the model has no labels.
    """

    scores: dict[str, NDArray[np.float64]]
    truncated: NDArray[np.bool_]
    labels: list[PieceLabels] | None


@dataclass(frozen=True)
class Comet:
    """A loaded model.

    Attributes:
        settings: The architecture.
        tokenizer: The encoder's.
        encoder: The encoder, without a pooler.
        mix: Weights of the hidden states, their factor included; None if one layer is read.
        estimator: Maps sentence vectors to scores, float32.
        tagger: Maps a piece's hidden state to the logits of its labels, float32; or None.
    """

    settings: CometSettings
    tokenizer: CometTokenizer
    encoder: PreTrainedModel
    mix: tuple[float, ...] | None
    estimator: nn.Module
    tagger: nn.Module | None

    def estimate(
        self,
        hypotheses: Sequence[str],
        sources: Sequence[str],
        references: Sequence[str] | None = None,
        *,
        batch_tokens: int,
    ) -> Estimates:
        """Scores of N translations. Their order and the batches affect only rounding.

        Args:
            hypotheses: N translations.
            sources: N sources.
            references: N references; None for readings without a reference.
            batch_tokens: Maximum number of tokens in a batch, padding included.

        Raises:
            ValueError: The model needs references, and ``references`` is None.
            UserError: E309, a batch does not fit on the accelerator; exit code 2.
        """
        texts = {"mt": hypotheses, "src": sources}
        texts |= {} if references is None else {"ref": references}
        if self.settings.kind in ("regression", "referenceless"):
            return self._regressed(texts, batch_tokens)
        return self._read_jointly(texts, batch_tokens)

    def _pieces(self, texts: Mapping[str, Sequence[str]]) -> dict[str, Pieces]:
        """The distinct texts of all columns as pieces."""
        different = list(dict.fromkeys(text for column in texts.values() for text in column))
        return dict(zip(different, self.tokenizer.pieces(different), strict=True))

    def _regressed(self, texts: Mapping[str, Sequence[str]], batch_tokens: int) -> Estimates:
        """Scores of a regression; each distinct text is read once, however many rows have it."""
        wanted = ("mt", "src", "ref") if self.settings.kind == "regression" else ("mt", "src")
        if missing := [name for name in wanted if name not in texts]:
            raise ValueError(f"a {self.settings.kind} model needs {missing[0]}")
        pieces = self._pieces({name: texts[name] for name in wanted})
        ids = [self.tokenizer.joined([one])[0] for one in pieces.values()]
        vectors = in_batches(ids, self._sentences, budget=batch_tokens)
        known = dict(zip(pieces, vectors, strict=True))
        columns = [torch.stack([known[text] for text in texts[name]]) for name in wanted]
        with torch.inference_mode():
            scores = self.estimator(features(*columns)).view(-1)
        rows = zip(*(texts[name] for name in wanted), strict=True)
        cut = [any(pieces[text].cut for text in row) for row in rows]
        return Estimates({"score": _numbers(scores)}, np.array(cut, dtype=np.bool_), None)

    def _read_jointly(self, texts: Mapping[str, Sequence[str]], batch_tokens: int) -> Estimates:
        """Scores of joint readings, one pass each: three if there are sources and references."""
        pieces = self._pieces(texts)
        translations = [pieces[text] for text in texts["mt"]]
        lengths = [len(own.ids) + 2 for own in translations]
        truncated = np.zeros(len(translations), dtype=np.bool_)
        scores: dict[str, NDArray[np.float64]] = {}
        shares: list[list[NDArray[np.float32]]] = []
        for name, segments in self._readings(with_reference="ref" in texts).items():
            rows = zip(*(texts[segment] for segment in segments), strict=True)
            joined = [self.tokenizer.joined([pieces[text] for text in row]) for row in rows]
            truncated |= np.array([cut for _, cut in joined], dtype=np.bool_)
            results = in_batches([ids for ids, _ in joined], self._scored, budget=batch_tokens)
            scores[name] = np.array([score for score, _ in results], dtype=np.float64)
            shares.append([own[:n].copy() for (_, own), n in zip(results, lengths, strict=True)])
        if self.tagger is None:
            return Estimates(scores, truncated, None)
        weights = np.array(PASS_WEIGHTS if len(shares) > 1 else (1.0,), dtype=np.float32)
        labels = [
            PieceLabels(
                np.einsum("p,ptl->tl", weights, np.stack(row)), [(0, 0), *own.offsets, (0, 0)]
            )
            for row, own in zip(zip(*shares, strict=True), translations, strict=True)
        ]
        return Estimates(scores, truncated, labels)

    def _readings(self, *, with_reference: bool) -> dict[str, tuple[str, ...]]:
        """Name of each pass -> its segments (``UnifiedMetric.concat_inputs``).

        Raises:
            ValueError: The model reads only references, and they are missing.
        """
        own = self.settings.input_segments
        known = {
            "src": ("mt", "src") if "src" in own else None,
            "ref": ("mt", "ref") if "ref" in own and with_reference else None,
        }
        readings = {name: segments for name, segments in known.items() if segments}
        if not readings:
            raise ValueError("this model reads only references, and there are none")
        return {**readings, "unified": ("mt", "src", "ref")} if len(readings) > 1 else readings

    @torch.inference_mode()
    def _scored(self, ids: Sequence[list[int]]) -> Iterable[tuple[np.float64, NDArray[np.float32]]]:
        """B scores and, with a tagger, label probabilities (T, 4) of the pieces."""
        states, mask = self._hidden(ids)
        scores = _numbers(self.estimator(self._chosen(states, mask)[:, 0]).view(-1))
        if self.tagger is None:
            return zip(scores, repeat(np.zeros((0, 1 + len(SEVERITIES)), dtype=np.float32)))
        logits: Tensor = self.tagger(states[self.settings.word_layer].float())
        return zip(scores, logits.softmax(dim=-1).cpu().numpy(), strict=True)

    @torch.inference_mode()
    def _sentences(self, ids: Sequence[list[int]]) -> Tensor:
        """Sentence vectors float32 (B, width) of single texts, pooled by the settings."""
        states, mask = self._hidden(ids)
        if self.settings.pool == "default":
            return states[-1][:, 0].float()
        chosen = self._chosen(states, mask)
        if self.settings.pool == "cls":
            return chosen[:, 0]
        if self.settings.pool == "max":
            return chosen.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)
        return (chosen * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)

    def _hidden(self, ids: Sequence[list[int]]) -> tuple[tuple[Tensor, ...], Tensor]:
        """All hidden states, each (B, T, width), and a bool mask (B, T), True at tokens."""
        pad = cast("int", self.encoder.config.pad_token_id)
        rows, mask = (part.to(self.encoder.device) for part in padded(ids, filler=pad))
        network: Any = self.encoder
        read = network(input_ids=rows, attention_mask=mask.long(), output_hidden_states=True)
        return read.hidden_states, mask

    def _chosen(self, states: tuple[Tensor, ...], mask: Tensor) -> Tensor:
        """The layer named in the settings, or the mix of all layers, float32 (B, T, width)."""
        if self.mix is None:
            return states[cast("int", self.settings.layer)].float()
        return mixed(states, mask, self.mix, layer_norm=self.settings.layer_norm)


def mixed(
    states: Sequence[Tensor],
    mask: Tensor,
    weights: Sequence[float] | Tensor,
    *,
    layer_norm: bool,
) -> Tensor:
    """Weighted sum of all hidden states, float32 (B, T, width).

    Args:
        states: K hidden states, each (B, T, width), embeddings first.
        mask: bool (B, T), True at tokens.
        weights: K weights.
        layer_norm: Normalise every hidden state first.
    """
    total = torch.zeros_like(states[0], dtype=torch.float32)
    for weight, state in zip(weights, states, strict=True):
        if isinstance(weight, Tensor) or weight:
            layer = state.float()
            total = total + weight * (normalised(layer, mask) if layer_norm else layer)
    return total


def features(hypothesis: Tensor, source: Tensor, reference: Tensor | None = None) -> Tensor:
    """The input of a regression's estimator.

    With a reference ``[h, r, h⊙r, |h-r|, h⊙s, |h-s|]`` (Rei et al. 2020), without one
    ``[h, s, h⊙s, |h-s|]`` (ReferencelessRegression).

    Args:
        hypothesis: (N, width), sentence vectors.
        source: (N, width).
        reference: (N, width), or None.
    """
    with_source = [hypothesis * source, (hypothesis - source).abs()]
    if reference is None:
        return torch.cat([hypothesis, source, *with_source], dim=1)
    with_reference = [hypothesis * reference, (hypothesis - reference).abs()]
    return torch.cat([hypothesis, reference, *with_reference, *with_source], dim=1)


def normalised(states: Tensor, mask: Tensor) -> Tensor:
    """``(x - mean) / sqrt(var + 1e-12)`` with one mean and variance per sentence.

    Mean and variance are over all dimensions of a sentence's tokens; nothing is learned
    (``LayerwiseAttention`` with ``layer_norm``).

    Args:
        states: (B, T, width).
        mask: bool (B, T), True where a token is.
    """
    real = mask[..., None].float()
    count = mask.sum(dim=1)[:, None, None] * states.shape[-1]
    mean = (states * real).sum(dim=(1, 2), keepdim=True) / count
    variance = (((states - mean) * real) ** 2).sum(dim=(1, 2), keepdim=True) / count
    return (states - mean) / (variance + 1e-12).sqrt()


def _numbers(scores: Tensor) -> NDArray[np.float64]:
    return scores.cpu().numpy().astype(np.float64)
