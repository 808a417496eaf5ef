"""The family ``automqm``: a causal language model that lists errors, trained on human error spans.

Each rating becomes the question that `rewardlab.rewards.automqm` asks, and the correct answer. The
loss is the mean over all answer tokens of a step; question tokens do not contribute.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from shutil import copyfile
from typing import Annotated, Any, ClassVar, NamedTuple, cast

import torch
from pydantic import Field
from torch.nn.functional import cross_entropy
from transformers import (
    AddedToken,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from trl import SFTConfig, SFTTrainer

from rewardlab.errors import Problem, refuse
from rewardlab.human.rated import Rated, TrainingExample
from rewardlab.judges.prompts import write_question
from rewardlab.judges.teaching import CATEGORIES, answer_for, written
from rewardlab.models.boundary import answer_ids, prompt_ids
from rewardlab.rewards.automqm import AutoMQM
from rewardlab.rewards.trained import Trained
from rewardlab.scorers.families.copying import write_copying
from rewardlab.scorers.families.like_lengths import LikeLengths
from rewardlab.scorers.families.protocol import SIDES, Family, Shape, Stage
from rewardlab.trainers.from_scratch import new_policy, train_tokenizer
from rewardlab.trainers.policy import end_of_turn, load_policy, load_tokenizer, stop_at
from rewardlab.trainers.run_log import NoModelCard
from rewardlab.trainers.sft import Example, sft_trainer

PROMPT_FILE = "prompt.toml"
"""File saved with the weights of a scorer that was not trained with the standard prompt."""
IGNORE_INDEX = -100
"""The label of a token that does not contribute to the loss."""


UNRATED, TOO_LONG = "rows without spans", "ratings too long"
NEUTRAL, AMBIGUOUS, BEYOND = "neutral errors", "ambiguous errors", "errors too many"


class Answers(NamedTuple):
    """Questions with their answers.

    Attributes:
        examples: Questions and answers, in the order of the rows; a row with two raters gives two.
        flawless: For each example, whether its answer lists no error.
        counts: `UNRATED`: rows without a rater's spans, or whose spans do not explain their score,
            left out because "no errors" would be a wrong answer. `NEUTRAL`: errors that weigh
            nothing, left out. `AMBIGUOUS`: errors in the answers whose text also occurs elsewhere.
            `BEYOND`: errors that the answer has no room for, left out. `TOO_LONG`: ratings left
            out because they are too long, see `AutoMQMFamily.answers`.
    """

    examples: list[Example]
    flawless: list[bool]
    counts: Mapping[str, int]

    def __str__(self) -> str:
        """One line for a reader."""
        answers = f"{len(self.examples):,} answers, {sum(self.flawless):,} without an error"
        counts = (f"{count:,} {what}" for what, count in self.counts.items() if count)
        return "; ".join([answers, *counts])


@dataclass(frozen=True, kw_only=True)
class AutoMQMFamily(Family):
    """A judge trained on human MQM annotations.

    Attributes:
        reference: The questions include the reference.
        chat: Questions go through the model's chat template.
        prompt: A prompt file used instead of the standard one, or the name of a prompt of the
            library (``automqm_short`` for models from scratch).
        no_errors: Share of the answers that list no error, in [0, 1): such examples are dropped or
            repeated to reach it. A lower share makes the model mark more.
        max_new_tokens: Maximum number of tokens in an answer; the trained judge stops there.

    Raises:
        ValueError: A number is out of range.
    """

    reference: bool = False
    chat: bool = True
    prompt: str = ""
    no_errors: Annotated[float, Field(ge=0, lt=1)] = 0.5
    max_new_tokens: Annotated[int, Field(ge=1)] = 512

    name: ClassVar[str] = "automqm"
    options_class: ClassVar[type[TrainingArguments]] = SFTConfig

    def __post_init__(self) -> None:
        if not 0.0 <= self.no_errors < 1.0:
            raise ValueError(f"no_errors={self.no_errors} must be at least 0 and below 1")
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens={self.max_new_tokens} must be at least 1")

    def new(
        self, directory: Path, examples: Sequence[TrainingExample], shape: Shape, *, seed: int
    ) -> None:
        """Write a Qwen3 with random weights, and a tokenizer that includes the `form_tokens`.

        With two layers or more, the untrained model can already quote (`copying`).

        Args:
            directory: Created if it does not exist.
            examples: Examples of all stages.
            shape: Shape of the model.
            seed: Seed of the weights.

        Raises:
            UserError: E340, E341, the prompt file cannot be used; E366, the examples are no
                ratings.
        """
        form = form_tokens()
        tokenizer = train_tokenizer(
            (text for one in self.answers(examples).examples for text in _bare(one, form)),
            vocab_size=shape.vocab_size - len(form),
        )
        add_form(tokenizer)
        policy = new_policy(
            tokenizer,
            hidden_size=shape.hidden_size,
            layers=shape.layers,
            heads=shape.heads,
            seed=seed,
        )
        write_copying(policy, tokenizer, seed=seed)
        policy.save_pretrained(directory)
        tokenizer.save_pretrained(str(directory))

    def trainer(self, stage: Stage, callbacks: Sequence[TrainerCallback] = ()) -> Trainer:
        """TRL's trainer on questions and answers; validation is balanced like training.

        Args:
            stage: Checkpoint, examples and options.
            callbacks: Passed to the trainer.

        Raises:
            TypeError: The options are not TRL's SFTConfig.
            ValueError: The options ask for a loss on the questions too.
            UserError: E028, E044, the checkpoint cannot be used; E340, E341, the prompt file;
                E365, nothing is left to learn from; E366, the examples are not ratings.
        """
        args = stage.args
        if not isinstance(args, SFTConfig):
            raise TypeError(f"args is {type(args).__name__}, not SFTConfig")
        if args.completion_only_loss is False:
            raise ValueError("completion_only_loss=False would teach the questions too")
        tokenizer = load_tokenizer(stage.start)
        policy = load_policy(stage.start, **cast("dict[str, Any]", args.model_init_kwargs or {}))
        ends = tokenizer.eos_token_id
        stop_at(policy, end_of_turn(tokenizer) if self.chat else cast("int", ends))
        train, validation = self._sides(stage, tokenizer)
        trainer = sft_trainer(
            policy,
            tokenizer,
            train.examples,
            validation.examples,
            args=args,
            patience=None,
            callbacks=callbacks,
            trainer_class=AnswerTrainer,
        )
        ids: Any = cast("Any", trainer.train_dataset)["input_ids"]
        cast("AnswerTrainer", trainer).order_by([len(row) for row in ids], seed=stage.seed)
        return trainer

    def describe(self, stage: Stage) -> Iterator[str]:
        """Report the number of answers of a stage, and what is left out; see `Family.describe`."""
        for side, answers in zip(
            SIDES, self._sides(stage, load_tokenizer(stage.start)), strict=True
        ):
            yield f"{side}: {answers}"

    def _sides(self, stage: Stage, tokenizer: PreTrainedTokenizerBase) -> list[Answers]:
        """The balanced answers of the training and the validation side.

        Raises:
            UserError: As `trainer`.
        """
        args = cast("SFTConfig", stage.args)
        read = (
            self.answers(rows, tokenizer=tokenizer, max_length=args.max_length)
            for rows in (stage.train, stage.validation)
        )
        sides = [balanced(answers, self.no_errors, seed=stage.seed) for answers in read]
        for answers in sides[: 1 if args.eval_strategy == "no" else 2]:
            if not answers.examples:
                what = f"no rating is left to learn from: {answers}"
                fix = "give rows with error spans"
                if answers.counts.get(TOO_LONG):
                    fix = f"raise max_length={args.max_length}, or "
                    fix += f"max_new_tokens={self.max_new_tokens}"
                refuse(Problem("E365", "data", what, fix))
        return sides

    def save(self, trainer: Trainer, directory: Path) -> None:
        """Write weights, tokenizer, and the prompt file if it is not the standard one.

        Args:
            trainer: One that `trainer` returned.
            directory: Created if it does not exist.
        """
        super().save(trainer, directory)
        if self.prompt and trainer.is_world_process_zero():
            copyfile(self._prompt_file, directory / PROMPT_FILE)
        trainer.accelerator.wait_for_everyone()

    def trained(self) -> Trained:
        """The form of the questions, and the length of the answers."""
        prompt = PROMPT_FILE if self.prompt else ""
        fixed = {"reference": [self.reference], "chat": [self.chat], "prompt": [prompt]}
        return Trained(self.name, fixed, {"max_new_tokens": self.max_new_tokens})

    def reward(self, directory: Path) -> AutoMQM:
        """The judge that `save` wrote, with the questions that it was trained on."""
        asked = directory / PROMPT_FILE
        return AutoMQM(
            model=str(directory),
            reference=self.reference,
            chat=self.chat,
            prompt=str(asked) if asked.is_file() else "",
            max_new_tokens=self.max_new_tokens,
        )

    def answers(
        self,
        rows: Iterable[TrainingExample],
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        max_length: int | None = None,
    ) -> Answers:
        """Questions and answers of rated translations.

        Nothing is truncated: with a tokenizer, a rating is left out if its question and answer are
        longer than ``max_length``, or its answer is longer than `max_new_tokens`.

        Args:
            rows: Rated translations.
            tokenizer: The model's tokenizer; None leaves nothing out.
            max_length: Maximum number of tokens in a question and its answer, None for no limit.

        Raises:
            UserError: E340, E341, the prompt file cannot be used; E366, the rows are not ratings.
        """
        counts: dict[str, int] = dict.fromkeys((UNRATED, NEUTRAL, AMBIGUOUS, BEYOND, TOO_LONG), 0)
        answers = Answers([], [], counts)
        for row in rows:
            if not isinstance(row, Rated):
                what = "automqm learns from error spans, and a row is a preference between answers"
                refuse(Problem("E366", "data", what, "give MQM ratings"))
            if not row.spans or (row.score < 0 and not any(row.spans)):
                counts[UNRATED] += 1
                continue
            for spans in row.spans:
                taught = answer_for(row.candidate, spans)
                example = self._example(row, written(taught.answer))
                if tokenizer is not None and self._too_long(example, tokenizer, max_length):
                    counts[TOO_LONG] += 1
                    continue
                answers.examples.append(example)
                answers.flawless.append(not taught.answer.errors)
                counts[NEUTRAL] += taught.neutral
                counts[AMBIGUOUS] += taught.ambiguous
                counts[BEYOND] += taught.beyond
        return answers

    def _example(self, row: Rated, answer: str) -> Example:
        judge = self._judge
        question = write_question(
            judge.template, judge.question(row.candidate), chat=self.chat, attempt=0
        )
        turn = [{"role": "assistant", "content": answer}]
        return Example(question, turn if self.chat else answer)

    def _too_long(
        self, example: Example, tokenizer: PreTrainedTokenizerBase, max_length: int | None
    ) -> bool:
        learned = len(answer_ids(tokenizer, *example))
        both = len(prompt_ids(tokenizer, example.prompt)) + learned
        return learned > self.max_new_tokens or (max_length is not None and both > max_length)

    @cached_property
    def _judge(self) -> AutoMQM:
        """A judge that writes the questions; its model is never loaded."""
        prompt = str(self._prompt_file) if self.prompt else ""
        return AutoMQM(model="", reference=self.reference, chat=self.chat, prompt=prompt)

    @property
    def _prompt_file(self) -> Path:
        """The path of a prompt of the library, or the path given."""
        ours = Path(str(files("rewardlab.judges"))) / "prompts" / f"{self.prompt}.toml"
        return ours if ours.is_file() else Path(self.prompt)


class AnswerTrainer(LikeLengths, NoModelCard, SFTTrainer):
    """TRL's trainer, made faster on a CPU, where it computes logits of answer tokens only.

    A question is several times as long as its answer. Without its GPU kernel, TRL computes logits
    of every token of both and discards those of the questions. The loss is the same: the sum over
    the answer tokens, divided by their number in the global batch.
    """

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The loss in nats per answer token.

        Args:
            model: The policy.
            inputs: A batch of token ids and labels.
            return_outputs: Return the model's outputs too.
            num_items_in_batch: Number of answer tokens in the global batch.
        """
        options = cast("SFTConfig", self.args)
        usual = options.loss_type == "nll" and not options.label_smoothing_factor
        if return_outputs or not usual or self.aux_loss_enabled or options.device.type != "cpu":
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs["labels"][:, 1:]
        taught = labels != IGNORE_INDEX
        places = taught.any(dim=0).nonzero()[:, 0]  # of answers of any row
        texts = {key: value for key, value in inputs.items() if key != "labels"}
        logits = model(**texts | {"use_cache": False, "logits_to_keep": places}).logits
        taught, labels = taught[:, places], labels[:, places]
        loss = cross_entropy(logits[taught].float(), labels[taught], reduction="sum")
        if num_items_in_batch is None:
            return loss / taught.sum().clamp(min=1)
        # The number counts all ranks, and the gradients of the ranks are averaged.
        ranks = self.accelerator.num_processes if options.average_tokens_across_devices else 1
        return loss * ranks / num_items_in_batch


