"""The interface between a family of scorers and the command that trains it.

A new family is one file with a frozen dataclass derived from `Family`, and one line in
`rewardlab.scorers.families.FAMILIES`. The fields of the dataclass are the family's options. The
reward class of the same name loads what the family saves, like any published checkpoint.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from transformers import Trainer, TrainerCallback, TrainingArguments

from rewardlab.human.rated import TrainingExample
from rewardlab.rewards.trained import Trained, write_trained
from rewardlab.types import Reward

SIDES = ("training", "validation")


class Shape(NamedTuple):
    """The shape of a model from scratch.

    Attributes:
        vocab_size: Vocabulary size of the tokenizer.
        hidden_size: Width of the hidden states, a multiple of ``heads``.
        layers: Number of transformer blocks; for an encoder-decoder, in the encoder.
        heads: Number of attention heads.
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
        args: Options of the trainer, an instance of `Family.options_class`.
        seed: Seed of all draws from the examples.
    """

    start: Path
    train: Sequence[TrainingExample]
    validation: Sequence[TrainingExample]
    args: TrainingArguments
    seed: int = 0


class Family(ABC):
    """How scorers of one kind are initialised, trained, saved and used.

    Attributes:
        name: Name of the family's reward.
        options_class: Class whose fields are the keys of a configuration's ``trainer`` sections.
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
            examples: Examples of all stages.
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
        """Report how many examples a stage uses and why others are left out, one line per side.

        Weights are not read; raises what `trainer` raises about tokenizer and examples.
        """

    @abstractmethod
    def reward(self, directory: Path) -> Reward:
        """The reward with the checkpoint that `save` wrote."""

    def trained(self) -> Trained:
        """What the reward has to know to use a trained model; saved beside it."""
        return Trained(self.name)

    def save(self, trainer: Trainer, directory: Path) -> None:
        """Write the trainer's model and tokenizer in the format of the family's published models.

        Beside them ``reward.json`` says what `trained` does.

        Args:
            trainer: One that `trainer` returned.
            directory: Created if it does not exist.
        """
        trainer.save_model(str(directory))
        if trainer.is_world_process_zero():
            (directory / "training_args.bin").unlink(missing_ok=True)  # a pickle nobody reads
            write_trained(directory, self.trained())
        trainer.accelerator.wait_for_everyone()
