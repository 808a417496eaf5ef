"""The same number of sources of every length (TranslateGemma, arXiv 2601.09012)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from rewardlab.curation.stage import Job, Stage
from rewardlab.seeds import seed_for


@dataclass(frozen=True, kw_only=True)
class LengthBuckets(Stage):
    """Draw at random from each bucket of lengths. The report gives no edges and quotas; these do.

    Attributes:
        edges: Lengths in characters at which the next bucket begins, in ascending order.
        rows: Rows that are drawn from each bucket of each pair of languages.
    """

    edges: Annotated[Sequence[int], Field(min_length=1)] = (32, 64, 128, 256, 512, 1024)
    rows: Annotated[int, Field(ge=1)] = 1000

    name: ClassVar[str] = "length_buckets"

    def __post_init__(self) -> None:
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError(f"edges={list(self.edges)} must be in ascending order")

    def run(self, job: Job, place: int) -> None:
        """Drop the rows that are not drawn."""

        def drawn() -> Iterator[tuple[str, float, str]]:
            for items in job.chunks():
                for item in items:
                    bucket = bisect_right(self.edges, len(item.source))
                    chance = seed_for(job.seed, self.name, item.key) / 2**63
                    yield f"{item.pair} {bucket}", chance, item.key

        left_out = (
            (key, self._reason(int(part.rpartition(" ")[2])))
            for part, key, rank in job.work.ranked(drawn())
            if rank >= self.rows
        )
        job.work.drop(place, left_out)

    def _reason(self, bucket: int) -> str:
        bounds = [0, *self.edges]
        upper = f" to {bounds[bucket + 1] - 1:,}" if bucket < len(self.edges) else " or more"
        return f"not drawn from those of {bounds[bucket]:,}{upper} characters"
