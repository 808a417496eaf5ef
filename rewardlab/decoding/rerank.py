"""Choosing the best of several samples by an ensemble: the baseline for every RL result.

There are two kinds of references. ``samples``: every sample is scored against each other sample of
the same source and gets the mean score. This is minimum Bayes risk decoding (Eikema and Aziz 2020,
arXiv 2005.10283), and needs only the source. ``data``: the references of the data are used; the
result is then an upper bound for choosing among the samples, not a usable system.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from rewardlab.data.rows import Row
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import RewardUnavailable, quantity
from rewardlab.heartbeat import heartbeat
from rewardlab.json_values import json_value
from rewardlab.statistics import zscore
from rewardlab.store.journal import Journal
from rewardlab.types import Candidate, Scores, Status

References = Literal["samples", "data"]

CANDIDATES_PER_CALL = 2048
DIGITS = 9
"""Totals that agree to this many decimal digits are a tie."""


@dataclass(frozen=True)
class SampleScores:
    """An ensemble's scores of the n samples of one source.

    Attributes:
        id: Id of the row.
        scores: float64 (n, R), higher is better; NaN if a reward does not apply or failed.
        gated: By sample, the gate that closed on it, or None.
        failed: By sample, whether a reward could not score it because of the text.
        seconds: The row's share of the duration of its call.
        unavailable: By sample, whether a reward could not be reached; empty if all could.
    """

    id: str
    scores: NDArray[np.float64]
    gated: tuple[str | None, ...]
    failed: tuple[bool, ...]
    seconds: float = 0.0
    unavailable: tuple[bool, ...] = ()


class Source(Protocol):
    """A row that can be scored with any of its samples."""

    @property
    def id(self) -> str:
        """Id of the row."""
        ...

    def candidate(self, hypothesis: str) -> Candidate:
        """The row with a sample."""
        ...


@dataclass(frozen=True)
class Choice:
    """The sample of a source that was chosen.

    Attributes:
        index: Its index among the samples.
        totals: float64 (n,) weighted sums of z-scores; NaN for a sample that could not win.
    """

    index: int
    totals: NDArray[np.float64]


def judge_samples(
    rows: Sequence[Row],
    samples: Mapping[str, Sequence[str]],
    ensemble: RewardEnsemble,
    *,
    references: References = "samples",
    journal: Journal | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[SampleScores]:
    """Score the samples of the rows that the journal does not have.

    Args:
        rows: The sources.
        samples: Row id -> its texts.
        ensemble: The rewards and gates; equal candidates are scored once.
        references: The references for rewards that read one.
        journal: Keeps finished scores, under ``scores/ID``.
        say: Receives a progress line at least every 30 seconds.

    Returns:
        In the order of the rows.

    Raises:
        RewardUnavailable: A reward could not be reached; without it another sample might win.
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: Most texts stayed unscored.
        UserError: Raised by the journal.
        ValueError: A source has only one sample, so there is no other sample to compare with.
    """
    pairs = references == "samples" and _reads_references(ensemble)
    if pairs and any(len(samples[row.id]) < 2 for row in rows):  # noqa: PLR2004 - a pair
        raise ValueError("references from samples need at least two samples of each source")
    done: dict[str, SampleScores] = {}
    left: list[list[Row]] = []
    for call in _calls(rows, samples, pairs=pairs):
        before = None if journal is None else _remembered(call, journal)
        left += [call] if before is None else []
        done.update((one.id, one) for one in before or ())
    start = time.monotonic()
    with heartbeat(
        say, lambda: f"scored the samples of {len(done):,} of {quantity(len(rows), 'row')}"
    ):
        for call in left:
            scores = _scores(call, samples, ensemble, pairs=pairs)
            _require_all(scores)
            seconds = (time.monotonic() - start) / len(call)
            start = time.monotonic()
            fresh = [
                replace(one, seconds=seconds) for one in _by_row(call, samples, scores, pairs=pairs)
            ]
            if journal is not None:
                journal.put({f"scores/{one.id}": json_value(one) for one in fresh})
            done.update((one.id, one) for one in fresh)
    return [done[row.id] for row in rows]


def score_samples(
    rows: Sequence[Source],
    samples: Mapping[str, Sequence[str]],
    ensemble: RewardEnsemble,
    *,
    pairs: bool = False,
) -> list[SampleScores]:
    """Score the samples of rows in one call of the ensemble.

    Args:
        rows: The sources.
        samples: Row id -> its texts.
        ensemble: The rewards and gates.
        pairs: Score each sample against each other sample of its source, and take the mean.

    Returns:
        In the order of the rows.

    Raises:
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: Most texts stayed unscored.
    """
    return _by_row(rows, samples, _scores(rows, samples, ensemble, pairs=pairs), pairs=pairs)


def _scores(
    rows: Sequence[Source],
    samples: Mapping[str, Sequence[str]],
    ensemble: RewardEnsemble,
    *,
    pairs: bool,
) -> Scores:
    """The scores of all samples, row by row; with ``pairs``, of all pairs of samples."""
    return ensemble([one for row in rows for one in _candidates(row, samples[row.id], pairs)])


def choose(scored: SampleScores, weights: Sequence[float]) -> Choice:
    """The sample with the largest weighted sum of z-scores, ``Σ_r w_r (s_r - mean_r) / std_r``.

    Means and standard deviations are over the samples of this source, so that rewards of different
    scales count by their weights. A sample is left out if a gate closed on it, or if a reward could
    not score it or not be reached; if no sample is left, the first one is chosen. A reward that
    does not apply adds 0. Among tied samples, the first one is chosen.

    Args:
        scored: The samples of one source.
        weights: (R,) weights of the rewards.
    """
    count = len(scored.gated)
    gone = scored.unavailable or (False,) * count
    fit = [
        row
        for row in range(count)
        if scored.gated[row] is None and not scored.failed[row] and not gone[row]
    ]
    totals = np.full(count, np.nan)
    if not fit:
        return Choice(0, totals)
    contributions = np.nan_to_num(zscore(scored.scores[fit])) * np.asarray(weights)
    totals[fit] = contributions.sum(axis=1).round(DIGITS)
    return Choice(int(np.nanargmax(totals)), totals)


def is_oracle(ensemble: RewardEnsemble, references: References) -> bool:
    """Whether the choice uses the references that the result will be measured against.

    Args:
        ensemble: The ensemble that chooses.
        references: The references for rewards that read one.
    """
    return references == "data" and _reads_references(ensemble)


def _reads_references(ensemble: RewardEnsemble) -> bool:
    return any(one.reward.needs_reference for one in (*ensemble.terms, *ensemble.gates))


def _calls(
    rows: Sequence[Row], samples: Mapping[str, Sequence[str]], *, pairs: bool
) -> list[list[Row]]:
    """Rows by call; depends on all rows, so that a resumed run makes the same calls."""
    most = max((len(samples[row.id]) for row in rows), default=1)
    size = max(1, CANDIDATES_PER_CALL // (most * (most - 1) if pairs else most))
    return [list(rows[first : first + size]) for first in range(0, len(rows), size)]


def _candidates(row: Source, texts: Sequence[str], pairs: bool) -> list[Candidate]:
    """Candidates, sample by sample; with ``pairs``, every other sample serves as reference once."""
    own = [row.candidate(text) for text in texts]
    if not pairs:
        return own
    return [
        replace(candidate, reference=reference)
        for at, candidate in enumerate(own)
        for reference in (*texts[:at], *texts[at + 1 :])
    ]


def _require_all(scores: Scores) -> None:
    for column, name in enumerate(scores.names):
        if gone := sum(status[column] is Status.UNAVAILABLE for status in scores.status):
            raise RewardUnavailable(f"{name} could not score {gone:,} of {len(scores):,} texts")


def _by_row(
    call: Sequence[Source],
    samples: Mapping[str, Sequence[str]],
    scores: Scores,
    *,
    pairs: bool,
) -> list[SampleScores]:
    """The scores of one call by row, the mean over the references of each sample."""
    scored = zip(scores.values, scores.gated, scores.status, strict=True)
    by_row: list[SampleScores] = []
    for row in call:
        count = len(samples[row.id])
        blocks = [list(islice(scored, count - 1 if pairs else 1)) for _ in range(count)]
        gone = tuple(
            any(one is Status.UNAVAILABLE for *_, status in block for one in status)
            for block in blocks
        )
        by_row.append(
            SampleScores(
                id=row.id,
                scores=np.stack([_known_mean([values for values, *_ in one]) for one in blocks]),
                gated=tuple(next((gate for _, gate, _ in block if gate), None) for block in blocks),
                failed=tuple(
                    any(one.failed for *_, status in block for one in status) for block in blocks
                ),
                unavailable=gone if any(gone) else (),
            )
        )
    return by_row


def _known_mean(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The mean of each column without its NaN; NaN if nothing else is in it."""
    values = np.stack(rows)
    known = ~np.isnan(values)
    counts = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.divide(total, counts, out=np.full(len(total), np.nan), where=counts > 0)


def _remembered(call: Sequence[Row], journal: Journal) -> list[SampleScores] | None:
    """The journalled scores of a call; None unless the journal has all rows of the call."""
    values: list[Any] = [journal.get(f"scores/{row.id}") for row in call]
    if None in values:
        return None
    return [scores_of(row.id, value) for row, value in zip(call, values, strict=True)]


def scores_of(row_id: str, value: Mapping[str, Any]) -> SampleScores:
    """Scores from their fields in a journal.

    Args:
        row_id: Id of the row.
        value: Its other fields; ``unavailable`` may be missing.
    """
    return SampleScores(
        id=row_id,
        scores=np.array(value["scores"], np.float64),  # None becomes NaN
        gated=tuple(value["gated"]),
        failed=tuple(value["failed"]),
        seconds=value["seconds"],
        unavailable=tuple(value.get("unavailable", ())),
    )
