"""Error spans from the labels that an xCOMET model gives to pieces of a translation.

Guerreiro et al. 2024 (arXiv 2310.10482): every piece is labelled as no error, or as part of a
minor, major or critical error (labels 0 to 3), and neighbouring errors form a span.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardlab.types import SEVERITIES


class PieceLabels(NamedTuple):
    """Labels of the T pieces of one translation, ``<s>`` and ``</s>`` included.

    Attributes:
        probabilities: float (T, 4): no error, minor, major, critical.
        offsets: The characters of each piece, half-open; (0, 0) for special tokens.
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

    Neighbouring pieces that are errors form one span with the most severe of their labels, so that
    a single subword cannot make a critical error minor. White space at the ends of a span is left
    out, unless the span is only white space. Special tokens are not part of the translation. A
    span that reaches the last piece is kept.

    Args:
        labels: Labels of the pieces of ``text``.
        text: The translation.
    """
    inside = [place for place, (start, end) in enumerate(labels.offsets) if start < end]
    spans: list[LabelledSpan] = []
    for run, chosen, confidence in _runs(labels, inside):
        start = min(labels.offsets[place][0] for place in run)
        end = max(labels.offsets[place][1] for place in run)
        start, end = _without_space(text, start, end)
        spans.append(LabelledSpan(start, end, SEVERITIES[max(chosen) - 1], confidence))
    return spans


def published_spans(labels: PieceLabels) -> list[LabelledSpan]:
    """Exactly the spans of unbabel-comet 2.2.7, to compare with published figures.

    A span has the offsets of its pieces, so it may begin with the space before a word. Its severity
    is that of its first piece. A span that is still open at ``</s>`` is lost. ``<s>`` and ``</s>``
    count as pieces with offsets (0, 0), so a span may be empty or end before it starts.
    """
    spans: list[LabelledSpan] = []
    for run, chosen, confidence in _runs(labels, range(len(labels.offsets))):
        if run[-1] < len(labels.offsets) - 1:
            start, end = labels.offsets[run[0]][0], labels.offsets[run[-1]][1]
            spans.append(LabelledSpan(start, end, SEVERITIES[chosen[0] - 1], confidence))
    return spans


def _runs(
    labels: PieceLabels, places: Sequence[int]
) -> Iterator[tuple[list[int], list[int], float]]:
    """Runs of neighbouring errors among pieces: places, labels, and mean probability."""
    chosen = labels.probabilities.argmax(axis=1)
    for wrong, group in groupby(places, key=lambda place: chosen[place] > 0):
        if wrong:
            run = list(group)
            confidence = float(np.mean([labels.probabilities[p, chosen[p]] for p in run]))
            yield run, [int(chosen[place]) for place in run], min(confidence, 1.0)


def _without_space(text: str, start: int, end: int) -> tuple[int, int]:
    inner = text[start:end]
    if not inner.strip():
        return start, end
    return end - len(inner.lstrip()), start + len(inner.rstrip())
