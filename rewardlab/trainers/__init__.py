"""Training: TRL's trainers with rewards, spans and token-level advantages."""

import os

# TRL reports usage when a trainer is constructed; a library of ours does not decide that for you.
# huggingface_hub reads this once, when it is first imported.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from rewardlab.trainers.grpo import GRPOTrainer

__all__ = ["GRPOTrainer"]
