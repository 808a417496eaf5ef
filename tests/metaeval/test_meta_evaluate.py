"""Numbers of a whole meta-evaluation, worked by hand, and what is said about them."""

import math

import gold_scores
import numpy as np
import pytest

from rewardlab.errors import UserError
from rewardlab.metaeval.meta_evaluate import meta_evaluate
from rewardlab.metaeval.scoring import Scored
from rewardlab.types import ErrorSpan

SYSTEMS = ("A", "B", "C")


def evaluated(values, *, gold=None, **options):
    metric = Scored("metric", gold_scores.matrix(values))
    return meta_evaluate(gold or gold_scores.gold(), [metric], systems=SYSTEMS, **options)


def test_the_constant_metric_is_measured_beside_the_others():
    found = evaluated(gold_scores.GOOD)
    constant = found.constant
    assert constant.name == "constant"
    assert constant.segment["item"]["acc_eq"] == pytest.approx(1 / 6)
    assert constant.segment["item"]["epsilon"] == 0.0
    # -1 0 0 -5 -6 -1: 0 twice and -1 twice among fifteen pairs
    assert constant.segment["none"]["acc_eq"] == pytest.approx(2 / 15)
    assert math.isnan(constant.system["pearson"])


def test_errors_are_compared_with_those_of_every_rater():
    spans = {
        ("A", "d:1"): [],
        ("A", "d:2"): [],
        ("B", "d:1"): [ErrorSpan(4, 8, "major")],
        ("B", "d:2"): [],
        ("C", "d:1"): [],
        ("C", "d:2"): [ErrorSpan(0, 4, "minor"), ErrorSpan(0, 3, "minor", side="source")],
    }
    metric = Scored("metric", gold_scores.matrix(gold_scores.GOOD), spans=spans)
    found = meta_evaluate(gold_scores.gold(), [metric], systems=SYSTEMS)
    agreement = found.metrics[0].spans
    # marked by people 3 + 4 + 8 + 5 characters, by the metric 4 + 4, by both 4
    assert agreement.precision == pytest.approx(4 / 8)
    assert agreement.recall == pytest.approx(4 / 20)
    assert agreement.f1 == pytest.approx(2 * 0.5 * 0.2 / 0.7)
    assert found.constant.spans is None


def test_without_marks_of_people_there_is_no_agreement_about_them():
    spans = {(system, segment): [] for system in SYSTEMS for segment in gold_scores.SEGMENTS}
    spans["A", "d:1"] = [ErrorSpan(0, 3, "minor")]
    metric = Scored("metric", gold_scores.matrix(gold_scores.GOOD), spans=spans)
    found = meta_evaluate(gold_scores.gold(spans={}), [metric], systems=SYSTEMS)
    assert found.metrics[0].spans is None


def test_the_signature_says_what_was_compared():
    found = evaluated(gold_scores.GOOD, reference_system="refA")
    assert found.signature.startswith(
        "mqm|segments:2|systems:3|left_out:'refA'|reference_system:'refA'|rewardlab:"
    )


def test_metrics_of_other_systems_or_one_name_are_refused():
    gold = gold_scores.gold()
    other = Scored("m", gold_scores.matrix(gold_scores.GOOD, systems="BAC"))
    with pytest.raises(ValueError, match="m is of other systems"):
        meta_evaluate(gold, [other], systems=SYSTEMS)
    metric = Scored("m", gold_scores.matrix(gold_scores.GOOD))
    with pytest.raises(UserError, match=r"E036.*are named 'm'"):
        meta_evaluate(gold, [metric, metric], systems=SYSTEMS)


def test_a_metric_without_scores_takes_no_part_in_comparisons():
    nothing = Scored("nothing", gold_scores.matrix(np.full((3, 2), np.nan)))
    metric = Scored("metric", gold_scores.matrix(gold_scores.GOOD))
    found = meta_evaluate(gold_scores.gold(), [nothing, metric], systems=SYSTEMS, compare=True)
    assert found.rankings == {}
    assert "nothing scored nothing: it has no row of numbers" in found.notes
    assert "nothing is compared: fewer than two metrics have scores to compare" in found.notes


def compared(*values):
    """What comes of metrics with these scores, and the last note."""
    metrics = [Scored(f"m{at}", gold_scores.matrix(scores)) for at, scores in enumerate(values)]
    found = meta_evaluate(gold_scores.gold(), metrics, systems=SYSTEMS, compare=True)
    return found.rankings, found.notes[-1]


def test_metrics_of_different_texts_are_not_compared():
    nan = np.nan
    first, second = [[9, nan], [3, nan], [1, nan]], [[nan, 5], [nan, 5.5], [nan, 4]]
    why = "no text has two translations that people and all of these metrics scored"
    assert compared(first, second) == ({}, f"metrics are not compared: {why}")
    # the one that has no two translations of one text does not keep the others from it
    alone = [[9, nan], [nan, 5], [nan, nan]]
    ranked, _ = compared(first, alone, gold_scores.GOOD)
    assert ranked["acc_eq"].ranks.keys() == {"m0", "m2"}


def test_spa_is_not_compared_without_a_text_that_all_systems_have():
    nan = np.nan
    first = [[9, nan], [3, 5], [nan, 4]]
    ranked, note = compared(first, first)
    assert ranked.keys() == {"acc_eq", "pairwise_accuracy"}
    assert note == "spa is not compared: no text has all scores of all systems"


# ── intervals ───────────────────────────────────────────────────────────────────────────────────


def test_intervals_hold_what_they_are_of():
    found = evaluated(gold_scores.GOOD, resamples=50).metrics[0]
    for statistic in ("pearson", "kendall", "pairwise_accuracy", "spa"):
        interval = found.intervals.system[statistic]
        assert interval.low <= found.system[statistic] + 1e-12
        assert interval.high >= found.system[statistic] - 1e-12
    assert {*found.intervals.segment} == {"none", "item", "system"}
    # of two texts, each alone is a quarter of the resamples: τ_b of 1 and of 0.816
    kendall = found.intervals.segment["item"]["kendall"]
    assert (kendall.low, kendall.high) == pytest.approx((math.sqrt(2 / 3), 1.0))
    assert "epsilon" not in found.intervals.segment["item"]


def test_what_has_no_value_has_no_interval():
    found = evaluated(gold_scores.GOOD, resamples=5)
    assert "pearson" not in found.constant.intervals.system
    assert "acc_eq" in found.constant.intervals.segment["item"]


def test_one_segment_cannot_be_resampled():
    errors = np.array(gold_scores.ERRORS)
    errors[:, 1] = np.nan
    scores = gold_scores.matrix(-errors, systems=gold_scores.SYSTEMS)
    found = evaluated(gold_scores.GOOD, gold=gold_scores.gold(scores=scores), resamples=5)
    assert found.metrics[0].intervals is None
    assert found.notes[-1] == "intervals are left out: one segment is the same in every resample"


def test_a_metric_of_one_system_has_no_interval():
    values = np.array(gold_scores.GOOD)
    values[1:] = np.nan
    found = evaluated(values, resamples=5)
    assert found.metrics[0].intervals is None
    assert found.constant.intervals is not None
