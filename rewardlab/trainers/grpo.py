"""TRL's GRPO trainer with two objects added: a reward ensemble and an advantage.

Three methods are overridden. `_tokenize_prompts` writes the ids that fine-tuning trained on;
`_calculate_rewards` asks the ensemble; `_generate_and_score_completions` lets TRL sample, then
replaces TRL's (N,) advantages by (N, T):
sample -> decode -> score -> gather -> align -> advantage -> TRL's loss.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, cast

import torch
from torch import Tensor
from trl import GRPOConfig
from trl import GRPOTrainer as TRLGRPOTrainer

from rewardlab.advantages import check_result, gdpo
from rewardlab.ensemble import RewardEnsemble
from rewardlab.models.boundary import prompt_ids
from rewardlab.trainers.arguments import check_arguments, found_model
from rewardlab.trainers.planted_check import PlantedCheck
from rewardlab.trainers.reward_phase import RewardPhase, stop_together
from rewardlab.trainers.rollout import Rollout, answer_bounds, check_training
from rewardlab.trainers.run_log import MetricsLog, NoModelCard, TokenLog
from rewardlab.trainers.stopping import StopOnBadGradients, bad_advantages


class GRPOTrainer(NoModelCard, TRLGRPOTrainer):
    """GRPO with token-level advantages from a reward ensemble's error spans.

    The data set needs the columns ``prompt`` (TRL's, plain or conversational) and ``source``;
    ``reference``, ``source_lang``, ``target_lang`` and ``id`` are read when present, and other
    columns reach the rewards as `Candidate.extra`. All of TRL's options work except those that
    `refused_options` names. The trainer writes ``metrics.jsonl`` to ``output_dir``, and with TRL's
    ``log_completions`` also ``tokens/``; `rewardlab.store.run_directory.start_run` writes the rest
    of a run directory. Before the first step, learned rewards are asked about planted texts, and
    one that does not score a reference above gibberish is refused (`trainers.planted_check`).

    Args:
        model: Path or model, as in TRL.
        ensemble: The ensemble that scores the completions.
        advantage: A preset of `rewardlab.advantages`, or what its `combination` returns.
        args: TRL's configuration.
        train_dataset: TRL's, with the columns above.
        **trl_options: Other arguments of TRL's trainer, except ``reward_funcs``.

    Raises:
        UserError: E023, E025, E026, E034 an argument cannot be used; E032, E038, E109 the ensemble
            cannot train on the data sets.
    """

    config_class: ClassVar[type[GRPOConfig]] = GRPOConfig

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
        check_arguments(
            type(self),
            TRLGRPOTrainer,
            model=model,
            advantage=advantage,
            args=args,
            trl_options=trl_options,
        )
        evaluated = trl_options.get("eval_dataset")
        check_training(ensemble, train_dataset=train_dataset, eval_dataset=evaluated)
        self.ensemble = ensemble
        self.advantage = advantage
        self.rollout: Rollout | None = None
        super().__init__(
            model=cast("Any", found_model(model)),
            reward_funcs=cast("Any", [_reward_column(name) for name in ensemble.names]),
            args=args,
            train_dataset=train_dataset,
            **trl_options,
        )
        self.reward_weights = torch.tensor([term.weight for term in ensemble.terms])
        self.reward_phase = RewardPhase(
            ensemble, self._tokenizer, self.accelerator, bounds=self.hypothesis_bounds
        )
        self.add_callback(PlantedCheck(ensemble, train_dataset))
        self.add_callback(MetricsLog())
        self.add_callback(StopOnBadGradients())
        if self.log_completions:
            self.add_callback(TokenLog(lambda: self.rollout, rank=self.accelerator.process_index))

    @staticmethod
    def refused_options(args: GRPOConfig) -> list[str]:
        """TRL options whose meaning token-level advantages would change, each with the reason.

        Args:
            args: TRL's configuration, or a namespace with its fields.
        """
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
                "importance_sampling_level: sequence gives every token one ratio, which undoes "
                "token advantages; use token"
            )
        if args.remove_unused_columns:
            refused.append("remove_unused_columns would remove the source and the reference")
        return refused

    def hypothesis_bounds(self, completion: str) -> tuple[int, int]:
        """The bounds of the translation in a completion; override for other formats.

        Reasoning is not part of the hypothesis (`rewardlab.text.reasoning`).

        Args:
            completion: The completion, decoded from its sampled ids, without the white space that
                separates it from its prompt (`rewardlab.models.boundary.written_separator`).

        Returns:
            ``[start, end)`` in characters.
        """
        return answer_bounds(completion, self._tokenizer.chat_template)

    # ── seam 1: prompts ─────────────────────────────────────────────────────────────────────────

    def _tokenize_prompts(self, prompts: list[Any]) -> Any:
        """TRL's ids of the prompts; for texts, those of fine-tuning, without an end of sequence."""
        if all(isinstance(prompt, str) for prompt in prompts):
            return [prompt_ids(self._tokenizer, prompt) for prompt in prompts], None, {}
        return super()._tokenize_prompts(prompts)

    # ── seam 2: rewards ─────────────────────────────────────────────────────────────────────────

    def _calculate_rewards(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        inputs: list[dict[str, Any]],
        prompts: list[Any],
        completions: list[Any],  # noqa: ARG002 - decoded again, together with its offsets
        completion_ids_list: list[list[int]],
    ) -> Tensor:
        """(N, R) rewards of all processes, NaN where not scored, as TRL expects them."""
        self.rollout = self.reward_phase.score(
            inputs, prompts, completion_ids_list, training=self._is_training()
        )
        return self.rollout.rows.values.to(self.accelerator.device, torch.float32)

    # ── seam 3: advantages ──────────────────────────────────────────────────────────────────────

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """TRL's batch with ``advantages`` (n, T) instead of (n,).

        Raises:
            UserError: E025 the advantage is not one number per token; E076 one is not finite.
        """
        batch = super()._generate_and_score_completions(inputs)
        assert self.rollout is not None  # noqa: S101 - set while TRL calculated the rewards
        mask = batch["completion_mask"].bool()
        if "tool_mask" in batch:
            mask = mask & batch["tool_mask"].bool()
        mask = mask.cpu()
        spans = self.reward_phase.align(self.rollout, mask)
        size = self._group_size()
        advantages = self.advantage(
            self.rollout.rows,
            spans,
            mask,
            num_generations=size,
            sum_ranks=self.reward_phase.sum_ranks,
        )
        check_result(advantages, mask)
        advantages = advantages.to(torch.float32)
        stop_together(bad_advantages(self.rollout, advantages, step=self.state.global_step + 1))
        batch["advantages"] = advantages.to(self.accelerator.device)
        self.rollout = self.rollout._replace(advantages=advantages)
        metrics = self._metrics["train" if self._is_training() else "eval"]
        told = self.reward_phase.metrics(self.rollout, spans, mask, num_generations=size)
        for name, value in told.items():
            metrics[name].append(value)
        self._replace_logged_advantages(advantages, mask)
        return batch

    def _is_training(self) -> bool:
        return cast("torch.nn.Module", self.model).training

    def _group_size(self) -> int:
        size = self.num_generations if self._is_training() else self.num_generations_eval
        return cast("int", size)

    def _replace_logged_advantages(self, advantages: Tensor, mask: Tensor) -> None:
        """Replace the advantages that TRL logged by the mean of ours over each row's tokens."""
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
