"""Agreement of error spans: do predicted spans cover the characters that humans marked?

Characters of the hypothesis are counted over all rated translations and all their raters before
anything is divided (micro average). P are the characters in predicted spans and G the characters in
a rater's spans; the severity of a character is that of the worst span over it:

    precision = #(P ∩ G) / #P,   recall = #(P ∩ G) / #G,   F1 = 2 #(P ∩ G) / (#P + #G)

The statistics weighted by severity follow the error-span tasks of WMT23 and WMT24. A character in
both P and G gets a credit of 1 if the severities are equal, and ½ if one is minor and the other
major (critical counts as major):

    credit = #same + ½ #different,   in place of #(P ∩ G)

If minor and major spans overlap, the published script of WMT23 gives full credit for either
severity; here only the worst one counts.

A new statistic of spans is a field of `SpanAgreement`, and a column in `rewardlab.report.metaeval`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardlab.types import ErrorSpan

SEVERITY_CLASSES: Mapping[str, int] = MappingProxyType({"minor": 1, "major": 2, "critical": 2})
"""Worse is higher; a span of another severity (``neutral``) marks nothing."""
HALF_CREDIT = 0.5
"""Credit for an error that was found with another severity."""


class SpanAgreement(NamedTuple):
    """Agreement on characters, and the counts it is computed from.

    Attributes:
        precision: Share of predicted characters that are marked; NaN if nothing is predicted.
        recall: Share of marked characters that are predicted; NaN if nothing is marked.
        f1: Harmonic mean of the two, 0 if no character is in both; NaN only if both are NaN.
        weighted_precision: Precision with half credit for a different severity.
        weighted_recall: Recall with half credit for a different severity.
        weighted_f1: F1 with half credit for a different severity.
        characters: Characters of all texts, once for each rater.
        predicted: Characters in predicted spans, once for each rater.
        marked: Characters in raters' spans.
        both: Characters in both.
        same_severity: Characters in both with the same severity.
        ratings: Pairs of a translation and a rater.
        ignored: Number of spans on the source, or with a severity that is not an error.
    """

    precision: float
    recall: float
    f1: float
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float
    characters: int
    predicted: int
    marked: int
    both: int
    same_severity: int
    ratings: int
    ignored: int


def span_agreement(
    predicted: Sequence[Sequence[ErrorSpan]],
    gold: Sequence[Sequence[Sequence[ErrorSpan]]],
    texts: Sequence[str],
) -> SpanAgreement:
    """Compare predicted spans with those of every rater.

    Args:
        predicted: Errors found in each of N hypotheses.
        gold: For each hypothesis the spans of each of its raters. A hypothesis without raters does
            not count; a rater without spans found no error.
        texts: The N hypotheses.

    Raises:
        ValueError: The lengths differ, or a span reaches beyond its hypothesis.

    >>> predicted = [[ErrorSpan(0, 4, "minor")]]
    >>> marked = [[[ErrorSpan(2, 6, "major")]]]
    >>> agreement = span_agreement(predicted, marked, ["abcdefgh"])
    >>> agreement.f1, agreement.weighted_f1
    (0.5, 0.25)
    """
    if not len(predicted) == len(gold) == len(texts):
        raise ValueError(f"{len(predicted)} predictions, {len(gold)} ratings, {len(texts)} texts")
    totals = np.zeros(6, dtype=np.int64)
    ignored = 0
    for at, (spans, raters, text) in enumerate(zip(predicted, gold, texts, strict=True)):
        spanned, left_out = _severities(spans, text, f"prediction {at}")
        ignored += left_out
        for rater in raters:
            marked, left_out = _severities(rater, text, f"rating of text {at}")
            ignored += left_out
            both = (spanned > 0) & (marked > 0)
            parts = (spanned > 0, marked > 0, both, both & (spanned == marked))
            totals += np.array([1, len(text), *map(np.count_nonzero, parts)])
    ratings, characters, n_predicted, n_marked, n_both, n_same = totals.tolist()
    credit = n_same + HALF_CREDIT * (n_both - n_same)
    return SpanAgreement(
        *_rates(n_both, n_predicted, n_marked),
        *_rates(credit, n_predicted, n_marked),
        characters=characters,
        predicted=n_predicted,
        marked=n_marked,
        both=n_both,
        same_severity=n_same,
        ratings=ratings,
        ignored=ignored,
    )


def _severities(spans: Sequence[ErrorSpan], text: str, where: str) -> tuple[NDArray[np.int8], int]:
    """The worst severity over each character, 0 for none, and how many spans were left out."""
    worst = np.zeros(len(text), dtype=np.int8)
    ignored = 0
    for span in spans:
        severity = SEVERITY_CLASSES.get(span.severity.strip().lower(), 0)
        if not severity or span.side != "hypothesis":
            ignored += 1
            continue
        if span.end > len(text):
            raise ValueError(
                f"{where}: span [{span.start}, {span.end}) reaches beyond {len(text)} characters"
            )
        np.maximum(worst[span.start : span.end], severity, out=worst[span.start : span.end])
    return worst, ignored


def _rates(credit: float, predicted: int, marked: int) -> tuple[float, float, float]:
    """Precision, recall and F1."""

    def share(part: float, whole: int) -> float:
        return part / whole if whole else float("nan")

    return share(credit, predicted), share(credit, marked), share(2 * credit, predicted + marked)
