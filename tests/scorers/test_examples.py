"""From human scores to what a scorer learns from."""

from dataclasses import replace

import gold_scores
import numpy as np
import pytest

from rewardlab.human.score_matrix import ScoreMatrix
from rewardlab.scorers.examples import (
    documents_of,
    mqm_points,
    only_documents,
    rated,
    texts_of,
)
from rewardlab.types import WMT_MQM


def talks(**changes):
    return gold_scores.gold(severities=WMT_MQM, name="talks", reference_system="refA", **changes)


def test_every_translation_with_a_score_is_a_row():
    rows = rated(talks())
    assert len(rows) == 8
    row = next(r for r in rows if (r.system, r.candidate.id) == ("C", "d:1"))
    assert (row.score, row.document) == (-6.0, "talks:d")
    assert (row.candidate.source, row.candidate.hypothesis) == ("a dog", "eine Hund")
    assert (row.candidate.reference, row.candidate.target_lang) == ("ein Hund", "de")
    assert [len(spans) for spans in row.spans] == [2]


def test_one_that_nobody_judged_is_none():
    gold = gold_scores.gold()
    values = gold.scores.values.copy()
    values[0, 1] = np.nan
    rows = rated(talks(scores=replace(gold.scores, values=values)))
    assert len(rows) == 7
    assert ("A", "d:2") not in {(row.system, row.candidate.id) for row in rows}


def test_a_segment_without_a_document_stands_for_itself():
    found = documents_of(talks(documents=("", "")))
    assert found == {"d:1": "talks:d:1", "d:2": "talks:d:2"}


def test_all_texts_of_a_document_are_known():
    texts = list(texts_of(talks()))
    assert len(texts) == 8 + 2
    assert ("talks:d", "zwei Kater") in texts
    assert ("talks:d", "two cats") in texts


def test_only_some_documents():
    gold = talks(documents=("one", "two"))
    left = only_documents(gold, {"talks:two", "elsewhere"})
    assert left.scores.segments == ("d:2",)
    assert left.sources == ("two cats",)
    assert left.scores.values.ravel().tolist() == [0.0, 0.0, -1.0, 0.0]
    assert left.published == {"A": 0.0, "B": 0.0, "C": 1.0, "refA": 0.0}
    assert {segment for _, segment in left.hypotheses} == {"d:2"}
    assert {segment for _, segment in left.spans} == {"d:2"}
    assert only_documents(gold, {"elsewhere"}) is None


def test_errors_are_cut_at_the_worst():
    scores = ScoreMatrix(("A", "B"), ("1",), np.array([[-30.0], [-3.0]]), "mqm")
    gold = replace(talks(), scores=scores)
    assert mqm_points(gold).values.ravel().tolist() == [-25.0, -3.0]


def test_direct_assessments_are_laid_over_the_range_of_errors():
    """60 and 80: mean 70, spread 10, so one standard deviation either way."""
    scores = ScoreMatrix(("A", "B", "C"), ("1",), np.array([[60.0], [80.0], [70.0]]), "esa")
    gold = replace(talks(), scores=scores, severities=None)
    assert mqm_points(gold).values[2, 0] == pytest.approx(-12.5)
    assert mqm_points(gold).values[:2, 0].tolist() == [-25.0, 0.0]  # 1.22 deviations, clipped


def test_direct_assessments_that_all_say_the_same_are_in_the_middle():
    scores = ScoreMatrix(("A", "B"), ("1",), np.array([[60.0], [60.0]]), "esa")
    gold = replace(talks(), scores=scores, severities=None)
    assert mqm_points(gold).values.ravel().tolist() == [-12.5, -12.5]
