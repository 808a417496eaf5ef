"""The configuration of ``rewardlab sft``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from rewardlab.config import checks, trainer_block
from rewardlab.config.sections import (
    FileName,
    LoraConfig,
    Options,
    Positive,
    RowsOrShare,
    RunConfig,
    Section,
    ShapeConfig,
    Text,
    out_of_range,
)
from rewardlab.config.strict_yaml import Document
from rewardlab.errors import Problem

if TYPE_CHECKING:
    from trl import SFTConfig

Architecture = Literal["qwen3", "gemma3"]


class FromScratchConfig(ShapeConfig):
    """A small policy whose tokenizer and weights are trained on the run's own data.

    Attributes:
        architecture: ``qwen3`` or ``gemma3``.
    """

    architecture: Architecture = "qwen3"


class SyntheticConfig(Section):
    """Rows composed of the corpus's words: `rewardlab.data.synthetic.curriculum`.

    Attributes:
        copies: Number of rows of words in random order, to be copied.
        word_for_word: Number of rows of real words, each with its likeliest translation.
        longest: Number of words in the longest synthetic row.
        passes: How often each real row is repeated after the synthetic rows.
    """

    copies: Annotated[int, Field(ge=0)] = 16_000
    word_for_word: Annotated[int, Field(ge=0)] = 24_000
    longest: Positive = 20
    passes: Annotated[int, Field(ge=0)] = 6

    @model_validator(mode="after")
    def _has_rows(self) -> Self:
        if not (self.copies or self.word_for_word or self.passes):
            fix = "write at least 1 for one of copies, word_for_word and passes"
            raise out_of_range("passes", self.passes, fix)
        return self


class SFTPolicyConfig(Section):
    """The model that learns; exactly one of ``path`` and ``from_scratch``.

    Attributes:
        path: A saved checkpoint directory.
        from_scratch: A small policy that starts from random weights.
        lora: Train low-rank adapters instead of the whole model.
        freeze_embeddings: Do not train the input embeddings, nor an output head tied to them.
        untie_embeddings: Train separate weights for the output head.
    """

    one_of = ("path", "from_scratch")

    path: FileName | None = None
    from_scratch: FromScratchConfig | None = None
    lora: LoraConfig | None = None
    freeze_embeddings: bool = False
    untie_embeddings: bool = False


class SFTRunConfig(RunConfig):
    """A supervised fine-tuning run; its directory must be empty or not exist.

    Attributes:
        prompt: A prompt style's name: `rewardlab.text.prompts.PROMPTS`.
        validation: Training rows, by whole documents, that decide when to stop: a share in
            (0, 1), or a number of rows. Rows that a data section holds out are never used.
        patience: Number of evaluations without improvement before training stops and the best model
            is kept; ``null`` trains to the end and keeps the last model.
        synthetic: For a policy from scratch: adds synthetic rows before the others, and trains on
            every row once, in order.
        policy: The model that learns.
        trainer: Options of TRL's ``SFTConfig``, by TRL's names.
    """

    prompt: Text
    validation: Annotated[RowsOrShare, Field(gt=0)] = 0.05
    patience: Positive | None = 3
    synthetic: SyntheticConfig | None = None
    policy: SFTPolicyConfig
    trainer: Options = Field(default_factory=dict[str, Any])


def check_sft(config: SFTRunConfig, document: Document = checks.NOWHERE) -> Iterator[Problem]:
    """Problems between the parts of a configuration that fits its schema; not ``trainer``.

    Args:
        config: The configuration.
        document: Its file.

    Yields:
        E026, E028, E032, E039, E043, E044.
    """
    yield from checks.prompt_problems(config.prompt, config.data, document)
    if without := checks.without_reference(config.data):
        what = f"fine-tuning learns from references, and {without[0]} has none"
        yield document.problem("E032", ("data",), what, "add reference: to the data")
    policy = config.policy
    yield from checks.checkpoint_problems(policy.path, ("policy", "path"), document)
    for key in ("lora", "freeze_embeddings") if policy.from_scratch is not None else ():
        if getattr(policy, key):
            what = f"{key} keeps weights as they are, and those of a policy from scratch are random"
            yield document.problem("E043", ("policy", key), what, "remove it, or give path")
    if policy.lora is not None and policy.untie_embeddings:
        what = "lora trains adapters only, so that an output head of its own would never learn"
        fix = "remove one of the two"
        yield document.problem("E043", ("policy", "untie_embeddings"), what, fix)
    if config.chat and policy.from_scratch is not None:
        what = "a policy from scratch has no chat template"
        yield document.problem("E044", ("chat",), what, "chat: false")


def check_sft_options(
    block: Mapping[str, Any], document: Document = checks.NOWHERE
) -> list[Problem]:
    """Problems of the ``trainer`` section; imports TRL.

    Args:
        block: The section.
        document: Its file.

    Returns:
        E023, E025, E026, E033; E046 if there are none of these.
    """
    # TRL comes through our trainers, which turn its usage reports off before it is imported.
    from rewardlab.trainers.sft import SFTConfig

    owned = trainer_block.SUPERVISED_OWNED
    problems = trainer_block.option_problems(block, SFTConfig, document, owned=owned)
    steps, every = block.get("max_steps", -1), block.get("eval_steps")
    if not problems and every is not None and 0 < steps < every:
        what = f"eval_steps={every} is above max_steps={steps}: nothing would ever be measured"
        fix = f"eval_steps: {trainer_block.evaluation_steps(steps)}"
        problems.append(document.problem("E046", ("trainer", "eval_steps"), what, fix))
    return problems


def sft_config(
    config: SFTRunConfig, document: Document = checks.NOWHERE, **defaults: Any
) -> SFTConfig:
    """TRL's configuration of a run.

    Without ``num_train_epochs``, synthetic rows and the real ones after them are trained on once.

    Args:
        config: The run; its ``trainer`` section overrides ``defaults``.
        document: Its file.
        **defaults: Default options of TRL.

    Raises:
        UserError: As `rewardlab.config.trainer_block.trl_config`; exit code 2.
    """
    from rewardlab.trainers.sft import BEST, LAST, SFTConfig

    own: dict[str, Any] = {
        "eval_steps": trainer_block.evaluation_steps(config.trainer.get("max_steps", -1)),
        **(LAST if config.patience is None else BEST),
    }
    if config.synthetic is not None:
        own |= {"train_sampling_strategy": "sequential", "num_train_epochs": 1}
    own |= defaults
    return trainer_block.trl_config(
        SFTConfig, config.trainer, config.run, config.seed, document=document, **own
    )
