"""TRL's GRPO trainer with two objects added: a reward ensemble and an advantage.

Two methods are overridden and nothing else. `_calculate_rewards` asks the ensemble;
`_generate_and_score_completions` lets TRL sample, then replaces its (N,) advantages by (N, T):
sample -> decode -> score -> gather -> align -> advantage -> TRL's loss.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import Tensor
from trl import GRPOConfig
from trl import GRPOTrainer as TRLGRPOTrainer

from rewardlab.advantages import (
    RewardRows,
    gdpo,
    group_zscore,
    reward_rows,
    settle,
    span_credit,
)
from rewardlab.align import AlignedSpans, Decoded, align, decode
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import RewardFailed
from rewardlab.statistics import variance_share
from rewardlab.trainers.run_log import MetricsLog, TokenLog
from rewardlab.types import Candidate, Scores, Status

STATUSES = list(Status)
CANDIDATE_COLUMNS = ("source", "reference", "source_lang", "target_lang", "id")


class Rollout(NamedTuple):
    """The latest scored completions of this process.

    Attributes:
        decoded: n hypotheses with their token offsets, cut out of the completions.
        candidates: n candidates as the rewards saw them.
        scores: Of this process's rows.
        rows: Of all processes' rows.
        training: False for an evaluation batch.
        advantages: (n, T) once they are known.
    """

    decoded: list[Decoded]
    candidates: list[Candidate]
    scores: Scores
    rows: RewardRows
    training: bool
    advantages: Tensor | None = None


def refused_options(args: GRPOConfig) -> list[str]:
    """TRL options that token-level advantages would give another meaning, each with its reason."""
    decided = "is decided by the advantage and the ensemble's weights; remove it"
    replaced = {
        "reward_weights": args.reward_weights is not None,
        "scale_rewards": args.scale_rewards != "group",
        "multi_objective_aggregation": args.multi_objective_aggregation != "sum_then_normalize",
    }
    refused = [f"{option} {decided}" for option, is_set in replaced.items() if is_set]
    if args.loss_type == "vespo":
        refused.append("loss_type: vespo weighs a whole sequence by the sign of one advantage")
    if args.off_policy_mask_threshold is not None:
        refused.append(
            "off_policy_mask_threshold drops a whole sequence by the sign of one advantage"
        )
    if args.importance_sampling_level == "sequence":
        refused.append(
            "importance_sampling_level: sequence gives every token one ratio, which undoes token "
            "advantages; use token"
        )
    if args.remove_unused_columns:
        refused.append("remove_unused_columns would remove the source and the reference")
    return refused


class GRPOTrainer(TRLGRPOTrainer):
    """GRPO with token-level advantages from a reward ensemble's error spans.

    The data set needs the columns ``prompt`` (TRL's, plain or conversational) and ``source``;
    ``reference``, ``source_lang``, ``target_lang`` and ``id`` are read when present, and other
    columns reach the rewards as `Candidate.extra`. All of TRL's options work except those that
    `refused_options` names. ``metrics.jsonl`` is written to ``output_dir``, and with TRL's
    ``log_completions`` also ``tokens/``; the rest of a run directory is
    `rewardlab.store.run_directory.start_run`'s.

    Args:
        model: Path or model, as in TRL.
        ensemble: Scores the completions.
        advantage: A preset of `rewardlab.advantages`, or `functools.partial` of one.
        args: TRL's configuration.
        train_dataset: TRL's, with the columns above.
        **trl_options: Every other argument of TRL's trainer but ``reward_funcs``.

    Raises:
        ValueError: An option is refused, or a reward needs references the data set lacks.
    """

    def __init__(
        self,
        model: Any,
        *,
        ensemble: RewardEnsemble,
        advantage: Callable[..., Tensor] = gdpo,
        args: GRPOConfig | None = None,
        train_dataset: Any = None,
        **trl_options: Any,
    ) -> None:
        if args is not None and (refused := refused_options(args)):
            raise ValueError("with token-level advantages " + "; ".join(refused))
        _require_columns(ensemble, train_dataset)
        self.ensemble = ensemble
        self.advantage = advantage
        self.rollout: Rollout | None = None
        self._statuses_seen: set[tuple[str, Status]] = set()
        super().__init__(
            model=model,
            reward_funcs=cast("Any", [_reward_column(name) for name in ensemble.names]),
            args=args,
            train_dataset=train_dataset,
            **trl_options,
        )
        self.reward_weights = torch.tensor([term.weight for term in ensemble.terms])
        self.add_callback(MetricsLog())
        if self.log_completions:
            self.add_callback(TokenLog(self))

    def hypothesis_bounds(self, completion: str) -> tuple[int, int]:
        """Where the translation lies in a completion; override for other wrappings.

        Text up to and including a closing ``</think>`` is reasoning, and no hypothesis; nor is the
        white space that chat templates put behind it.
        """
        reasoning, closing, rest = completion.rpartition("</think>")
        start = len(reasoning) + len(closing)
        return start + (len(rest) - len(rest.lstrip()) if closing else 0), len(completion)

    # ── seam 1: rewards ─────────────────────────────────────────────────────────────────────────

    def _calculate_rewards(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        inputs: list[dict[str, Any]],
        prompts: list[Any],
        completions: list[Any],  # noqa: ARG002 - decoded again, together with its offsets
        completion_ids_list: list[list[int]],
    ) -> Tensor:
        """(N, R) rewards of all processes, NaN where not scored, as TRL expects them."""
        failure: Exception | None = None
        decoded: list[Decoded] = []
        candidates: list[Candidate] = []
        scores: Scores | None = None
        try:
            decoded = [self._hypothesis(ids) for ids in completion_ids_list]
            candidates = [
                _candidate(row, prompt, found.text)
                for row, prompt, found in zip(inputs, prompts, decoded, strict=True)
            ]
            scores = self.ensemble(candidates)
        except Exception as error:  # noqa: BLE001 - told to the other processes, then raised
            failure = error
        self._stop_together(failure)
        assert scores is not None  # noqa: S101 - a failure was raised above
        rows = self._gather_rows(scores)
        self.rollout = Rollout(decoded, candidates, scores, rows, self._is_training())
        return rows.values.to(self.accelerator.device, torch.float32)

    def _hypothesis(self, ids: Sequence[int]) -> Decoded:
        found = decode(self._tokenizer, ids)
        return found.cut(*self.hypothesis_bounds(found.text))

    def _stop_together(self, failure: Exception | None) -> None:
        """Exchange failures before any gather, so that no process waits for one that stopped."""
        report = None if failure is None else f"{type(failure).__name__}: {failure}"
        reports = cast("list[str | None]", gather_object([report]))
        if failure is not None:
            raise failure
        for rank, other in enumerate(reports):
            if other is not None:
                raise RewardFailed(f"process {rank} stopped: {other}")

    def _gather_rows(self, scores: Scores) -> RewardRows:
        """Everybody's rows; one gather of values, status codes and what follows from them."""
        here = reward_rows(scores)
        codes = torch.tensor([[STATUSES.index(s) for s in row] for row in scores.status])
        flags = torch.stack([here.unavailable, here.gated], dim=1)
        parts = [here.values, codes, here.failed, flags]
        joined = torch.cat([part.to(torch.float32) for part in parts], dim=1)
        everywhere = cast("Tensor", self.accelerator.gather(joined.to(self.accelerator.device)))
        values, codes, failed, flags = everywhere.cpu().split([p.shape[1] for p in parts], dim=1)
        self._log_statuses(scores.names, codes)
        first = self.accelerator.process_index * len(scores)
        return here._replace(
            values=values.to(torch.float64),
            failed=failed.bool(),
            unavailable=flags[:, 0].bool(),
            gated=flags[:, 1].bool(),
            local=slice(first, first + len(scores)),
        )

    # ── seam 2: advantages ──────────────────────────────────────────────────────────────────────

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """TRL's batch with ``advantages`` (n, T) instead of (n,)."""
        batch = super()._generate_and_score_completions(inputs)
        assert self.rollout is not None  # noqa: S101 - set while TRL calculated the rewards
        decoded, scores, rows = self.rollout.decoded, self.rollout.scores, self.rollout.rows
        mask = batch["completion_mask"].bool()
        if "tool_mask" in batch:
            mask = mask & batch["tool_mask"].bool()
        mask = mask.cpu()
        spans = align(decoded, scores.spans, scores.severities, length=mask.shape[1])
        num_generations = self._group_size()
        advantages = self.advantage(
            rows, spans, mask, num_generations=num_generations, sum_ranks=self._sum_ranks
        )
        batch["advantages"] = advantages.to(self.accelerator.device, torch.float32)
        self.rollout = self.rollout._replace(advantages=advantages)
        self._log_ensemble(scores, rows, num_generations)
        self._log_tokens(scores, spans, mask)
        self._replace_logged_advantages(advantages, mask)
        return batch

    def _sum_ranks(self, x: Tensor) -> Tensor:
        if self.accelerator.num_processes == 1:
            return x
        exact = torch.float32 if self.accelerator.device.type == "mps" else torch.float64
        summed = self.accelerator.reduce(x.to(self.accelerator.device, exact), reduction="sum")
        return cast("Tensor", summed).to("cpu", x.dtype)

    def _is_training(self) -> bool:
        return cast("torch.nn.Module", self.model).training

    def _group_size(self) -> int:
        size = self.num_generations if self._is_training() else self.num_generations_eval
        return cast("int", size)

    # ── metrics, beside TRL's own rewards/{name}/mean and /std ──────────────────────────────────

    def _current_metrics(self) -> dict[str, list[float]]:
        return self._metrics["train" if self._is_training() else "eval"]

    def _log_statuses(self, names: Sequence[str], codes: Tensor) -> None:
        """Share of rows per status that ever occurred; ``ok`` is the rest."""
        metrics = self._current_metrics()
        for code, status in enumerate(STATUSES):
            rates = (codes == code).to(torch.float64).mean(dim=0)
            for name, rate in zip(names, rates.tolist(), strict=True):
                if rate > 0 and status is not Status.OK:
                    self._statuses_seen.add((name, status))
                if (name, status) in self._statuses_seen:
                    metrics[f"rewards/{name}/status/{status.value}"].append(rate)

    def _log_ensemble(self, scores: Scores, rows: RewardRows, num_generations: int) -> None:
        metrics = self._current_metrics()
        z = group_zscore(settle(rows, num_generations).values, num_generations).nan_to_num(0.0)
        shares = variance_share((z * rows.weights).numpy())
        for name, share in zip(scores.names, shares.tolist(), strict=True):
            metrics[f"rewards/{name}/share"].append(share)
        for part, values in scores.components.items():  # of this process: others may have others
            if not np.isnan(values).all():
                name, _, component = part.partition("/")
                metrics[f"rewards/{name}/component/{component}"].append(float(np.nanmean(values)))
        if self.ensemble.gates:
            gated = torch.tensor([sum(g is not None for g in scores.gated), len(scores)])
            closed, total = self._sum_ranks(gated.to(torch.float64)).tolist()
            metrics["rewards/gated"].append(closed / total)

    def _log_tokens(self, scores: Scores, spans: AlignedSpans, mask: Tensor) -> None:
        metrics = self._current_metrics()
        found, asked = self._sum_ranks(torch.tensor([spans.found, spans.total]).double()).tolist()
        metrics["alignment/coverage"].append(found / asked if asked else float("nan"))
        for column in scores.token_weights.nonzero()[0].tolist():
            credit = span_credit(spans, column) * mask
            sums = torch.stack([mask.sum().double(), credit.sum(), (credit**2).sum()])
            count, total, squares = self._sum_ranks(sums).tolist()
            variance = max(0.0, squares / max(count, 1) - (total / max(count, 1)) ** 2)
            metrics[f"token_credit/{scores.names[column]}/std"].append(variance**0.5)

    def _replace_logged_advantages(self, advantages: Tensor, mask: Tensor) -> None:
        """TRL logged the advantages it computed; log the mean of ours over each row's tokens."""
        means = advantages.sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        means = means.to(self.accelerator.device, torch.float32)
        everywhere = cast("Tensor", self.accelerator.gather(means)).tolist()
        logged = cast("deque[float]", self._logs["advantages"])
        for _ in range(min(len(everywhere), len(logged))):
            logged.pop()
        logged.extend(everywhere)


def _reward_column(name: str) -> Callable[..., list[float]]:
    """A name for TRL's metrics; the ensemble does the scoring."""

    def column(**_: Any) -> list[float]:
        raise NotImplementedError(f"{name} is scored by the ensemble")

    column.__name__ = name
    return column


def _candidate(row: dict[str, Any], prompt: Any, hypothesis: str) -> Candidate:
    known = {column: row[column] for column in CANDIDATE_COLUMNS if row.get(column) is not None}
    extra = {k: v for k, v in row.items() if k not in (*CANDIDATE_COLUMNS, "prompt")}
    text = prompt if isinstance(prompt, str) else str(prompt[-1]["content"])
    known["id"] = str(known.get("id", ""))
    return Candidate(hypothesis=hypothesis, prompt=text, extra=extra, **known)


def _require_columns(ensemble: RewardEnsemble, dataset: Any) -> None:
    columns = getattr(dataset, "column_names", None)
    if columns is None:
        return
    if "source" not in columns:
        raise ValueError(f"the data set needs a column 'source'; it has {', '.join(columns)}")
    rewards = [entry.reward for entry in (*ensemble.terms, *ensemble.gates)]
    needing = [reward.name for reward in rewards if reward.needs_reference]
    if needing and "reference" not in columns:
        raise ValueError(
            f"{', '.join(needing)} need references; the data set has no column 'reference'"
        )
