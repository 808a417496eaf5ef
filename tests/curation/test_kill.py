"""``kill -9`` around commits of the journal: the same bytes, and at most one batch is lost."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from curation.killed_job import BATCH

TESTS = Path(__file__).parents[1]


def run(folder, commits=0, when="after"):
    words = [sys.executable, TESTS / "curation" / "killed_job.py", folder, str(commits), when]
    environment = {"PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        [*map(str, words)], check=False, env=environment, capture_output=True, text=True
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    digest, drawn = run(tmp_path_factory.mktemp("whole"))
    return digest, int(drawn)


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_job_ends_with_the_same_bytes(tmp_path, whole, seed):
    rng = random.Random(seed)  # noqa: S311 - places to be killed at
    for _ in range(3):  # each attempt makes at least one commit more
        assert run(tmp_path, rng.randrange(2, 6), rng.choice(["before", "after"])) == []
    digest, _ = run(tmp_path)
    assert digest == whole[0]


def test_at_most_the_batches_in_flight_are_drawn_again(tmp_path, whole):
    assert run(tmp_path, 6, "after") == []
    digest, drawn = run(tmp_path)
    assert digest == whole[0]
    assert int(drawn) <= whole[1] - BATCH  # the committed batches are not among them


def test_a_finished_job_draws_nothing(tmp_path, whole):
    run(tmp_path)
    assert run(tmp_path) == [whole[0], "0"]
