"""Four translations' worth of people: human scores small enough to work with by hand."""

import numpy as np

from rewardlab.human.gold import Gold
from rewardlab.human.score_matrix import ScoreMatrix
from rewardlab.types import ErrorSpan

SYSTEMS = ("A", "B", "C", "refA")
SEGMENTS = ("d:1", "d:2")
ERRORS = [[1.0, 0.0], [5.0, 0.0], [6.0, 1.0], [0.0, 0.0]]
TEXTS = {
    "A": ("ein Hund", "zwei Katzen"),
    "B": ("ein Hand", "zwei Katzen"),
    "C": ("eine Hund", "zwei Kater"),
    "refA": ("ein Hund", "zwei Katzen."),
}
GOOD = [[9.0, 5.0], [3.0, 5.5], [1.0, 4.0]]
"""A metric of A, B and C that has to call differences up to 0.5 ties to be perfect."""


def gold(**changes):
    """Three systems and a human translation of two texts, judged by one rater."""
    hypotheses = {
        (system, segment): text
        for system, texts in TEXTS.items()
        for segment, text in zip(SEGMENTS, texts, strict=True)
    }
    spans = dict.fromkeys(hypotheses, ((),))
    spans["A", "d:1"] = ((ErrorSpan(0, 3, "minor"),),)
    spans["B", "d:1"] = ((ErrorSpan(4, 8, "major"),),)
    spans["C", "d:1"] = ((ErrorSpan(0, 4, "minor"), ErrorSpan(5, 9, "major")),)
    spans["C", "d:2"] = ((ErrorSpan(5, 10, "minor"),),)
    fields = {
        "scores": ScoreMatrix(SYSTEMS, SEGMENTS, 0.0 - np.array(ERRORS), "mqm"),
        "negated": True,
        "raters": 1,
        "funnel": "8 ratings",
        "documents": ("d", "d"),
        "sources": ("a dog", "two cats"),
        "hypotheses": hypotheses,
        "spans": spans,
        "source_lang": "en",
        "target_lang": "de",
    }
    return Gold(**(fields | changes))


def matrix(values, systems=("A", "B", "C"), signature="made by hand"):
    """Scores of a metric on the two texts."""
    return ScoreMatrix(tuple(systems), SEGMENTS, np.array(values, dtype=np.float64), signature)
