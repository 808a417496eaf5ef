"""``rewardlab rl``: train a translation policy by RL with a reward ensemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from rewardlab.cli import life_cycle, training
from rewardlab.cli.life_cycle import Arguments, conclude, read_config
from rewardlab.cli.options import ConfigFile, DryRun, Overrides
from rewardlab.cli.output import is_first_process, say
from rewardlab.cli.rows import NO_ROWS, pairs_of, prompt_of, row_notes
from rewardlab.config.load import to_yaml
from rewardlab.config.rl import RLConfig, check_rl, check_rl_options, rl_options
from rewardlab.config.rows import read_data
from rewardlab.data.corpora import Corpus, Row
from rewardlab.dry_run.rewards import build_each, check_rewards
from rewardlab.dry_run.training import check_plan, rl_plan
from rewardlab.ensemble import RewardEnsemble
from rewardlab.preflight.planted import spread_rows
from rewardlab.store.lineage import Stage, TrainedOn, Training
from rewardlab.text.prompts import chat_options, separator
from rewardlab.trainers.algorithms import ALGORITHMS, RLTrainer
from rewardlab.types import Candidate

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Trainer
    from trl import GRPOConfig


def command(config: ConfigFile, overrides: Overrides = None, *, dry_run: DryRun = False) -> None:
    """Train a policy by RL, with a reward ensemble and token-level advantages.

    For example: rewardlab rl rl.yaml data.source=news.da data.reference=news.nb
    """
    life_cycle.run(Arguments(config, overrides or ()), check, work, write, dry_run=dry_run)


@dataclass(frozen=True, eq=False)
class Ready(life_cycle.Ready):
    """An RL run that passed all checks.

    Attributes:
        config: The configuration.
        train: The training rows.
        heldout: Rows for evaluation only.
        ensemble: The rewards.
        options: TRL's options.
        before: The training of the policy so far.
        started: When the command started.
    """

    config: RLConfig
    train: Corpus
    heldout: Corpus
    ensemble: RewardEnsemble
    options: GRPOConfig
    before: Training | None
    started: float


def check(arguments: Arguments) -> Ready:
    """Check configuration, directory, data, checkpoint, tokenizer and rewards.

    Raises:
        UserError: All problems: configuration and checkpoint (exit code 2), data (3), rewards (4).
    """
    config, found = read_config(arguments, RLConfig, check=check_rl, check_trainer=check_rl_options)
    before = training.check_start(config.run, config.policy.path, found)
    train, heldout = found.attempt(read_data, config.data) or (NO_ROWS, NO_ROWS)
    wrong = check_rl_options(config.trainer, algorithm=config.algorithm)
    options = None if wrong else found.attempt(trl_options, config)
    terms, gates = build_each(config.rewards, config.gates)
    summary: dict[str, Any] = {"run": str(config.run), "rows": len(train), "heldout": len(heldout)}
    pairs = pairs_of(train.rows, config.prompt, config.data, chat=config.chat)
    summary |= check_plan(rl_plan(config, pairs, options=options, found=found), found)
    if train.rows and is_first_process():  # one verdict is enough, and judges cost
        refuse = config.planted_check == "refuse"
        candidates = planted_candidates(config, train.rows, prompts=bool(pairs))
        summary["rewards"] = check_rewards(terms, gates, candidates, found, refuse=refuse)
    notes = conclude(found, *row_notes(train))
    assert options is not None  # noqa: S101 - they have no problems
    ensemble, started = RewardEnsemble(terms, gates=gates), arguments.started
    return Ready(summary, notes, config, train, heldout, ensemble, options, before, started)


def planted_candidates(config: RLConfig, rows: Sequence[Row], *, prompts: bool) -> list[Candidate]:
    """Rows for planted texts, as the trainer shows them to the rewards.

    Args:
        config: The run.
        rows: The training rows.
        prompts: Whether prompts can be written; their problems are reported elsewhere.
    """
    if not prompts:
        return [row.candidate("") for row in spread_rows(rows)]
    from rewardlab.data.candidate_rows import candidate_of

    shown = (_trl_row(config, row) for row in spread_rows(rows))
    return [candidate_of(row, row["prompt"], "") for row in shown]


def trl_options(config: RLConfig) -> GRPOConfig:
    """TRL's options: those of the file, which override defaults that suit the machine."""
    return rl_options(
        config, log_completions=True, num_completions_to_print=0, **training.quiet_defaults()
    )


