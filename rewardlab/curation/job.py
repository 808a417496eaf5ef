"""Running the stages of a job over its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rewardlab.curation.items import Item, item_of
from rewardlab.curation.stage import Job, Stage
from rewardlab.data.funnel import Funnel
from rewardlab.data.rows import Row
from rewardlab.heartbeat import heartbeat

EXAMPLES = 5
"""Dropped rows that are shown for each reason."""


@dataclass(frozen=True)
class Example:
    """A row that was dropped.

    Attributes:
        stage: The stage that dropped it, such as ``2 gain``.
        reason: Why; completes "3 rows ...".
        item: The row.
    """

    stage: str
    reason: str
    item: Item


@dataclass(frozen=True)
class Curated:
    """What became of the rows; those that are left are in the job's `Work`.

    Attributes:
        funnel: Counts from reading to the data set.
        pairs: Number of rows that are left, by pair of languages.
        examples: Some rows that were dropped, for each stage and reason.
    """

    funnel: Funnel
    pairs: dict[str, int]
    examples: list[Example]


def run_job(
    rows: Iterable[Row], stages: Sequence[Stage], job: Job, *, read: Funnel | None = None
) -> Curated:
    """Run all stages, one after another.

    Args:
        rows: The rows of the data, in any order; read one after another.
        stages: The stages.
        job: What they work with; its `Work` must be empty.
        read: What was left out on reading; nothing by default.

    Raises:
        UserError: From the sampler, the journal or the disk.
        RewardFailed: A reward raised or broke its contract.
        RewardUnavailable: A gate could not be reached.
        TooManyFailures: Most texts stayed unscored.
    """
    with heartbeat(job.say, lambda: str(job.progress)):
        added = job.work.add(map(item_of, _counted(rows, job, read)))
        different = sum(job.work.left().values())
        for place, stage in enumerate(stages):
            before = sum(job.work.left().values())
            job.progress.begin(stage_name(place, stage), before)
            stage.run(job, place)
            after = sum(job.work.left().values())
            job.say(f"{stage_name(place, stage)}: {after:,} of {before:,} rows are left")
    funnel = (read or Funnel(added)).without("that repeat another one", added - different)
    examples: list[Example] = []
    for place, reason, count in job.work.dropped():
        funnel = funnel.without(reason, count)
        name = stage_name(place, stages[place])
        examples += [
            Example(name, reason, item) for item in job.work.examples(place, reason, EXAMPLES)
        ]
    return Curated(funnel, job.work.left(), examples)


def _counted(rows: Iterable[Row], job: Job, read: Funnel | None) -> Iterator[Row]:
    """The rows, counted as done."""
    job.progress.begin("reading", 0 if read is None else read.kept)
    for row in rows:
        yield row
        job.progress.add(1)


def stage_name(place: int, stage: Stage) -> str:
    """A stage of a job, as messages and files name it: ``2 gain``."""
    return f"{place + 1} {stage.name}"
