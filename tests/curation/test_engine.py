"""Sampling and scoring overlap, and no batch is lost, whichever of them is ready first."""

import threading
from concurrent.futures import Future
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.curation.engine import LocalEngine, Pools, overlapped


class Stepwise:
    """Ends the calls in a given order: each number chooses one that is waiting, or none at all."""

    def __init__(self, choices):
        self.choices = iter(choices)
        self.waiting = []

    @contextmanager
    def pools(self, sample, score):
        yield Pools(lambda batch: self.start(sample, batch), lambda batch: self.start(score, batch))

    def start(self, work, batch):
        future = Future()
        self.waiting.append((future, work, batch))
        while self.waiting and (choice := next(self.choices, 0)) is not None:
            done, chosen, given_batch = self.waiting.pop(choice % len(self.waiting))
            done.set_result(chosen(given_batch))
        return future


@given(st.integers(0, 9), st.lists(st.integers(0, 3), max_size=40))
def test_every_batch_is_sampled_kept_and_scored_once(count, choices):
    kept = []
    results = overlapped(
        Stepwise(choices), range(count), lambda n: n * 10, lambda n: n + 1, keep_sampled=kept.append
    )
    assert sorted(results) == [n * 10 + 1 for n in range(count)]
    assert sorted(kept) == [n * 10 for n in range(count)]


def test_sampling_goes_on_while_a_batch_is_scored():
    sampled, scoring = threading.Event(), threading.Event()

    def sample(batch):
        if batch == 1:
            assert scoring.wait(20)  # the first batch is being scored by now
            sampled.set()
        return batch

    def score(batch):
        scoring.set()
        assert sampled.wait(20)
        return batch

    found = overlapped(LocalEngine(), range(3), sample, score, keep_sampled=lambda _: None)
    assert list(found) == [0, 1, 2]


@pytest.mark.parametrize("faulty", ["sample", "score"])
def test_an_error_reaches_the_caller(faulty):
    def broken(batch):
        raise ValueError(f"{faulty} {batch}")

    functions = {"sample": lambda batch: batch, "score": lambda batch: batch, faulty: broken}
    with pytest.raises(ValueError, match=f"{faulty} 0"):
        list(
            overlapped(
                LocalEngine(),
                range(5),
                functions["sample"],
                functions["score"],
                keep_sampled=lambda _: None,
            )
        )
