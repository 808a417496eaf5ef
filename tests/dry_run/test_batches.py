"""Batch arithmetic by hand, and against the trainer's own."""

import pytest
import tiny_run

from rewardlab.dry_run.batches import Schedule, too_few_prompts
from rewardlab.ensemble import RewardEnsemble
from rewardlab.rewards import ChrF
from rewardlab.trainers.grpo import GRPOTrainer
from rewardlab.types import Term


def test_sft_counts_the_last_part_of_an_epoch():
    # 1,000 rows over 4 processes of 8 rows: 32 passes, of which 4 make a step
    schedule = Schedule(rows_per_process=8, accumulation=4, processes=4)
    assert schedule.sft(1000) == (8, 4, 4, 128, 8, 24, 3.0)
    # 33 passes make 9 steps: the last one has a single pass
    assert schedule.sft(1030).steps_per_epoch == 9
    limited = schedule._replace(max_steps=100).sft(1000)
    assert (limited.steps, limited.epochs) == (100, 12.5)


def test_rl_counts_prompts_and_their_completions():
    # 8 GPUs of 16 completions, 8 times, are 1,024: 8 for each of 128 prompts
    schedule = Schedule(rows_per_process=16, accumulation=8, processes=8, max_steps=500)
    batches, rollouts = schedule.rl(10_000, num_generations=8)
    assert batches.rows_per_step == 1024
    assert rollouts == (8, 1024, 128, 8, 512_000)
    # 10,000 prompts fill 78 generations, one step each; the last 16 prompts fill none
    assert batches.steps_per_epoch == 78
    assert batches.epochs == 6.41


def test_a_generation_may_feed_several_steps_and_be_learnt_from_twice():
    schedule = Schedule(rows_per_process=4, accumulation=2, processes=2, epochs=1)
    batches, rollouts = schedule.rl(64, num_generations=4, steps_per_generation=4, num_iterations=2)
    # a generation: 4 x 2 x 4 = 32 completions of 8 prompts, fed to 4 passes, twice; 8 generations
    assert rollouts == (4, 32, 8, 4, 8 * 32)
    assert batches.steps_per_epoch == 8 * 4 * 2 / 2


@pytest.mark.parametrize(
    "options",
    [
        {"per_device_train_batch_size": 4},
        {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2},
        {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "num_iterations": 3},
        {"per_device_train_batch_size": 4, "steps_per_generation": 3},
        {"per_device_train_batch_size": 4, "generation_batch_size": 12},
    ],
    ids=str,
)
def test_the_trainer_counts_the_same(tmp_path, options):
    trainer = GRPOTrainer(
        tiny_run.policy(),
        ensemble=RewardEnsemble([Term(ChrF())]),
        args=tiny_run.config(tmp_path, max_steps=-1, num_train_epochs=2, **options),
        train_dataset=tiny_run.dataset(),
        processing_class=tiny_run.tokenizer(),
    )
    args = trainer.args
    loader = trainer.get_train_dataloader()
    _, per_epoch, *_, steps = trainer.set_initial_training_values(args, loader)
    schedule = Schedule(
        rows_per_process=options["per_device_train_batch_size"],
        accumulation=options.get("gradient_accumulation_steps", 1),
        processes=1,
        epochs=2,
    )
    batches, rollouts = schedule.rl(
        len(trainer.train_dataset),
        num_generations=4,
        steps_per_generation=options.get("steps_per_generation"),
        generation_batch_size=options.get("generation_batch_size"),
        num_iterations=options.get("num_iterations", 1),
    )
    assert rollouts.per_generation == args.generation_batch_size
    assert rollouts.steps_per_generation == args.steps_per_generation
    assert (batches.steps_per_epoch, batches.steps) == (per_epoch, steps)


def test_data_that_fills_no_generation_is_a_problem():
    schedule = Schedule(rows_per_process=16, accumulation=8, processes=8)
    _, rollouts = schedule.rl(100, num_generations=8)
    (problem,) = too_few_prompts(100, rollouts)
    assert str(problem) == (
        "error[E063] trainer: 100 training prompts do not fill one generation: 1,024 completions "
        "are sampled at once, 8 for each of 128 prompts. fix: lower per_device_train_batch_size "
        "or gradient_accumulation_steps, or give more rows"
    )
    assert list(too_few_prompts(128, rollouts)) == []
