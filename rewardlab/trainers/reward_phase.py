"""From sampled token ids to scores and aligned spans, on every process; shared by RL trainers.

decode -> score -> gather -> align. A failure on one process is exchanged before any gather, so
that no process waits for a process that stopped. Only (N, R) tensors are gathered; computations
over tokens reach the other processes only through one argument, `RewardPhase.sum_ranks`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rewardlab.advantages import RewardRows, group_zscore, reward_rows, settle, span_credit
from rewardlab.align import AlignedSpans, Decoded, align
from rewardlab.data.candidate_rows import candidates_from
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import RewardFailed
from rewardlab.statistics import variance_share
from rewardlab.trainers.rollout import Rollout, hypothesis_in
from rewardlab.trainers.saturation import SaturationWatch
from rewardlab.types import Candidate, Scores, Status

STATUSES = list(Status)
_log = logging.getLogger(__name__)


class RewardPhase:
    """Scores the completions of a trainer's step, together with all other processes.

    Args:
        ensemble: The ensemble that scores the completions.
        tokenizer: The policy's tokenizer.
        accelerator: The trainer's accelerator.
        bounds: Gives the hypothesis in a decoded completion without its separator: ``[start, end)``
            in characters.
    """

    def __init__(
        self,
        ensemble: RewardEnsemble,
        tokenizer: PreTrainedTokenizerBase,
        accelerator: Accelerator,
        *,
        bounds: Callable[[str], tuple[int, int]],
    ) -> None:
        self._ensemble = ensemble
        self._tokenizer = tokenizer
        self._accelerator = accelerator
        self._bounds = bounds
        self._statuses_seen: set[tuple[str, Status]] = set()
        self._saturation = SaturationWatch(ensemble.terms)
        self._notes_told: set[str] = set()

    def score(
        self,
        inputs: Sequence[Mapping[str, Any]],
        prompts: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        *,
        training: bool,
    ) -> Rollout:
        """Decode and score this process's n completions, and gather the scores of all processes.

        Args:
            inputs: n rows of the data set.
            prompts: n texts or lists of messages.
            completion_ids: n lists of sampled ids.
            training: False for an evaluation batch.

        Raises:
            RewardFailed: A reward has a bug, here or on another process.
            Exception: Any other exception that the ensemble raised here.
        """
        failure: Exception | None = None
        decoded: list[Decoded] = []
        candidates: list[Candidate] = []
        scores: Scores | None = None
        try:
            decoded = [
                self._hypothesis(prompt, ids)
                for prompt, ids in zip(prompts, completion_ids, strict=True)
            ]
            hypotheses = [found.text for found in decoded]
            candidates = candidates_from(inputs, prompts=prompts, hypotheses=hypotheses)
            scores = self._ensemble(candidates)
        except Exception as error:  # noqa: BLE001 - told to the other processes, then raised
            failure = error
        stop_together(failure)
        assert scores is not None  # noqa: S101 - a failure was raised above
        self._tell_notes(scores)
        rows, statuses = self._gather(scores)
        return Rollout(decoded, candidates, scores, rows, statuses, training)

    def align(self, rollout: Rollout, mask: Tensor) -> AlignedSpans:
        """The error spans of a rollout on its tokens.

        Args:
            rollout: n completions.
            mask: bool (n, T), True where a token was sampled by the policy.
        """
        scores = rollout.scores
        return align(rollout.decoded, scores.spans, scores.severities, length=mask.shape[1])

    def sum_ranks(self, x: Tensor) -> Tensor:
        """The sum of a tensor over all processes, in its own precision and on the CPU."""
        if self._accelerator.num_processes == 1:
            return x
        exact = torch.float32 if self._accelerator.device.type == "mps" else torch.float64
        summed = self._accelerator.reduce(x.to(self._accelerator.device, exact), reduction="sum")
        return cast("Tensor", summed).to("cpu", x.dtype)

    def metrics(
        self, rollout: Rollout, spans: AlignedSpans, mask: Tensor, *, num_generations: int
    ) -> dict[str, float]:
        """Reward metrics of a step, besides TRL's own ``rewards/{name}/mean`` and ``/std``.

        Args:
            rollout: n completions.
            spans: The aligned spans of these completions.
            mask: bool (n, T), True where a token was sampled by the policy.
            num_generations: Number of completions per prompt, G.
        """
        if rollout.training:
            self._tell_saturation(rollout, num_generations)
        return {
            **self._status_rates(rollout),
            **_shares(rollout, num_generations),
            **_components(rollout.scores),
            **self._gate_rate(rollout.scores),
            **self._token_credit(rollout.scores, spans, mask),
        }

    def _hypothesis(self, prompt: Any, ids: Sequence[int]) -> Decoded:
        return hypothesis_in(self._tokenizer, ids, prompt=prompt, bounds=self._bounds)

    def _gather(self, scores: Scores) -> tuple[RewardRows, Tensor]:
        """Rows and status codes of all processes, in one gather."""
        here = reward_rows(scores)
        codes = torch.tensor([[STATUSES.index(s) for s in row] for row in scores.status])
        flags = torch.stack([here.unavailable, here.gated], dim=1)
        parts = [here.values, codes, here.failed, flags]
        joined = torch.cat([part.to(torch.float32) for part in parts], dim=1)
        everywhere = cast("Tensor", self._accelerator.gather(joined.to(self._accelerator.device)))
        values, codes, failed, flags = everywhere.cpu().split([p.shape[1] for p in parts], dim=1)
        first = self._accelerator.process_index * len(scores)
        rows = here._replace(
            values=values.to(torch.float64),
            failed=failed.bool(),
            unavailable=flags[:, 0].bool(),
            gated=flags[:, 1].bool(),
            local=slice(first, first + len(scores)),
        )
        return rows, codes.long()

    def _tell_notes(self, scores: Scores) -> None:
        """Log each note of the scores once."""
        for note in scores.untold(self._notes_told):
            if self._accelerator.is_main_process:
                _log.warning(note)

    def _tell_saturation(self, rollout: Rollout, num_generations: int) -> None:
        """Log, once for each reward, that it no longer tells samples apart."""
        scores = rollout.rows.values.masked_fill(rollout.rows.gated[:, None], torch.nan)
        for line in self._saturation.see(scores.numpy(), num_generations=num_generations):
            if self._accelerator.is_main_process:
                _log.warning(line)

    def _status_rates(self, rollout: Rollout) -> dict[str, float]:
        """Share of rows with each status that has occurred so far; the rest is ``ok``."""
        rates: dict[str, float] = {}
        for code, status in enumerate(STATUSES):
            shares = (rollout.statuses == code).to(torch.float64).mean(dim=0).tolist()
            for name, rate in zip(rollout.scores.names, shares, strict=True):
                if rate > 0 and status is not Status.OK:
                    self._statuses_seen.add((name, status))
                if (name, status) in self._statuses_seen:
                    rates[f"rewards/{name}/status/{status.value}"] = rate
        return rates

    def _gate_rate(self, scores: Scores) -> dict[str, float]:
        if not self._ensemble.gates:
            return {}
        gated = torch.tensor([sum(gate is not None for gate in scores.gated), len(scores)])
        closed, total = self.sum_ranks(gated.to(torch.float64)).tolist()
        return {"rewards/gated": closed / total}

    def _token_credit(self, scores: Scores, spans: AlignedSpans, mask: Tensor) -> dict[str, float]:
        found, asked = self.sum_ranks(torch.tensor([spans.found, spans.total]).double()).tolist()
        metrics = {"alignment/coverage": found / asked if asked else float("nan")}
        for column in scores.token_weights.nonzero()[0].tolist():
            credit = span_credit(spans, column) * mask
            sums = torch.stack([mask.sum().double(), credit.sum(), (credit**2).sum()])
            count, total, squares = self.sum_ranks(sums).tolist()
            variance = max(0.0, squares / max(count, 1) - (total / max(count, 1)) ** 2)
            metrics[f"token_credit/{scores.names[column]}/std"] = variance**0.5
        return metrics


def stop_together(failure: Exception | None) -> None:
    """Exchange failures before any gather, and stop everywhere if there is one.

    Args:
        failure: What happened on this process; None if nothing did.

    Raises:
        Exception: The failure of this process.
        RewardFailed: Another process failed.
    """
    report = None if failure is None else f"{type(failure).__name__}: {failure}"
    reports = cast("list[str | None]", gather_object([report]))
    if failure is not None:
        raise failure
    for rank, other in enumerate(reports):
        if other is not None:
            raise RewardFailed(f"process {rank} stopped: {other}")


def _shares(rollout: Rollout, num_generations: int) -> dict[str, float]:
    """Share of each reward in the variance of the group-centred total."""
    values = settle(rollout.rows, num_generations).values
    z = group_zscore(values, num_generations).nan_to_num(0.0)
    shares = variance_share((z * rollout.rows.weights).numpy())
    names = rollout.scores.names
    return {f"rewards/{name}/share": s for name, s in zip(names, shares.tolist(), strict=True)}


def _components(scores: Scores) -> dict[str, float]:
    """Means of the rewards' components, of this process only: other processes may have others."""
    means: dict[str, float] = {}
    for part, values in scores.components.items():
        if not np.isnan(values).all():
            name, _, component = part.partition("/")
            means[f"rewards/{name}/component/{component}"] = float(np.nanmean(values))
    return means
