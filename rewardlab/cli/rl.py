"""``rewardlab rl``: reinforce a translation policy with a reward ensemble."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase
    from trl import GRPOConfig

    from rewardlab.config import FromScratchConfig, RLConfig
    from rewardlab.data.corpora import Corpus, Row
    from rewardlab.ensemble import RewardEnsemble
    from rewardlab.trainers.grpo import GRPOTrainer


@dataclass(frozen=True)
class RLCommand:
    """What to run.

    Attributes:
        config: The YAML file.
        overrides: ``key=value`` arguments.
        dry_run: Check everything that can be checked, and stop before training.
    """

    config: Path
    overrides: tuple[str, ...]
    dry_run: bool


def command(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of the run.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Replace single values.")
    ] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, train nothing.")
    ] = False,
) -> None:
    """Reinforce a policy with an ensemble of rewards and token-level advantages.

    For example: rewardlab rl rl.yaml data.source=news.da data.reference=news.nb
    """
    run(RLCommand(config, tuple(overrides or ()), dry_run))


def run(arguments: RLCommand) -> None:
    """Read, check, prepare, train, save; print a JSON summary on stdout.

    Raises:
        UserError: Everything wrong with the configuration (exit code 2) or the data (3).
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: A reward left too many rows unscored.
    """
    from rewardlab.config import load_rl_config, to_yaml
    from rewardlab.config.checks import build_gates, build_terms, check_run_directory
    from rewardlab.ensemble import RewardEnsemble

    config = load_rl_config(arguments.config, arguments.overrides)
    if _is_first_process():  # the others would see what the first wrote
        check_run_directory(config.run)
    train, heldout = read_data(config)
    ensemble = RewardEnsemble(build_terms(config), gates=build_gates(config))
    _say(*train.notes, train.funnel)
    score_one_row(ensemble, train.rows[0])
    options = trainer_options(config)
    if arguments.dry_run:
        _print(
            {"dry_run": True, "rows": len(train), "heldout": len(heldout), "run": str(config.run)}
        )
        return

    from accelerate import PartialState
    from transformers import PrinterCallback

    from rewardlab.cli.quiet import hush
    from rewardlab.store.run_directory import start_run

    hush()
    process = PartialState()
    if process.is_main_process:
        start_run(config.run, config=to_yaml(config), signature=ensemble.signature)
    process.wait_for_everyone()
    policy, tokenizer = starting_policy(config, train)
    trainer = build_trainer(
        config,
        options=options,
        ensemble=ensemble,
        policy=policy,
        tokenizer=tokenizer,
        sides=(train, heldout),
    )
    trainer.remove_callback(PrinterCallback)  # metrics.jsonl has what it would print
    _say(f"reinforcing {len(train):,} prompts; metrics in {config.run / 'metrics.jsonl'}")
    trainer.train()
    trainer.save_model(str(config.run / "model"))
    if process.is_main_process:
        tokenizer.save_pretrained(str(config.run / "model"))
        _print({"run": str(config.run), "rewards": first_and_last(trainer)})


def read_data(config: RLConfig) -> tuple[Corpus, Corpus]:
    """Every corpus split into what is trained on and what is held out, then joined.

    Sources held out by one corpus are taken out of the training side of all.
    """
    from rewardlab.data.corpora import join, read_parallel, split, without_overlap

    sides: list[tuple[Corpus, Corpus]] = []
    for data in config.data:
        corpus = read_parallel(
            data.source,
            data.reference,
            source_lang=data.source_lang,
            target_lang=data.target_lang,
            documents=data.documents,
            max_characters=data.max_characters,
            name=f"{data.source_lang}-{data.target_lang}" if len(config.data) > 1 else "",
        )
        sides.append(split(corpus, data.heldout))
    heldout = join([held for _, held in sides])
    return without_overlap(join([kept for kept, _ in sides]), heldout), heldout


def score_one_row(ensemble: RewardEnsemble, row: Row) -> None:
    """Ask every reward about one translation, so that a broken one is found before training.

    Raises:
        RewardFailed: A reward raised.
        RewardUnavailable: A reward could not be reached.
    """
    from rewardlab.errors import RewardUnavailable
    from rewardlab.types import Candidate, Status

    scores = ensemble(
        [
            Candidate(
                source=row.source,
                hypothesis=row.reference or row.source,
                reference=row.reference,
                source_lang=row.source_lang,
                target_lang=row.target_lang,
                id=row.id,
            )
        ]
    )
    gone = [
        name
        for name, status in zip(scores.names, scores.status[0], strict=True)
        if status is Status.UNAVAILABLE
    ]
    if gone:
        raise RewardUnavailable(f"{', '.join(gone)} could not score one row")


def starting_policy(config: RLConfig, train: Corpus) -> tuple[str, PreTrainedTokenizerBase]:
    """Path and tokenizer of the policy that RL starts from; trains it first where asked to."""
    from transformers import AutoTokenizer

    path = config.policy.path
    if config.policy.from_scratch is not None:
        path = train_from_scratch(config, config.policy.from_scratch, train)
    tokenizer = AutoTokenizer.from_pretrained(str(path), padding_side="left")
    return str(path), tokenizer


def train_from_scratch(config: RLConfig, shape: FromScratchConfig, train: Corpus) -> Path:
    """Train tokenizer and policy on the references, keep the best by held-out loss, and save them.

    A tenth of the training rows, at most 200 and by the end, decides when to stop; the run's own
    held-out rows are not looked at.
    """
    from accelerate import PartialState

    from rewardlab.trainers.from_scratch import new_policy, train_tokenizer
    from rewardlab.trainers.sft import Example, fine_tune

    _say("training a tokenizer and a policy from scratch")
    examples = [Example(prompt_of(config, row), row.reference or "") for row in train.rows]
    tokenizer = train_tokenizer(
        (text for example in examples for text in example), vocab_size=shape.vocab_size
    )
    policy = new_policy(
        tokenizer,
        architecture=shape.architecture,
        hidden_size=shape.hidden_size,
        layers=shape.layers,
        heads=shape.heads,
        seed=config.seed,
    )
    deciding = max(1, min(200, len(examples) // 10))
    path = config.run / "start"
    loss = fine_tune(
        policy,
        tokenizer,
        examples[:-deciding],
        examples[-deciding:],
        config.run / "sft",
        max_steps=shape.sft.max_steps,
        eval_steps=max(1, shape.sft.max_steps // 10),
        learning_rate=shape.sft.learning_rate,
        per_device_train_batch_size=shape.sft.batch_size,
        seed=config.seed,
        lr_scheduler_type="cosine",
        report_to=[],
        disable_tqdm=True,
        activation_checkpointing=False,
        **_hardware(),
    )
    _say(f"fine-tuned to a loss of {loss:.3f} nats per token")
    process = PartialState()
    if process.is_main_process:
        policy.save_pretrained(path)
        tokenizer.save_pretrained(str(path))
    process.wait_for_everyone()
    return path


def trainer_options(config: RLConfig) -> GRPOConfig:
    """TRL's options: the file's, over defaults that suit the machine."""
    from rewardlab.config.checks import grpo_config

    return grpo_config(
        config,
        report_to=[],
        disable_tqdm=True,  # it would write metrics to stdout
        log_completions=True,
        num_completions_to_print=0,
        **_hardware(),
    )


def build_trainer(
    config: RLConfig,
    *,
    options: GRPOConfig,
    ensemble: RewardEnsemble,
    policy: str,
    tokenizer: PreTrainedTokenizerBase,
    sides: tuple[Corpus, Corpus],
) -> GRPOTrainer:
    """The trainer of the configuration, ready to train; held-out rows are TRL's evaluation set."""
    from datasets import Dataset

    from rewardlab.advantages import CREDIT, OMISSION, PRESETS
    from rewardlab.trainers.grpo import GRPOTrainer

    advantage = functools.partial(
        PRESETS[config.advantage.preset],
        credit=CREDIT[config.advantage.credit],
        omission=OMISSION[config.advantage.omission],
    )
    train, heldout = (
        Dataset.from_list([_trl_row(config, row) for row in side.rows]) for side in sides
    )
    return GRPOTrainer(
        policy,
        ensemble=ensemble,
        advantage=advantage,
        args=options,
        train_dataset=train,
        eval_dataset=heldout if options.eval_strategy != "no" else None,
        processing_class=tokenizer,
    )


