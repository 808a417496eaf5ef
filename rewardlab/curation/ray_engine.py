"""Samplers and scorers on a Ray cluster: actors that restart elsewhere if their node is lost.

The driver keeps rows and journal, so results are those of the local engine. A batch that was lost
with its actor is given to the restarted one.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any, TypeVar

from rewardlab.curation.engine import Pools
from rewardlab.errors import EXIT_USAGE, Problem, one_line, refuse

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

PATIENCE = 10.0
"""Seconds to wait for a cluster's port."""


@dataclass(frozen=True)
class RayEngine:
    """Pools of actors on a Ray cluster.

    Attributes:
        workers: Actors that sample, and as many that score.
        address: Address of a running cluster, or ``auto``; empty to start one on this machine.
        gpus: GPUs of each actor that samples.
    """

    workers: int = 2
    address: str = ""
    gpus: float = 0.0

    def ready(self) -> None:
        """Connect to the cluster, or start one.

        Raises:
            UserError: E086, Ray is not installed, or there is no cluster at the address; exit code
                2.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray  # pyright: ignore[reportMissingImports] - an extra
        except ImportError:
            fix = "pip install 'rewardlab[ray]'"
            problem = Problem("E086", "--engine ray", "Ray is not installed", fix)
            refuse(problem, exit_code=EXIT_USAGE)
        known: Any = ray
        try:
            if not known.is_initialized():
                _reach(self.address)
                known.init(address=self.address or None, log_to_driver=False, logging_level="error")
        except (OSError, RuntimeError, ValueError) as error:
            what = f"no cluster at {self.address or 'this machine'}: {one_line(error)}"
            fix = "ray start --head, and give its address with --ray-address"
            refuse(Problem("E086", "--engine ray", what, fix), exit_code=EXIT_USAGE)

    @contextmanager
    def pools(self, sample: Callable[[A], B], score: Callable[[B], C]) -> Generator[Pools[A, B, C]]:
        """Actors with a copy of each function; models load in them.

        Raises:
            UserError: E086, as `ready`.
        """
        self.ready()
        import ray  # pyright: ignore[reportMissingImports] - an extra

        known: Any = ray
        # A lost actor is started again, and what it was asked for is asked again.
        # They reserve no core, so that a small cluster never waits for one that it lacks.
        remote: Any = known.remote(
            max_restarts=-1, max_task_retries=-1, num_cpus=0, scheduling_strategy="SPREAD"
        )(_Worker)
        samplers = [remote.options(num_gpus=self.gpus).remote(sample) for _ in range(self.workers)]
        scorers = [remote.remote(score) for _ in range(self.workers)]
        next_sampler, next_scorer = cycle(samplers), cycle(scorers)

        def start(actors: Any, batch: Any) -> Future[Any]:
            return next(actors).call.remote(batch).future()

        try:
            yield Pools(
                lambda batch: start(next_sampler, batch),
                lambda batch: start(next_scorer, batch),
                self.workers,
            )
        finally:
            for actor in (*samplers, *scorers):
                known.kill(actor)


def _reach(address: str) -> None:
    """Connect to the port of an address: Ray itself would try for minutes.

    Raises:
        OSError: Nothing answers there.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()


class _Worker:
    """An actor with one function."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work

    def call(self, batch: Any) -> Any:
        return self._work(batch)