def work(ready: Ready) -> RLTrainer:
    """Train, with metrics, samples and checkpoints in the run directory.

    Raises:
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: A reward left too many rows unscored.
    """
    config = ready.config
    training.start(config.run, to_yaml(config), ready.ensemble.signature)
    trainer = build_trainer(ready)
    say(f"reinforcing {len(ready.train):,} prompts; metrics in {config.run / 'metrics.jsonl'}")
    trainer.train()
    return trainer


def build_trainer(ready: Ready) -> RLTrainer:
    """The trainer, ready to train; held-out rows are TRL's evaluation set."""
    from datasets import Dataset
    from transformers import PrinterCallback

    from rewardlab.trainers import policy as policies
    from rewardlab.trainers.planted_check import PlantedCheck

    config, options = ready.config, ready.options
    tokenizer = policies.load_tokenizer(config.policy.path)
    policy = policies.load_policy(config.policy.path, **training.loading(options))
    if config.chat:
        policies.stop_at(policy, policies.end_of_turn(tokenizer))
        if options.chat_template_kwargs is None:
            options.chat_template_kwargs = chat_options(str(tokenizer.chat_template))
    train, heldout = (
        Dataset.from_list([_trl_row(config, row) for row in side.rows])
        for side in (ready.train, ready.heldout)
    )
    lora = config.policy.lora
    trainer = ALGORITHMS.load(config.algorithm)(
        policy,
        ensemble=ready.ensemble,
        advantage=advantage_of(config),
        args=options,
        train_dataset=train,
        eval_dataset=heldout if options.eval_strategy != "no" else None,
        processing_class=tokenizer,
        peft_config=policies.low_rank(policy, **lora.model_dump()) if lora is not None else None,
    )
    trainer.remove_callback(PlantedCheck)  # `check` has asked, before anything was loaded
    trainer.remove_callback(PrinterCallback)  # metrics.jsonl has what it would print
    return trainer


def advantage_of(config: RLConfig) -> Callable[..., Tensor]:
    """The configured preset, with the configured token credit and treatment of omissions."""
    from rewardlab.advantages import combination

    return combination(**config.advantage.model_dump())


def _trl_row(config: RLConfig, row: Row) -> dict[str, Any]:
    return {
        "prompt": prompt_of(row, config.prompt, chat=config.chat),
        "source": row.source,
        "reference": row.reference,
        "source_lang": row.source_lang,
        "target_lang": row.target_lang,
        "id": row.id,
    }


def write(ready: Ready, trainer: RLTrainer) -> dict[str, Any]:
    """Write the policy and its training history.

    Args:
        ready: The run.
        trainer: The trainer, after training.

    Returns:
        The report.
    """
    config, ensemble, start = ready.config, ready.ensemble, ready.config.policy.path
    stage = Stage(
        "rl",
        start=str(start),
        data=tuple(data.model_dump(mode="json") for data in config.data),
        rewards=tuple(TrainedOn.term(term) for term in ensemble.terms),
        gates=tuple(TrainedOn.gate(gate) for gate in ensemble.gates),
        separator=separator(prompt_of(ready.train.rows[0], config.prompt, chat=config.chat)),
    )
    training.save_policy(
        cast("Trainer", trainer), config.run, stage, start=start, before=ready.before
    )
    rewards = first_and_last(trainer)
    return {"run": str(config.run), "rewards": rewards, **training.time_and_memory(ready.started)}


def first_and_last(trainer: RLTrainer) -> dict[str, dict[str, float]]:
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
