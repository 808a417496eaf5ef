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
from rewardlab.decoding.rerank import SampleScores, scores_of
from rewardlab.json_values import json_value

SampledBatch: TypeAlias = Sequence[tuple[Item, Sampled]]


class Scored(NamedTuple):
    """A row with its samples and their scores.

    Attributes:
        item: The row.
        texts: The samples.
        scores: Their scores.
    """

    item: Item
    texts: Sequence[str]
    scores: SampleScores


def sample_and_score(
    job: Job,
    place: int,
    sample: Callable[[Sampler, Sequence[Item]], Mapping[str, Sampled]],
    score: Callable[[SampledBatch], Sequence[SampleScores]],
    *,
    samples: int,
) -> Iterator[list[Scored]]:
    """Sample and score the rows that the journal does not have; then give all rows.

    Both are journalled in batches, under ``samples/PLACE/KEY`` and ``scores/PLACE/KEY``. A sample
    that was truncated counts as one that failed.

    Args:
        job: The job; its sampler must not be None.
        place: Number of the stage.
        sample: Key -> samples of a batch.
        score: Scores of a batch, in its order.
        samples: Samples of each source.

    Yields:
        All rows that are left, in chunks, in the order of their keys.
    """
    _complete(job, place, sample, score, samples=samples)
    for items in job.work.chunks():
        sampled = _find(job, "samples", place, items)
        values = _find(job, "scores", place, items)
        yield [
            Scored(item, sampled[item.key]["texts"], scores_of(item.key, values[item.key]))
            for item in items
        ]


def _complete(
    job: Job,
    place: int,
    sample: Callable[[Sampler, Sequence[Item]], Mapping[str, Sampled]],
    score: Callable[[SampledBatch], Sequence[SampleScores]],
    *,
    samples: int,
) -> None:
    sampler = job.sampler
    assert sampler is not None  # noqa: S101 - a job with such a stage has one

    def sampled(batch: Sequence[tuple[Item, Sampled | None]]) -> SampledBatch:
        missing = [item for item, known in batch if known is None]
        fresh = sample(sampler, missing) if missing else {}
        return [(item, known or fresh[item.key]) for item, known in batch]

    def scored(batch: SampledBatch) -> tuple[SampledBatch, Sequence[SampleScores]]:
        return batch, score(batch)

    def keep(batch: SampledBatch) -> None:
        values = {_key("samples", place, item.key): dict(value) for item, value in batch}
        job.journal.put(values)

    def batches() -> Iterator[list[tuple[Item, Sampled | None]]]:
        for items in job.work.chunks(min(CHUNK, sampler.call_size(samples))):
            finished = _find(job, "scores", place, items)
            if job.retry:
                finished = {key: one for key, one in finished.items() if not one["unavailable"]}
            left = [item for item in items if item.key not in finished]
            job.progress.add(len(finished), known=True)
            known = _find(job, "samples", place, left)
            if left:
                yield [(item, known.get(item.key)) for item in left]

    for batch, scores in overlapped(job.engine, batches(), sampled, scored, keep_sampled=keep):
        rows = zip(batch, scores, strict=True)
        job.journal.put(
            {_key("scores", place, item.key): _value(one, found) for (item, one), found in rows}
        )
        job.progress.add(len(batch))


def _value(sampled: Sampled, scores: SampleScores) -> Any:
    """Scores as the journal keeps them."""
    finished = zip(sampled["finished"], scores.failed, strict=True)
    failed = tuple(not done or bad for done, bad in finished)
    return json_value(replace(scores, failed=failed, seconds=0.0))


def _find(job: Job, kind: str, place: int, items: Sequence[Item]) -> dict[str, Any]:
    """Key of a row -> its journalled value."""
    keys = {_key(kind, place, item.key): item.key for item in items}
    return {keys[key]: value for key, value in job.journal.find([*keys]).items()}


def _key(kind: str, place: int, key: str) -> str:
    return f"{kind}/{place}/{key}"
