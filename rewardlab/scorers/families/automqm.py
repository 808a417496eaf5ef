"""AutoMQM learned from human error spans: a causal language model that answers as the judge does.

Each rating becomes the question that `rewards.automqm` asks and the answer that it would have
wanted. The loss is the mean over the tokens of the answers of a step, each token the same share,
whatever answer it stands in; questions carry none.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
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

from rewardlab.errors import Problem, UserError
from rewardlab.human.rated import Preference, Rated
from rewardlab.judges.prompts import write_question
from rewardlab.judges.teaching import CATEGORIES, answer_for, written
from rewardlab.rewards.automqm import AutoMQM
from rewardlab.scorers.families.copying import write_copying
from rewardlab.scorers.families.family import SIDES, Shape
from rewardlab.scorers.families.like_lengths import LikeLengths
from rewardlab.trainers.from_scratch import new_policy, train_tokenizer
from rewardlab.trainers.policy import end_of_turn, load_policy, load_tokenizer, stop_at
from rewardlab.trainers.sft import Example, sft_trainer, token_ids

PROMPT_FILE = "prompt.toml"
"""Beside the weights of a scorer that was not taught with the standard prompt."""
IGNORE_INDEX = -100
"""The label of a token that carries no loss."""


class Lessons(NamedTuple):
    """Questions with their answers, and what became of the rows.

    Attributes:
        examples: In the order of the rows; a row with two raters gives two.
        flawless: Which of them find no error.
        unrated: Rows without a rater's spans, or with a score that none of their spans accounts
            for: that nothing is wrong would be the wrong answer.
        neutral: Errors that weigh nothing; they are not in the answers.
        ambiguous: Errors in the answers that have no place of their own in the text.
        beyond: Errors that no answer has room for; they are not in the answers.
        too_long: Ratings that were left out, as `AutoMQMFamily.lessons` says.
    """

    examples: list[Example]
    flawless: list[bool]
    unrated: int = 0
    neutral: int = 0
    ambiguous: int = 0
    beyond: int = 0
    too_long: int = 0

    def __str__(self) -> str:
        """One line for a reader."""
        errorless = f"{len(self.examples):,} answers, {sum(self.flawless):,} without an error"
        parts = zip(
            ("rows without spans", "neutral errors", "ambiguous errors", "errors too many"),
            (self.unrated, self.neutral, self.ambiguous, self.beyond),
            strict=True,
        )
        told = [f"{number:,} {what}" for what, number in parts if number]
        told += [f"{self.too_long:,} ratings too long"] if self.too_long else []
        return "; ".join([errorless, *told])


@dataclass(frozen=True, kw_only=True)
class AutoMQMFamily:
    """A judge of its own, taught by people's MQM annotations.

    Attributes:
        reference: It is shown the reference as well.
        chat: It is asked through the model's chat template.
        prompt: A prompt file in place of the standard one, or the name of one of the library's
            (``automqm_short`` for models from scratch).
        no_errors: Share of the answers that find no error, in [0, 1): such rows are dropped or
            repeated until it holds. The fewer there are, the more the model marks.
        max_new_tokens: Longest answer; a judge's is cut here.

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
        self, directory: Path, rows: Sequence[Rated | Preference], shape: Shape, *, seed: int
    ) -> None:
        """Write a Qwen3 with random weights, and a tokenizer with tokens for the form's own words.

        Where it has two layers, the weights can quote from the start (`copying`).

        Raises:
            UserError: E340, E341, the prompt file cannot be used; E366, the rows are no ratings.
        """
        taught = self.lessons(rows)
        form = form_tokens()
        tokenizer = train_tokenizer(
            (text for example in taught.examples for text in _bare(example, form)),
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

    def trainer(
        self,
        start: Path,
        train: Sequence[Rated | Preference],
        validation: Sequence[Rated | Preference],
        *,
        args: TrainingArguments,
        callbacks: Sequence[TrainerCallback] = (),
        seed: int = 0,
    ) -> Trainer:
        """TRL's trainer on questions and answers; validation is balanced as training is.

        Raises:
            TypeError: The options are not TRL's SFTConfig.
            ValueError: They ask for a loss on the questions too.
            UserError: E028, E044, the checkpoint cannot be used; E340, E341, the prompt file;
                E365, nothing is left to learn from; E366, the rows are no ratings.
        """
        if not isinstance(args, SFTConfig):
            raise TypeError(f"args is {type(args).__name__}, not SFTConfig")
        if args.completion_only_loss is False:
            raise ValueError("completion_only_loss=False would teach the questions too")
        tokenizer = load_tokenizer(start)
        loading = cast("dict[str, Any]", args.model_init_kwargs or {})
        policy = load_policy(start, **loading)
        ends = tokenizer.eos_token_id
        stop_at(policy, end_of_turn(tokenizer) if self.chat else cast("int", ends))
        sides = self._sides(train, validation, tokenizer, args=args, seed=seed)
        trainer = sft_trainer(
            policy,
            tokenizer,
            sides[0].examples,
            sides[1].examples,
            args=args,
            patience=None,
            callbacks=callbacks,
            trainer_class=AnswerTrainer,
        )
        ids: Any = cast("Any", trainer.train_dataset)["input_ids"]
        cast("AnswerTrainer", trainer).order_by([len(row) for row in ids], seed=seed)
        return trainer

    def examine(
        self,
        start: Path,
        train: Sequence[Rated | Preference],
        validation: Sequence[Rated | Preference],
        *,
        args: TrainingArguments,
        seed: int = 0,
    ) -> Iterator[str]:
        """How many answers a stage learns from, and what is left out; see `trainer`.

        Raises:
            UserError: E340, E341, the prompt file; E365, nothing is left to learn from; E366, the
                rows are no ratings.
        """
        tokenizer = load_tokenizer(start)
        options = cast("SFTConfig", args)
        sides = self._sides(train, validation, tokenizer, args=options, seed=seed)
        for side, taught in zip(SIDES, sides, strict=True):
            yield f"{side}: {taught}"

    def _sides(
        self,
        train: Sequence[Rated | Preference],
        validation: Sequence[Rated | Preference],
        tokenizer: PreTrainedTokenizerBase,
        *,
        args: SFTConfig,
        seed: int,
    ) -> list[Lessons]:
        """Both sides, balanced.

        Raises:
            UserError: As `trainer`.
        """
        room = args.max_length
        read = (
            self.lessons(rows, tokenizer=tokenizer, max_length=room) for rows in (train, validation)
        )
        sides = [balanced(taught, self.no_errors, seed=seed) for taught in read]
        for taught in sides[: 1 if args.eval_strategy == "no" else 2]:
            if not taught.examples:
                raise self._nothing(taught, room)
        return sides

    def save(self, trainer: Trainer, directory: Path) -> None:
        """Write weights, tokenizer, and the prompt file where it is not the standard one."""
        trainer.save_model(str(directory))
        if trainer.is_world_process_zero():
            (directory / "training_args.bin").unlink(missing_ok=True)  # a pickle nobody reads
            words = cast("PreTrainedTokenizerBase", trainer.processing_class)
            words.save_pretrained(str(directory))
            if self.prompt:
                copyfile(self._prompt_file, directory / PROMPT_FILE)
        trainer.accelerator.wait_for_everyone()

    def reward(self, directory: Path) -> AutoMQM:
        """The judge on what `save` wrote, asked as it was taught."""
        asked = directory / PROMPT_FILE
        return AutoMQM(
            model=str(directory),
            reference=self.reference,
            chat=self.chat,
            prompt=str(asked) if asked.is_file() else "",
            max_new_tokens=self.max_new_tokens,
        )

    def lessons(
        self,
        rows: Iterable[Rated | Preference],
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        max_length: int | None = None,
    ) -> Lessons:
        """Questions and answers of rated rows.

        Nothing is cut: with a tokenizer, a rating is left out whose question and answer are longer
        than ``max_length`` tokens, or whose answer is longer than `max_new_tokens`.

        Raises:
            UserError: E340, E341, the prompt file cannot be used; E366, the rows are no ratings.
        """
        examples, flawless = list[Example](), list[bool]()
        unrated = neutral = ambiguous = beyond = too_long = 0
        for row in rows:
            if not isinstance(row, Rated):
                raise _no_rating()
            if not row.spans or (row.score < 0 and not any(row.spans)):
                unrated += 1
                continue
            for spans in row.spans:
                taught = answer_for(row.candidate, spans)
                example = self._example(row, written(taught.answer))
                if tokenizer is not None and self._too_long(example, tokenizer, max_length):
                    too_long += 1
                    continue
                examples.append(example)
                flawless.append(not taught.answer.errors)
                neutral += taught.neutral
                ambiguous += taught.ambiguous
                beyond += taught.beyond
        return Lessons(examples, flawless, unrated, neutral, ambiguous, beyond, too_long)

    def _nothing(self, taught: Lessons, max_length: int | None) -> UserError:
        what = f"no rating is left to learn from: {taught}"
        fix = "give rows with error spans"
        if taught.too_long:
            fix = f"raise max_length={max_length}, or max_new_tokens={self.max_new_tokens}"
        return UserError([Problem("E365", "data", what, fix)], exit_code=3)

    def _example(self, row: Rated, answer: str) -> Example:
        judge = self._judge
        question = write_question(
            judge.template, judge.question(row.candidate), chat=self.chat, attempt=0
        )
        # A text goes on with a space, as the prompt's examples do: a token boundary everywhere.
        return Example(
            question, [{"role": "assistant", "content": answer}] if self.chat else f" {answer}"
        )

    def _too_long(
        self, example: Example, tokenizer: PreTrainedTokenizerBase, max_length: int | None
    ) -> bool:
        asked = len(token_ids(tokenizer, example.prompt))
        both = len(token_ids(tokenizer, *example))
        return both - asked > self.max_new_tokens or (max_length is not None and both > max_length)

    @cached_property
    def _judge(self) -> AutoMQM:
        """Whoever asks the questions; its model is never loaded."""
        prompt = str(self._prompt_file) if self.prompt else ""
        return AutoMQM(model="", reference=self.reference, chat=self.chat, prompt=prompt)

    @property
    def _prompt_file(self) -> Path:
        """The path of one of the library's, or the path given."""
        ours = Path(str(files("rewardlab.judges"))) / "prompts" / f"{self.prompt}.toml"
        return ours if ours.is_file() else Path(self.prompt)


class AnswerTrainer(LikeLengths, SFTTrainer):
    """TRL's trainer, quicker on a CPU: there, logits are taken of answers only.

    A question is several times as long as its answer, and without its GPU kernel TRL takes the
    logits of every token of both, and drops those of the questions. The loss is the same one: the
    sum over the tokens of the answers, over their number in the global batch.
    """

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Nats for each token of the answers."""
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
        # The number is that of all ranks, and their gradients are averaged.
        ranks = self.accelerator.num_processes if options.average_tokens_across_devices else 1
        return loss * ranks / num_items_in_batch


def balanced(taught: Lessons, no_errors: float, *, seed: int) -> Lessons:
    """The same with another share of answers that find no error.

    Answers with errors stay as they are. Of the others some are drawn, or all are taken several
    times and some drawn once more; where there are none of either kind, nothing is changed.

    Args:
        taught: Any number.
        no_errors: The share, in [0, 1).
        seed: Of the draw.
    """
    without = [place for place, fine in enumerate(taught.flawless) if fine]
    found = len(taught.examples) - len(without)
    if not without or not found:
        return taught
    wanted = round(found * no_errors / (1.0 - no_errors))
    times, more = divmod(wanted, len(without))
    drawn = set(random.Random(seed).sample(without, more))  # noqa: S311 - a draw, not a secret
    copies = [times + (place in drawn) if fine else 1 for place, fine in enumerate(taught.flawless)]
    places = [place for place, number in enumerate(copies) for _ in range(number)]
    return taught._replace(
        examples=[taught.examples[place] for place in places],
        flawless=[taught.flawless[place] for place in places],
    )


def form_tokens() -> list[str]:
    """What an answer says beside the words it quotes, in pieces, and what a question says.

    A quotation begins and ends where such a piece does. With a token for each, an answer without
    errors is one token and an error costs a handful beside its words, where a tokenizer trained on
    the same texts takes thirty.
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
    """Give a tokenizer the `form_tokens`, which are text like any other."""
    tokenizer.add_tokens(
        [AddedToken(piece, normalized=False, special=False) for piece in form_tokens()]
    )


def _bare(example: Example, form: Sequence[str]) -> Iterator[str]:
    """What is left of an example's texts for a tokenizer to learn from."""
    for text in example.texts:
        for piece in sorted(form, key=len, reverse=True):
            text = text.replace(piece, "\n")  # noqa: PLW2901 - piece by piece
        yield text


def _no_rating() -> UserError:
    what = "automqm learns from error spans, and a row is a preference between two answers"
    return UserError([Problem("E366", "data", what, "give MQM ratings")], exit_code=3)
