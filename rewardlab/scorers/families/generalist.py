"""The family ``generalist``: a Bradley-Terry reward model, trained on preferences.

Each pair of answers to one request becomes two conversations, tokenized exactly as
`rewardlab.models.classifier` does for the trained reward. With the logits r⁺ and r⁻ of the better
and the worse answer, the loss is TRL's ``-log σ(r⁺ - r⁻ - m)``, plus
``center_rewards_coefficient`` times ``(r⁺ + r⁻)²``. The margin m says how much better people found
the better answer, as in Llama 2 (arXiv 2307.09288).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, cast

from datasets import Dataset
from pydantic import Field
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from trl import RewardConfig, RewardTrainer
from trl.trainer.reward_trainer import suppress_seqcls_warning
from trl.trainer.utils import create_model_from_path

from rewardlab.errors import Problem, UserError, refuse, shown
from rewardlab.human.rated import Preference, Rated, TrainingExample
from rewardlab.models.classifier import Exchange, conversation_ids
from rewardlab.models.pretrained import UnusableError, positions, read_tokenizer
from rewardlab.rewards.generalist import Generalist, request_of
from rewardlab.scorers.families.like_lengths import LikeLengths
from rewardlab.scorers.families.protocol import SIDES, Family, Shape, Stage
from rewardlab.scorers.preferences import preferences_of
from rewardlab.store.checkpoints import LOADING
from rewardlab.trainers.from_scratch import new_policy, train_tokenizer
from rewardlab.trainers.run_log import NoModelCard, no_printing
from rewardlab.types import Candidate

TURNS = ("<user>", "<assistant>")
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<' + message['role'] + '>' + message['content'] + eos_token }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)
"""Chat template of a model from scratch; its last token ends the answer and is never padding."""
POSITIONS = 2048
CLASSIFIER = "ForSequenceClassification"
LONGEST_REASON = 300


class Pairs(NamedTuple):
    """Pairs of tokenized conversations.

    Attributes:
        columns: Columns for TRL's trainer: ``chosen_ids``, ``rejected_ids``, ``length`` of the
            longer conversation, and ``margin`` if the loss uses margins.
        too_long: Number of pairs left out because a conversation has too many tokens.
    """

    columns: list[dict[str, Any]]
    too_long: int = 0

    def __str__(self) -> str:
        """One line for a reader."""
        left_out = f"; {self.too_long:,} too long" if self.too_long else ""
        return f"{len(self.columns):,} pairs{left_out}"


@dataclass(frozen=True, kw_only=True)
class GeneralistFamily(Family):
    """A reward model for any request and answer.

    Ratings become pairs of translations of one source; preferences are taken as they are.

    Attributes:
        smallest_margin: Smallest score difference for which two rated translations make a pair; in
            MQM points, where 1 is a minor error.
        most_per_segment: Maximum number of pairs drawn from the translations of one source.
        margins: Whether the loss uses how much better the better answer is.
        margin_scale: Logits per point of difference. MQM differs by up to 25 points, and with a
            margin of 25 only the largest differences would matter to the loss.

    Raises:
        ValueError: A number is out of range.
    """

    smallest_margin: Annotated[float, Field(gt=0)] = 1.0  # gt=0 holds for files; 0 works in Python
    most_per_segment: Annotated[int, Field(ge=1)] = 8
    margins: bool = True
    margin_scale: Annotated[float, Field(gt=0)] = 0.1

    name: ClassVar[str] = "generalist"
    options_class: ClassVar[type[TrainingArguments]] = RewardConfig

    def __post_init__(self) -> None:
        self.preferences((), seed=0)  # refuses numbers that it cannot draw with
        if not 0 < self.margin_scale < float("inf"):
            raise ValueError(f"margin_scale={self.margin_scale} must be more than 0 and finite")

    def new(
        self, directory: Path, examples: Sequence[TrainingExample], shape: Shape, *, seed: int
    ) -> None:
        """Write a Qwen3 classifier with random weights, and a tokenizer with a chat template.

        Args:
            directory: Created if it does not exist.
            examples: Examples of all stages.
            shape: Shape of the model.
            seed: Seed of the weights.

        Raises:
            ValueError: The shape is not possible: too few tokens for bytes and turns, or a width
                that is not a multiple of the heads.
        """
        tokenizer = train_tokenizer(
            (text for row in examples for one in _candidates(row) for text in _exchange(one)),
            vocab_size=shape.vocab_size - len(TURNS),
        )
        tokenizer.add_tokens(list(TURNS), special_tokens=True)
        tokenizer.chat_template = TEMPLATE
        model = new_policy(
            tokenizer,
            architecture="qwen3_classifier",
            hidden_size=shape.hidden_size,
            layers=shape.layers,
            heads=shape.heads,
            max_positions=POSITIONS,
            seed=seed,
        )
        model.save_pretrained(directory)
        tokenizer.save_pretrained(str(directory))

    def trainer(self, stage: Stage, callbacks: Sequence[TrainerCallback] = ()) -> Trainer:
        """TRL's trainer on pairs of conversations.

        The stage may also start from a causal language model with a chat template, which gets a
        new head. Nothing is truncated: a pair is left out if a conversation has more than
        ``max_length`` tokens, or more than the model has positions for.

        Args:
            stage: Checkpoint, examples and options.
            callbacks: Passed to the trainer.

        Raises:
            TypeError: The options are not TRL's RewardConfig.
            UserError: E350, E351, the checkpoint cannot be used; E374, no pair is left to learn
                from, or to validate with although the options ask for it.
        """
        if not isinstance(stage.args, RewardConfig):
            raise TypeError(f"args is {type(stage.args).__name__}, not RewardConfig")
        tokenizer = _tokenizer(stage.start)
        model = _model(stage.start, stage.args)
        args = copy(stage.args)
        args.model_init_kwargs = None  # TRL warns about options of a model that is loaded already
        args.remove_unused_columns = False  # or sampling by length misses the lengths
        train, validation = self._sides(stage, tokenizer, model.config)
        trainer = PairTrainer(
            model=model,
            args=args,
            train_dataset=Dataset.from_list(train.columns),
            eval_dataset=Dataset.from_list(validation.columns) if validation.columns else None,
            processing_class=tokenizer,
            callbacks=list(callbacks),
        )
        trainer.order_by([one["length"] for one in train.columns], seed=stage.seed)
        no_printing(trainer)
        return trainer

    def describe(self, stage: Stage) -> Iterator[str]:
        """Report how many pairs a stage uses, and how many are too long; see `Family.describe`."""
        sides = self._sides(stage, _tokenizer(stage.start), _config(stage.start))
        for side, pairs in zip(SIDES, sides, strict=True):
            yield f"{side}: {pairs}"

    def _sides(
        self, stage: Stage, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig
    ) -> list[Pairs]:
        """The pairs of both sides.

        Raises:
            UserError: E374, no pair is left to learn from, or to validate with although the options
                ask for it.
        """
        args = cast("RewardConfig", stage.args)
        longest = int(min(positions(config), args.max_length or sys.maxsize))
        sides = [
            self.pairs(rows, tokenizer, longest, seed=stage.seed)
            for rows in (stage.train, stage.validation)
        ]
        for side, pairs in zip(SIDES, sides, strict=True):
            if not pairs.columns and (side == "training" or args.eval_strategy != "no"):
                what = f"{side}: {pairs}, so nothing is left to compare"
                fix = f"give several translations of a source, or preferences, of at most {longest}"
                refuse(Problem("E374", "data", what, f"{fix} tokens"))
        return sides

    def reward(self, directory: Path) -> Generalist:
        """The reward with the checkpoint that `save` wrote."""
        return Generalist(model=directory)

    def preferences(self, rows: Sequence[TrainingExample], *, seed: int) -> list[Preference]:
        """The preferences among the examples, then pairs drawn from ratings.

        Args:
            rows: Rated translations and preferences.
            seed: Seed of the pairs drawn from ratings.
        """
        return [row for row in rows if isinstance(row, Preference)] + preferences_of(
            [row for row in rows if isinstance(row, Rated)],
            smallest_margin=self.smallest_margin,
            most_per_segment=self.most_per_segment,
            seed=seed,
        )

    def pairs(
        self,
        rows: Sequence[TrainingExample],
        tokenizer: PreTrainedTokenizerBase,
        longest: int,
        *,
        seed: int,
    ) -> Pairs:
        """The `preferences` as tokenized pairs for the trainer.

        Args:
            rows: Rated translations and preferences.
            tokenizer: A tokenizer with a chat template.
            longest: Maximum number of tokens in one conversation.
            seed: Seed of the pairs drawn from ratings.
        """
        ids = cache(
            partial(conversation_ids, tokenizer=tokenizer)
        )  # a translation is in several pairs
        columns: list[dict[str, Any]] = []
        too_long = 0
        for pair in self.preferences(rows, seed=seed):
            chosen, rejected = ids(_exchange(pair.chosen)), ids(_exchange(pair.rejected))
            length = max(len(chosen), len(rejected))
            if length > longest:
                too_long += 1
                continue
            columns.append({"chosen_ids": chosen, "rejected_ids": rejected, "length": length})
            if self.margins:
                columns[-1]["margin"] = self.margin_scale * pair.margin
        return Pairs(columns, too_long)


class PairTrainer(LikeLengths, NoModelCard, RewardTrainer):
    """TRL's trainer, on batches of similar length."""


