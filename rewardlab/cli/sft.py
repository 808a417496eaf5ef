"""``rewardlab sft``: teach a policy to translate, from scratch or from a checkpoint."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rewardlab.cli.arguments import Arguments, ConfigFile, DryRun, Overrides
from rewardlab.cli.training import (
    begin,
    conclude,
    is_first_process,
    loading,
    peak_memory_mb,
    plain_data,
    prompt_of,
    quiet_defaults,
    report,
    say,
    training_before,
)
from rewardlab.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import SFTConfig, SFTTrainer

    from rewardlab.config import SFTRunConfig
    from rewardlab.data.corpora import Row
    from rewardlab.store.lineage import Training
    from rewardlab.trainers.sft import Example


class TrainingRows(NamedTuple):
    """What a run learns from.

    Attributes:
        train: Examples to learn from.
        validation: Examples that decide when to stop; none of their documents is trained on.
        notes: What there is to tell about them.
    """

    train: list[Example]
    validation: list[Example]
    notes: list[str]


def command(config: ConfigFile, overrides: Overrides = None, *, dry_run: DryRun = False) -> None:
    """Fine-tune a policy on translations, and keep it where its validation loss is lowest.

    For example: rewardlab sft sft.yaml data.source=news.da data.reference=news.nb
    """
    run(Arguments(config, tuple(overrides or ()), dry_run))


class Ready(NamedTuple):
    """A run that nothing is known to be wrong with.

    Attributes:
        config: What was asked for.
        rows: What it learns from.
        options: TRL's.
        before: How the policy was trained until now.
        summary: What is known of the run before it starts.
    """

    config: SFTRunConfig
    rows: TrainingRows
    options: SFTConfig
    before: Training | None
    summary: dict[str, Any]


def run(arguments: Arguments) -> None:
    """Check, prepare, train, save; print a JSON summary on stdout.

    Raises:
        UserError: Everything that is wrong, as `check` finds it.
    """
    from rewardlab.config import to_yaml

    started = time.perf_counter()
    ready = check(arguments)
    if arguments.dry_run:
        report({"dry_run": True, **ready.summary})
        return

    from rewardlab.store.lineage import Stage, write_training
    from rewardlab.trainers.policy import save_trained
    from rewardlab.trainers.sft import train_to_best

    config, rows, options = ready.config, ready.rows, ready.options
    start = config.policy.path
    begin(config.run, config=to_yaml(config))
    path = start or random_policy(config, rows)
    trainer, tokenizer = build_trainer(config, path, rows, options)
    say(f"training on {len(rows.train):,} rows; metrics in {config.run / 'metrics.jsonl'}")
    loss = train_to_best(trainer)
    model = save_trained(trainer, tokenizer, config.run, start=path, **loading(options))
    if is_first_process():
        stage = Stage("sft", None if start is None else str(start), data=plain_data(config))
        write_training(model, stage, before=ready.before)
    step = trainer.state.best_global_step or trainer.state.global_step
    report(
        {
            "run": str(config.run),
            "validation_loss": loss,
            "step": step,
            "seconds": round(time.perf_counter() - started, 1),
            "peak_memory_mb": peak_memory_mb(),
        }
    )


def check(arguments: Arguments) -> Ready:
    """Look at everything that can be looked at before a step is taken, and tell what was found.

    One problem hides no other: where the configuration has a wrong option, its data and checkpoint
    are looked at all the same.

    Raises:
        UserError: With everything that is wrong: configuration and checkpoint (exit code 2), data
            (3).
    """
    from rewardlab.cli.quiet import hush
    from rewardlab.config import SFTRunConfig, read_data
    from rewardlab.config.checks import NOWHERE, check_run_directory, prompt_problems
    from rewardlab.config.load import examine
    from rewardlab.config.sft import check_sft, check_sft_options
    from rewardlab.dry_run import Findings, examine_sft

    config, problems = examine(
        SFTRunConfig,
        arguments.config,
        arguments.overrides,
        check=check_sft,
        check_trainer=check_sft_options,
    )
    if config is None:
        raise UserError(problems)
    hush()
    found = Findings()
    found.add(problems)
    if is_first_process():  # the others would see what the first wrote
        found.attempt(check_run_directory, config.run)
    before = found.attempt(training_before, config.policy.path)
    if any(prompt_problems(config.prompt, config.data, NOWHERE)):
        found.attempt(read_data, config.data)
        rows = None
    else:
        rows = found.attempt(training_rows, config)
    rows = rows or TrainingRows([], [], [])
    options = None if check_sft_options(config.trainer) else found.attempt(trainer_options, config)
    summary: dict[str, Any] = {"run": str(config.run), "rows": len(rows.train)}
    summary["validation"] = len(rows.validation)
    summary |= examine_sft(config, rows.train, rows.validation, options=options, found=found)
    conclude(found, summary, *rows.notes)
    assert options is not None  # noqa: S101 - nothing is wrong with them
    return Ready(config, rows, options, before, summary)


def training_rows(config: SFTRunConfig) -> TrainingRows:
    """The examples of a run: the real rows, and synthetic ones where they are asked for.

    Raises:
        UserError: E201..E208, exit code 3.
    """
    from rewardlab.config.rows import read_data
    from rewardlab.data.corpora import validation_split

    train, _ = read_data(config.data)
    kept, validation = validation_split(train, config.validation, seed=config.seed)
    notes, rows = [*kept.notes, str(kept.funnel)], kept.rows
    if config.synthetic is not None:
        from rewardlab.data.synthetic import curriculum

        rows = curriculum(
            rows,
            **config.synthetic.model_dump(),
            batch_size=config.trainer.get("per_device_train_batch_size", 8),
            seed=config.seed,
        )
        notes.append(f"{len(rows):,} rows to learn from in order, synthetic ones first")
    return TrainingRows(
        [example(config, row) for row in rows],
        [example(config, row) for row in validation.rows],
        notes,
    )


def example(config: SFTRunConfig, row: Row) -> Example:
    """What the policy is asked about a row, and what it should answer."""
    from rewardlab.trainers.sft import Example

    answer = row.reference or ""
    turn = [{"role": "assistant", "content": answer}]
    return Example(prompt_of(config, row), turn if config.chat else answer)


def trainer_options(config: SFTRunConfig) -> SFTConfig:
    """TRL's options: the file's, over defaults that suit the machine."""
    from rewardlab.config.sft import sft_config

    return sft_config(config, **quiet_defaults())


def random_policy(config: SFTRunConfig, rows: TrainingRows) -> Path:
    """A checkpoint with a tokenizer trained on the examples, and random weights.

    It is read back from disk by every process, as any other checkpoint is.
    """
    from accelerate import PartialState

    from rewardlab.trainers.from_scratch import new_policy, train_tokenizer

    shape = config.policy.from_scratch
    assert shape is not None  # noqa: S101 - the schema wants it or a path
    start = config.run / "start"
    process = PartialState()
    if process.is_main_process:
        say("training a tokenizer")
        texts = (text for example in rows.train for text in example.texts)
        tokenizer = train_tokenizer(texts, vocab_size=shape.vocab_size)
        policy = new_policy(
            tokenizer,
            architecture=shape.architecture,
            hidden_size=shape.hidden_size,
            layers=shape.layers,
            heads=shape.heads,
            seed=config.seed,
        )
        policy.save_pretrained(start)
        tokenizer.save_pretrained(str(start))
    process.wait_for_everyone()
    return start


def build_trainer(
    config: SFTRunConfig, path: Path, rows: TrainingRows, options: SFTConfig
) -> tuple[SFTTrainer, PreTrainedTokenizerBase]:
    """The trainer of the configuration, ready to train, and the policy's tokenizer."""
    from rewardlab.trainers.policy import (
        end_of_turn,
        load_policy,
        load_tokenizer,
        low_rank,
        stop_at,
    )
    from rewardlab.trainers.run_log import MetricsLog
    from rewardlab.trainers.sft import LogValidationLoss, sft_trainer

    tokenizer = load_tokenizer(path)
    policy = load_policy(path, **loading(options))
    if config.chat:
        stop_at(policy, end_of_turn(tokenizer))
    prepare_embeddings(config, policy)
    lora = config.policy.lora
    trainer = sft_trainer(
        policy,
        tokenizer,
        rows.train,
        rows.validation,
        args=options,
        patience=config.patience,
        callbacks=[MetricsLog(), LogValidationLoss(say)],
        peft_config=low_rank(policy, **lora.model_dump()) if lora is not None else None,
    )
    return trainer, tokenizer


def prepare_embeddings(config: SFTRunConfig, policy: PreTrainedModel) -> None:
    """Untie and freeze as the configuration asks, and say what follows from it."""
    from rewardlab.trainers.policy import freeze_embeddings, untie_embeddings

    if config.policy.untie_embeddings:
        untie_embeddings(policy)
    if config.policy.freeze_embeddings and freeze_embeddings(policy):
        say(
            "the embeddings are frozen, and the output head with them, since it shares their "
            "weights; policy.untie_embeddings=true would train it"
        )
