"""The `metricx` family: mT5 regression on MQM errors, trained by transformers' trainer.

Juraska et al. 2023 (2023.wmt-1.63) and 2024 (arXiv 2410.03983). A row becomes the very text that
`rewardlab.rewards.metricx.MetricX` would ask about; `rewardlab.models.metricx_training` has the
model and its loss.
"""

from __future__ import annotations

import io
import math
import re
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
    PrinterCallback,
    T5Tokenizer,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from rewardlab.human.rated import Rated
from rewardlab.metaeval.span_agreement import SEVERITY_CLASSES
from rewardlab.models.metricx import WORST_ERROR, read_words, token_ids, token_places
from rewardlab.models.metricx_from_scratch import new_trainable
from rewardlab.models.metricx_training import (
    Reading,
    collate,
    load_trainable,
    save_published,
    token_rows,
)
from rewardlab.models.weights import find_weights
from rewardlab.perturbations.failures import failures
from rewardlab.rewards.metricx import LONGEST, MetricX, Mode, Version
from rewardlab.scorers.families.family import SIDES, Lesson, Shape
from rewardlab.scorers.families.like_lengths import LikeLengths
from rewardlab.types import Candidate, ErrorSpan

Forms = Literal["qe", "reference", "hybrid"]
FIRST_LOOK = 64
"""Inputs whose mean error a new model begins at."""


def _digest(value: str) -> str:
    if not re.fullmatch("([0-9a-f]{64})?", value):
        raise ValueError("write the 64 hexadecimal digits of sha256sum")
    return value


