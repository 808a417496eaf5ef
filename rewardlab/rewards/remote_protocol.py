"""The wire protocol of rewards behind HTTP, shared by client and server.

One request and one answer, both JSON:

``POST url {"items": [{"id", "source", "hypothesis", "reference", "source_lang", "target_lang"}]}``

``-> {"signature": "...", "results": [{"id", "score", "status", "spans"}]}``

Every result has the id of its item; the order is free. ``score`` is higher-is-better; it is null
exactly if ``status`` is given, which says why there is no score (`rewardlab.types.Status`).
``spans`` may be left out; their positions are in Unicode code points, as in
`rewardlab.types.ErrorSpan`. ``signature`` states what the scores depend on, and must not change
while a client uses the service.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, FiniteFloat, Strict, model_validator

from rewardlab.types import SEVERITIES, ErrorSpan, Status

LIBRARIES = ("httpx2", "stamina")
"""What the client imports: libraries of the extra ``server``."""
KEY = "REWARDLAB_REMOTE_KEY"
"""Environment variable with the bearer token; the token is stored nowhere else."""
FIELDS = ("source", "hypothesis", "reference", "source_lang", "target_lang")
"""Fields of a `rewardlab.types.Candidate` in every item; null if the service does not read them."""
LONGEST_TEXT = 200_000
"""Maximum number of characters in one text; longer texts are not sent."""
LONGEST_SIGNATURE = 2_000


def request_body(items: Mapping[str, Mapping[str, str | None]]) -> bytes:
    """The body of a request.

    Args:
        items: Id -> the texts of one row, a value for each of `FIELDS`.
    """
    return json.dumps({"items": [{"id": id_, **texts} for id_, texts in items.items()]}).encode()


class Result(BaseModel):
    """The service's result for one item."""

    id: str
    score: Annotated[FiniteFloat, Strict()] | None
    status: Status = Status.OK
    spans: list[ErrorSpan] | None = None

    @model_validator(mode="after")
    def _agree(self) -> Result:
        if (self.score is not None) != self.status.scored:
            raise ValueError("score and status contradict each other")
        if unknown := {span.severity for span in self.spans or []} - {*SEVERITIES}:
            raise ValueError(f"unknown severity {min(unknown)}")
        return self

    def fits(self, texts: Mapping[str, str | None]) -> bool:
        """Whether the spans lie in the item's texts."""
        return all(span.end <= len(texts[span.side] or "") for span in self.spans or [])


class Answer(BaseModel):
    """The parts of an answer that are read; a service may send more."""

    signature: str = Field(min_length=1, max_length=LONGEST_SIGNATURE)
    results: list[dict[str, Any]]
