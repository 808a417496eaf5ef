"""A number of rows for each pair of languages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from rewardlab.curation.stage import Job, Stage
from rewardlab.seeds import seed_for


@dataclass(frozen=True, kw_only=True)
class Quota(Stage):
    """Draw at random from each pair of languages.

    Attributes:
        rows: Rows that are drawn from each pair.
    """

    rows: Annotated[int, Field(ge=1)] = 10_000

    name: ClassVar[str] = "quota"

    def run(self, job: Job, place: int) -> None:
        """Drop the rows that are not drawn."""

        def drawn() -> Iterator[tuple[str, float, str]]:
            for items in job.chunks():
                for item in items:
                    yield item.pair, seed_for(job.seed, self.name, item.key) / 2**63, item.key

        reason = f"over the quota of {self.rows:,}"
        ranked = job.work.ranked(drawn())
        job.work.drop(place, ((key, reason) for _, key, rank in ranked if rank >= self.rows))
