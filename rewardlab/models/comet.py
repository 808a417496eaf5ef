"""COMET models on torch and transformers alone: six kinds behind one call.

Rei et al. 2020 (COMET, arXiv 2009.09025) and 2022 (CometKiwi, arXiv 2209.06243), Wan et al. 2022
(UniTE, arXiv 2204.13346), Guerreiro et al. 2024 (xCOMET, arXiv 2310.10482). Checked against
unbabel-comet 2.2.7 (``tests/golden/comet``), whose classes are named where they are meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from rewardlab.errors import Problem, UserError
from rewardlab.models.batches import batches_by_tokens
from rewardlab.models.comet_checkpoint import CometSettings
from rewardlab.models.comet_inputs import CometTokenizer, Pieces
from rewardlab.models.comet_spans import SEVERITIES, PieceLabels

PASS_WEIGHTS = (0.1667, 0.3333, 0.5)
"""Of the label probabilities read with source, with reference, and with both (UnifiedMetric)."""


class Estimates(NamedTuple):
    """What a model says about N translations.

    Attributes:
        scores: Name of a reading to float64 (N,), higher is better, about 0 to 1, not clipped.
            ``score`` of a regression; ``src``, ``ref`` and ``unified`` of joint readings: with the
            source, with the reference, and with both.
        truncated: bool (N,): a text was longer than the encoder reads, and was cut.
        labels: N labels of pieces, or None from a model that has none.
    """

    scores: dict[str, NDArray[np.float64]]
    truncated: NDArray[np.bool_]
    labels: list[PieceLabels] | None


@dataclass(frozen=True)
class Comet:
    """A loaded model.

    Attributes:
        settings: Its architecture.
        tokenizer: Its encoder's.
        encoder: Without a pooler.
        mix: Weights of the hidden states, their factor included; None where one layer is read.
        estimator: From sentence vectors to scores, float32.
        tagger: From a piece's hidden state to the logits of its labels, float32, or None.
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
        """Scores of N translations; neither order nor batch matters but for rounding.

        Args:
            hypotheses: N translations.
            sources: Their sources.
            references: N references; None for the readings that do without.
            batch_tokens: Tokens of a batch at most, padding included.

        Raises:
            ValueError: A model that cannot do without references has none.
            UserError: E309, a batch does not fit on the accelerator; exit code 2.
        """
        texts = {"mt": hypotheses, "src": sources}
        texts |= {} if references is None else {"ref": references}
        different = list(dict.fromkeys(text for column in texts.values() for text in column))
        found = dict(zip(different, self.tokenizer.pieces(different), strict=True))
        pieces = {name: [found[text] for text in column] for name, column in texts.items()}
        try:
            if self.settings.kind in ("regression", "referenceless"):
                return self._regressed(pieces, texts, found, batch_tokens)
            return self._read_jointly(pieces, batch_tokens)
        except torch.OutOfMemoryError as error:
            what = f"{batch_tokens} tokens do not fit on the accelerator at once"
            fix = f"batch_tokens={max(1, batch_tokens // 2)}"
            raise UserError([Problem("E309", "batch_tokens", what, fix)]) from error

    def _regressed(
        self,
        pieces: Mapping[str, list[Pieces]],
        texts: Mapping[str, Sequence[str]],
        found: Mapping[str, Pieces],
        batch_tokens: int,
    ) -> Estimates:
        """Each different text is read once, however many rows it stands in."""
        wanted = ("mt", "src", "ref") if self.settings.kind == "regression" else ("mt", "src")
        if missing := [name for name in wanted if name not in pieces]:
            raise ValueError(f"a {self.settings.kind} model needs {missing[0]}")
        different = list(dict.fromkeys(text for name in wanted for text in texts[name]))
        ids = [self.tokenizer.joined([found[text]])[0] for text in different]
        vectors: list[Tensor] = [torch.empty(0)] * len(ids)
        for batch in batches_by_tokens([len(row) for row in ids], budget=batch_tokens):
            for row, vector in zip(batch, self._sentences([ids[r] for r in batch]), strict=True):
                vectors[row] = vector
        place = {text: row for row, text in enumerate(different)}
        columns = [torch.stack([vectors[place[text]] for text in texts[name]]) for name in wanted]
        with torch.inference_mode():
            scores = self.estimator(features(*columns)).view(-1)
        cut = [any(pieces[name][row].cut for name in wanted) for row in range(len(texts["mt"]))]
        return Estimates({"score": _numbers(scores)}, np.array(cut, dtype=np.bool_), None)

    def _read_jointly(self, pieces: Mapping[str, list[Pieces]], batch_tokens: int) -> Estimates:
        """One pass per reading; with source and reference there are three."""
        readings = self._readings(with_reference="ref" in pieces)
        rows = len(pieces["mt"])
        truncated = np.zeros(rows, dtype=np.bool_)
        scores: dict[str, NDArray[np.float64]] = {}
        said: list[list[NDArray[np.float32]]] = []
        for name, segments in readings.items():
            joined = [
                self.tokenizer.joined([pieces[segment][row] for segment in segments])
                for row in range(rows)
            ]
            truncated |= np.array([cut for _, cut in joined], dtype=np.bool_)
            lengths = [len(row.ids) + 2 for row in pieces["mt"]]
            scores[name], probabilities = self._scored(
                [ids for ids, _ in joined], lengths, batch_tokens
            )
            said.append(probabilities)
        if self.tagger is None:
            return Estimates(scores, truncated, None)
        weights = np.array(PASS_WEIGHTS if len(said) > 1 else (1.0,), dtype=np.float32)
        labels = [
            PieceLabels(
                np.einsum("p,ptl->tl", weights, np.stack(row)), [(0, 0), *own.offsets, (0, 0)]
            )
            for row, own in zip(zip(*said, strict=True), pieces["mt"], strict=True)
        ]
        return Estimates(scores, truncated, labels)

    def _readings(self, *, with_reference: bool) -> dict[str, tuple[str, ...]]:
        """Names of the passes and the segments they read, as in ``UnifiedMetric.concat_inputs``.

        Raises:
            ValueError: The model reads references only, and there are none.
        """
        own = self.settings.input_segments
        known = {
            "src": ("mt", "src") if "src" in own else None,
            "ref": ("mt", "ref") if "ref" in own and with_reference else None,
        }
        readings = {name: segments for name, segments in known.items() if segments}
        if not readings:
            raise ValueError("this model reads references only, and there are none")
        return {**readings, "unified": ("mt", "src", "ref")} if len(readings) > 1 else readings

    def _scored(
        self, ids: Sequence[list[int]], lengths: Sequence[int], batch_tokens: int
    ) -> tuple[NDArray[np.float64], list[NDArray[np.float32]]]:
        """Scores (N,) and, from a tagger, N label probabilities (pieces of the translation, 4)."""
        tagger = self.tagger
        scores = np.full(len(ids), np.nan)
        probabilities = [np.zeros((0, 1 + len(SEVERITIES)), dtype=np.float32)] * len(ids)
        for batch in batches_by_tokens([len(row) for row in ids], budget=batch_tokens):
            with torch.inference_mode():
                states, mask = self._hidden([ids[row] for row in batch])
                sentence = self._chosen(states, mask)[:, 0]
                scores[batch] = _numbers(self.estimator(sentence).view(-1))
                if tagger is None:
                    continue
                logits = tagger(states[self.settings.word_layer].float())
                shares = logits.softmax(dim=-1).cpu().numpy()
            for place, row in enumerate(batch):
                probabilities[row] = shares[place, : lengths[row]].copy()
        return scores, probabilities

    @torch.inference_mode()
    def _sentences(self, ids: Sequence[list[int]]) -> Tensor:
        """Sentence vectors float32 (B, width) of single texts, pooled as the settings say."""
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
        """All hidden states, each (B, T, width), and bool (B, T), True where a token stands."""
        width = max(map(len, ids))
        pad = cast("int", self.encoder.config.pad_token_id)
        padded = torch.tensor([[*row, *[pad] * (width - len(row))] for row in ids])
        mask = torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in ids])
        padded, mask = padded.to(self.encoder.device), mask.to(self.encoder.device)
        network: Any = self.encoder
        read = network(input_ids=padded, attention_mask=mask.long(), output_hidden_states=True)
        return read.hidden_states, mask

    def _chosen(self, states: tuple[Tensor, ...], mask: Tensor) -> Tensor:
        """The one layer of the settings or the mix of all, float32 (B, T, width)."""
        if self.mix is None:
            return states[cast("int", self.settings.layer)].float()
        mixed = torch.zeros_like(states[0], dtype=torch.float32)
        for weight, state in zip(self.mix, states, strict=True):
            if weight:
                layer = state.float()
                mixed += weight * (normalised(layer, mask) if self.settings.layer_norm else layer)
        return mixed


