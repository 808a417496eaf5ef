"""A generalist learned from preferences: Bradley and Terry's model on a sequence classifier.

Each pair of answers to one request becomes two conversations, read exactly as
`networks.classifier` reads them afterwards. With the logits r⁺ and r⁻ of the better and the worse
answer, the loss is TRL's ``-log σ(r⁺ - r⁻ - m)``, to which ``center_rewards_coefficient`` adds that
many times ``(r⁺ + r⁻)²``. The margin m is what Llama 2 (arXiv 2307.09288) takes from how much
better people found an answer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, cast

import torch
from datasets import Dataset
from pydantic import Field
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Qwen3Config,
    Qwen3ForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from trl import RewardConfig, RewardTrainer
from trl.trainer.reward_trainer import suppress_seqcls_warning
from trl.trainer.utils import create_model_from_path

from rewardlab.errors import EXIT_DATA, Problem, UserError, shown
from rewardlab.human.rated import Preference, Rated
from rewardlab.models.classifier import Exchange, conversation_ids
from rewardlab.models.pretrained import UnusableError, positions, read_tokenizer
from rewardlab.rewards.generalist import Generalist, request_of
from rewardlab.scorers.families.family import SIDES, Lesson, Shape
from rewardlab.scorers.families.like_lengths import LikeLengths
from rewardlab.scorers.preferences import preferences_of
from rewardlab.store.checkpoints import LOADING
from rewardlab.trainers.from_scratch import train_tokenizer
from rewardlab.types import Candidate

TURNS = ("<user>", "<assistant>")
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<' + message['role'] + '>' + message['content'] + eos_token }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)
"""Of a model from scratch. Its last token is the end of the answer's turn, and never padding."""
POSITIONS = 2048
CLASSIFIER = "ForSequenceClassification"
LONGEST_REASON = 300


class Pairs(NamedTuple):
    """Conversations to be compared, and what became of the rows.

    Attributes:
        columns: As TRL's trainer takes them when they are tokenized: ``chosen_ids``,
            ``rejected_ids``, ``length`` of the longer, and ``margin`` where there is one.
        too_long: Pairs that were left out, because one of the two has too many tokens.
    """

    columns: list[dict[str, Any]]
    too_long: int = 0

    def __str__(self) -> str:
        """One line for a reader."""
        left_out = f"; {self.too_long:,} too long" if self.too_long else ""
        return f"{len(self.columns):,} pairs{left_out}"


