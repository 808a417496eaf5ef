"""Logs are read as they are found: half-written, resumed, damaged, or not there at all."""

import json
import os
import socket
import subprocess
import sys

import pytest
import written_runs
from hypothesis import given, settings
from hypothesis import strategies as st
from written_runs import line, sample, write_tokens

from rewardlab.store.lock import Lock
from rewardlab.store.run_reader import (
    FRESH,
    Steps,
    read_sampled,
    read_steps,
    state_of,
)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "metrics.jsonl"


def test_lines_of_one_step_are_merged(log):
    log.write_text(line(1, loss=2.0) + line(2, loss=1.0) + line(2, eval_loss=1.5))
    steps = read_steps(log)
    assert steps == Steps([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "eval_loss": 1.5}])
    assert steps.last == 2
    assert steps.points("eval_loss") == [(2, 1.5)]
    assert steps.series("eval_loss") == [None, 1.5]


def test_half_a_last_line_is_no_damage_and_half_a_line_before_is(log):
    log.write_text(line(1, loss=2.0) + '{"step": 2, "lo')
    assert read_steps(log) == Steps([{"step": 1, "loss": 2.0}])
    log.write_text('{"step": 1, "lo\n' + line(2, loss=2.0) + '["step"]\n\n' + '{"loss": 1}\n')
    assert read_steps(log) == Steps([{"step": 2, "loss": 2.0}], damaged=3)


def test_a_resumed_run_forgets_what_it_took_back(log):
    log.write_text("".join(line(step, loss=float(step)) for step in (10, 20, 30)))
    with log.open("a") as file:
        file.write(line(20, loss=-20.0) + line(30, loss=-30.0))
    steps = read_steps(log)
    assert steps.points("loss") == [(10, 10.0), (20, -20.0), (30, -30.0)]
    assert steps.resumed == (20,)


def test_no_log_and_bytes_that_are_no_text(log):
    assert read_steps(log) == Steps([])
    assert read_steps(log).last == 0
    log.write_bytes(b"\xff\xfe\n" + line(1, loss=None).encode())
    assert read_steps(log) == Steps([{"step": 1, "loss": None}], damaged=1)
    assert read_steps(log).points("loss") == []


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(0, 40))
@settings(deadline=None, max_examples=50)
def test_steps_ascend_whatever_was_resumed_and_wherever_it_was_cut(tmp_path_factory, steps, cut):
    path = tmp_path_factory.mktemp("log") / "metrics.jsonl"
    text = "".join(line(step, at=place) for place, step in enumerate(steps))
    path.write_text(text[: len(text) - cut])
    found = [row["step"] for row in read_steps(path).rows]
    assert found == sorted(set(found))
    if not cut and steps:
        assert found[-1] == steps[-1]
        assert read_steps(path).rows[-1]["at"] == len(steps) - 1


# ── samples ─────────────────────────────────────────────────────────────────────────────────────


def test_the_latest_samples_of_all_processes(tmp_path):
    write_tokens(tmp_path, 10, [sample("old")])
    write_tokens(tmp_path, 20, [sample("one"), sample("two")])
    write_tokens(tmp_path, 20, [sample("three")], rank=1)
    found = read_sampled(tmp_path)
    assert (found.step, [row["source"] for row in found.rows]) == (20, ["one", "two", "three"])
    assert read_sampled(tmp_path, last_step=15).step == 10
    assert read_sampled(tmp_path, last_step=5) == (0, [], ())


def test_a_file_that_was_cut_off_is_named_and_the_one_before_is_read(tmp_path):
    write_tokens(tmp_path, 10, [sample("old")])
    write_tokens(tmp_path, 20, [sample("new")])
    broken = tmp_path / "tokens" / "tokens_00020-00.parquet"
    broken.write_bytes(broken.read_bytes()[:100])
    (tmp_path / "tokens" / "notes.parquet").write_bytes(b"")
    found = read_sampled(tmp_path)
    assert (found.step, found.unreadable) == (10, ("tokens_00020-00.parquet",))


def test_a_file_of_another_layout_is_not_shown(tmp_path):
    write_tokens(tmp_path, 20, [{"source": "one", "words": ["a"]}])
    assert read_sampled(tmp_path) == (0, [], ("tokens_00020-00.parquet",))


# ── states ──────────────────────────────────────────────────────────────────────────────────────


def age(run, seconds):
    for path in [*run.iterdir()]:
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - seconds))


def lock_of(path, pid, host=None):
    path.write_text(json.dumps({"pid": pid, "host": host or socket.gethostname()}))
    return path


def dead_process():
    return int(
        subprocess.run(
            [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
        ).stdout
    )


def test_what_became_of_a_run(tmp_path):
    run = written_runs.write_rl(tmp_path / "rl")
    steps = read_steps(run / "metrics.jsonl")
    lock = tmp_path / ".rl.lock"

    def state(*, always_locked=False):
        return state_of(
            run,
            results=("model/training.json",),
            steps=steps,
            locks=[lock],
            always_locked=always_locked,
        )

    assert state() == "running"
    assert state(always_locked=True) == "unfinished", "nobody works on it, so it is told at once"
    age(run, FRESH + 1)
    assert state() == "unfinished"
    held = Lock.take(lock)
    assert state() == state(always_locked=True) == "running"
    held.release()
    lock_of(lock, dead_process())
    assert state() == "killed"
    lock_of(lock, dead_process(), host="another")
    assert state() == "running"
    lock.write_text("")
    assert state() == "killed"
    (run / "stopped").mkdir()
    assert state() == "stopped"
    (run / "model").mkdir()
    assert state() == "stopped"
    (run / "model" / "training.json").write_text("{}")
    assert state() == "finished"


def test_a_slow_run_may_be_silent_for_longer(tmp_path):
    run = written_runs.write_rl(tmp_path / "rl")
    age(run, 10 * FRESH)
    slow = Steps([{"step": 10, "step_time": 60.0}, {"step": 20, "step_time": 60.0}])
    assert state_of(run, results=(), steps=slow) == "running"
    assert state_of(run, results=(), steps=Steps(slow.rows[:1])) == "unfinished"
