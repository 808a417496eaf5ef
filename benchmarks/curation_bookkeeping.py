"""What curation costs beside its models, with a sampler and a reward that take a fixed time.

- ``bookkeeping``: durable samples per second on one core, each batch of at most 512 samples
  committed with ``synchronous=FULL``. A peer: datatrove's rollouts with checkpoints, on the same
  dummy, in an environment of its own (``--datatrove PYTHON``).
- ``waiting``: a sampler and a scorer that take 50 ms for a batch of 64 samples each; wall time over
  that of the slower one.
- ``memory``: peak memory with ten times the sources, near-duplicates on.

    python benchmarks/curation_bookkeeping.py [--only PART ...] [--datatrove PYTHON] [--json FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rewardlab.cli.output import peak_memory_mb
from rewardlab.curation.engine import LocalEngine
from rewardlab.curation.job import run_job
from rewardlab.curation.sampler import Sampler
from rewardlab.curation.stage import Job, Stage
from rewardlab.curation.stages.best_of import BestOf
from rewardlab.curation.stages.near_duplicates import NearDuplicates
from rewardlab.curation.work import Work
from rewardlab.data.rows import Row
from rewardlab.generate import Generated, Prompt, Sampling
from rewardlab.rewards import FromFunction
from rewardlab.store.journal import Journal
from rewardlab.store.run_directory import versions
from rewardlab.types import Candidate, Term

BATCH = 512
SOURCES, SAMPLES = 5000, 8
WAITED, WAITED_SAMPLES, SECONDS = 100, 64, 0.05
MEMORY = (50_000, 500_000)


class Dummy:
    """A generator that takes a fixed time for each call."""

    def __init__(self, seconds: float = 0.0, call_size: int = BATCH) -> None:
        self.seconds, self.signature, self.call_size = seconds, "dummy", call_size

    def ready(self) -> None:
        pass

    def __call__(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, seeds: Sequence[int]
    ) -> list[list[Generated]]:
        time.sleep(self.seconds)
        return [
            [
                Generated(f"{prompt} {seed % 9973 + n}", 9, finished=True)
                for n in range(sampling.samples)
            ]
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]


def quality(seconds: float = 0.0) -> FromFunction:
    def scores(candidates: Sequence[Candidate]) -> list[float]:
        time.sleep(seconds)
        return [float(one.hypothesis.rpartition(" ")[2]) for one in candidates]

    return FromFunction(scores, name="quality", worst=0.0)


def sources(count: int) -> Iterator[Row]:
    for number in range(count):
        text = hashlib.sha256(str(number).encode()).hexdigest()
        yield Row(str(number), f"{text} {text[::-1]}", None, "en", "de")


def run(rows: Iterator[Row], stages: Sequence[Stage], generator: Any) -> float:
    """Seconds of a job."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        sampler = Sampler(generator, lambda item: item.source, Sampling())
        started = time.perf_counter()
        with (
            Journal.open(place / "journal.sqlite", {}) as journal,
            Work.open(place / "work.sqlite") as work,
        ):
            run_job(rows, stages, Job(work, journal, LocalEngine(), sampler))
        return time.perf_counter() - started


def bookkeeping(_: argparse.Namespace) -> dict[str, float]:
    stage = BestOf(number=SAMPLES, rewards=[Term(quality())])
    started = time.process_time()
    seconds = run(sources(SOURCES), [stage], Dummy())
    return {
        "samples_per_second": SOURCES * SAMPLES / seconds,
        "samples_per_cpu_second": SOURCES * SAMPLES / (time.process_time() - started),
        "commits_of_samples": SOURCES * SAMPLES / BATCH,
    }


def waiting(_: argparse.Namespace) -> dict[str, float]:
    rows = sources(WAITED * WAITED_SAMPLES // 2)
    stage = BestOf(number=2, rewards=[Term(quality(SECONDS))])
    seconds = run(rows, [stage], Dummy(SECONDS, WAITED_SAMPLES))
    return {"seconds": seconds, "over_the_slower": seconds / (WAITED * SECONDS)}


def memory(_: argparse.Namespace) -> dict[str, float]:
    """Each size in a process of its own."""
    peaks = {}
    for count in MEMORY:
        command = [sys.executable, __file__, "--duplicates-of", str(count)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks[count] = float(done.stdout)
    few, many = peaks.values()
    return {**{f"mib_of_{count}": peak for count, peak in peaks.items()}, "growth": many / few - 1}


PARTS = {"bookkeeping": bookkeeping, "waiting": waiting, "memory": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[*PARTS])
    parser.add_argument("--duplicates-of", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.duplicates_of:
        run(sources(options.duplicates_of), [NearDuplicates()], Dummy())
        print(peak_memory_mb())
        return
    result: dict[str, Any] = {"versions": versions()}
    for name in options.only:
        result[name] = PARTS[name](options)
        print(name, "  ".join(f"{key} {value:.4g}" for key, value in result[name].items()))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
