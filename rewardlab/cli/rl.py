"""``rewardlab rl``: reinforce a translation policy with a reward ensemble."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from rewardlab.cli.arguments import Arguments, ConfigFile, DryRun, Overrides
from rewardlab.cli.training import (
    answer_of,
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
from rewardlab.data.corpora import Corpus
from rewardlab.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase
    from trl import GRPOConfig

    from rewardlab.config import RLConfig
    from rewardlab.data.corpora import Row
    from rewardlab.ensemble import RewardEnsemble
    from rewardlab.store.lineage import Stage, Training
    from rewardlab.text.prompts import Prompt
    from rewardlab.trainers.grpo import GRPOTrainer


def command(config: ConfigFile, overrides: Overrides = None, *, dry_run: DryRun = False) -> None:
    """Reinforce a policy with an ensemble of rewards and token-level advantages.

    For example: rewardlab rl rl.yaml data.source=news.da data.reference=news.nb
    """
    run(Arguments(config, tuple(overrides or ()), dry_run))


class Ready(NamedTuple):
    """A run that nothing is known to be wrong with.

    Attributes:
        config: What was asked for.
        train: Rows to learn from.
        heldout: Rows that are only measured.
        ensemble: The rewards.
        options: TRL's.
        before: How the policy was trained until now.
        summary: What is known of the run before it starts.
    """

    config: RLConfig
    train: Corpus
    heldout: Corpus
    ensemble: RewardEnsemble
    options: GRPOConfig
    before: Training | None
    summary: dict[str, Any]


def run(arguments: Arguments) -> None:
    """Check, prepare, train, save; print a JSON summary on stdout.

    Raises:
        UserError: Everything that is wrong, as `check` finds it.
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: A reward left too many rows unscored.
    """
    from rewardlab.config import to_yaml

    started = time.perf_counter()
    ready = check(arguments)
    config, options = ready.config, ready.options
    if arguments.dry_run:
        report({"dry_run": True, **ready.summary})
        return

    from rewardlab.store.lineage import write_training
    from rewardlab.trainers.policy import end_of_turn, load_tokenizer, save_trained

    tokenizer = load_tokenizer(config.policy.path)
    stop = end_of_turn(tokenizer) if config.chat else None
    begin(config.run, config=to_yaml(config), signature=ready.ensemble.signature)
    trainer = build_trainer(
        config,
        options=options,
        ensemble=ready.ensemble,
        tokenizer=tokenizer,
        stop=stop,
        sides=(ready.train, ready.heldout),
    )
    say(f"reinforcing {len(ready.train):,} prompts; metrics in {config.run / 'metrics.jsonl'}")
    trainer.train()
    start = config.policy.path
    model = save_trained(trainer, tokenizer, config.run, start=start, **loading(options))
    if is_first_process():
        write_training(model, stage_of(config, ready.ensemble), before=ready.before)
    report(
        {
            "run": str(config.run),
            "rewards": first_and_last(trainer),
            "seconds": round(time.perf_counter() - started, 1),
            "peak_memory_mb": peak_memory_mb(),
        }
    )


def check(arguments: Arguments) -> Ready:
    """Look at everything that can be looked at before a step is taken, and tell what was found.

    One problem hides no other: where the configuration has a wrong reward, its data, checkpoint
    and other rewards are looked at all the same.

    Raises:
        UserError: With everything that is wrong: configuration and checkpoint (exit code 2), data
            (3), rewards (4).
    """
    from rewardlab.cli.quiet import hush
    from rewardlab.config import RLConfig, read_data
    from rewardlab.config.checks import check_run_directory
    from rewardlab.config.load import examine
    from rewardlab.config.rl import check_grpo_options, check_rl
    from rewardlab.dry_run import Findings, build_each, check_rewards, examine_rl
    from rewardlab.ensemble import RewardEnsemble

    config, problems = examine(
        RLConfig,
        arguments.config,
        arguments.overrides,
        check=check_rl,
        check_trainer=check_grpo_options,
    )
    if config is None:
        raise UserError(problems)
    hush()
    found = Findings()
    found.add(problems)
    if is_first_process():  # the others would see what the first wrote
        found.attempt(check_run_directory, config.run)
    before = found.attempt(training_before, config.policy.path)
    sides = found.attempt(read_data, config.data)
    options = None if check_grpo_options(config.trainer) else found.attempt(trainer_options, config)
    terms, gates = build_each(config.rewards, config.gates)
    train, heldout = sides or (Corpus(), Corpus())
    pairs = prompts_and_references(config, train)
    summary: dict[str, Any] = {"run": str(config.run), "rows": len(train), "heldout": len(heldout)}
    summary |= examine_rl(config, pairs, options=options, found=found)
    if train.rows:
        summary["rewards"] = check_rewards(terms, gates, train.rows[0], found)
    conclude(found, summary, *train.notes, str(train.funnel))
    assert options is not None  # noqa: S101 - nothing is wrong with them
    ensemble = RewardEnsemble(terms, gates=gates)
    return Ready(config, train, heldout, ensemble, options, before, summary)


def prompts_and_references(config: RLConfig, rows: Corpus) -> list[tuple[Prompt, Prompt | None]]:
    """What the policy is asked and what it could answer; nothing where no prompt can be written."""
    from rewardlab.config.checks import NOWHERE, prompt_problems

    if any(prompt_problems(config.prompt, config.data, NOWHERE)):
        return []
    return [(prompt_of(config, row), answer_of(row, chat=config.chat)) for row in rows.rows]


def trainer_options(config: RLConfig) -> GRPOConfig:
    """TRL's options: the file's, over defaults that suit the machine."""
    from rewardlab.config.rl import grpo_config

    return grpo_config(config, log_completions=True, num_completions_to_print=0, **quiet_defaults())


def build_trainer(
    config: RLConfig,
    *,
    options: GRPOConfig,
    ensemble: RewardEnsemble,
    tokenizer: PreTrainedTokenizerBase,
    stop: int | None,
    sides: tuple[Corpus, Corpus],
) -> GRPOTrainer:
    """The trainer of the configuration, ready to train; held-out rows are TRL's evaluation set.

    Args:
        config: The run.
        options: TRL's.
        ensemble: The rewards.
        tokenizer: The policy's.
        stop: A token that ends a completion besides those of the checkpoint.
        sides: Training rows and held-out rows.
    """
    from datasets import Dataset
    from transformers import PrinterCallback

    from rewardlab.text.prompts import chat_options
    from rewardlab.trainers.grpo import GRPOTrainer
    from rewardlab.trainers.policy import load_policy, low_rank, stop_at

    policy = load_policy(config.policy.path, **loading(options))
    if stop is not None:
        stop_at(policy, stop)
    if config.chat and options.chat_template_kwargs is None:
        options.chat_template_kwargs = chat_options(str(tokenizer.chat_template))
    train, heldout = (
        Dataset.from_list([_trl_row(config, row) for row in side.rows]) for side in sides
    )
    lora = config.policy.lora
    trainer = GRPOTrainer(
        policy,
        ensemble=ensemble,
        advantage=advantage_of(config),
        args=options,
        train_dataset=train,
        eval_dataset=heldout if options.eval_strategy != "no" else None,
        processing_class=tokenizer,
        peft_config=low_rank(policy, **lora.model_dump()) if lora is not None else None,
    )
    trainer.remove_callback(PrinterCallback)  # metrics.jsonl has what it would print
    return trainer


def advantage_of(config: RLConfig) -> Callable[..., Tensor]:
    """The configured preset with its token credit and its place for omissions."""
    from rewardlab.advantages import CREDIT, OMISSION, PRESETS

    return functools.partial(
        PRESETS[config.advantage.preset],
        credit=CREDIT[config.advantage.credit],
        omission=OMISSION[config.advantage.omission],
    )


def stage_of(config: RLConfig, ensemble: RewardEnsemble) -> Stage:
    """What the run adds to the lineage of its policy."""
    from rewardlab.store.lineage import Stage, TrainedOn

    return Stage(
        "rl",
        start=str(config.policy.path),
        data=plain_data(config),
        rewards=tuple(TrainedOn.term(term) for term in ensemble.terms),
        gates=tuple(TrainedOn.gate(gate) for gate in ensemble.gates),
    )


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
