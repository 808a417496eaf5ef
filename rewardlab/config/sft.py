"""The configuration of ``rewardlab sft``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from rewardlab.config.checks import (
    NOWHERE,
    checkpoint_problems,
    prompt_problems,
    without_reference,
)
from rewardlab.config.load import load
from rewardlab.config.sections import (
    Data,
    FileName,
    LoraConfig,
    Options,
    RowsOrShare,
    Section,
    Seed,
    ShapeConfig,
    Text,
    Whole,
    require_share,
)
from rewardlab.config.strict_yaml import Document
from rewardlab.config.trainer_block import OWNED, effective, option_problems, trl_config
from rewardlab.errors import Problem

if TYPE_CHECKING:
    from trl import SFTConfig

Architecture = Literal["qwen3", "gemma3"]
EVALUATIONS = 10
"""How often a run is measured where its configuration does not say."""
SFT_OWNED: Mapping[str, str] = {
    **OWNED,
    **dict.fromkeys(
        ("eval_strategy", "save_strategy", "load_best_model_at_end", "save_total_limit"),
        "a run is measured every eval_steps and keeps its best; remove it",
    ),
    **dict.fromkeys(
        ("metric_for_best_model", "greater_is_better"),
        "the validation loss decides; remove it",
    ),
    **dict.fromkeys(
        ("completion_only_loss", "assistant_only_loss", "dataset_text_field"),
        "the loss is on the translation only; remove it",
    ),
    "chat_template_path": "save the template with the checkpoint's tokenizer",
}
"""TRL's options that an SFT run decides, and where."""


class FromScratchConfig(ShapeConfig):
    """A small policy whose tokenizer and weights are trained on the run's own data.

    Attributes:
        architecture: ``qwen3`` or ``gemma3``.
    """

    architecture: Architecture = "qwen3"


class SyntheticConfig(Section):
    """Rows made of the corpus's words: `rewardlab.data.synthetic.curriculum`.

    Attributes:
        copies: Rows of words in random order, to be copied.
        word_for_word: Rows of real words, each with its likeliest translation.
        longest: Words in the longest synthetic row.
        passes: Then, how often every real row is seen.
    """

    copies: Annotated[Whole, Field(ge=0)] = 16_000
    word_for_word: Annotated[Whole, Field(ge=0)] = 24_000
    longest: Annotated[Whole, Field(ge=1)] = 20
    passes: Annotated[Whole, Field(ge=0)] = 6

    @model_validator(mode="after")
    def _has_rows(self) -> Self:
        if not (self.copies or self.word_for_word or self.passes):
            context = {"key": "passes", "value": self.passes}
            message = "write at least 1 for one of copies, word_for_word and passes"
            raise PydanticCustomError("out_of_range", message, context)
        return self


class SFTPolicyConfig(Section):
    """The model that learns; exactly one of ``path`` and ``from_scratch``.

    Attributes:
        path: A saved checkpoint directory.
        from_scratch: A small policy that starts from random weights.
        lora: Train low-rank adapters and not the whole model.
        freeze_embeddings: Leave the input embeddings as they are; a tied output head with them.
        untie_embeddings: Give the output head weights of its own, which are trained.
    """

    path: FileName | None = None
    from_scratch: FromScratchConfig | None = None
    lora: LoraConfig | None = None
    freeze_embeddings: bool = Field(default=False, strict=True)
    untie_embeddings: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.path is None) == (self.from_scratch is None):
            raise PydanticCustomError("exactly_one", "needs exactly one of path and from_scratch")
        return self


class SFTRunConfig(Section):
    """A supervised fine-tuning run.

    Attributes:
        run: The directory it writes; must be empty or not exist.
        seed: Of everything random.
        data: The corpora; the file may give one mapping in place of a list.
        prompt: A prompt style's name: `rewardlab.text.prompts.PROMPTS`.
        chat: The prompt is one user turn of the checkpoint's chat template, and the translation
            the assistant's.
        validation: Training rows, by whole documents, that decide when to stop: a share in
            (0, 1), or a number of rows. Held-out rows are never looked at.
        patience: Evaluations without improvement before training stops, and the best model is
            kept; ``null`` trains to the end and keeps what that gives.
        synthetic: Rows made of the corpus's words come first, and everything is learned from in
            this order, once: for a policy from scratch.
        policy: The model that learns.
        trainer: Options of TRL's ``SFTConfig``, by TRL's names.
    """

    run: FileName
    seed: Seed = 0
    data: Data
    prompt: Text
    chat: bool = Field(default=False, strict=True)
    validation: Annotated[RowsOrShare, Field(gt=0)] = 0.05
    patience: Annotated[Whole, Field(ge=1)] | None = 3
    synthetic: SyntheticConfig | None = None
    policy: SFTPolicyConfig
    trainer: Options = Field(default_factory=dict[str, Any])

    @model_validator(mode="after")
    def _share(self) -> Self:
        require_share("validation", self.validation)
        return self


