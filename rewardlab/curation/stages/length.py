"""Sources of a suitable length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from rewardlab.curation.items import Item
from rewardlab.curation.stage import Filter


@dataclass(frozen=True, kw_only=True)
class Length(Filter):
    """Drop sources that are too short or too long, in characters.

    Attributes:
        minimum: Fewest characters.
        maximum: Most characters.
    """

    minimum: Annotated[int, Field(ge=0)] = 1
    maximum: Annotated[int, Field(ge=1)] = 2000

    name: ClassVar[str] = "length"

    def reason(self, item: Item) -> str | None:
        """Compare the length of the source with the limits."""
        characters = len(item.source)
        if characters < self.minimum:
            return f"shorter than {self.minimum:,} characters"
        return f"longer than {self.maximum:,} characters" if characters > self.maximum else None
