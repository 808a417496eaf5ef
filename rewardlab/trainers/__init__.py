"""Training: TRL's trainers with rewards, spans and token-level advantages."""

from rewardlab.trainers.grpo import GRPOTrainer

__all__ = ["GRPOTrainer"]
