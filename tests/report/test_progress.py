"""Progress: what a person sees on a terminal and in a log, and that it fits."""

import io
import re
import time

import pytest
from rich.console import Console
from transformers import TrainerState

from rewardlab.report.progress import Progress


def shown(*, terminal, width=80, **options):
    """The progress of a training of two steps with an evaluation, and what it printed."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=width, legacy_windows=False)
    progress = Progress("rl", main="rewards/x/mean", heldout="eval_x", console=console, **options)
    state = TrainerState(max_steps=100_000, global_step=0)
    with progress:
        progress.on_train_begin(None, state, None)
        for step in (1, 2):
            state.global_step = step
            progress.on_step_end(None, state, None)
            progress.on_log(None, state, None, {"rewards/x/mean": -24.71234, "loss": 0.1})
        progress.on_prediction_step(None, state, None, eval_dataloader=range(7))
        progress.on_evaluate(None, state, None, {"eval_x": 3.0})
    return stream.getvalue()


def test_without_a_terminal_there_is_a_short_line_for_each_log():
    lines = shown(terminal=False, label="chrf").splitlines()
    assert [line.split("  ")[0] for line in lines[:2]] == ["step 1/100000", "step 2/100000"]
    assert all(line.endswith("left  chrf -24.71") for line in lines[:2])
    assert lines[2] == "step 2: held-out chrf 3.0000"
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize("width", [40, 80])
def test_a_bar_never_wraps(width):
    text = shown(terminal=True, width=width, label="a reward with a very long name of its own")
    lines = re.split("[\r\n]+", strip(text))
    assert max(map(len, lines)) <= width


def strip(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_the_loss_of_rows_that_decide_when_to_stop_is_a_validation_loss():
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100)
    with Progress("sft", main="loss", heldout="eval_loss", console=console) as progress:
        state = TrainerState(max_steps=9, global_step=5)
        progress.on_evaluate(None, state, None, {"eval_loss": 2.0})
    assert "validation loss 2" in stream.getvalue()
    assert "held-out" not in stream.getvalue()


def test_a_bar_shows_step_measure_and_heldout_measure():
    last = strip(shown(terminal=True, label="chrf")).splitlines()[-1]
    for part in ("rl", "step 2/100000", "chrf -24.71", "held-out 3"):
        assert part in last


def test_a_bar_is_cleared_if_the_training_is_interrupted():
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, legacy_windows=False)

    def train():
        progress = Progress("rl", main="loss", heldout="eval_loss", console=console)
        with progress:
            progress.on_step_end(None, TrainerState(max_steps=9, global_step=5), None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    *_, after = stream.getvalue().split("step 5/9")
    assert "\x1b[1A\x1b[2K" in after, "one line up, and erased"
    assert strip(after.rpartition("\x1b[2K")[2]).strip() == ""


def test_other_processes_print_nothing(capsys):
    progress = Progress("sft", main="loss", heldout="eval_loss", shows=False)
    with progress:
        progress.on_log(None, TrainerState(max_steps=3), None, {"loss": 1.0})
    assert capsys.readouterr() == ("", "")


def test_a_long_silence_is_broken():
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=False)
    progress = Progress("sft", main="loss", heldout="eval_loss", console=console, every=0.02)
    with progress:
        progress.on_prediction_step(
            None, TrainerState(max_steps=9, global_step=3), None, eval_dataloader=range(7)
        )
        deadline = time.monotonic() + 10
        while not stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.02)
    assert stream.getvalue().splitlines()[0] == "step 3/9  evaluating 1/7"


def test_a_loss_that_is_no_number_is_no_zero():
    stream = io.StringIO()
    progress = Progress(
        "sft", main="loss", heldout="eval_loss", console=Console(file=stream, force_terminal=False)
    )
    with progress:
        progress.on_log(None, TrainerState(max_steps=3), None, {"loss": float("nan")})
    assert stream.getvalue().strip().endswith("loss nan")
