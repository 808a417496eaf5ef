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
from rewardlab.config.strict_yaml import Document
from rewardlab.data.corpora import Corpus
from rewardlab.data.rows import Row
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
    from transformers import Trainer, TrainerCallback
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
    document = training.document_of(arguments)
    options = None if wrong else found.attempt(trl_options, config, document)
    if options is not None and options.eval_strategy != "no" and not len(heldout):
        what = "an evaluation needs held-out rows, and there are none"
        fix = "data.heldout: 100, or remove eval_strategy"
        found.add([document.problem("E046", ("trainer", "eval_strategy"), what, fix)])
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


def trl_options(config: RLConfig, document: Document) -> GRPOConfig:
    """TRL's options: those of the file, which override defaults that suit the machine.

    Args:
        config: The run.
        document: Its file, for the places of problems.
    """
    own = {"log_completions": True, "num_completions_to_print": 0}
    return rl_options(config, document, **own, **training.quiet_defaults())


def work(ready: Ready) -> RLTrainer:
    """Train, with metrics, samples and checkpoints in the run directory.

    Raises:
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: A reward left too many rows unscored.
        UserError: E049, a signal stopped it, and the policy so far is saved (exit code 143 or 130);
            E076 advantages or E077 a gradient that is not finite (2); those of
            `rewardlab.cli.training.ending_well`.
    """
    from rewardlab.report.progress import Progress
    from rewardlab.trainers.stopping import StopOnSignal

    config, stops, name = ready.config, StopOnSignal(), main_reward(ready.ensemble)
    with training.run_directory(config.run):
        training.start(config.run, to_yaml(config), ready.ensemble.signature)
        progress = Progress(
            "rl",
            main=f"rewards/{name}/mean",
            heldout=f"eval_rewards/{name}/mean",
            label=name,
            shows=is_first_process(),
        )
        with training.refusals():
            trainer = build_trainer(ready, [progress, stops])
        say(f"reinforcing {len(ready.train):,} prompts; metrics in {config.run / 'metrics.jsonl'}")
        with training.ending_well(config.run), stops.listening(), progress:
            trainer.train()
            if training.is_stopped(stops.signal, trainer):
                assert stops.signal is not None  # noqa: S101 - it stopped the run
                raise training.save_stopped(
                    "rl", stops.signal, cast("Trainer", trainer), config.run, stage_of(ready),
                    start=config.policy.path, before=ready.before,
                )  # fmt: skip
    return trainer


def main_reward(ensemble: RewardEnsemble) -> str:
    """The name of the reward with the largest weight, of scores or else of error spans."""
    return max(ensemble.terms, key=lambda term: (term.weight, term.token_weight)).reward.name


def build_trainer(ready: Ready, callbacks: Sequence[TrainerCallback]) -> RLTrainer:
    """The trainer, ready to train; held-out rows are TRL's evaluation set.

    Args:
        ready: The run.
        callbacks: Callbacks besides those of every run.
    """
    from datasets import Dataset

    from rewardlab.trainers import policy as policies
    from rewardlab.trainers.planted_check import PlantedCheck
    from rewardlab.trainers.run_log import no_printing

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
        callbacks=[*callbacks],
        peft_config=policies.low_rank(policy, **lora.model_dump()) if lora is not None else None,
    )
    trainer.remove_callback(PlantedCheck)  # `check` has asked, before anything was loaded
    no_printing(trainer)
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
    config = ready.config
    training.save_policy(
        cast("Trainer", trainer),
        config.run,
        stage_of(ready),
        start=config.policy.path,
        before=ready.before,
    )
    rewards = first_and_last(trainer)
    return {"run": str(config.run), "rewards": rewards, **training.time_and_memory(ready.started)}


def stage_of(ready: Ready) -> Stage:
    """What the training history says about this run."""
    config, ensemble = ready.config, ready.ensemble
    return Stage(
        "rl",
        start=str(config.policy.path),
        data=tuple(data.model_dump(mode="json") for data in config.data),
        rewards=tuple(TrainedOn.term(term) for term in ensemble.terms),
        gates=tuple(TrainedOn.gate(gate) for gate in ensemble.gates),
        separator=separator(prompt_of(ready.train.rows[0], config.prompt, chat=config.chat)),
    )


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