def _exchange(candidate: Candidate) -> Exchange:
    return Exchange(request_of(candidate), candidate.hypothesis)


def _candidates(row: TrainingExample) -> tuple[Candidate, ...]:
    return (row.candidate,) if isinstance(row, Rated) else (row.chosen, row.rejected)


# ── loading ─────────────────────────────────────────────────────────────────────────────────────


def _tokenizer(start: Path) -> PreTrainedTokenizerBase:
    try:
        tokenizer = read_tokenizer(start)
    except UnusableError as error:
        raise _unusable(start, str(error)) from error
    if not tokenizer.chat_template:
        what = "the tokenizer has no chat template, so a conversation cannot be written"
        fix = "take the template that its publisher gives, and save it as chat_template.jinja"
        raise UserError([Problem("E351", f"model {shown(str(start))}", what, fix)])
    return tokenizer


def _config(start: Path) -> PreTrainedConfig:
    try:
        with LOADING:
            config: Any = AutoConfig.from_pretrained(str(start), trust_remote_code=False)
    except Exception as error:  # a broken file raises any error
        raise _unusable(start, f"its config.json cannot be read: {error}") from error
    if _is_classifier(config) and config.num_labels != 1:
        raise _unusable(start, f"it gives {config.num_labels} logits, and a reward is one")
    return cast("PreTrainedConfig", config)


