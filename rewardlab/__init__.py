"""Reward ensembles, error spans and token-level advantages for RLHF in machine translation."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from rewardlab.ensemble import RewardEnsemble
from rewardlab.types import (
    WMT_MQM,
    XCOMET,
    Candidate,
    ErrorSpan,
    Gate,
    Reward,
    RewardOutput,
    Scores,
    SeverityTable,
    Status,
    Term,
)

if TYPE_CHECKING:
    from rewardlab.token_rows import token_advantages
    from rewardlab.trainers.grpo import GRPOTrainer

__all__ = [
    "WMT_MQM",
    "XCOMET",
    "Candidate",
    "ErrorSpan",
    "GRPOTrainer",
    "Gate",
    "Reward",
    "RewardEnsemble",
    "RewardOutput",
    "Scores",
    "SeverityTable",
    "Status",
    "Term",
    "token_advantages",
]

__version__ = "0.1.0"

# TRL reports usage when a trainer is constructed; a library of ours does not decide that for you.
# huggingface_hub reads this once, when it is first imported: import rewardlab before it.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

# Resolved on first use, because they import torch and transformers.
_LAZY = {
    "GRPOTrainer": "rewardlab.trainers.grpo",
    "token_advantages": "rewardlab.token_rows",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'rewardlab' has no attribute {name!r}")
