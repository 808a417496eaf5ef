"""``rewardlab sft``: teach a policy to translate, from scratch or from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rewardlab.cli import life_cycle, training
from rewardlab.cli.life_cycle import Arguments, conclude, read_config
from rewardlab.cli.options import ConfigFile, DryRun, Overrides
from rewardlab.cli.output import is_first_process, say
from rewardlab.cli.rows import pairs_of, row_notes
from rewardlab.config.load import to_yaml
from rewardlab.config.rows import read_data
from rewardlab.config.sft import SFTRunConfig, check_sft, check_sft_options, sft_config
from rewardlab.config.strict_yaml import Document
from rewardlab.data.corpora import validation_split
from rewardlab.data.rows import Row
from rewardlab.data.synthetic import curriculum
from rewardlab.dry_run.training import check_plan, sft_plan
from rewardlab.store.lineage import Stage, Training
from rewardlab.text.prompts import separator

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from rewardlab.trainers.sft import Example


def command(config: ConfigFile, overrides: Overrides = None, *, dry_run: DryRun = False) -> None:
    """Fine-tune a policy on translations, with early stopping by the validation loss.

    With `patience: null` it trains to the end and keeps the last model, else the best.

    For example: rewardlab sft sft.yaml data.source=news.da data.reference=news.nb
    """
    life_cycle.run(Arguments(config, overrides or ()), check, work, write, dry_run=dry_run)


@dataclass(frozen=True, eq=False)
class Ready(life_cycle.Ready):
    """A fine-tuning run that passed all checks.

    Attributes:
        config: The configuration.
        train: Examples to learn from.
        validation: Examples that decide when to stop; none of their documents is trained on.
        options: TRL's options.
        before: The training of the policy so far.
        started: When the command started.
    """

    config: SFTRunConfig
    train: list[Example]
    validation: list[Example]
    options: SFTConfig
    before: Training | None
    started: float


class Outcome(NamedTuple):
    """A finished training.

    Attributes:
        trainer: The trainer with the model.
        start: The checkpoint that training started from.
        loss: The validation loss of the model that is kept.
    """

    trainer: SFTTrainer
    start: Path
    loss: float


# ── check ───────────────────────────────────────────────────────────────────────────────────────


def check(arguments: Arguments) -> Ready:
    """Check configuration, directory, data, checkpoint and tokenizer.

    Raises:
        UserError: All problems: configuration and checkpoint (exit code 2), data (3).
    """
    config, found = read_config(
        arguments, SFTRunConfig, check=check_sft, check_trainer=check_sft_options
    )
    before = training.check_start(config.run, config.policy.path, found)
    train, validation, more = found.attempt(read_examples, config) or ([], [], ())
    wrong, document = check_sft_options(config.trainer), training.document_of(arguments)
    options = None if wrong else found.attempt(trl_options, config, document)
    plan = sft_plan(config, train, validation, options=options, found=found)
    sizes = {"rows": len(train), "validation": len(validation)}
    summary = {"run": str(config.run), **sizes, **check_plan(plan, found)}
    notes = conclude(found, *more)
    assert options is not None  # noqa: S101 - they have no problems
    return Ready(summary, notes, config, train, validation, options, before, arguments.started)


def read_examples(config: SFTRunConfig) -> tuple[list[Example], list[Example], tuple[str, ...]]:
    """The examples of a run: the real rows, and synthetic rows if configured.

    Returns:
        Examples to learn from, examples that decide when to stop, and notes on the rows. There are
        no examples if the configured prompt cannot be written.

    Raises:
        UserError: E201..E208, exit code 3.
    """
    from rewardlab.trainers.sft import Example

    train, _ = read_data(config.data)
    kept, validation = validation_split(train, config.validation, seed=config.seed)
    notes, rows = row_notes(kept), kept.rows
    if config.synthetic is not None:
        rows = curriculum(
            rows,
            **config.synthetic.model_dump(),
            batch_size=config.trainer.get("per_device_train_batch_size", 8),
            seed=config.seed,
        )
        notes = (*notes, f"{len(rows):,} rows to learn from in order, synthetic ones first")

    def examples(side: Iterable[Row]) -> list[Example]:
        pairs = pairs_of(side, config.prompt, config.data, chat=config.chat)
        return [Example(prompt, answer or "") for prompt, answer in pairs]

    return examples(rows), examples(validation.rows), notes


def trl_options(config: SFTRunConfig, document: Document) -> SFTConfig:
    """TRL's options: those of the file, which override defaults that suit the machine.

    Args:
        config: The run.
        document: Its file, for the places of problems.
    """
    return sft_config(config, document, **training.quiet_defaults())


# ── work ────────────────────────────────────────────────────────────────────────────────────────


def work(ready: Ready) -> Outcome:
    """Train, with metrics and checkpoints in the run directory.

    Raises:
        UserError: E049, a signal stopped it, and the policy so far is saved (exit code 143 or 130);
            E077 a gradient and E375 a validation loss that is not finite (2); those of
            `rewardlab.cli.training.ending_well`.
    """
    from rewardlab.report.progress import Progress
    from rewardlab.trainers.sft import heldout_loss
    from rewardlab.trainers.stopping import StopOnSignal

    config, stops = ready.config, StopOnSignal()
    with training.run_directory(config.run):
        training.start(config.run, to_yaml(config))
        start = config.policy.path or random_policy(config, ready.train)
        progress = Progress("sft", main="loss", heldout="eval_loss", shows=is_first_process())
        with training.refusals():
            trainer = build_trainer(ready, start, [progress, stops])
        say(f"training on {len(ready.train):,} rows; metrics in {config.run / 'metrics.jsonl'}")
        with training.ending_well(config.run), stops.listening(), progress:
            trainer.train()
            if training.is_stopped(stops.signal, trainer):
                assert stops.signal is not None  # noqa: S101 - it stopped the run
                raise training.save_stopped(
                    "sft", stops.signal, trainer, config.run, stage_of(ready),
                    start=start, before=ready.before,
                )  # fmt: skip
            loss = heldout_loss(trainer)
    return Outcome(trainer, start, loss)


def random_policy(config: SFTRunConfig, examples: Sequence[Example]) -> Path:
    """A checkpoint with a tokenizer trained on the examples, and random weights.

    The first process writes it, and every process reads it like any other checkpoint.

    Args:
        config: The shape of the policy.
        examples: Examples whose texts the tokenizer is trained on.
    """
    from rewardlab.trainers.from_scratch import new_policy, train_tokenizer

    assert config.policy.from_scratch is not None  # noqa: S101 - the schema wants it or a path
    shape, start = config.policy.from_scratch.model_dump(), config.run / "start"
    with training.first_process() as first:
        if first:
            say("training a tokenizer")
            texts = (text for example in examples for text in example.texts)
            tokenizer = train_tokenizer(texts, vocab_size=shape.pop("vocab_size"))
            new_policy(tokenizer, **shape, seed=config.seed).save_pretrained(start)
            tokenizer.save_pretrained(str(start))
    return start


def build_trainer(ready: Ready, start: Path, callbacks: Sequence[TrainerCallback]) -> SFTTrainer:
    """The trainer, ready to train.

    Args:
        ready: The run.
        start: The checkpoint that training starts from.
        callbacks: Callbacks besides those of every run.
    """
    from rewardlab.trainers import policy as policies
    from rewardlab.trainers.run_log import MetricsLog
    from rewardlab.trainers.sft import sft_trainer
    from rewardlab.trainers.stopping import StopOnBadGradients, StopOnNaN

    config, options = ready.config, ready.options
    tokenizer = policies.load_tokenizer(start)
    policy = policies.load_policy(start, **training.loading(options))
    if config.chat:
        policies.stop_at(policy, policies.end_of_turn(tokenizer))
    prepare_embeddings(config, policy)
    lora = config.policy.lora
    return sft_trainer(
        policy,
        tokenizer,
        ready.train,
        ready.validation,
        args=options,
        patience=config.patience,
        callbacks=[
            MetricsLog(),
            *callbacks,
            StopOnNaN(f"run {config.run.name}"),
            StopOnBadGradients(),
        ],
        peft_config=policies.low_rank(policy, **lora.model_dump()) if lora is not None else None,
    )


def prepare_embeddings(config: SFTRunConfig, policy: PreTrainedModel) -> None:
    """Untie and freeze the embeddings as configured, and print the consequences.

    Args:
        config: Configuration of the run.
        policy: The policy; changed in place.
    """
    from rewardlab.trainers.policy import freeze_embeddings, untie_embeddings

    if config.policy.untie_embeddings:
        untie_embeddings(policy)
    if config.policy.freeze_embeddings and freeze_embeddings(policy):
        say(
            "the embeddings are frozen, and the output head with them, since it shares their "
            "weights; policy.untie_embeddings=true would train it"
        )


# ── write ───────────────────────────────────────────────────────────────────────────────────────


def write(ready: Ready, outcome: Outcome) -> dict[str, Any]:
    """Write the policy and its training history.

    Args:
        ready: The run.
        outcome: The trained model.

    Returns:
        The report.
    """
    config, (trainer, start, loss) = ready.config, outcome
    stage = stage_of(ready)
    training.save_policy(trainer, config.run, stage, start=start, before=ready.before)
    training.tidy(trainer, config.run)
    step = trainer.state.best_global_step or trainer.state.global_step
    report = {"run": str(config.run), "validation_loss": loss, "step": step}
    return {**report, **training.time_and_memory(ready.started)}


def stage_of(ready: Ready) -> Stage:
    """What the training history says about this run."""
    path = ready.config.policy.path
    data = tuple(data.model_dump(mode="json") for data in ready.config.data)
    between = separator(ready.train[0].prompt)
    return Stage("sft", None if path is None else str(path), data=data, separator=between)
