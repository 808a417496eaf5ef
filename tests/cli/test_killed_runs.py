"""``sft`` and ``rl`` as processes that are killed: what is left, what is said, and the retry."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import taught_policies
from transformers import AutoModelForCausalLM

from rewardlab.cli import training
from rewardlab.cli.interrupts import Interrupted
from rewardlab.store.lineage import read_training
from rewardlab.store.lock import Lock, run_lock
from rewardlab.store.run_directory import start_run

PIPES: list[int] = []
COMMAND = Path(sys.executable).with_name("rewardlab")
SFT = """
run: run
data: {data}
prompt: cpt
validation: 2
policy: {{from_scratch: {{vocab_size: 300, hidden_size: 32, layers: 1, heads: 2}}}}
trainer: {{max_steps: 5000, per_device_train_batch_size: 8, logging_steps: 1, eval_steps: 5}}
"""
RL = """
run: run
data: {data}
prompt: cpt
policy: {{path: start, lora: {{r: 2}}}}
rewards: [{{reward: chrf, weight: 1.0}}]
trainer:
  num_generations: 4
  per_device_train_batch_size: 8
  max_completion_length: 32
  max_steps: 5000
  logging_steps: 1
"""


@pytest.fixture
def here(tmp_path, data):
    """The configurations of both commands."""
    (tmp_path / "sft.yaml").write_text(SFT.format(data=data))
    (tmp_path / "rl.yaml").write_text(RL.format(data=data))
    return tmp_path


@pytest.fixture(scope="module")
def start(tmp_path_factory, pairs):
    return taught_policies.half_taught(tmp_path_factory.mktemp("taught"), pairs)


def started(*words):
    return subprocess.Popen(
        [COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        text=True,
    )


def until(exists, process):
    deadline = time.monotonic() + 120
    while not exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ended(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_a_stopped_sft_keeps_its_best_policy_and_says_how_to_go_on(here, run):
    process = started("sft", "sft.yaml", "patience=5000")
    until(lambda: any((here / "run").glob("checkpoint-*/model.safetensors")), process)
    process.send_signal(signal.SIGTERM)
    code, out, err = ended(process)
    assert (code, out) == (143, ""), err
    last = err.splitlines()[-1]
    assert last.startswith("error[E049] rewardlab sft: SIGTERM stopped the run at step ")
    assert "the best policy so far, of step " in last
    assert (
        "is in run/stopped/model. fix: train it further with rewardlab sft run/config.yaml " in last
    )
    AutoModelForCausalLM.from_pretrained(here / "run" / "stopped" / "model")
    (stage,) = read_training(here / "run" / "stopped").stages
    assert (stage.stage, stage.start) == ("sft", None)
    assert not (here / "run" / "model").exists(), "which only a finished run has"
    assert not (here / "run" / "start").exists()
    assert not list((here / "run").glob("checkpoint-*")), "stopped/ has the best one"
    code, _, again = run("sft", "sft.yaml")
    assert (code, "error[E030] run 'run'" in again) == (2, True)
    assert "contains a run that ended at step " in again
    assert last.partition("fix: ")[2].partition(";")[0] in again, "both say the same"
    command = shlex.split(last.partition("further with rewardlab ")[2].partition(";")[0])
    assert command[-2:] == ["policy={path: run/stopped/model}", "run=run-2"]
    code, _, err = run(*command, "trainer={max_steps: 2}")
    assert code == 0, err


def test_a_stopped_rl_run_merges_its_adapters(here, run, start):
    (here / "start").symlink_to(start)
    process = started("rl", "rl.yaml")
    until((here / "run" / "metrics.jsonl").exists, process)
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    assert code == 130, err
    assert "SIGINT stopped the run at step " in err
    assert "the policy of that step is in run/stopped/model" in err
    assert "policy.path=run/stopped/model run=run-2" in err
    assert (here / "run/stopped/adapter/adapter_model.safetensors").exists()
    assert not list((here / "run").rglob("README.md"))
    command = shlex.split(err.partition("further with rewardlab ")[2].partition(";")[0])
    code, _, err = run(*command, "trainer.max_steps=1")
    assert code == 0, err
    assert [stage.stage for stage in read_training(here / "run-2").stages] == ["rl", "rl"]


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_died_before_its_first_step_can_be_started_again(here, run, kind):
    process = started("sft", "sft.yaml")
    until((here / "run" / "config.yaml").exists, process)
    process.send_signal(kind)
    code, _, err = ended(process)
    assert code == (-signal.SIGKILL if kind is signal.SIGKILL else 128 + kind)
    if kind is not signal.SIGKILL:
        assert err.splitlines()[-1] == (
            "interrupted before the first step; the same command starts it again"
        )
        assert "state         stopped before its first step; last written" in run("show", "run")[1]
    code, _, err = run("sft", "sft.yaml", "trainer={max_steps: 1}")
    assert code == 0, err


def test_an_error_before_the_first_step_blocks_nothing(here, run, monkeypatch):
    def broken(*_, **__):
        raise OSError("no such checkpoint")

    from rewardlab.trainers import policy

    with monkeypatch.context() as patch:
        patch.setattr(policy, "load_policy", broken)
        assert run("sft", "sft.yaml")[0] == 1
    assert (here / "run" / "config.yaml").exists()
    code, _, err = run("sft", "sft.yaml", "trainer={max_steps: 1}")
    assert code == 0, err


def test_several_sigints_leave_a_complete_policy_or_none(here):
    """A step that ends between two signals ends the run with its policy."""
    process = started("sft", "sft.yaml")
    until((here / "run" / "metrics.jsonl").exists, process)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    code, _, err = ended(process)
    assert code in (130, -signal.SIGINT), err
    assert not (here / "run" / "model").exists()
    assert (here / "run" / "stopped" / "model").exists() == ("stopped/model" in err)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_before_the_run_directory_exists_is_one_line(here, kind):
    os.mkfifo(here / "slow.yaml")  # the command waits for somebody to write the file
    process = started("sft", "slow.yaml")
    until(lambda: is_read(here / "slow.yaml"), process)
    process.send_signal(kind)
    code, out, err = ended(process)
    assert (code, out, err) == (128 + kind, "", "interrupted before the run began\n")
    assert not (here / "run").exists()


def is_read(pipe):
    """Whether a process has opened the pipe; it goes on waiting."""
    try:
        PIPES.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


@pytest.fixture(autouse=True)
def closed_pipes():
    """Close what `is_read` has opened."""
    yield
    while PIPES:
        os.close(PIPES.pop())


def test_a_second_interrupt_names_the_command_that_show_names(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begin(Path("run"), step=3)
    with pytest.raises(Interrupted) as told, training.run_directory(Path("run")):
        raise KeyboardInterrupt
    command = "rewardlab sft run/config.yaml run=run-2"
    assert told.value.line == (
        "interrupted at once: the policy was not saved, and the run cannot be resumed; "
        f"to repeat it: {command}"
    )
    assert command in run("show", "run")[1]


def begin(directory, *, step):
    """The beginning of a run, as its trainer would leave it."""
    start_run(directory, config="policy:\n  path: start\nvalidation: 2\ntrainer: {}\n")
    (directory / "metrics.jsonl").write_text(f'{{"step": {step}, "loss": 1.0}}\n')


@pytest.mark.parametrize("override", [(), ("seed=7",), ("--dry-run",)])
def test_a_run_that_goes_on_is_not_taken_for_one_that_ended(run, here, override):
    directory = Path("run")
    begin(directory, step=125)
    (directory / "checkpoint-125").mkdir()
    (directory / "checkpoint-125" / "model.safetensors").touch()
    lock = Lock.take(run_lock(directory))
    code, _, err = run("sft", "sft.yaml", *override)
    lock.release()
    who = f"process {os.getpid()} on {socket.gethostname()} is still working on it"
    fix = "wait for it to end, or give another directory: run=run-2"
    assert (code, err) == (2, f"error[E084] run 'run': {who}. fix: {fix}\n")
    assert "error[E030]" in run("sft", "sft.yaml", *override)[2]


def test_two_runs_do_not_share_a_directory(here, run):
    process = started("sft", "sft.yaml")
    until((here / "run" / "config.yaml").exists, process)
    code, _, err = run("sft", "sft.yaml")
    process.kill()
    process.communicate()
    assert code == 2
    assert f"error[E084] run 'run': process {process.pid} on " in err