def prompt_of(config: RLConfig, row: Row) -> str:
    """The row's prompt in the configured style."""
    from rewardlab.data.prompts import PROMPTS

    style = PROMPTS[config.prompt]
    return style(row.source, source_lang=row.source_lang, target_lang=row.target_lang)


def _trl_row(config: RLConfig, row: Row) -> dict[str, Any]:
    return {
        "prompt": prompt_of(config, row),
        "source": row.source,
        "reference": row.reference,
        "source_lang": row.source_lang,
        "target_lang": row.target_lang,
        "id": row.id,
    }


def first_and_last(trainer: GRPOTrainer) -> dict[str, dict[str, float]]:
    """Mean of each reward over the first and the last fifth of the logged steps."""
    changes: dict[str, dict[str, float]] = {}
    for name in trainer.ensemble.names:
        key = f"rewards/{name}/mean"
        means = [log[key] for log in trainer.state.log_history if log.get(key) is not None]
        if means:
            part = max(1, len(means) // 5)
            first, last = sum(means[:part]) / part, sum(means[-part:]) / part
            changes[name] = {"first": round(first, 4), "last": round(last, 4)}
    return changes


def _is_first_process() -> bool:
    """Whether this is the only process, or the first that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


def _hardware() -> dict[str, Any]:
    """Full precision on a CPU; TRL's own defaults on an accelerator."""
    import torch

    return {} if torch.accelerator.is_available() else {"use_cpu": True, "bf16": False}


def _say(*lines: str) -> None:
    for line in lines if _is_first_process() else ():
        typer.echo(line, err=True)


def _print(summary: dict[str, Any]) -> None:
    typer.echo(json.dumps(summary, ensure_ascii=False))
