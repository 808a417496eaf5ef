"""The ensemble of an RL configuration, read without the rest of the file."""

from __future__ import annotations

from pathlib import Path

from pydantic import ConfigDict

from rewardlab.config.checks import build_gates, build_terms, reward_problems
from rewardlab.config.load import load
from rewardlab.config.sections import EnsembleConfig
from rewardlab.types import Gate, Term


class _RewardsOnly(EnsembleConfig):
    """The ensemble in a file with other keys."""

    model_config = ConfigDict(extra="ignore")


def load_ensemble(path: str | Path) -> tuple[list[Term], list[Gate]]:
    """Read ``rewards`` and ``gates`` of a YAML file; its other keys are ignored.

    Models are not loaded, and policy and data need not exist.

    Args:
        path: The configuration of an RL run, or a file with these two keys.

    Raises:
        UserError: E001..E012 the YAML; E020..E036, E101..E104 the two keys. Exit code 2.
    """
    config = load(_RewardsOnly, path, check=lambda read, file: reward_problems(read, (), file))
    return build_terms(config.rewards), build_gates(config.gates)
