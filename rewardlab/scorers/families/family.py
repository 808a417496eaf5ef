"""What a family of scorers is to the command that trains it.

A family is one file with one frozen dataclass: its fields are its options, and what it saves is
read by the reward class of the same name as any published checkpoint is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol, TypeAlias

from transformers import Trainer, TrainerCallback, TrainingArguments

from rewardlab.human.rated import Preference, Rated
from rewardlab.types import Reward

Lesson: TypeAlias = Rated | Preference
"""What a scorer learns from."""
SIDES = ("training", "validation")


class Shape(NamedTuple):
    """Of a model from scratch.

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


class Family(Protocol):
    """How scorers of one kind are begun, trained, saved and used."""

    name: ClassVar[str]
    """Of its reward."""
    options_class: ClassVar[type[TrainingArguments]]
    """Whose fields the ``trainer`` sections of a configuration are."""

    def new(self, directory: Path, rows: Sequence[Lesson], shape: Shape, *, seed: int) -> None:
        """Write a checkpoint with random weights, and a tokenizer trained on the rows' texts.

        Args:
            directory: An empty directory.
            rows: Of all stages.
            shape: Of the model.
            seed: Of the weights.
        """
        ...

    def trainer(
        self,
        start: Path,
        train: Sequence[Lesson],
        validation: Sequence[Lesson],
        *,
        args: TrainingArguments,
        callbacks: Sequence[TrainerCallback] = (),
        seed: int = 0,
    ) -> Trainer:
        """A trainer that has everything; the same arguments give the same weights, bit for bit.

        Args:
            start: What `new` or `save` wrote, or a published checkpoint of the family.
            train: Rows to learn from.
            validation: Rows that give ``eval_loss``.
            args: Of `options_class`.
            callbacks: Passed to the trainer.
            seed: Of whatever is drawn from the rows.
        """
        ...

    def examine(
        self,
        start: Path,
        train: Sequence[Lesson],
        validation: Sequence[Lesson],
        *,
        args: TrainingArguments,
        seed: int = 0,
    ) -> Iterator[str]:
        """What becomes of a stage's rows, a line a side, known before a weight is read.

        The arguments are those of `trainer`, which raises the same about tokenizer and rows.
        """
        ...

    def save(self, trainer: Trainer, directory: Path) -> None:
        """Write the trainer's model, with its tokenizer, as the family is published."""
        ...

    def reward(self, directory: Path) -> Reward:
        """The reward on what `save` wrote."""
        ...
