"""Where samplers and scorers run: two kinds of work that overlap, so that neither waits."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

AHEAD = 2
"""Batches of each kind that are asked for at once, for each worker."""


@dataclass(frozen=True)
class Pools(Generic[A, B, C]):
    """Workers that are ready.

    Attributes:
        sample: Starts a call of the sampler.
        score: Starts a call of the scorer.
        workers: Workers of each kind.
    """

    sample: Callable[[A], Future[B]]
    score: Callable[[B], Future[C]]
    workers: int = 1


class Engine(Protocol):
    """Runs a sampler and a scorer, each on workers of its own."""

    def pools(
        self, sample: Callable[[A], B], score: Callable[[B], C]
    ) -> AbstractContextManager[Pools[A, B, C]]:
        """Workers for two functions, until the context ends.

        Args:
            sample: Makes the input of ``score`` from a batch.
            score: Makes a result.
        """
        ...


class LocalEngine:
    """One thread samples, and one thread scores; models release the interpreter lock."""

    @contextmanager
    def pools(self, sample: Callable[[A], B], score: Callable[[B], C]) -> Generator[Pools[A, B, C]]:
        """Two threads; work that has not begun when the context ends is cancelled."""
        sampling = ThreadPoolExecutor(1, thread_name_prefix="sample")
        scoring = ThreadPoolExecutor(1, thread_name_prefix="score")
        try:
            yield Pools(
                lambda batch: sampling.submit(sample, batch),
                lambda batch: scoring.submit(score, batch),
            )
        finally:
            for pool in (sampling, scoring):
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
    rest = iter(batches)
    first = next(rest, None)
    if first is None:  # no worker has to be started
        return
    sampling: list[Future[B]] = []
    scoring: list[Future[C]] = []
    with engine.pools(sample, score) as pools:
        most = AHEAD * pools.workers
        sampling.append(pools.sample(first))
        exhausted = False
        while sampling or scoring or not exhausted:
            while not exhausted and len(sampling) < most and len(scoring) < most:
                batch = next(rest, None)
                exhausted = batch is None
                if batch is not None:
                    sampling.append(pools.sample(batch))
            waiting: list[Future[Any]] = [*sampling, *scoring]
            wait(waiting, return_when=FIRST_COMPLETED)
            for future in [one for one in sampling if one.done()]:
                sampling.remove(future)
                sampled = future.result()
                keep_sampled(sampled)
                scoring.append(pools.score(sampled))
            for one in [future for future in scoring if future.done()]:
                scoring.remove(one)
                yield one.result()
