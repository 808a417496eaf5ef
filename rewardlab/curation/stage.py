"""What a stage is, and what it works with.

A stage is a frozen dataclass whose fields are its options in the YAML file. `Filter` is the base of
stages that look at one row at a time.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from rewardlab.curation.engine import Engine
from rewardlab.curation.items import Item
from rewardlab.curation.progress import Progress
from rewardlab.curation.sampler import Sampler
from rewardlab.curation.work import Work
from rewardlab.store.journal import Journal


@dataclass(frozen=True, eq=False)
class Job:
    """What the stages of a job share.

    Attributes:
        work: The rows.
        journal: Samples and scores that are kept.
        engine: Runs samplers and scorers.
        sampler: Writes translations; None if the job has no model.
        seed: Seed of all draws.
        say: Prints a line of progress.
        retry: Score again what an earlier process could not score because a reward was unavailable.
        progress: How far the stage that runs has come.
    """

    work: Work
    journal: Journal
    engine: Engine
    sampler: Sampler | None = None
    seed: int = 0
    say: Callable[[str], None] = lambda _: None
    retry: bool = False
    progress: Progress = field(default_factory=Progress)

    def chunks(self) -> Iterator[list[Item]]:
        """The rows that are left, as `Work.chunks`, counted as done when the next ones are read."""
        for items in self.work.chunks():
            yield items
            self.progress.add(len(items))


@dataclass(frozen=True, kw_only=True)
class Stage(ABC):
    """A step of a job; drops rows, or gives them a translation.

    Attributes:
        name: Name of the stage in configurations.
        version: Changes when the same options would give another result.
        sampling: Whether the stage needs the job's sampler.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    sampling: ClassVar[bool] = False

    @property
    def signature(self) -> str:
        """Everything that the result depends on, besides the rows."""
        options = [f"{f.name}:{getattr(self, f.name)}" for f in dataclasses.fields(self)]
        return "|".join([f"{self.name}:{self.version}", *options])

    @abstractmethod
    def run(self, job: Job, place: int) -> None:
        """Work on the rows that are left.

        Args:
            job: The job.
            place: Number of the stage in the job, from 0.
        """


class Filter(Stage):
    """A stage that looks at one row at a time."""

    @abstractmethod
    def reason(self, item: Item) -> str | None:
        """Why a row is dropped, as a completion of "3 rows ..."; None if it is kept."""

    def run(self, job: Job, place: int) -> None:
        """Drop the rows for which there is a reason."""
        for items in job.chunks():
            reasons = ((item.key, self.reason(item)) for item in items)
            job.work.drop(place, [(key, why) for key, why in reasons if why is not None])
