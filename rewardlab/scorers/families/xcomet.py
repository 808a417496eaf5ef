"""The family ``xcomet``: regression and error labels on an XLM-R or BERT encoder.

Guerreiro et al. 2024 (arXiv 2310.10482). A row becomes exactly the ids that
`rewardlab.rewards.comet.XComet` reads. The model and its loss are in
`rewardlab.models.comet_training`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainingArguments

from rewardlab.human.rated import Rated, TrainingExample
from rewardlab.models.comet_inputs import CometTokenizer, Pieces
from rewardlab.models.comet_training import (
    IGNORED,
    Collate,
    Reading,
    TrainableXComet,
    load_trainable,
    read_start,
    save_published,
)
from rewardlab.models.encoder_from_scratch import new_encoder
from rewardlab.models.weights import find_weights, written_digest
from rewardlab.perturbations.failures import failures
from rewardlab.rewards.comet import XComet
from rewardlab.rewards.trained import Trained, write_trained
from rewardlab.scorers.examples import rated_only
from rewardlab.scorers.families.like_lengths import LikeLengths
from rewardlab.scorers.families.protocol import SIDES, Family, Shape, Stage
from rewardlab.trainers.run_log import no_printing
from rewardlab.types import SEVERITIES, ErrorSpan

Mode = Literal["qe", "reference"]
WORST = 25.0
"""MQM points of a translation with the score 0."""
READINGS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "qe": (("mt", "src"),),
    "reference": (("mt", "src"), ("mt", "ref"), ("mt", "src", "ref")),
}


@dataclass(frozen=True, kw_only=True)
class XCometFamily(Family):
    """Scorers in the format of xCOMET.

    Attributes:
        mode: What the model reads besides the hypothesis: ``qe`` the source; ``reference`` also the
            reference, in the three readings of xCOMET. A model of ``reference`` can also be used
            without references.
        word_share: Share of the word labels in the loss, in [0, 1); the rest is the regression's.
        failures: Rows with synthetic errors of the whole text per training row, see
            `rewardlab.perturbations.failures`. Without them, a scorer that learns from free
            supervision does not need the source: an unrelated text of a person is a good one.
        freeze_embeddings: Do not train the embeddings of words. They are most of the weights of a
            small multilingual encoder, and a small corpus has few of its words.
        pickle_sha256: SHA-256 of a starting checkpoint that is a pickle, see
            `rewardlab.models.weights.load_state_dict`.

    Raises:
        ValueError: An option is out of range.
    """

    mode: Mode = "qe"
    word_share: Annotated[float, Field(ge=0, lt=1)] = 0.055  # xCOMET's λ
    failures: Annotated[float, Field(ge=0)] = 0.0
    freeze_embeddings: bool = True
    pickle_sha256: Annotated[str, AfterValidator(written_digest)] = ""

    name: ClassVar[str] = "xcomet"
    options_class: ClassVar[type[TrainingArguments]] = TrainingArguments

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise ValueError(f"mode={self.mode!r} is not one of {', '.join(get_args(Mode))}")
        if not 0 <= self.word_share < 1:
            raise ValueError(f"word_share={self.word_share} must be in [0, 1)")
        if not (math.isfinite(self.failures) and self.failures >= 0):
            raise ValueError(f"failures={self.failures} must be at least 0")

    def reward(self, directory: Path) -> XComet:
        """The reward with the checkpoint that `save` wrote."""
        return XComet(model=directory, mode=self.mode)

    def trained(self) -> Trained:
        """The modes that the model can be used in, the one that it was trained for first."""
        return Trained(self.name, {"mode": [*dict.fromkeys((self.mode, "qe"))]})

    def new(
        self, directory: Path, examples: Sequence[TrainingExample], shape: Shape, *, seed: int
    ) -> None:
        """Write an XLM-R encoder with random weights, and a tokenizer trained on the examples.

        Args:
            directory: Created if it does not exist.
            examples: `Rated` ones, at least one.
            shape: Shape of the model.
            seed: Seed of the weights.

        Raises:
            ValueError: An example is not `Rated`, or the shape is not possible.
        """
        rows = [row.candidate for row in rated_only(examples, self.name)]
        texts = dict.fromkeys(
            text
            for row in rows
            for text in (row.source, row.hypothesis, row.reference)
            if text is not None
        )
        new_encoder(
            directory,
            list(texts),
            vocab_size=shape.vocab_size,
            hidden_size=shape.hidden_size,
            layers=shape.layers,
            heads=shape.heads,
            seed=seed,
        )

    def trainer(self, stage: Stage, callbacks: Sequence[TrainerCallback] = ()) -> XCometTrainer:
        """A trainer on scores and, where rows have spans, on labels of pieces.

        Args:
            stage: Checkpoint, `Rated` examples and options.
            callbacks: Passed to the trainer.

        Raises:
            ValueError: An example is not `Rated`, or lacks a reference that the model reads.
            UserError: The checkpoint cannot be used: E301, E302, E304, E320 to E325; exit code 2.
        """
        model, tokenizer = load_trainable(
            stage.start,
            word_share=self.word_share,
            freeze_embeddings=self.freeze_embeddings,
            seed=stage.seed,
            pickle_sha256=self.pickle_sha256,
        )
        train = self.readings(self._train(stage), tokenizer)
        # Sorted by length, so that batches have little padding; the mean is the same.
        check = sorted(self.readings(stage.validation, tokenizer), key=lambda row: len(row.ids))
        pad = cast("int", model.encoder.config.pad_token_id)
        trainer = XCometTrainer(
            model=cast("Any", model),
            args=stage.args,
            data_collator=cast("Any", Collate(pad)),
            train_dataset=cast("Any", train),
            eval_dataset=cast("Any", check) if check else None,
            callbacks=list(callbacks),
        )
        trainer.start = stage.start
        trainer.order_by([len(reading.ids) for reading in train], seed=stage.seed)
        no_printing(trainer)
        return trainer

    def describe(self, stage: Stage) -> Iterator[str]:
        """Report how many readings a stage has, and how many are cut; see `Family.describe`.

        Raises:
            ValueError: As `trainer`.
            UserError: E301, E302, E304 the weights, E323, E325 the encoder; exit code 2.
        """
        _, tokenizer = read_start(stage.start)
        if not (stage.start / "hparams.yaml").is_file():
            find_weights(stage.start, pickle_sha256=self.pickle_sha256)
        for side, rows in zip(SIDES, (self._train(stage), stage.validation), strict=True):
            readings = self.readings(rows, tokenizer)
            most = max((len(one.ids) for one in readings), default=0)
            cut = sum(len(one.ids) >= tokenizer.positions for one in readings)
            labelled = sum(any(label >= 0 for label in one.labels) for one in readings)
            yield (
                f"{side}: {len(readings):,} readings, {labelled:,} with labels of words, the "
                f"longest of {most:,} tokens; {cut:,} fill the encoder's positions"
            )

    def _train(self, stage: Stage) -> list[Rated]:
        """The training rows, and the synthetic ones."""
        rows = rated_only(stage.train, self.name)
        return rows + failures(rows, share=self.failures, seed=stage.seed)

    def save(self, trainer: Trainer, directory: Path) -> None:
        """Write the trainer's model as xCOMET is published, with its encoder's tokenizer.

        Args:
            trainer: One that `trainer` returned.
            directory: Created if it does not exist.
        """
        ours, accelerator = cast("XCometTrainer", trainer), trainer.accelerator
        # All processes together, as the weights may be sharded.
        weights = cast("dict[str, Tensor]", accelerator.get_state_dict(trainer.model))
        if trainer.is_world_process_zero():
            model = cast("TrainableXComet", accelerator.unwrap_model(trainer.model))
            save_published(model, directory, start=ours.start, weights=weights)
            write_trained(directory, self.trained())
        accelerator.wait_for_everyone()

    def readings(self, rows: Sequence[TrainingExample], tokenizer: CometTokenizer) -> list[Reading]:
        """What the model reads of rows, with the targets.

        Args:
            rows: `Rated` ones; the score of 0 to -25 MQM points becomes 1 to 0.
            tokenizer: The encoder's.

        Raises:
            ValueError: A row is not `Rated`, or lacks a reference that the model reads.
        """
        kept = rated_only(rows, self.name)
        readings: list[Reading] = []
        for number, row in enumerate(kept):
            one = row.candidate
            if self.mode == "reference" and one.reference is None:
                raise ValueError(f"row {number} has no reference, and mode='reference' reads one")
            texts = {"mt": one.hypothesis, "src": one.source, "ref": one.reference or ""}
            pieces = dict(zip(texts, tokenizer.pieces(list(texts.values())), strict=True))
            labels = [IGNORED, *piece_labels(row, pieces["mt"])]
            for segments in READINGS[self.mode]:
                ids, _ = tokenizer.joined([pieces[name] for name in segments])
                score = 1.0 + max(row.score, -WORST) / WORST
                readings.append(Reading(ids, score, labels[: len(ids)]))
        return readings


def piece_labels(row: Rated, pieces: Pieces) -> list[int]:
    """The label of each piece of the hypothesis: 0 no error, 1 minor, 2 major, 3 critical.

    A piece has the most severe label of its characters. If raters differ, it has their median
    (of an even number the milder one).

    Args:
        row: Its ``spans`` are by rater; without raters all labels are `IGNORED`.
        pieces: The hypothesis.
    """
    if not row.spans:
        return [IGNORED] * len(pieces.ids)
    length = len(row.candidate.hypothesis)
    by_rater = np.stack([_characters(spans, length) for spans in row.spans])
    found: list[int] = []
    for start, end in pieces.offsets:
        worst = by_rater[:, start:end].max(axis=1) if end > start else np.zeros(len(by_rater))
        found.append(int(np.sort(worst)[(len(worst) - 1) // 2]))
    return found


def _characters(spans: Sequence[ErrorSpan], length: int) -> NDArray[np.int64]:
    """The label of each character under one rater."""
    labels = np.zeros(length, dtype=np.int64)
    for span in spans:
        severity = span.severity.strip().lower()
        if span.side == "hypothesis" and severity in SEVERITIES:
            inside = labels[span.start : span.end]
            np.maximum(inside, 1 + SEVERITIES.index(severity), out=inside)
    return labels


class XCometTrainer(LikeLengths, Trainer):
    """transformers' trainer, on batches of similar length.

    Attributes:
        start: The checkpoint that training started from.
    """

    start: Path
