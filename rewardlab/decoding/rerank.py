"""The best of several samples by an ensemble: the baseline that every RL claim stands beside.

Two kinds of reference can be asked for. ``samples``: every sample is scored against each other
sample of its source and gets the mean, minimum Bayes risk decoding (Eikema and Aziz 2020,
arXiv 2005.10283); nothing but the source was known. ``data``: the references of the data; the
result is what the best choice could reach, and no system.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rewardlab.data.corpora import Row
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import RewardUnavailable
from rewardlab.heartbeat import heartbeat
from rewardlab.statistics import zscore
from rewardlab.store.journal import Journal, Json
from rewardlab.types import Candidate, Scores, Status

References = Literal["samples", "data"]

CANDIDATES_PER_CALL = 2048
DIGITS = 9
"""Totals that agree to so many digits are a tie."""


@dataclass(frozen=True)
class Judged:
    """What an ensemble says about the n samples of one source.

    Attributes:
        id: The row's.
        scores: float64 (n, R), higher is better; NaN where a reward does not apply or failed.
        gated: The gate that closed on each sample, or None.
        failed: Of each sample: whether a reward could not score it through the text's own fault.
        seconds: The row's share of the time its call took.
    """

    id: str
    scores: NDArray[np.float64]
    gated: tuple[str | None, ...]
    failed: tuple[bool, ...]
    seconds: float = 0.0


@dataclass(frozen=True)
class Choice:
    """Which sample of a source was taken.

    Attributes:
        index: Its place among the samples, from 0.
        totals: float64 (n,): the weighted sums of z-scores; NaN for a sample that could not win.
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
) -> list[Judged]:
    """Score the samples of every row once, and only of those rows that the journal does not have.

    Args:
        rows: The sources.
        samples: Row id -> its texts.
        ensemble: Its gates run as well. It scores equal candidates once.
        references: What rewards that read a reference get.
        journal: Keeps what is done, under ``scores/ID``.
        say: Told how far it is, at least every 30 seconds.

    Returns:
        In the order of the rows.

    Raises:
        RewardUnavailable: A reward could not be reached; without it another sample might win.
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: Most texts stayed unscored.
        UserError: What the journal raises.
        ValueError: A source has a single sample and nothing to hold it against.
    """
    pairs = references == "samples" and _reads_references(ensemble)
    if pairs and any(len(samples[row.id]) < 2 for row in rows):  # noqa: PLR2004 - a pair
        raise ValueError("references from samples need at least two samples of each source")
    done: dict[str, Judged] = {}
    calls = _calls(rows, samples, pairs=pairs)
    left = [call for call in calls if not _remembered(call, journal, done)]
    start = time.monotonic()
    with heartbeat(say, lambda: f"scored the samples of {len(done):,} of {len(rows):,} rows"):
        for call in left:
            candidates = [one for row in call for one in _candidates(row, samples[row.id], pairs)]
            scores = ensemble(candidates)
            _require_all(scores)
            seconds = (time.monotonic() - start) / len(call)
            start = time.monotonic()
            fresh = _by_row(call, samples, scores, pairs=pairs, seconds=seconds)
            if journal is not None:
                journal.put({f"scores/{one.id}": _as_json(one) for one in fresh})
            done.update((one.id, one) for one in fresh)
    return [done[row.id] for row in rows]


def choose(judged: Judged, weights: Sequence[float]) -> Choice:
    """The sample with the largest weighted sum of z-scores, ``Σ_r w_r (s_r - mean_r) / std_r``.

    Means and deviations are those of the source's own samples, so that rewards of different scales
    count by their weights. A sample that a gate closed on or that a reward could not read takes no
    part; if none is left, the first one is taken. A reward that does not apply adds 0. Ties go to
    the first.

    Args:
        judged: Of one source.
        weights: (R,).
    """
    count = len(judged.gated)
    fit = [row for row in range(count) if judged.gated[row] is None and not judged.failed[row]]
    totals = np.full(count, np.nan)
    if not fit:
        return Choice(0, totals)
    contributions = np.nan_to_num(zscore(judged.scores[fit])) * np.asarray(weights)
    totals[fit] = contributions.sum(axis=1).round(DIGITS)
    return Choice(int(np.nanargmax(totals)), totals)