@dataclass(frozen=True, kw_only=True)
class GeneralistFamily:
    """A reward model for whatever is asked and answered.

    Ratings become pairs of translations of one source; preferences are taken as they are.

    Attributes:
        smallest_margin: What the scores of two rated translations differ by to make a pair; in MQM
            points, where 1 is a minor error.
        most_per_segment: Pairs drawn from the translations of one source.
        margins: The loss knows how much better the better one is; otherwise only which it is.
        margin_scale: Logits for each point of difference. MQM differs by up to 25 points, and a
            margin of 25 would make the loss care for nothing but the largest differences.

    Raises:
        ValueError: A number is out of range.
    """

    smallest_margin: Annotated[float, Field(gt=0)] = 1.0  # in a file; here it may be 0
    most_per_segment: Annotated[int, Field(ge=1)] = 8
    margins: bool = True
    margin_scale: Annotated[float, Field(gt=0)] = 0.1

    name: ClassVar[str] = "generalist"
    options_class: ClassVar[type[TrainingArguments]] = RewardConfig

    def __post_init__(self) -> None:
        if not self.smallest_margin >= 0 or self.most_per_segment < 1:
            raise ValueError(
                f"smallest_margin={self.smallest_margin} must be at least 0 and "
                f"most_per_segment={self.most_per_segment} at least 1"
            )
        if not 0 < self.margin_scale < float("inf"):
            raise ValueError(f"margin_scale={self.margin_scale} must be more than 0 and finite")

    def new(self, directory: Path, rows: Sequence[Lesson], shape: Shape, *, seed: int) -> None:
        """Write a Qwen3 classifier with random weights, and a tokenizer with a chat template.

        Raises:
            ValueError: The shape is none: too few tokens for bytes and turns, or a width that is
                no multiple of the heads.
        """
        words = train_tokenizer(
            (text for row in rows for one in _candidates(row) for text in _exchange(one)),
            vocab_size=shape.vocab_size - len(TURNS),
        )
        words.add_tokens(list(TURNS), special_tokens=True)
        words.chat_template = TEMPLATE
        if shape.hidden_size % shape.heads:
            raise ValueError(
                f"hidden_size={shape.hidden_size} is not a multiple of heads={shape.heads}"
            )
        config: dict[str, Any] = {
            "vocab_size": len(words),
            "hidden_size": shape.hidden_size,
            "intermediate_size": 3 * shape.hidden_size,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.heads,
            "head_dim": shape.hidden_size // shape.heads,
            "max_position_embeddings": POSITIONS,
            "pad_token_id": words.pad_token_id,
            "eos_token_id": words.eos_token_id,
            "bos_token_id": None,
            "num_labels": 1,
        }
        torch.manual_seed(seed)
        Qwen3ForSequenceClassification(Qwen3Config(**config)).save_pretrained(directory)
        words.save_pretrained(str(directory))

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
        """TRL's trainer on pairs of conversations.

        ``start`` may also be a causal language model with a chat template: it gets a new head.
        Nothing is cut: a pair is left out where one conversation has more than ``args.max_length``
        tokens or than the model has positions for.

        Raises:
            TypeError: The options are not TRL's RewardConfig.
            UserError: E350, E351, the checkpoint cannot be used; E374, no pair is left to learn
                from, or to validate with although the options ask for it.
        """
        if not isinstance(args, RewardConfig):
            raise TypeError(f"args is {type(args).__name__}, not RewardConfig")
        words = _tokenizer(start)
        model = _model(start, args)
        args = copy(args)
        args.model_init_kwargs = None  # TRL says that a model which is there needs none
        args.remove_unused_columns = False  # or sampling by length misses the lengths
        longest = _longest(model.config, args)
        sides = self._sides(train, validation, words, args=args, longest=longest, seed=seed)
        trainer = PairTrainer(
            model=model,
            args=args,
            train_dataset=Dataset.from_list(sides[0].columns),
            eval_dataset=Dataset.from_list(sides[1].columns) if sides[1].columns else None,
            processing_class=words,
            callbacks=list(callbacks),
        )
        trainer.order_by([one["length"] for one in sides[0].columns], seed=seed)
        trainer.remove_callback(PrinterCallback)  # stdout is for data
        return trainer

    def examine(
        self,
        start: Path,
        train: Sequence[Lesson],
        validation: Sequence[Lesson],
        *,
        args: TrainingArguments,
        seed: int = 0,
    ) -> Iterator[str]:
        """How many pairs a stage learns from, and how many are too long; see `trainer`.

        Raises:
            UserError: E350, E351, the checkpoint cannot be used; E374, no pair is left.
        """
        words, options = _tokenizer(start), cast("RewardConfig", args)
        longest = _longest(_config(start), options)
        sides = self._sides(train, validation, words, args=options, longest=longest, seed=seed)
        for side, pairs in zip(SIDES, sides, strict=True):
            yield f"{side}: {pairs}"

    def _sides(
        self,
        train: Sequence[Lesson],
        validation: Sequence[Lesson],
        words: PreTrainedTokenizerBase,
        *,
        args: RewardConfig,
        longest: int,
        seed: int,
    ) -> list[Pairs]:
        """Both sides' pairs.

        Raises:
            UserError: E374, none is left to learn from, or to validate with although the options
                ask for it.
        """
        sides = [self.pairs(rows, words, longest, seed=seed) for rows in (train, validation)]
        for side, pairs in zip(SIDES, sides, strict=True):
            if not pairs.columns and (side == "training" or args.eval_strategy != "no"):
                raise _nothing(side, pairs, longest)
        return sides

    def save(self, trainer: Trainer, directory: Path) -> None:
        """Write weights, tokenizer and chat template."""
        trainer.save_model(str(directory))
        if trainer.is_world_process_zero():
            (directory / "training_args.bin").unlink(missing_ok=True)  # a pickle nobody reads
        trainer.accelerator.wait_for_everyone()

    def reward(self, directory: Path) -> Generalist:
        """The reward on what `save` wrote."""
        return Generalist(model=directory)

    def preferences(self, rows: Sequence[Lesson], *, seed: int) -> list[Preference]:
        """Preferences among the rows as they are, then those that ratings make."""
        return [row for row in rows if isinstance(row, Preference)] + preferences_of(
            [row for row in rows if isinstance(row, Rated)],
            smallest_margin=self.smallest_margin,
            most_per_segment=self.most_per_segment,
            seed=seed,
        )

    def pairs(
        self, rows: Sequence[Lesson], words: PreTrainedTokenizerBase, longest: int, *, seed: int
    ) -> Pairs:
        """What the trainer reads.

        Args:
            rows: Ratings and preferences.
            words: A tokenizer with a chat template.
            longest: Tokens of one conversation.
            seed: Of the pairs drawn from ratings.
        """
        known: dict[Exchange, list[int]] = {}  # a translation stands in several pairs
        columns: list[dict[str, Any]] = []
        too_long = 0
        for pair in self.preferences(rows, seed=seed):
            both = [_exchange(one) for one in (pair.chosen, pair.rejected)]
            for exchange in both:
                if exchange not in known:
                    known[exchange] = conversation_ids(exchange, words)
            chosen, rejected = (known[exchange] for exchange in both)
            length = max(len(chosen), len(rejected))
            if length > longest:
                too_long += 1
                continue
            told = {"margin": self.margin_scale * pair.margin} if self.margins else {}
            columns.append(
                {"chosen_ids": chosen, "rejected_ids": rejected, "length": length, **told}
            )
        return Pairs(columns, too_long)


