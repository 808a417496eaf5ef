"""The history of a system: the rewards behind its translations, and its training texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rewardlab.config import strict_yaml
from rewardlab.config.checks import build_gates, build_terms
from rewardlab.config.rows import read_data
from rewardlab.config.sections import DataConfig, GateConfig, RewardConfig, SystemConfig
from rewardlab.decoding.files import HYPOTHESES, TRANSLATIONS
from rewardlab.store.checkpoints import find_checkpoint
from rewardlab.store.lineage import TrainedOn, read_training

RUN_CONFIG = "config.yaml"
DEEPEST = 8
"""Maximum length of a chain of runs that take their samples from one another."""


class History(NamedTuple):
    """The origin of translations.

    Attributes:
        origin: The model or file, for messages.
        rewards: Rewards and gates that the model was trained on, and those that chose among its
            translations.
        known: True if there are no other rewards.
        stages: The ``data`` sections of each stage of its training.
    """

    origin: str
    rewards: tuple[TrainedOn, ...] = ()
    known: bool = False
    stages: tuple[tuple[Mapping[str, Any], ...], ...] = ()


def history(system: SystemConfig, *, served: bool = False) -> History:
    """Read the records beside a model, or in the directory of a translate or rerank run.

    A model trained without rewards has no rewards in its history. Without records, nothing is known
    about a model or file; a model that started from a checkpoint without records may have more
    rewards than the known ones.

    Args:
        system: Where the translations come from.
        served: Another process runs the model, whose directory need not exist here.

    Raises:
        UserError: E080 the model is missing; E047 its records are damaged; E001..E012 the run's
            configuration is damaged; E101..E104 the configuration names an unknown reward.
    """
    if system.copies:
        return History("the source", known=True)
    if system.model is not None:
        return _of_model(system.model if served else find_checkpoint(system.model))
    return _of_translations(system.translations or Path())


def _of_model(path: Path) -> History:
    training = read_training(path)
    if training is None:
        return History(str(path))
    rewards = (*training.rewards, *training.gates)
    stages = tuple(stage.data for stage in training.stages)
    return History(str(path), rewards, known=training.stages[0].start is None, stages=stages)


def run_of(path: Path) -> Path:
    """The translate or rerank run of a path, which is its directory or a file in it."""
    return path.parent if path.name in (TRANSLATIONS, HYPOTHESES) else path


def _of_translations(path: Path, depth: int = 0) -> History:
    """The history of a run's model, and the rewards and gates that chose among its samples."""
    config = run_of(path) / RUN_CONFIG
    if not config.is_file() or depth > DEEPEST:
        return History(str(path))
    value = strict_yaml.read(config).value
    run: dict[str, Any] = value if isinstance(value, dict) else {}
    model = History(str(path))
    if run.get("model") is not None:
        model = _of_model(Path(str(run["model"])))
    elif run.get("samples_from") is not None:
        model = _of_translations(Path(str(run["samples_from"])), depth + 1)
    rewards = [RewardConfig.model_validate(entry) for entry in run.get("rewards") or ()]
    gates = [GateConfig.model_validate(entry) for entry in run.get("gates") or ()]
    terms = build_terms(entry for entry in rewards if entry.weight)
    chosen_by = [*map(TrainedOn.term, terms), *map(TrainedOn.gate, build_gates(gates))]
    return model._replace(origin=str(path), rewards=(*model.rewards, *chosen_by))


def training_texts(history: History) -> frozenset[str]:
    """Every source and reference that the system was trained on, as far as is known.

    Both sides count: in a multi-parallel text, the reference of one direction is the source of
    another.

    Raises:
        UserError: E201..E208 a file is missing or has changed.
        ValidationError: A section is not one that this version writes.
    """
    texts: set[str | None] = set()
    for stage in history.stages:
        train, _ = read_data([DataConfig.model_validate(section) for section in stage])
        for row in train.rows:
            texts.update((row.source, row.reference))
    return frozenset(text for text in texts if text is not None)
