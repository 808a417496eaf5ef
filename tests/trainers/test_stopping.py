"""Why a training ends early: signals, in one process or several, and numbers beyond range."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny_run
import torch
from test_grpo import Words
from torch import nn
from transformers import TrainerControl, TrainerState

import rewardlab
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import UserError
from rewardlab.trainers import stopping
from rewardlab.trainers.grpo import GRPOTrainer
from rewardlab.trainers.stopping import (
    CheckpointOnSignal,
    StopOnBadGradients,
    StopOnNaN,
    StopOnSignal,
    first_bad_gradient,
)
from rewardlab.types import Term

NAN, INF = float("nan"), float("inf")


def stopped_by(stops):
    control = TrainerControl()
    stops.on_step_end(None, TrainerState(), control)
    return control.should_training_stop, control.should_save


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("callback", "saves"), [(StopOnSignal, False), (CheckpointOnSignal, True)])
def test_a_signal_ends_training_at_the_next_step(kind, callback, saves):
    stops, before = callback(), signal.getsignal(kind)
    with stops.listening():
        assert stopped_by(stops) == (False, False)
        os.kill(os.getpid(), kind)
        assert stopped_by(stops) == (True, saves)
    assert stops.signal is kind
    assert signal.getsignal(kind) is before


def test_the_second_sigint_ends_it_at_once_and_the_second_sigterm_does_not():
    stops = StopOnSignal()
    with stops.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert stops.signal is signal.SIGTERM


def test_a_launcher_may_repeat_the_sigint_of_the_terminal(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "0")
    stops = StopOnSignal()
    with stops.listening():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        monkeypatch.setattr(stopping, "LAUNCHER_ECHO", 0.0)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_during_an_evaluation_ends_training_after_it():
    stops, control = StopOnSignal(), TrainerControl()
    with stops.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        stops.on_evaluate(None, TrainerState(), control)
    assert control.should_training_stop


def test_two_processes_stop_at_the_same_step_though_one_got_the_signal(tmp_path):
    script = Path(__file__).with_name("stopped_ranks.py")
    paths = (Path(rewardlab.__file__).parents[1], script.parents[1], script.parent)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*launcher, "--nproc-per-node", "2", str(script), str(tmp_path)],
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert [(tmp_path / f"rank-{rank}").read_text() for rank in (0, 1)] == ["3 SIGTERM"] * 2


# ── numbers that are not finite ─────────────────────────────────────────────────────────────────


def test_a_validation_loss_that_is_no_number_ends_the_run():
    args, state = SimpleNamespace(learning_rate=0.1), TrainerState(global_step=4)
    guard = StopOnNaN("run here")
    guard.on_evaluate(args, state, None, {"eval_loss": 2.0})
    with pytest.raises(
        UserError, match=r"error\[E375\] run here: the validation loss at step 4 is"
    ):
        guard.on_evaluate(args, state, None, {"eval_loss": NAN})


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_the_parameter_with_the_bad_gradient_is_named(bad):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    assert first_bad_gradient(model) is None, "no gradient yet"
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    model[0].weight.requires_grad_(False)
    assert first_bad_gradient(model) is None
    model[1].weight.grad[0, 1] = bad
    assert first_bad_gradient(model) == "1.weight"
    args = SimpleNamespace(fp16=False, learning_rate=0.1)
    with pytest.raises(UserError) as caught:
        StopOnBadGradients().on_pre_optimizer_step(args, TrainerState(global_step=6), None, model)
    assert "error[E077] step 7: the gradient is not finite (that of 1.weight)" in str(caught.value)
    args.fp16 = True  # the scaler of the loss finds these steps itself
    StopOnBadGradients().on_pre_optimizer_step(args, TrainerState(), None, model)


def trainer(tmp_path, reward, **options):
    return GRPOTrainer(
        tiny_run.policy(),
        ensemble=RewardEnsemble([Term(reward, 1.0)]),
        args=tiny_run.config(tmp_path, **options),
        train_dataset=tiny_run.dataset(),
        processing_class=tiny_run.tokenizer(),
        rollout_func=tiny_run.fixed_rollout,
    )


def test_no_step_is_taken_on_advantages_that_are_not_finite(tmp_path):
    def broken(rows, spans, mask, **_):
        advantages = torch.ones(mask.shape, dtype=torch.float64)
        advantages[2, 0] = 1e300  # finite here, and infinite in the float32 of the loss
        return advantages * mask

    run = trainer(tmp_path, Words())
    run.advantage = broken
    before = {name: weight.clone() for name, weight in run.model.named_parameters()}
    with pytest.raises(UserError) as caught:
        run.train()
    text = str(caught.value)
    assert text.startswith(
        "error[E076] step 1: the advantages are not finite, so the step is not taken; first "
        "completion 'eine Haus': the scores of the row are words"
    )
    assert all(torch.equal(before[name], weight) for name, weight in run.model.named_parameters())
    assert not (tmp_path / "metrics.jsonl").exists()


def test_weights_that_are_no_numbers_are_found_at_the_first_step(tmp_path):
    run = trainer(tmp_path, Words())
    with torch.no_grad():
        run.model.model.norm.weight[0] = NAN
    with pytest.raises(UserError, match=r"error\[E077\] step 1: the gradient is not finite"):
        run.train()
    assert not (tmp_path / "metrics.jsonl").exists(), "no loss of 0.0 was logged"


def test_no_readme_is_left(tmp_path):
    run = trainer(tmp_path, Words(), save_strategy="steps", save_steps=1, max_steps=1)
    run.train()
    assert (tmp_path / "checkpoint-1").is_dir()
    assert not (tmp_path / "README.md").exists()
