"""What a model was trained on, written beside its weights.

``training.json`` tells the stages of a model's training, the last one first and the earlier ones
under ``before``. Whoever measures the model reads from it which metrics it was trained on, and
which texts it has seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from rewardlab.errors import Problem, UserError, shown
from rewardlab.types import Gate, Term, family_of

FILE = "training.json"
MODEL = "model"
"""Where a run directory keeps its policy."""


@dataclass(frozen=True)
class TrainedOn:
    """A reward that took part in training.

    Attributes:
        name: As it stood in the ensemble.
        family: What it shares with its relatives: `rewardlab.rewards.base.family_of`.
        weight: In the sequence-level advantage; None for a gate.
        token_weight: Of its error spans; None for a gate.
        below: A gate's threshold; None for a term.
    """

    name: str
    family: str
    weight: float | None = None
    token_weight: float | None = None
    below: float | None = None

    @classmethod
    def term(cls, term: Term) -> TrainedOn:
        """A term of an ensemble."""
        reward = term.reward
        return cls(reward.name, family_of(reward), term.weight, term.token_weight)

    @classmethod
    def gate(cls, gate: Gate) -> TrainedOn:
        """A gate of an ensemble."""
        return cls(gate.reward.name, family_of(gate.reward), below=gate.below)


@dataclass(frozen=True)
class Stage:
    """One run of training.

    Attributes:
        stage: ``sft`` or ``rl``.
        start: The checkpoint it started from; None from scratch.
        rewards: All terms of its ensemble, those that only measured included.
        gates: Its guards.
        data: The ``data`` sections of its configuration.
    """

    stage: Literal["sft", "rl"]
    start: str | None
    data: tuple[Mapping[str, Any], ...]
    rewards: tuple[TrainedOn, ...] = ()
    gates: tuple[TrainedOn, ...] = ()


@dataclass(frozen=True)
class Training:
    """The whole training of a model that is known here.

    Attributes:
        stages: First to last; what came before the first checkpoint is not known.
    """

    stages: tuple[Stage, ...]

    @property
    def rewards(self) -> tuple[TrainedOn, ...]:
        """Every reward that moved the weights, of all stages."""
        return tuple(
            reward
            for stage in self.stages
            for reward in stage.rewards
            if reward.weight or reward.token_weight
        )

    @property
    def gates(self) -> tuple[TrainedOn, ...]:
        """Every guard, of all stages."""
        return tuple(gate for stage in self.stages for gate in stage.gates)

    @property
    def data(self) -> tuple[Mapping[str, Any], ...]:
        """Every ``data`` section, of all stages."""
        return tuple(data for stage in self.stages for data in stage.data)


def write_training(model: Path, stage: Stage, *, before: Training | None = None) -> None:
    """Write how a model came about into its directory.

    Args:
        model: The directory of the weights.
        stage: The training that ended with them.
        before: `read_training` of the checkpoint it started from.
    """
    earlier = before.stages if before is not None else ()
    told = {**_plain(stage), "before": [_plain(one) for one in earlier]}
    text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    (model / FILE).write_text(text, encoding="utf-8")


def read_training(path: str | Path) -> Training | None:
    """How a model came about; None where nothing is written about it.

    Args:
        path: A model directory, or the directory of the run that made it.

    Raises:
        UserError: E047, the file is not one that `write_training` wrote; exit code 2.
    """
    for file in (Path(path) / FILE, Path(path) / MODEL / FILE):
        if file.is_file():
            try:
                told = json.loads(file.read_text(encoding="utf-8"))
                return Training((*map(_stage, told.pop("before")), _stage(told)))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                what = f"does not tell how the model was trained: {shown(repr(error))}"
                fix = "remove the file if the model is not to remember"
                raise UserError([Problem("E047", str(file), what, fix)]) from error
    return None


def _plain(stage: Stage) -> dict[str, Any]:
    """As JSON; a term has no threshold, and a gate no weights."""
    told = asdict(stage)
    for part in ("rewards", "gates"):
        told[part] = [
            {key: value for key, value in entry.items() if value is not None}
            for entry in told[part]
        ]
    return told


def _stage(told: Mapping[str, Any]) -> Stage:
    def trained_on(part: str) -> tuple[TrainedOn, ...]:
        return tuple(TrainedOn(**entry) for entry in cast("Sequence[dict[str, Any]]", told[part]))

    return Stage(
        stage=told["stage"],
        start=told["start"],
        data=tuple(told["data"]),
        rewards=trained_on("rewards"),
        gates=trained_on("gates"),
    )
