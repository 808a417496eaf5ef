"""The training history of a model, in ``training.json`` next to its weights.

The file contains the stages of training: the last one at the top, the earlier ones under
``before``. Evaluation reads from it which metrics and texts the model was trained on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rewardlab.errors import Problem, UserError, shown
from rewardlab.types import Gate, Term, family_of

FILE = "training.json"
MODEL = "model"
"""The directory of the policy in a run directory."""


@dataclass(frozen=True)
class TrainedOn:
    """A reward that took part in training.

    Attributes:
        name: Name in the ensemble.
        family: See `rewardlab.types.family_of`.
        weight: Weight of its score in the sequence-level advantage; None for a gate.
        token_weight: Weight of its error spans; None for a gate.
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
        start: The checkpoint it started from; None if from scratch.
        data: The ``data`` sections of its configuration.
        rewards: All terms of its ensemble, including terms of weight 0.
        gates: The ensemble's gates.
        separator: The white space that training put between a prompt and its answer; empty for
            chats, and for versions that put the answer directly after the prompt.
    """

    stage: Literal["sft", "rl"]
    start: str | None
    data: tuple[Mapping[str, Any], ...]
    rewards: tuple[TrainedOn, ...] = ()
    gates: tuple[TrainedOn, ...] = ()
    separator: str = ""


@dataclass(frozen=True)
class Training:
    """The known training of a model.

    Attributes:
        stages: The stages, first to last; how their first checkpoint was trained is not known.
    """

    stages: tuple[Stage, ...]

    @property
    def rewards(self) -> tuple[TrainedOn, ...]:
        """The rewards of all stages that had a weight."""
        return tuple(
            reward
            for stage in self.stages
            for reward in stage.rewards
            if reward.weight or reward.token_weight
        )

    @property
    def gates(self) -> tuple[TrainedOn, ...]:
        """The gates of all stages."""
        return tuple(gate for stage in self.stages for gate in stage.gates)

    @property
    def data(self) -> tuple[Mapping[str, Any], ...]:
        """The ``data`` sections of all stages."""
        return tuple(data for stage in self.stages for data in stage.data)


def write_training(model: Path, stage: Stage, *, before: Training | None = None) -> None:
    """Write the training history of a model into its directory.

    Args:
        model: The directory of the weights.
        stage: The last stage of training.
        before: `read_training` of the checkpoint that the stage started from.
    """
    earlier = before.stages if before is not None else ()
    record = {**_as_json(stage), "before": [_as_json(one) for one in earlier]}
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    (model / FILE).write_text(text, encoding="utf-8")


def read_training(path: str | Path) -> Training | None:
    """The training history of a model; None if it has no ``training.json``.

    Args:
        path: A model directory, or the directory of the run that made it.

    Raises:
        UserError: E047, the file is not one that `write_training` wrote; exit code 2.
    """
    for file in (Path(path) / FILE, Path(path) / MODEL / FILE):
        if file.is_file():
            try:
                record = json.loads(file.read_text(encoding="utf-8"))
                return Training((*map(_stage, record.pop("before")), _stage(record)))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                what = f"is not a training history: {shown(repr(error))}"
                fix = "remove the file if the model's training should count as unknown"
                raise UserError([Problem("E047", str(file), what, fix)]) from error
    return None


def _as_json(stage: Stage) -> dict[str, Any]:
    """A stage as JSON; a term has no threshold, and a gate no weights."""
    record = asdict(stage)
    for part in ("rewards", "gates"):
        record[part] = [
            {key: value for key, value in entry.items() if value is not None}
            for entry in record[part]
        ]
    return record


def _stage(record: Mapping[str, Any]) -> Stage:
    return Stage(
        stage=record["stage"],
        start=record["start"],
        data=tuple(record["data"]),
        rewards=tuple(TrainedOn(**entry) for entry in record["rewards"]),
        gates=tuple(TrainedOn(**entry) for entry in record["gates"]),
        separator=record.get("separator", ""),
    )
