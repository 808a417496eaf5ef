"""What a family of scorers offers the command that trains it.

A new family is one file with a frozen dataclass derived from `Family`, and one line in
`rewardlab.scorers.families.FAMILIES`. Its fields are its options. The reward class of the same name
reads what it saves, like any published checkpoint.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from transformers import Trainer, TrainerCallback, TrainingArguments

from rewardlab.human.rated import TrainingExample
from rewardlab.types import Reward

SIDES = ("training", "validation")


class Shape(NamedTuple):
    """The shape of a model from scratch.

    Attributes:
        vocab_size: Of its tokenizer.
        hidden_size: A multiple of ``heads``.
        layers: Transformer blocks; of an encoder-decoder, in the encoder.
        heads: Attention heads.
    """

    vocab_size: int
    hidden_size: int
    layers: int
    heads: int


class Stage(NamedTuple):
    """One stage of training; the same stage gives the same weights, bit for bit.

    Attributes:
        start: A directory that `Family.new` or `Family.save` wrote, or a published checkpoint of
            the family.
        train: Examples to learn from.
        validation: Examples for ``eval_loss``.
        args: Options of the trainer, of `Family.options_class`.
        seed: Seed of everything that is drawn from the examples.
    """

    start: Path
    train: Sequence[TrainingExample]
    validation: Sequence[TrainingExample]
    args: TrainingArguments
    seed: int = 0


class Family(ABC):
    """How scorers of one kind are initialised, trained, saved and used.

    Attributes:
        name: The name of its reward.
        options_class: The class whose fields the ``trainer`` sections of a configuration are.
    """

    name: ClassVar[str]
    options_class: ClassVar[type[TrainingArguments]]

    @abstractmethod
    def new(
        self, directory: Path, examples: Sequence[TrainingExample], shape: Shape, *, seed: int
    ) -> None:
        """Write a checkpoint with random weights, and a tokenizer trained on the examples' texts.

        Args:
            directory: An empty directory, or a new one.
            examples: Those of all stages.
            shape: Shape of the model.
            seed: Seed of the weights.
        """

    @abstractmethod
    def trainer(self, stage: Stage, callbacks: Sequence[TrainerCallback] = ()) -> Trainer:
        """A trainer that is ready to train.

        Args:
            stage: Checkpoint, examples and options.
            callbacks: Passed to the trainer.
        """

    @abstractmethod
    def describe(self, stage: Stage) -> Iterator[str]:
        """How many examples a stage uses and why others are left out, one line a side.

        Known before weights are read; raises what `trainer` raises about tokenizer and examples.
        """

    @abstractmethod
    def reward(self, directory: Path) -> Reward:
        """The reward on what `save` wrote."""

    def save(self, trainer: Trainer, directory: Path) -> None:
        """Write the trainer's model with its tokenizer, as the family is published.

        Args:
            trainer: One that `trainer` returned.
            directory: Created if it does not exist.
        """
        trainer.save_model(str(directory))
        if trainer.is_world_process_zero():
            (directory / "training_args.bin").unlink(missing_ok=True)  # a pickle nobody reads
        trainer.accelerator.wait_for_everyone()
