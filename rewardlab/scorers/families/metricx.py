"""The family ``metricx``: mT5 regression on MQM errors, trained by transformers' trainer.

Juraska et al. 2023 (2023.wmt-1.63) and 2024 (arXiv 2410.03983). A row becomes exactly the text that
`rewardlab.rewards.metricx.MetricX` scores. The model and its loss are in
`rewardlab.models.metricx_training`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, cast, get_args

import numpy as np
from pydantic import AfterValidator, Field
from torch import Tensor
from transformers import (
    MT5Config,
    PreTrainedTokenizerBase,
    T5Tokenizer,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from rewardlab.human.rated import Rated, TrainingExample
from rewardlab.metaeval.span_agreement import SEVERITY_CLASSES
from rewardlab.models.metricx import WORST_ERROR, input_ids, input_offsets, read_words
from rewardlab.models.metricx_from_scratch import new_trainable
from rewardlab.models.metricx_training import (
    Reading,
    collate,
    load_trainable,
    save_published,
    token_rows,
)
from rewardlab.models.unigram import learn_pieces
from rewardlab.models.weights import find_weights, written_digest
from rewardlab.perturbations.failures import failures
from rewardlab.rewards.metricx import LONGEST, MetricX, Mode, Version
from rewardlab.rewards.trained import Trained, write_trained
from rewardlab.scorers.examples import rated_only
from rewardlab.scorers.families.like_lengths import LikeLengths
from rewardlab.scorers.families.protocol import SIDES, Family, Shape, Stage
from rewardlab.trainers.run_log import no_printing

Forms = Literal["qe", "reference", "hybrid"]
FIRST_LOOK = 64
"""Number of inputs whose mean error is the initial output of a new model."""


@dataclass(frozen=True, kw_only=True)
class MetricXFamily(Family):
    """Scorers in the format of MetricX-23 and -24.

    Attributes:
        mode: What the model reads besides the hypothesis: ``qe`` the source; ``reference`` the
            reference (version 24: and the source); ``hybrid`` (version 24) each row in both ways,
            if it has a reference.
        version: Version of the input format.
        max_length: Maximum number of tokens in an input, as for the reward; 0 for the default of
            the version.
        failures: Rows with synthetic errors per training row, see
            `rewardlab.perturbations.failures`.
        span_weight: Weight of a second training loss, in squared MQM points per nat: the encoder
            predicts which tokens of the hypothesis raters marked. 0 for no such loss.
        tokenizer: Directory of the tokenizer; None for the starting checkpoint's own.
        pickle_sha256: SHA-256 of a starting checkpoint that is a pickle, see
            `rewardlab.models.weights.load_state_dict`.

    Raises:
        ValueError: An option is out of range.
    """

    mode: Forms = "qe"
    version: Version = "24"
    max_length: Annotated[int, Field(ge=0)] = 0
    failures: Annotated[float, Field(ge=0)] = 0.0
    span_weight: Annotated[float, Field(ge=0)] = 0.0
    tokenizer: Path | None = None
    pickle_sha256: Annotated[str, AfterValidator(written_digest)] = ""

    name: ClassVar[str] = "metricx"
    options_class: ClassVar[type[TrainingArguments]] = TrainingArguments

    def __post_init__(self) -> None:
        if self.mode not in get_args(Forms):
            raise ValueError(f"mode={self.mode!r} is not one of {', '.join(get_args(Forms))}")
        if self.mode == "hybrid" and self.version == "23":
            raise ValueError("mode='hybrid' is of version 24; of 23 there is a model for each mode")
        if not (math.isfinite(self.failures) and self.failures >= 0):
            raise ValueError(f"failures={self.failures} must be at least 0")
        if not (math.isfinite(self.span_weight) and self.span_weight >= 0):
            raise ValueError(f"span_weight={self.span_weight} must be at least 0")
        self.rewards(Path())  # refuses what it cannot be made with

    def rewards(self, directory: Path) -> tuple[MetricX, ...]:
        """The rewards that can load a model of this family; for ``hybrid``, one per mode."""
        modes: tuple[Mode, ...] = ("qe", "reference") if self.mode == "hybrid" else (self.mode,)
        return tuple(
            MetricX(model=directory, version=self.version, mode=mode, max_length=self.max_length)
            for mode in modes
        )

    def reward(self, directory: Path) -> MetricX:
        """The reward with the checkpoint that `save` wrote; for ``hybrid``, without references."""
        return self.rewards(directory)[0]

    def trained(self) -> Trained:
        """Version, mode and length of the inputs; of a hybrid, both modes."""
        fixed = {"version": [self.version], "mode": [one.mode for one in self.rewards(Path())]}
        longest = {"max_length": self.max_length} if self.max_length else {}
        return Trained(self.name, fixed, longest)

    def new(
        self, directory: Path, examples: Sequence[TrainingExample], shape: Shape, *, seed: int
    ) -> None:
        """Write an mT5 with random weights, and a tokenizer trained on the examples.

        Args:
            directory: Created if it does not exist.
            examples: `Rated` ones, at least one.
            shape: Shape of the encoder; the decoder, which takes one step, has one layer.
            seed: Seed of the weights.

        Raises:
            ValueError: There are no examples, or some cannot be learned from.
        """
        rows = rated_only(examples, self.name)
        inputs = self._inputs(rows)
        if not inputs:
            raise ValueError("a tokenizer needs texts to learn from; there are no rows")
        tokenizer = train_tokenizer(_texts(rows), vocab_size=shape.vocab_size)
        config = MT5Config(
            vocab_size=token_rows(tokenizer),
            d_model=shape.hidden_size,
            d_kv=shape.hidden_size // shape.heads,
            d_ff=2 * shape.hidden_size,
            num_layers=shape.layers,
            num_decoder_layers=1,
            num_heads=shape.heads,
            dropout_rate=0.0,  # a small model sees few rows more than a few times
            decoder_start_token_id=0,
        )
        every = -(-len(inputs) // FIRST_LOOK)
        readings = self._readings(tokenizer, inputs[::every])
        model = new_trainable(config, readings, opening=readings[0].ids[0], seed=seed)
        save_published(model, directory, start=None)
        tokenizer.save_pretrained(str(directory))

    def trainer(self, stage: Stage, callbacks: Sequence[TrainerCallback] = ()) -> MetricXTrainer:
        """A trainer on MQM errors; synthetic errors are added to the training side.

        Args:
            stage: Checkpoint, `Rated` examples and options.
            callbacks: Passed to the trainer.

        Raises:
            ValueError: An example is not `Rated`, has no finite score of at most 0, or lacks a
                reference that the model reads.
            UserError: The checkpoint or tokenizer cannot be used: E301 to E308; exit code 2.
        """
        train, validation = self._sides(stage)
        model, tokenizer = load_trainable(
            stage.start,
            tokenizer=self.tokenizer or stage.start,
            span_weight=self.span_weight,
            pickle_sha256=self.pickle_sha256,
        )
        readings = self._readings(tokenizer, train)
        # Sorted by length, so that batches have little padding; the mean is the same.
        check = sorted(self._readings(tokenizer, validation), key=lambda row: len(row.ids))
        trainer = MetricXTrainer(
            model=model,
            args=stage.args,
            data_collator=cast("Any", collate),
            train_dataset=cast("Any", readings),
            eval_dataset=cast("Any", check) if check else None,
            processing_class=tokenizer,
            callbacks=list(callbacks),
        )
        trainer.start = stage.start
        trainer.order_by([len(reading.ids) for reading in readings], seed=stage.seed)
        no_printing(trainer)
        return trainer

    def describe(self, stage: Stage) -> Iterator[str]:
        """Report how many inputs a stage uses, and how many are truncated; see `Family.describe`.

        Raises:
            ValueError: As `trainer`.
            UserError: E301, E302, E304 weights are missing or may not be read; E305, E307, E308
                the configuration or tokenizer cannot be used; exit code 2.
        """
        find_weights(stage.start, pickle_sha256=self.pickle_sha256)
        tokenizer = read_words(stage.start, tokenizer=self.tokenizer or stage.start)
        longest = self._longest
        for side, inputs in zip(SIDES, self._sides(stage), strict=True):
            ids = input_ids(tokenizer, [one.text for one in inputs])
            cut = sum(len(row) > longest for row in ids)
            most = max((len(row) + 1 for row in ids), default=0)
            yield (
                f"{side}: {len(ids):,} inputs, the longest of {most:,} tokens; {cut:,} are cut at "
                f"{longest + 1:,}"
            )

    def _sides(self, stage: Stage) -> tuple[list[ModelInput], list[ModelInput]]:
        """The inputs of both sides.

        Raises:
            ValueError: As `trainer`.
        """
        train, validation = (
            self._inputs(rated_only(stage.train, self.name)),
            self._inputs(rated_only(stage.validation, self.name)),
        )
        synthetic = failures(
            rated_only(stage.train, self.name), share=self.failures, seed=stage.seed
        )
        return train + self._inputs(synthetic), validation

    def save(self, trainer: Trainer, directory: Path) -> None:
        """Write the trainer's model as MetricX is published, with its tokenizer.

        Args:
            trainer: One that `trainer` returned; its starting checkpoint is read again.
            directory: Created if it does not exist.
        """
        ours, accelerator = cast("MetricXTrainer", trainer), trainer.accelerator
        # All processes together, as the weights may be sharded.
        weights = cast("dict[str, Tensor]", accelerator.get_state_dict(trainer.model))
        if trainer.is_world_process_zero():
            save_published(
                accelerator.unwrap_model(trainer.model),
                directory,
                start=ours.start,
                pickle_sha256=self.pickle_sha256,
                weights=weights,
            )
            tokenizer = cast("PreTrainedTokenizerBase", trainer.processing_class)
            tokenizer.save_pretrained(str(directory))
            write_trained(directory, self.trained())
        accelerator.wait_for_everyone()

    def _inputs(self, rows: Sequence[Rated]) -> list[ModelInput]:
        """The model's inputs with their targets.

        Raises:
            ValueError: A row has no reference, but the mode needs one.
        """
        rewards = self.rewards(Path())
        inputs: list[ModelInput] = []
        for number, row in enumerate(rows):
            readers = [
                reward
                for reward in rewards
                if not (reward.needs_reference and row.candidate.reference is None)
            ]
            if not readers:
                raise ValueError(f"row {number} has no reference, and mode={self.mode!r} reads one")
            inputs += [
                ModelInput(row, reward.text(row.candidate), reward.hypothesis_at(row.candidate))
                for reward in readers
            ]
        return inputs

    @property
    def _longest(self) -> int:
        """Maximum number of tokens in an input, without the end of the sequence."""
        return (self.max_length or LONGEST[self.version]) - 1

    def _readings(
        self, tokenizer: PreTrainedTokenizerBase, inputs: Sequence[ModelInput]
    ) -> list[Reading]:
        texts, longest = [one.text for one in inputs], self._longest
        ids = input_ids(tokenizer, texts)
        if not self.span_weight:
            return [Reading(row[:longest], one.error) for row, one in zip(ids, inputs, strict=True)]
        places = input_offsets(tokenizer, texts)
        return [
            Reading(row[:longest], one.error, one.marked(at)[:longest])
            for row, at, one in zip(ids, places, inputs, strict=True)
        ]


class ModelInput(NamedTuple):
    """One input of the model.

    Attributes:
        row: The translation and its score.
        text: The input, as the reward writes it.
        at: Position in ``text`` where the hypothesis starts.
    """

    row: Rated
    text: str
    at: int

    @property
    def error(self) -> float:
        """The target, in 0..25."""
        return min(WORST_ERROR, 0.0 - self.row.score)

    def marked(self, places: Sequence[tuple[int, int]]) -> list[float]:
        """For each token the share of raters who marked any of its characters.

        Args:
            places: For each token its first character in the text, and one past its last.

        Returns:
            Shares; -1 for tokens outside the hypothesis, and for all tokens if there is no rater.
        """
        if not self.row.spans:
            return [-1.0] * len(places)
        share = np.zeros(len(self.row.candidate.hypothesis))
        for spans in self.row.spans:
            own = np.zeros(len(share), dtype=np.bool_)
            for span in spans:
                if span.side == "hypothesis" and span.severity.strip().lower() in SEVERITY_CLASSES:
                    own[span.start : span.end] = True
            share += own / len(self.row.spans)
        text = np.full(len(self.text) + 1, -1.0)
        text[self.at : self.at + len(share)] = share
        return [float(text[first:end].max()) if end > first else -1.0 for first, end in places]


class MetricXTrainer(LikeLengths, Trainer):
    """transformers' trainer, on batches of similar length.

    Attributes:
        start: The checkpoint that training started from.
    """

    start: Path


def train_tokenizer(texts: Sequence[str], *, vocab_size: int) -> PreTrainedTokenizerBase:
    """Train a tokenizer like T5's: unigram model and normalisation of SentencePiece, pad id 0.

    Args:
        texts: Training texts.
        vocab_size: Maximum number of pieces; short texts give fewer.

    Raises:
        ValueError: The vocabulary is too small for the characters.
    """
    learned = learn_pieces(texts, vocab_size=vocab_size, specials=("<pad>", "</s>", "<unk>"))
    return T5Tokenizer(
        vocab=learned.pieces, _spm_precompiled_charsmap=learned.normalization, extra_ids=0
    )


def _texts(rows: Sequence[Rated]) -> list[str]:
    """Each text once, with the prefix that precedes it in the model's input."""
    found: dict[str, None] = {}
    for candidate in (row.candidate for row in rows):
        found[f"source: {candidate.source}"] = None
        found[f"candidate: {candidate.hypothesis}"] = None
        if candidate.reference is not None:
            found[f"reference: {candidate.reference}"] = None
    return list(found)