@dataclass(frozen=True, kw_only=True)
class MetricXFamily:
    """Scorers in the format of MetricX-23 and -24.

    Attributes:
        mode: What the model reads besides the hypothesis: ``qe`` the source, ``reference`` the
            reference (24: and the source), ``hybrid`` (24) each row both ways, where it has a
            reference.
        version: How inputs are written.
        max_length: Longest input in tokens, as for the reward; 0 for that of the version.
        failures: Made-up failures for each row trained on, see `rewardlab.perturbations.failures`.
        span_weight: While training, the encoder also says which tokens of the hypothesis raters
            marked; so much does that count, in squared MQM points for each nat of cross-entropy.
            0 asks nothing of the kind.
        tokenizer: Directory of the tokenizer; None for the starting checkpoint's own.
        pickle_sha256: Of a starting checkpoint that is a pickle, see
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
    pickle_sha256: Annotated[str, AfterValidator(_digest)] = ""

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
        """The rewards that a model of this family can be, by what they read."""
        modes: tuple[Mode, ...] = ("qe", "reference") if self.mode == "hybrid" else (self.mode,)
        return tuple(
            MetricX(model=directory, version=self.version, mode=mode, max_length=self.max_length)
            for mode in modes
        )

    def reward(self, directory: Path) -> MetricX:
        """The reward on what `save` wrote; of a hybrid the one that needs no reference."""
        return self.rewards(directory)[0]

    def new(self, directory: Path, rows: Sequence[Lesson], shape: Shape, *, seed: int) -> None:
        """Write an mT5 that has seen nothing but these rows, and a tokenizer.

        Args:
            directory: Is made.
            rows: `Rated` ones, at least one.
            shape: Of the encoder; the decoder, which takes one step, has one layer.
            seed: Of the weights.

        Raises:
            ValueError: There are no rows, or some that cannot be learned from.
        """
        asked = self._asked(rows)
        if not asked:
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
        every = -(-len(asked) // FIRST_LOOK)
        readings = self._readings(tokenizer, asked[::every])
        opening = readings[0].ids[0]
        model = new_trainable(config, readings, opening=opening, seed=seed)
        save_published(model, directory, start=None)
        tokenizer.save_pretrained(str(directory))

    def trainer(
        self,
        start: Path,
        train: Sequence[Lesson],
        validation: Sequence[Lesson],
        *,
        args: TrainingArguments,
        callbacks: Sequence[TrainerCallback] = (),
        seed: int = 0,
    ) -> MetricXTrainer:
        """A trainer ready to train; the same arguments give the same weights, bit for bit.

        Args:
            start: What `new` or `save` wrote, or a published MetricX.
            train: `Rated` rows; made-up failures are added to them.
            validation: `Rated` rows that give ``eval_loss``; none are added.
            args: transformers' options.
            callbacks: Passed to the trainer.
            seed: Of the made-up failures and of the order of the rows.

        Raises:
            ValueError: A row is not `Rated`, has no finite score of at most 0, or no reference
                where one is read.
            UserError: The checkpoint or tokenizer cannot be used: E301 to E308; exit code 2.
        """
        asked, checks = self._asked(train), self._asked(validation)
        model, tokenizer = load_trainable(
            start,
            tokenizer=self.tokenizer or start,
            span_weight=self.span_weight,
            pickle_sha256=self.pickle_sha256,
        )
        made_up = failures(cast("Sequence[Rated]", train), share=self.failures, seed=seed)
        readings = self._readings(tokenizer, [*asked, *self._asked(made_up)])
        # In one order of lengths, so that little of a batch is padding; the mean is the same.
        check = sorted(self._readings(tokenizer, checks), key=lambda reading: len(reading.ids))
        trainer = MetricXTrainer(
            model=model,
            args=args,
            data_collator=cast("Any", collate),
            train_dataset=cast("Any", readings),
            eval_dataset=cast("Any", check) if check else None,
            processing_class=tokenizer,
            callbacks=list(callbacks),
        )
        trainer.start = start
        trainer.order_by([len(reading.ids) for reading in readings], seed=seed)
        trainer.remove_callback(PrinterCallback)  # stdout is for data
        return trainer

    def examine(
        self,
        start: Path,
        train: Sequence[Lesson],
        validation: Sequence[Lesson],
        *,
        args: TrainingArguments,  # noqa: ARG002 - the family's protocol
        seed: int = 0,
    ) -> Iterator[str]:
        """How many inputs a stage learns from, and how many are cut; see `trainer`.

        Raises:
            ValueError: As `trainer`.
            UserError: E301, E302, E304 there are no weights that may be read; E305, E307, E308 the
                configuration or tokenizer cannot be used; exit code 2.
        """
        find_weights(start, pickle_sha256=self.pickle_sha256)
        tokenizer = read_words(start, tokenizer=self.tokenizer or start)
        made_up = failures(cast("Sequence[Rated]", train), share=self.failures, seed=seed)
        longest = self._longest
        for side, rows in zip(SIDES, ([*train, *made_up], validation), strict=True):
            ids = token_ids(tokenizer, [one.text for one in self._asked(rows)])
            cut = sum(len(row) > longest for row in ids)
            most = max((len(row) + 1 for row in ids), default=0)
            yield (
                f"{side}: {len(ids):,} inputs, the longest of {most:,} tokens; {cut:,} are cut at "
                f"{longest + 1:,}"
            )

    def save(self, trainer: Trainer, directory: Path) -> None:
        """Write the trainer's model as MetricX is published, with its tokenizer.

        Args:
            trainer: Of `trainer`; the checkpoint that it began from is read once more.
            directory: Is made.
        """
        ours, accelerator = cast("MetricXTrainer", trainer), trainer.accelerator
        # Where they are shards, all processes together.
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
        accelerator.wait_for_everyone()

    def _asked(self, rows: Sequence[Lesson]) -> list[Asked]:
        """The model's inputs, and what it is to say of each.

        Raises:
            ValueError: See `trainer`.
        """
        rewards = self.rewards(Path())
        asked: list[Asked] = []
        for number, row in enumerate(rows):
            candidate, error = _judged(row, number)
            found = [
                Asked(
                    text=reward.text(candidate),
                    error=error,
                    at=reward.hypothesis_at(candidate),
                    length=len(candidate.hypothesis),
                    spans=_spans(row),
                )
                for reward in rewards
                if not (reward.needs_reference and candidate.reference is None)
            ]
            if not found:
                raise ValueError(f"row {number} has no reference, and mode={self.mode!r} reads one")
            asked += found
        return asked

    @property
    def _longest(self) -> int:
        """Tokens of an input at most, without the end of the sequence."""
        return (self.max_length or LONGEST[self.version]) - 1

    def _readings(
        self, tokenizer: PreTrainedTokenizerBase, asked: Sequence[Asked]
    ) -> list[Reading]:
        texts = [one.text for one in asked]
        longest = self._longest
        ids = token_ids(tokenizer, texts)
        if not self.span_weight:
            pairs = zip(ids, asked, strict=True)
            return [Reading(row[:longest], one.error) for row, one in pairs]
        places = token_places(tokenizer, texts)
        return [
            Reading(row[:longest], one.error, _marked(one, at)[:longest])
            for row, at, one in zip(ids, places, asked, strict=True)
        ]


class Asked(NamedTuple):
    """One input of the model, and what it is to say of it.

    Attributes:
        text: As the reward writes it.
        error: In 0..25.
        at: Where in it the hypothesis begins.
        length: Of the hypothesis, in characters.
        spans: For each rater the errors marked in the hypothesis.
    """

    text: str
    error: float
    at: int
    length: int
    spans: tuple[tuple[ErrorSpan, ...], ...]


class MetricXTrainer(LikeLengths, Trainer):
    """transformers' trainer, on batches of about one length.

    Attributes:
        start: The checkpoint that training began from.
    """

    start: Path


def train_tokenizer(texts: Sequence[str], *, vocab_size: int) -> PreTrainedTokenizerBase:
    """T5's kind: SentencePiece's unigram pieces over its normalisation, padding first.

    Args:
        texts: Training text.
        vocab_size: Pieces at most; texts with little in them give fewer.

    Raises:
        ValueError: The vocabulary is too small for the characters.
    """
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    written = io.BytesIO()
    learn: Any = sentencepiece.SentencePieceTrainer
    try:
        learn.train(
            sentence_iterator=iter(texts),
            model_writer=written,
            model_type="unigram",
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            character_coverage=0.9995,
            num_threads=1,  # the pieces depend on it
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ValueError(f"vocab_size={vocab_size} gives no tokenizer: {error}") from error
    parsed: Any = sentencepiece_model_pb2
    model = parsed.ModelProto.FromString(written.getvalue())
    return T5Tokenizer(
        vocab=[(piece.piece, piece.score) for piece in model.pieces],
        _spm_precompiled_charsmap=model.normalizer_spec.precompiled_charsmap,
        extra_ids=0,
    )


def _judged(row: Lesson, number: int) -> tuple[Candidate, float]:
    """A row's translation, and what the model is to say of it: its error, at most 25.

    Raises:
        ValueError: It is not `Rated`, or its score is not a finite number of at most 0.
    """
    if not isinstance(row, Rated):
        kind = type(row).__name__
        raise ValueError(  # noqa: TRY004 - the data's fault
            f"row {number} is {kind}; metricx learns from Rated ones, with MQM scores"
        )
    if not (math.isfinite(row.score) and row.score <= 0):
        raise ValueError(f"row {number} has score {row.score}; minus an MQM error is at most 0")
    return row.candidate, min(WORST_ERROR, 0.0 - row.score)


def _spans(row: Lesson) -> tuple[tuple[ErrorSpan, ...], ...]:
    """For each rater the errors that it marked in the hypothesis; none where nobody was asked."""
    raters = row.spans if isinstance(row, Rated) else ()
    return tuple(
        tuple(
            span
            for span in spans
            if span.side == "hypothesis" and span.severity.strip().lower() in SEVERITY_CLASSES
        )
        for spans in raters
    )


def _marked(asked: Asked, places: Sequence[tuple[int, int]]) -> list[float]:
    """For each token the share of raters who mark any of its characters; -1 for no answer."""
    if not asked.spans:
        return [-1.0] * len(places)
    text = np.full(len(asked.text) + 1, -1.0)
    text[asked.at : asked.at + asked.length] = 0.0
    for spans in asked.spans:
        own = np.zeros(asked.length, dtype=np.bool_)
        for span in spans:
            own[span.start : span.end] = True
        text[asked.at : asked.at + asked.length] += own / len(asked.spans)
    return [float(text[first:end].max()) if end > first else -1.0 for first, end in places]


def _texts(rows: Sequence[Lesson]) -> list[str]:
    """Each text once, behind the word that stands before it in the model's input."""
    found: dict[str, None] = {}
    for row in rows:
        if isinstance(row, Rated):
            candidate = row.candidate
            found[f"source: {candidate.source}"] = None
            found[f"candidate: {candidate.hypothesis}"] = None
            if candidate.reference is not None:
                found[f"reference: {candidate.reference}"] = None
    return list(found)