def balanced(answers: Answers, no_errors: float, *, seed: int) -> Answers:
    """Change the share of answers that list no error.

    All answers with errors are kept. Answers without errors are sampled to lower their share, or
    repeated to raise it (all equally often, then some once more). If either kind is missing,
    nothing is changed.

    Args:
        answers: Any number of answers.
        no_errors: Share of answers that list no error, in [0, 1).
        seed: Seed of the draw.
    """
    without = [place for place, fine in enumerate(answers.flawless) if fine]
    with_errors = len(answers.examples) - len(without)
    if not without or not with_errors:
        return answers
    times, more = divmod(round(with_errors * no_errors / (1.0 - no_errors)), len(without))
    drawn = set(random.Random(seed).sample(without, more))  # noqa: S311 - a draw, not a secret
    places = [
        place
        for place, fine in enumerate(answers.flawless)
        for _ in range(times + (place in drawn) if fine else 1)
    ]
    return answers._replace(
        examples=[answers.examples[place] for place in places],
        flawless=[answers.flawless[place] for place in places],
    )


def form_tokens() -> list[str]:
    """The fixed text of questions and answers, in pieces between the quoted words.

    With one token for each piece, an answer without errors is one token, and an error takes only a
    few tokens besides its words; a tokenizer trained on the same texts needs thirty.
    """
    severities = ("minor", "major", "critical")
    sides = ("translation", "source")
    return [
        ' {"errors": []}',
        ' {"errors": [{"span": "',
        '", "span_with_context": "", "severity": "',
        '", "span_with_context": "',
        '", "severity": "',
        *(f'{severity}", "category": "' for severity in severities),
        *(f'{category}", "in": "{side}"}}' for category in CATEGORIES for side in sides),
        ', {"span": "',
        "]}",
        '{"source_language": "',
        *(f'", "{name}": "' for name in ("target_language", "source", "reference", "translation")),
        '"}\n</data-',
    ]


def add_form(tokenizer: PreTrainedTokenizerFast) -> None:
    """Add the `form_tokens` to a tokenizer, as ordinary text."""
    tokenizer.add_tokens(
        [AddedToken(piece, normalized=False, special=False) for piece in form_tokens()]
    )


def _bare(example: Example, form: Sequence[str]) -> Iterator[str]:
    """The texts of an example without the fixed text, for training a tokenizer."""
    for text in example.texts:
        for piece in sorted(form, key=len, reverse=True):
            text = text.replace(piece, "\n")  # noqa: PLW2901 - piece by piece
        yield text