class PairTrainer(LikeLengths, RewardTrainer):
    """TRL's trainer, on batches of about one length."""


def _exchange(candidate: Candidate) -> Exchange:
    return Exchange(request_of(candidate), candidate.hypothesis)


def _candidates(row: Lesson) -> tuple[Candidate, ...]:
    return (row.candidate,) if isinstance(row, Rated) else (row.chosen, row.rejected)


# ── loading ─────────────────────────────────────────────────────────────────────────────────────


def _tokenizer(start: Path) -> PreTrainedTokenizerBase:
    try:
        words = read_tokenizer(start)
    except UnusableError as error:
        raise _unusable(start, str(error)) from error
    if not words.chat_template:
        what = "the tokenizer has no chat template, so nobody knows how a conversation is written"
        fix = "take the template that its publisher gives, and save it as chat_template.jinja"
        raise UserError([Problem("E351", f"model {shown(str(start))}", what, fix)])
    return words


def _config(start: Path) -> PreTrainedConfig:
    try:
        with LOADING:
            found: Any = AutoConfig.from_pretrained(str(start), trust_remote_code=False)
    except Exception as error:  # a broken file shows as whatever comes of it
        raise _unusable(start, f"its config.json cannot be read: {error}") from error
    if _is_classifier(found) and found.num_labels != 1:
        raise _unusable(start, f"it gives {found.num_labels} logits, and a reward is one")
    return cast("PreTrainedConfig", found)


def _is_classifier(config: PreTrainedConfig) -> bool:
    named: Any = config.architectures
    return any(CLASSIFIER in name for name in named or ())


def _longest(config: PreTrainedConfig, args: RewardConfig) -> int:
    """Tokens of one conversation at most."""
    return int(min(positions(config), args.max_length or sys.maxsize))


def _model(start: Path, args: RewardConfig) -> PreTrainedModel:
    """The classifier, or a language model with a new head, which ``args.seed`` draws.

    Raises:
        UserError: E350; exit code 2.
    """
    own = {"use_safetensors": True, "trust_remote_code": False, "output_loading_info": True}
    given = cast("dict[str, Any]", args.model_init_kwargs or {})
    options: dict[str, Any] = {"device_map": None, **given, **own}
    kind: Any = AutoModelForSequenceClassification
    set_seed(args.seed)
    try:
        config = _config(start)
        with LOADING:
            if _is_classifier(config):
                loaded: Any = create_model_from_path(str(start), kind, **options)
            else:
                with suppress_seqcls_warning():  # that the head is new
                    loaded = create_model_from_path(str(start), kind, num_labels=1, **options)
    except Exception as error:  # a broken file shows as whatever comes of it
        raise _unusable(start, f"it cannot be loaded: {error}") from error
    model, found = cast("tuple[PreTrainedModel, dict[str, Any]]", loaded)
    if missing := sorted(found["missing_keys"]):
        raise _unusable(start, f"{len(missing)} weights are missing, first {missing[0]}")
    _freeze_vision_tower(model)
    return model


def _freeze_vision_tower(model: PreTrainedModel) -> None:
    """Leave what sees no text as it is: text gives it no gradient, which DDP does not forgive."""
    learning = {id(parameter) for parameter in model.get_decoder().parameters()}
    for parameter in model.base_model.parameters():  # the head stands outside
        if id(parameter) not in learning:
            parameter.requires_grad_(False)


def _unusable(start: Path, what: str) -> UserError:
    reason = " ".join(what.split()).rstrip(".")
    if len(reason) > LONGEST_REASON:
        reason = f"{reason[: LONGEST_REASON - 1]}…"
    fix = "give a sequence classifier or a language model, with its tokenizer (save_pretrained)"
    return UserError([Problem("E350", f"model {shown(str(start))}", reason, fix)])


def _nothing(side: str, pairs: Pairs, longest: int) -> UserError:
    what = f"{side}: {pairs}, so nothing is left to compare"
    fix = f"give several translations of a source, or preferences, of at most {longest} tokens"
    return UserError([Problem("E374", "data", what, fix)], EXIT_DATA)