def _is_classifier(config: PreTrainedConfig) -> bool:
    named: Any = config.architectures
    return any(CLASSIFIER in name for name in named or ())


def _model(start: Path, args: RewardConfig) -> PreTrainedModel:
    """The classifier, or a language model with a new head, drawn with ``args.seed``.

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
    except Exception as error:  # a broken file raises any error
        raise _unusable(start, f"it cannot be loaded: {error}") from error
    model, found = cast("tuple[PreTrainedModel, dict[str, Any]]", loaded)
    if missing := sorted(found["missing_keys"]):
        raise _unusable(start, f"{len(missing)} weights are missing, first {missing[0]}")
    _freeze_vision_tower(model)
    return model


def _freeze_vision_tower(model: PreTrainedModel) -> None:
    """Freeze the vision tower: text gives it no gradient, and DDP then fails."""
    learning = {id(parameter) for parameter in model.get_decoder().parameters()}
    for parameter in model.base_model.parameters():  # the head is not part of it
        if id(parameter) not in learning:
            parameter.requires_grad_(False)


def _unusable(start: Path, what: str) -> UserError:
    reason = " ".join(what.split()).rstrip(".")
    if len(reason) > LONGEST_REASON:
        reason = f"{reason[: LONGEST_REASON - 1]}…"
    fix = "give a sequence classifier or a language model, with its tokenizer (save_pretrained)"
    return UserError([Problem("E350", f"model {shown(str(start))}", reason, fix)])