def features(hypothesis: Tensor, source: Tensor, reference: Tensor | None = None) -> Tensor:
    """What the estimator of a regression reads, from vectors (N, width).

    With a reference ``[h, r, h⊙r, |h-r|, h⊙s, |h-s|]`` (Rei et al. 2020), without one
    ``[h, s, h⊙s, |h-s|]`` (ReferencelessRegression).
    """
    with_source = [hypothesis * source, (hypothesis - source).abs()]
    if reference is None:
        return torch.cat([hypothesis, source, *with_source], dim=1)
    with_reference = [hypothesis * reference, (hypothesis - reference).abs()]
    return torch.cat([hypothesis, reference, *with_reference, *with_source], dim=1)


def normalised(states: Tensor, mask: Tensor) -> Tensor:
    """``(x - mean) / sqrt(var + 1e-12)`` with one mean and variance per sentence.

    Both run over the dimensions of the tokens where the mask (B, T) is True; there is nothing to
    learn in it (``LayerwiseAttention`` with ``layer_norm``).
    """
    real = mask[..., None].float()
    count = mask.sum(dim=1)[:, None, None] * states.shape[-1]
    mean = (states * real).sum(dim=(1, 2), keepdim=True) / count
    variance = (((states - mean) * real) ** 2).sum(dim=(1, 2), keepdim=True) / count
    return (states - mean) / (variance + 1e-12).sqrt()


def _numbers(scores: Tensor) -> NDArray[np.float64]:
    return scores.cpu().numpy().astype(np.float64)
