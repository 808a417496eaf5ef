"""What is known of a system: the rewards behind its translations, and the texts it has seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rewardlab.config import strict_yaml
from rewardlab.config.checks import build
from rewardlab.config.rows import read_data
from rewardlab.config.sections import DataConfig, SystemConfig
from rewardlab.decoding.files import HYPOTHESES, TRANSLATIONS
from rewardlab.store.checkpoints import find_checkpoint
from rewardlab.store.lineage import TrainedOn, read_training
from rewardlab.types import family_of

RUN_CONFIG = "config.yaml"
OWN_KEYS = frozenset({"reward", "weight", "token_weight", "applies", "cache", "below"})
"""Of an entry of ``rewards`` or ``gates``; its other keys are the reward's options."""
DEEPEST = 8
"""Runs that take their samples from one another."""


class History(NamedTuple):
    """Where translations come from.

    Attributes:
        origin: The model or file, for messages.
        rewards: Rewards and gates that the model was trained on, and those that chose among its
            translations.
        known: There are no others.
        stages: The ``data`` sections of each stage of its training.
    """

    origin: str
    rewards: tuple[TrainedOn, ...] = ()
    known: bool = False
    stages: tuple[tuple[Mapping[str, Any], ...], ...] = ()


def history(system: SystemConfig, *, served: bool = False) -> History:
    """Read what is written beside a model, or in the directory of a translate or rerank run.

    A model that was trained without rewards has none; of a model or a file without such notes
    nothing is known. Of a model that started from a checkpoint without notes there may be rewards
    that nobody wrote down, besides the known ones.

    Args:
        system: Where its translations come from.
        served: Another process has the model; its directory need not be here.

    Raises:
        UserError: E080 there is no model; E047 its notes are damaged; E001..E012 the run's
            configuration is; E101..E104 it names a reward that does not exist here.
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
    return History(
        origin=str(path),
        rewards=(*training.rewards, *training.gates),
        known=training.stages[0].start is None,
        stages=tuple(stage.data for stage in training.stages),
    )


def run_of(path: Path) -> Path:
    """The translate or rerank run that a path means: its directory, or a file of it."""
    return path.parent if path.name in (TRANSLATIONS, HYPOTHESES) else path


def _of_translations(path: Path, depth: int = 0) -> History:
    """Of a run's model, and of the rewards and gates that chose among its samples."""
    config = run_of(path) / RUN_CONFIG
    if not config.is_file() or depth > DEEPEST:
        return History(str(path))
    run = strict_yaml.read(config).value
    told: dict[str, Any] = run if isinstance(run, dict) else {}
    if told.get("model") is not None:
        found = _of_model(Path(str(told["model"])))
    elif told.get("samples_from") is not None:
        found = _of_translations(Path(str(told["samples_from"])), depth + 1)
    else:
        found = History(str(path))
    chosen_by = [
        _entry(entry)
        for part in ("rewards", "gates")
        for entry in told.get(part) or ()
        if entry.get("weight", 1.0)
    ]
    return found._replace(origin=str(path), rewards=(*found.rewards, *chosen_by))


def _entry(entry: Mapping[str, Any]) -> TrainedOn:
    """A reward or gate of a rerank run."""
    options = {key: value for key, value in entry.items() if key not in OWN_KEYS}
    reward = build(entry["reward"], options)
    return TrainedOn(reward.name, family_of(reward), weight=entry.get("weight"))


def training_texts(history: History) -> frozenset[str]:
    """Every source and reference that the system was trained on, as far as is known.

    Both sides, because of a text that exists in many languages one direction's reference is
    another one's source.

    Raises:
        UserError: E201..E208 a file is gone or has changed.
        ValidationError: A section is not one that this version writes.
    """
    texts: set[str] = set()
    for stage in history.stages:
        train, _ = read_data([DataConfig.model_validate(section) for section in stage])
        for row in train.rows:
            texts.update(
                (row.source, row.reference) if row.reference is not None else (row.source,)
            )
    return frozenset(texts)