def is_oracle(ensemble: RewardEnsemble, references: References) -> bool:
    """Whether the choice reads what it will be measured against."""
    return references == "data" and _reads_references(ensemble)


def _reads_references(ensemble: RewardEnsemble) -> bool:
    return any(one.reward.needs_reference for one in (*ensemble.terms, *ensemble.gates))


def _calls(
    rows: Sequence[Row], samples: Mapping[str, Sequence[str]], *, pairs: bool
) -> list[list[Row]]:
    """Rows by call: a function of all rows, so that a run that goes on makes the same calls."""
    most = max((len(samples[row.id]) for row in rows), default=1)
    size = max(1, CANDIDATES_PER_CALL // (most * (most - 1) if pairs else most))
    return [list(rows[first : first + size]) for first in range(0, len(rows), size)]


def _candidates(row: Row, texts: Sequence[str], pairs: bool) -> list[Candidate]:
    """Sample-major; with ``pairs`` each sample beside every other one as its reference."""
    others = [
        [other for at, other in enumerate(texts) if at != own] if pairs else [row.reference]
        for own in range(len(texts))
    ]
    return [
        replace(row.candidate(text), reference=reference)
        for text, references in zip(texts, others, strict=True)
        for reference in references
    ]


def _require_all(scores: Scores) -> None:
    for column, name in enumerate(scores.names):
        gone = sum(status[column] is Status.UNAVAILABLE for status in scores.status)
        if gone:
            raise RewardUnavailable(f"{name} could not score {gone:,} of {len(scores):,} texts")


def _by_row(
    call: Sequence[Row],
    samples: Mapping[str, Sequence[str]],
    scores: Scores,
    *,
    pairs: bool,
    seconds: float,
) -> list[Judged]:
    """Put the answers of one call back to their rows, the mean over the references of a sample."""
    judged: list[Judged] = []
    first = 0
    for row in call:
        count = len(samples[row.id])
        each = count - 1 if pairs else 1
        places = [range(first + n * each, first + (n + 1) * each) for n in range(count)]
        first += count * each
        judged.append(
            Judged(
                id=row.id,
                scores=np.stack([_mean(scores.values[list(place)]) for place in places]),
                gated=tuple(
                    next((gate for n in place if (gate := scores.gated[n]) is not None), None)
                    for place in places
                ),
                failed=tuple(
                    any(one.failed for n in place for one in scores.status[n]) for place in places
                ),
                seconds=seconds,
            )
        )
    return judged


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the rows that are not NaN, (K, R) -> (R,); NaN where none is."""
    known = ~np.isnan(values)
    counts = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.divide(total, counts, out=np.full(values.shape[1], np.nan), where=counts > 0)


def _as_json(one: Judged) -> Json:
    scores = [[None if math.isnan(v) else float(v) for v in row] for row in one.scores]
    return {
        "scores": [list(row) for row in scores],
        "gated": list(one.gated),
        "failed": list(one.failed),
        "seconds": one.seconds,
    }


def _remembered(call: Sequence[Row], journal: Journal | None, done: dict[str, Judged]) -> bool:
    """Whether the journal has all rows of a call; they are then put into ``done``."""
    if journal is None:
        return False
    values: list[Any] = [journal.get(f"scores/{row.id}") for row in call]
    if None in values:
        return False
    for row, value in zip(call, values, strict=True):
        scores = [[math.nan if v is None else v for v in sample] for sample in value["scores"]]
        gated, failed = tuple(value["gated"]), tuple(value["failed"])
        done[row.id] = Judged(row.id, np.array(scores), gated, failed, value["seconds"])
    return True
