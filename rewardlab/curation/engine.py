"""Where samplers and scorers run: two kinds of work that overlap, so that neither waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol, TypeVar

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

AHEAD = 2
"""Batches of each kind that are asked for at once, for each worker."""


class Engine(Protocol):
    """Runs functions of two kinds, each kind on workers of its own."""

    @property
    def workers(self) -> int:
        """Workers of each kind."""
        ...

    def sample(self, work: Callable[[A], B], batch: A) -> Future[B]:
        """Start a call of the sampler."""
        ...

    def score(self, work: Callable[[A], B], batch: A) -> Future[B]:
        """Start a call of the scorer."""
        ...


class LocalEngine:
    """One thread samples, and one thread scores; models release the interpreter lock."""

    workers = 1

    def __init__(self) -> None:
        self._sampling = ThreadPoolExecutor(1, thread_name_prefix="sample")
        self._scoring = ThreadPoolExecutor(1, thread_name_prefix="score")

    def sample(self, work: Callable[[A], B], batch: A) -> Future[B]:
        """Start a call of the sampler."""
        return self._sampling.submit(work, batch)

    def score(self, work: Callable[[A], B], batch: A) -> Future[B]:
        """Start a call of the scorer."""
        return self._scoring.submit(work, batch)

    def close(self) -> None:
        """End the threads; work that has not begun is cancelled."""
        for pool in (self._sampling, self._scoring):
            pool.shutdown(wait=False, cancel_futures=True)


def overlapped(
    engine: Engine,
    batches: Iterable[A],
    sample: Callable[[A], B],
    score: Callable[[B], C],
    *,
    keep_sampled: Callable[[B], None],
) -> Iterator[C]:
    """Sample and score batches at the same time.

    Args:
        engine: Runs the work.
        batches: Read as they are needed.
        sample: Makes the input of ``score`` from a batch.
        score: Makes the result.
        keep_sampled: Called in this thread with each output of ``sample``, before it is scored.

    Yields:
        The results, in the order in which they are ready.

    Raises:
        Exception: Whatever ``sample`` or ``score`` raises first.
    """
    most = AHEAD * engine.workers
    rest = iter(batches)
    sampling: set[Future[B]] = set()
    scoring: set[Future[C]] = set()
    exhausted = False
    try:
        while sampling or scoring or not exhausted:
            while not exhausted and len(sampling) < most and len(scoring) < most:
                batch = next(rest, None)
                exhausted = batch is None
                if batch is not None:
                    sampling.add(engine.sample(sample, batch))
            waiting: list[Future[Any]] = [*sampling, *scoring]
            wait(waiting, return_when=FIRST_COMPLETED)
            for future in [one for one in sampling if one.done()]:
                sampling.discard(future)
                sampled = future.result()
                keep_sampled(sampled)
                scoring.add(engine.score(score, sampled))
            for one in [future for future in scoring if future.done()]:
                scoring.discard(one)
                yield one.result()
    finally:
        for future in (*sampling, *scoring):
            future.cancel()