def load_sft_config(path: str | Path, overrides: Sequence[str] = ()) -> SFTRunConfig:
    """Read and check the configuration of an SFT run.

    Args:
        path: A YAML file.
        overrides: Arguments ``key=value``.

    Raises:
        UserError: E001..E046, exit code 2.
    """
    return load(SFTRunConfig, path, overrides, check=check_sft, check_trainer=check_sft_options)


def check_sft(config: SFTRunConfig, document: Document = NOWHERE) -> Iterator[Problem]:
    """What is wrong between the parts of a configuration whose schema holds; not ``trainer``."""
    yield from prompt_problems(config.prompt, config.data, document)
    if without := without_reference(config.data):
        what = f"fine-tuning learns from references, and {without[0]} has none"
        yield Problem("E032", document.where(("data",)), what, "add reference: to the data")
    policy = config.policy
    if policy.path is not None:
        yield from checkpoint_problems(policy.path, ("policy", "path"), document)
    for key in ("lora", "freeze_embeddings") if policy.from_scratch is not None else ():
        if getattr(policy, key):
            what = f"{key} keeps weights as they are, and those of a policy from scratch are random"
            yield Problem("E043", document.where(("policy", key)), what, "remove it, or give path")
    if policy.lora is not None and policy.untie_embeddings:
        what = "lora trains adapters only, so that an output head of its own would never learn"
        where = document.where(("policy", "untie_embeddings"))
        yield Problem("E043", where, what, "remove one of the two")
    if config.chat and policy.from_scratch is not None:
        what = "a policy from scratch has no chat template"
        yield Problem("E044", document.where(("chat",)), what, "chat: false")


def check_sft_options(block: Mapping[str, Any], document: Document = NOWHERE) -> list[Problem]:
    """What is wrong with the ``trainer`` section; imports TRL."""
    # TRL comes through our trainers, which turn its usage reports off before it is imported.
    from rewardlab.trainers.sft import SFTConfig

    if problems := option_problems(block, SFTConfig, document, owned=SFT_OWNED):
        return problems
    options = effective(block, SFTConfig)
    steps, every = options.max_steps, block.get("eval_steps")
    if every is not None and steps > 0 and every > steps:
        what = f"eval_steps={every} is above max_steps={steps}: nothing would ever be measured"
        fix = f"eval_steps: {max(1, steps // EVALUATIONS)}"
        return [Problem("E046", document.where(("trainer", "eval_steps")), what, fix)]
    return []


def sft_config(config: SFTRunConfig, **defaults: Any) -> SFTConfig:
    """TRL's configuration of a run; what the file says wins over ``defaults``.

    Without ``eval_steps`` a run is measured `EVALUATIONS` times; without ``num_train_epochs``
    synthetic rows and what follows them are learned from once.

    Raises:
        UserError: E037, TRL refuses the values, which it does when they meet.
    """
    from rewardlab.trainers.sft import BEST, LAST, SFTConfig

    steps = config.trainer.get("max_steps", -1)
    # TRL reads a number below 1 as a share of all steps, which with epochs nobody knows yet.
    every = max(1, steps // EVALUATIONS) if steps > 0 else 1 / EVALUATIONS
    kept = LAST if config.patience is None else BEST
    once: dict[str, Any] = {"train_sampling_strategy": "sequential", "num_train_epochs": 1}
    order = {} if config.synthetic is None else once
    own: dict[str, Any] = {"eval_steps": every, **kept, **order, **defaults}
    return trl_config(
        SFTConfig,
        config.trainer,
        run=config.run,
        seed=config.seed,
        **own,
    )
