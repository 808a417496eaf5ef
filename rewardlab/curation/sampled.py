"""Samples and scores of all rows, at the same time, and each of them only once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from rewardlab.curation.engine import overlapped
from rewardlab.curation.items import Item
from rewardlab.curation.sampler import Sampled, Sampler
from rewardlab.curation.stage import Job
from rewardlab.curation.work import CHUNK
from rewardlab.decoding.rerank import SampleScores
from rewardlab.heartbeat import heartbeat
from rewardlab.json_values import json_value

ScoredBatch: TypeAlias = Sequence[tuple[Item, Sampled]]
Value: TypeAlias = Mapping[str, Any]


class Scored(NamedTuple):
    """A row with its samples and their scores.

    Attributes:
        item: The row.
        texts: The samples.
        value: What the stage's scorer made of them.
    """

    item: Item
    texts: Sequence[str]
    value: Value


def sample_and_score(
    job: Job,
    place: int,
    sample: Callable[[Sampler, Sequence[Item]], dict[str, Any]],
    score: Callable[[ScoredBatch], dict[str, Any]],
    *,
    samples: int,
) -> Iterator[list[Scored]]:
    """Sample and score the rows that the journal does not have; then give all rows.

    Both are journalled in batches, under ``samples/PLACE/KEY`` and ``scores/PLACE/KEY``.

    Args:
        job: The job; its sampler must not be None.
        place: Number of the stage.
        sample: Key -> samples of a batch.
        score: Key -> scores of a batch.
        samples: Samples of each source.

    Yields:
        All rows that are left, in chunks, in the order of their keys.
    """
    _complete(job, place, sample, score, samples=samples)
    for items in job.work.chunks():
        sampled = _find(job, "samples", place, items)
        scores = _find(job, "scores", place, items)
        yield [Scored(item, sampled[item.key]["texts"], scores[item.key]) for item in items]


def score_value(sampled: Sampled, scored: SampleScores) -> Value:
    """Scores as the journal keeps them; a sample that was truncated counts as one that failed.

    Args:
        sampled: The samples of a row.
        scored: Their scores.
    """
    failed = tuple(
        not done or bad for done, bad in zip(sampled["finished"], scored.failed, strict=True)
    )
    value: Any = json_value(replace(scored, failed=failed, seconds=0.0))
    return value


def _complete(
    job: Job,
    place: int,
    sample: Callable[[Sampler, Sequence[Item]], dict[str, Any]],
    score: Callable[[ScoredBatch], dict[str, Any]],
    *,
    samples: int,
) -> None:
    sampler = job.sampler
    assert sampler is not None  # noqa: S101 - a job with such a stage has one
    total, done = sum(job.work.left().values()), 0

    def sampled(batch: Sequence[tuple[Item, Sampled | None]]) -> ScoredBatch:
        missing = [item for item, known in batch if known is None]
        fresh = sample(sampler, missing) if missing else {}
        return [(item, known or fresh[item.key]) for item, known in batch]

    def keep(batch: ScoredBatch) -> None:
        values = {_key("samples", place, item.key): dict(value) for item, value in batch}
        job.journal.put(values)

    def batches() -> Iterator[list[tuple[Item, Sampled | None]]]:
        nonlocal done
        for items in job.work.chunks(min(CHUNK, sampler.call_size(samples))):
            finished = _find(job, "scores", place, items)
            left = [item for item in items if item.key not in finished]
            done += len(finished)
            known = _find(job, "samples", place, left)
            if left:
                yield [(item, known.get(item.key)) for item in left]

    with heartbeat(job.say, lambda: f"sampled and scored {done:,} of {total:,} sources"):
        for values in overlapped(job.engine, batches(), sampled, score, keep_sampled=keep):
            job.journal.put({_key("scores", place, key): one for key, one in values.items()})
            done += len(values)


def _find(job: Job, kind: str, place: int, items: Sequence[Item]) -> dict[str, Any]:
    """Key of a row -> its journalled value."""
    keys = {_key(kind, place, item.key): item.key for item in items}
    return {keys[key]: value for key, value in job.journal.find([*keys]).items()}


def _key(kind: str, place: int, key: str) -> str:
    return f"{kind}/{place}/{key}"
