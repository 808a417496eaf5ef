"""Reinforcement algorithms by name: the choices for ``algorithm:`` of ``rewardlab rl``.

A new algorithm is a trainer in a separate file and a line in `ALGORITHMS`; other packages add
algorithms as entry points of the group ``rewardlab.trainers``. Importing this file does not load a
trainer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from rewardlab.ensemble import RewardEnsemble
from rewardlab.registry import Registry


class RLTrainer(Protocol):
    """A trainer class that reads an ensemble: one of TRL's with our two objects added.

    Attributes:
        config_class: TRL's configuration class; its fields are the keys of ``trainer:``.
        ensemble: The ensemble that scores the completions.
        state: transformers' ``TrainerState``; the run's summary reads ``log_history``.
    """

    config_class: ClassVar[type[Any]]
    ensemble: RewardEnsemble
    state: Any

    def __init__(
        self,
        model: Any,
        *,
        ensemble: RewardEnsemble,
        advantage: Callable[..., Any],
        args: Any,
        train_dataset: Any,
        **trl_options: Any,
    ) -> None:
        """As `rewardlab.trainers.grpo.GRPOTrainer`."""
        ...

    @staticmethod
    def refused_options(args: Any) -> list[str]:
        """Options that this trainer cannot honour, each as ``option: reason``.

        Args:
            args: A ``config_class``, or a namespace with its fields.
        """
        ...

    def train(self) -> Any:
        """Train to the end."""
        ...

    def remove_callback(self, callback: Any) -> None:
        """As transformers' ``Trainer``."""
        ...


ALGORITHMS: Registry[type[RLTrainer]] = Registry(
    "rewardlab.trainers", {"grpo": "rewardlab.trainers.grpo:GRPOTrainer"}
)
