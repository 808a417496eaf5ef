"""Errors in the middle of a training: what they say about going on is true of runs that do not."""

import errno

import pytest
import torch

from rewardlab.cli.training import ending_well, refusals
from rewardlab.errors import Problem, RewardUnavailable, UserError
from rewardlab.trainers.run_log import append_metrics


def told(error, *, step, run):
    def train():
        with ending_well(run):
            if step:
                append_metrics(run, step, {"loss": 1.0})
            raise error

    with pytest.raises(UserError) as caught:
        train()
    return str(caught.value), caught.value.exit_code


@pytest.mark.parametrize(
    ("error", "code", "exit_code", "fix"),
    [
        (RewardUnavailable("no judge"), "E402", 4, "start what it needs, then "),
        (OSError(errno.ENOSPC, "No space left"), "E210", 3, "make room or repair the disk, then "),
        (
            UserError([Problem("E210", "cache", "full", "run this again; it resumes")], 75),
            "E210",
            3,
            "make room or repair the disk, then ",
        ),
        (torch.OutOfMemoryError("CUDA out of memory"), "E089", 2, "activation_checkpointing: true"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "E089", 2, "; then "),
    ],
)
def test_what_to_do_after_an_error_does_not_promise_to_resume(
    error, code, exit_code, fix, tmp_path
):
    for step, again in (
        (0, "run again"),
        (7, f"run the command again with run={tmp_path / 'run-2'}"),
    ):
        text, got = told(error, step=step, run=tmp_path / "run")
        assert text.startswith(f"error[{code}]")
        assert fix in text
        assert text.endswith(again)
        assert "resumes" not in text
        assert got == exit_code


def test_other_errors_pass(tmp_path):
    for error in (ValueError("ours"), FileNotFoundError(errno.ENOENT, "gone"), RuntimeError("x")):
        with pytest.raises(type(error)), ending_well(tmp_path):
            raise error


def test_what_a_library_refuses_is_a_problem_of_the_options():
    weight = torch.nn.Parameter(torch.zeros(1))
    with pytest.raises(UserError, match=r"\[E037\] trainer: TRL refuses the options"), refusals():
        torch.optim.AdamW([weight], lr=-1.0)
    with pytest.raises(ValueError, match="ours"), refusals():
        raise ValueError("ours")
