"""Jobs with a sampler and a reward that need no model, for the tests of curation."""

import hashlib
from contextlib import contextmanager

from rewardlab.curation.engine import LocalEngine
from rewardlab.curation.job import run_job
from rewardlab.curation.sampler import Sampler
from rewardlab.curation.stage import Job
from rewardlab.curation.work import Work
from rewardlab.data.rows import Row
from rewardlab.generate import Generated, Sampling
from rewardlab.rewards import FromFunction
from rewardlab.seeds import seed_for
from rewardlab.store.journal import Journal


class FakeGenerator:
    """Texts that depend on the prompt and its seed alone: ``PROMPT a3f0``."""

    signature = "fake"

    def __init__(self, call_size=8, cut=()):
        self.call_size, self.cut, self.drawn = call_size, cut, []

    def ready(self):
        pass

    def __call__(self, prompts, sampling, *, seeds):
        self.drawn += [(str(prompt), sampling.temperature) for prompt in prompts]
        return [
            [self._text(str(prompt), sampling, seed_for(seed, n)) for n in range(sampling.samples)]
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]

    def _text(self, prompt, sampling, seed):
        drawn = f"{seed % 65536:04x}" if sampling.temperature else "0000"
        text = f"{prompt} {drawn}"
        return Generated(text, 3, finished=drawn[-1] not in self.cut)


def number(candidate):
    """The last four hexadecimal digits of a text, as a share of their largest value."""
    return int(candidate.hypothesis[-4:], 16) / 65535


def numbers(candidates):
    return [number(candidate) for candidate in candidates]


QE = FromFunction(numbers, name="qe", worst=0.0)


def rows(count, *, pair=("en", "de"), first=0):
    texts = [hashlib.sha256(f"{pair} {n}".encode()).hexdigest() for n in range(first, count)]
    return [Row(f"{pair[1]}:{n}", text, None, *pair) for n, text in enumerate(texts, first)]


@contextmanager
def job(folder, *, generator=None, seed=0, engine=LocalEngine(), **options):  # noqa: B008 - frozen
    generator = generator or FakeGenerator()
    sampler = Sampler(generator, lambda item: item.source, Sampling(), seed)
    folder.mkdir(parents=True, exist_ok=True)
    with (
        Journal.open(folder / "journal.sqlite", {"seed": seed}) as journal,
        Work.open(folder / "work.sqlite") as work,
    ):
        yield Job(work, journal, engine, sampler, seed, **options)


def left(work):
    return [item for chunk in work.chunks() for item in chunk]


def curated(folder, data, stages, **options):
    """The rows that are left, and what became of all."""
    with job(folder, **options) as one:
        outcome = run_job(data, stages, one)
        return left(one.work), outcome
