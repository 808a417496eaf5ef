import dataclasses
import pickle
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rewardlab import RewardEnsemble, Term
from rewardlab.errors import RewardUnavailable, UserError
from rewardlab.rewards import Cached, ChrF, FromFunction, NumbersKept, Remote
from rewardlab.rewards.base import BaseReward
from rewardlab.types import Candidate, ErrorSpan, Reward, RewardOutput, Status, family_of

CALLS = []
"""The hypotheses of every call of `Judge`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judge(BaseReward):
    """Says what the hypothesis tells it to: a number, a status, or that it is gone."""

    name: str = "judge"
    strict: bool = False
    worst: float = -9.0

    def __call__(self, candidates):
        CALLS.append([candidate.hypothesis for candidate in candidates])
        words = [candidate.hypothesis.split()[0] for candidate in candidates]
        if "gone" in words:
            raise RewardUnavailable("the judge is gone")
        numeric = [word.lstrip("-").replace(".", "").isdigit() for word in words]
        return RewardOutput.of(
            [float(word) if is_ else None for word, is_ in zip(words, numeric, strict=True)],
            status=[
                Status.OK if is_ else Status(word) for word, is_ in zip(words, numeric, strict=True)
            ],
            spans=[[ErrorSpan(0, 1, "minor", "Style", "source", 0.5, "why")] for _ in words],
            components={"length": np.array([float(len(word)) for word in words])},
        )


def row(hypothesis, **changes):
    return Candidate("Hund", hypothesis, **changes)


@pytest.fixture
def reward(tmp_path):
    CALLS.clear()
    return Cached(Judge(), tmp_path / "scores.sqlite")


def test_a_row_is_asked_once(reward):
    first = reward([row("0.1"), row("2"), row("0.1", id="again")])
    assert CALLS == [["0.1", "2"]]
    assert first.scores.tolist() == [0.1, 2.0, 0.1]
    assert first.components["cached"].tolist() == [0.0, 0.0, 0.0]
    second = reward([row("3"), row("2"), row("0.1")])
    assert CALLS == [["0.1", "2"], ["3"]]
    assert second.scores.tolist() == [3.0, 2.0, 0.1]
    assert second.components["cached"].tolist() == [0.0, 1.0, 1.0]
    assert second.components["length"].tolist() == [1.0, 1.0, 3.0]
    assert second.spans == [[ErrorSpan(0, 1, "minor", "Style", "source", 0.5, "why")]] * 3
    assert reward([]).status == []


def test_the_numbers_are_the_same_to_the_last_bit(tmp_path):
    rows = [Candidate("a b", f"the dog {n} runs", reference="the dogs ran 7") for n in range(50)]
    for inner in (ChrF(), NumbersKept()):
        cached = Cached(inner, tmp_path / "scores.sqlite")
        for _ in range(2):
            output, plain = cached(rows), inner(rows)
            assert output.scores.tolist() == plain.scores.tolist()
            assert (output.status, output.spans) == (plain.status, plain.spans)
    assert cached(rows).components["cached"].all()


@pytest.mark.parametrize(
    ("status", "kept"),
    [(status, status is Status.NOT_APPLICABLE) for status in Status if not status.scored],
)
def test_failures_are_tried_again(reward, status, kept):
    for _ in range(2):
        assert reward([row(status.value)]).status == [status]
    assert len(CALLS) == (1 if kept else 2)


def test_an_outage_leaves_what_is_known(reward):
    reward([row("1")])
    output = reward([row("1"), row("gone"), row("2")])
    assert output.status == [Status.OK, Status.UNAVAILABLE, Status.UNAVAILABLE]
    assert output.spans[1] == []
    assert np.isnan(output.components["length"][1])
    with pytest.raises(RewardUnavailable, match="the judge is gone"):
        reward([row("gone")])
    assert reward([row("2")]).scores.tolist() == [2.0]


def test_other_options_and_other_fields_are_other_rows(reward):
    reward([row("1")])
    Cached(Judge(strict=True), reward.path)([row("1")])
    reward([Candidate("Katze", "1")])
    reward([row("1", reference="unread")])
    assert len(CALLS) == 3


def test_two_files_and_two_processes_know_nothing_of_each_other(reward, tmp_path):
    reward([row("1")])
    Cached(Judge(), tmp_path / "other.sqlite")([row("1")])
    assert len(CALLS) == 2


def test_a_damaged_row_is_computed_again(reward):
    reward([row("1"), row("2")])
    with closing(sqlite3.connect(reward.path)) as database, database:
        database.execute("UPDATE scores SET value = replace(value, '1.0', '9.9')")
    output = reward([row("1"), row("2")])
    assert output.scores.tolist() == [1.0, 2.0]
    assert len(CALLS) == 2
    assert reward([row("1"), row("2")]).components["cached"].all()


def test_for_everybody_else_it_is_the_reward_itself(reward):
    inner = reward.reward
    assert isinstance(reward, Reward)
    for name in ("name", "signature", "needs_reference", "worst"):
        assert getattr(reward, name) == getattr(inner, name)
    assert reward.key(row("1")) == inner.key(row("1"))
    assert family_of(reward) == family_of(inner) == "judge"
    assert family_of(Cached(ChrF(), reward.path)) == "ngram_overlap"
    assert pickle.loads(pickle.dumps(reward)) == reward  # noqa: S301 - our own bytes
    assert hash(reward) == hash(dataclasses.replace(reward))
    assert RewardEnsemble([Term(reward)])([row("1")]).values.tolist() == [[1.0]]


def test_the_text_is_not_in_the_file(reward):
    reward([row("1 secret hypothesis")])
    kept = b"".join(path.read_bytes() for path in reward.path.parent.iterdir())
    assert b"secret" not in kept


def test_what_nobody_can_tell_apart_is_not_cached(tmp_path):
    remote = Remote(url="http://127.0.0.1:9/", worst=0)
    for inner in (FromFunction(len, name="length", worst=0.0), remote):
        with pytest.raises(ValueError, match=f"{inner.name} cannot be cached"):
            Cached(inner, tmp_path / "scores.sqlite")
    Cached(dataclasses.replace(remote, expects="judge|1"), tmp_path / "scores.sqlite")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Odd(Judge):
    def key(self, candidate):
        return None if candidate.hypothesis == "7" else (candidate.hypothesis, frozenset())


@dataclasses.dataclass(frozen=True, kw_only=True)
class SomeKeys(Judge):
    def key(self, candidate):
        return None if candidate.hypothesis == "7" else (candidate.hypothesis, (1, None, True))


def test_rows_without_a_key_are_asked_each_time(reward):
    reward = Cached(SomeKeys(), reward.path)
    for _ in range(2):
        assert reward([row("7"), row("1"), row("7")]).scores.tolist() == [7.0, 1.0, 7.0]
    assert CALLS == [["7", "1", "7"], ["7", "7"]]


def test_a_key_of_unknown_things_is_said(reward):
    with pytest.raises(TypeError, match="frozenset"):
        Cached(Odd(), reward.path)([row("1")])


def test_a_file_that_is_no_cache_is_said(reward):
    Path(reward.path).write_bytes(b"something else " * 99)
    with pytest.raises(UserError, match="E352"):
        reward([row("1")])
