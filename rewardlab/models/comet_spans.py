"""Error spans from what a COMET model says about each piece of a translation.

Guerreiro et al. 2024 (xCOMET, arXiv 2310.10482): every piece is labelled as no error or as part
of a minor, major or critical one, and neighbouring errors make a span.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SEVERITIES = ("minor", "major", "critical")
"""Of the labels 1, 2, 3; label 0 is no error."""


class PieceLabels(NamedTuple):
    """What a model says about T pieces of one translation, its ``<s>`` and ``</s>`` included.

    Attributes:
        probabilities: float (T, 4): no error, minor, major, critical.
        offsets: T stretches of the translation, half-open; (0, 0) for the special pieces.
    """

    probabilities: NDArray[np.float32]
    offsets: list[tuple[int, int]]


class LabelledSpan(NamedTuple):
    """Neighbouring pieces that are errors.

    Attributes:
        start: First character, in Unicode code points of the translation.
        end: One past the last.
        severity: One of `SEVERITIES`.
        confidence: Mean probability of the labels of its pieces.
    """

    start: int
    end: int
    severity: str
    confidence: float


def error_spans(labels: PieceLabels, text: str) -> list[LabelledSpan]:
    """Spans in the translation as it was written.

    Neighbouring pieces that are errors make one span. It has the most severe of their labels; a
    single subword cannot make a critical error a minor one. White space at its ends is left out,
    unless it holds nothing else. The special pieces are no part of the translation, and a span
    that reaches its last piece is kept.

    Args:
        labels: Of the pieces of ``text``.
        text: The translation.
    """
    chosen = labels.probabilities.argmax(axis=1)
    inside = [place for place, (start, end) in enumerate(labels.offsets) if start < end]
    spans: list[LabelledSpan] = []
    for run in _runs([place for place in inside if chosen[place]], inside):
        start = min(labels.offsets[place][0] for place in run)
        end = max(labels.offsets[place][1] for place in run)
        start, end = _without_space(text, start, end)
        severity = SEVERITIES[max(int(chosen[place]) for place in run) - 1]
        confidence = float(np.mean([labels.probabilities[p, chosen[p]] for p in run]))
        spans.append(LabelledSpan(start, end, severity, min(confidence, 1.0)))
    return spans


def published_spans(labels: PieceLabels) -> list[LabelledSpan]:
    """Exactly the spans of unbabel-comet 2.2.7, to compare with published figures.

    Its places are those of the pieces, so that a span may begin with the space before its word; the
    severity is the first piece's; a span that is still open at ``</s>`` is lost. ``<s>`` and
    ``</s>`` take part with the place (0, 0), so that a span may be empty or end before it starts.
    """
    chosen = labels.probabilities.argmax(axis=1)
    spans: list[LabelledSpan] = []
    run: list[int] = []
    for place, label in enumerate(chosen):
        if label:
            run.append(place)
        elif run:
            start, end = labels.offsets[run[0]][0], labels.offsets[run[-1]][1]
            confidence = float(np.mean([labels.probabilities[p, chosen[p]] for p in run]))
            severity = SEVERITIES[chosen[run[0]] - 1]
            spans.append(LabelledSpan(start, end, severity, min(confidence, 1.0)))
            run = []
    return spans


def _runs(errors: list[int], inside: list[int]) -> Iterator[list[int]]:
    """Errors with no other piece of the text between them."""
    after = dict(pairwise(inside))
    run: list[int] = []
    for place in errors:
        if run and after[run[-1]] != place:
            yield run
            run = []
        run.append(place)
    if run:
        yield run


def _without_space(text: str, start: int, end: int) -> tuple[int, int]:
    inner = text[start:end]
    if not inner.strip():
        return start, end
    return end - len(inner.lstrip()), start + len(inner.rstrip())
