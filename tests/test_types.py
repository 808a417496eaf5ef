"""The glossary holds itself to its word."""

import asyncio
import math
from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.adapters.trl import trl_rewards
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import UserError
from rewardlab.rewards import FromFunction
from rewardlab.types import (
    SEVERITY_TABLES,
    WMT_MQM,
    WMT_MQM_NO_SOURCE,
    XCOMET,
    Candidate,
    ErrorSpan,
    RewardOutput,
    SeverityTable,
    Status,
    Term,
)


@pytest.mark.parametrize(("start", "end"), [(3, 3), (4, 2), (-1, 2)])
def test_empty_reversed_and_negative_spans_are_refused(start, end):
    with pytest.raises(UserError, match=r"E026.*empty, reversed or negative"):
        ErrorSpan(start, end, "minor")


def test_confidence_is_a_probability():
    with pytest.raises(UserError, match=r"E026.*not in"):
        ErrorSpan(0, 1, "minor", confidence=1.5)


@pytest.mark.parametrize(
    ("severity", "category", "weight"),
    [
        ("minor", None, 1.0),
        ("Major", "Accuracy/Mistranslation", 5.0),
        ("minor", "Fluency/Punctuation", 0.1),
        ("major", "Fluency/Punctuation", 5.0),
        ("Major", "Non-translation!", 25.0),
        ("critical", "Accuracy", 5.0),
        ("neutral", None, 0.0),
        ("no-error", None, 0.0),
    ],
)
def test_wmt_weights(severity, category, weight):
    assert WMT_MQM.weight(ErrorSpan(0, 1, severity, category)) == weight


def test_xcomet_caps_what_one_text_may_cost():
    assert XCOMET.total([ErrorSpan(0, 1, "critical")] * 4) == 25.0
    assert WMT_MQM.total([ErrorSpan(0, 1, "major")] * 10) == 50.0


@pytest.mark.parametrize("severity", ["minor", "Major", "critical"])
@pytest.mark.parametrize(
    "category", ["Source error", "Source issue", "Accuracy/Creative Reinterpretation"]
)
def test_what_is_no_fault_of_the_translation_can_weigh_nothing(severity, category):
    assert WMT_MQM.weight_of(severity, category) > 0
    assert WMT_MQM_NO_SOURCE.weight_of(severity, category) == 0.0


def test_without_source_errors_all_else_weighs_the_same():
    assert WMT_MQM_NO_SOURCE.weight_of("major", "Accuracy/Omission") == 5.0
    assert WMT_MQM_NO_SOURCE.weight_of("Major", "Non-translation!") == 25.0
    assert WMT_MQM_NO_SOURCE.weight_of("minor", "Fluency/Punctuation") == 0.1


def test_tables_are_found_by_the_name_that_stands_in_signatures():
    assert all(table.name == name for name, table in SEVERITY_TABLES.items())
    assert set(SEVERITY_TABLES) == {"wmt", "wmt-no-source", "xcomet"}


def test_only_text_faults_are_failures():
    assert {status for status in Status if status.failed} == {
        Status.UNPARSEABLE,
        Status.REFUSED,
        Status.TRUNCATED,
        Status.NON_FINITE,
    }
    assert {status for status in Status if status.scored} == {Status.OK, Status.REPAIRED}


def test_outputs_that_contradict_themselves_are_refused():
    with pytest.raises(ValueError, match="row 0 has score nan and status ok"):
        RewardOutput(np.array([math.nan]), [Status.OK])
    with pytest.raises(ValueError, match=r"row 0 has score 0\.0 and status refused"):
        RewardOutput(np.array([0.0]), [Status.REFUSED])
    with pytest.raises(ValueError, match="one entry per candidate"):
        RewardOutput(np.array([0.0]), [Status.OK, Status.OK])
    with pytest.raises(ValueError, match="2 span lists for 1"):
        RewardOutput(np.array([0.0]), [Status.OK], [[], []])


@given(st.lists(st.one_of(st.none(), st.floats())))
def test_a_score_is_nan_exactly_when_it_is_unscored(scores):
    output = RewardOutput.of(scores)
    for score, value, status in zip(scores, output.scores, output.status, strict=True):
        assert np.isnan(value) == (not status.scored)
        if score is None:
            assert status is Status.NOT_APPLICABLE
        elif abs(score) > float(np.finfo(np.float32).max) or math.isnan(score):
            assert status is Status.NON_FINITE
        else:
            assert np.isfinite(np.float32(value))


@pytest.mark.parametrize(
    "score",
    [
        -1e43,
        3.5e38,
        10**400,
        -(10**400),
        Decimal("1e50"),
        np.float16("inf"),
        np.float64(1e300),
        torch.tensor(float("inf"), dtype=torch.bfloat16),
    ],
    ids=repr,
)
def test_a_score_beyond_float32_is_not_finite_at_every_door(score):
    assert RewardOutput.of([score]).status == [Status.NON_FINITE]
    assert np.isnan(RewardOutput.of([score]).scores).all()
    reward = FromFunction(lambda rows: [score] * len(rows), name="loss", worst=-1.0)
    scores = RewardEnsemble([Term(reward)])([Candidate("a", "b")])
    assert scores.status == [[Status.NON_FINITE]]
    functions, _ = trl_rewards(RewardEnsemble([Term(reward)]))
    called = functions[0](prompts=["P"], completions=["b"], source=["a"])
    assert asyncio.run(called) == [-1.0], "failing never pays in TRL's trainer either"


@pytest.mark.parametrize(
    ("score", "value"),
    [
        (-0.0, 0.0),
        (3.4e38, 3.4e38),
        (1e-300, 1e-300),
        (Decimal("0.5"), 0.5),
        (np.float16(0.5), 0.5),
        (np.bool_(True), 1.0),
        (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        (2**100, 2.0**100),
    ],
    ids=repr,
)
def test_other_kinds_of_numbers_are_scores(score, value):
    reward = FromFunction(lambda rows: [score] * len(rows), name="number", worst=-1.0)
    assert reward([Candidate("a", "b")]).scores.tolist() == [value]


@pytest.mark.parametrize("score", [1 + 2j, np.complex64(1), np.str_("1"), "1", [1.0]], ids=repr)
def test_what_is_no_number_is_the_function_s_bug(score):
    reward = FromFunction(lambda rows: [score] * len(rows), name="number", worst=-1.0)
    with pytest.raises(TypeError, match=r"reward number returned .* for row 0; a score is"):
        reward([Candidate("a", "b")])


def test_outputs_of_a_wrong_length_or_kind_are_told():
    with pytest.raises(ValueError, match="1 statuses for 2 scores"):
        RewardOutput.of([1.0, 2.0], status=[Status.OK])
    with pytest.raises(ValueError, match=r"scores is a list, not an array; use RewardOutput.of"):
        RewardOutput([1.0], [Status.OK])
    with pytest.raises(ValueError, match="'fine' is not a valid Status"):
        RewardOutput.of([1.0], status=["fine"])
    with pytest.raises(ValueError, match=r"row 0: the value .* is not an ErrorSpan"):
        RewardOutput.of([1.0], spans=[[(0, 1, "minor")]])
    with pytest.raises(UserError, match=r"E025.*is not an integer"):
        ErrorSpan(0.0, 1.5, "minor")
    with pytest.raises(ValueError, match=r"row 0 has score 1e\+43 and status ok"):
        RewardOutput(np.array([1e43]), [Status.OK])


@pytest.mark.parametrize("weight", [-1.0, math.nan, 1e39])
def test_weights_of_errors_are_finite_where_they_are_used(weight):
    with pytest.raises(UserError, match=r"SeverityTable own: minor=.* must be at least 0"):
        SeverityTable("own", {"minor": weight})
    with pytest.raises(UserError, match="SeverityTable own: cap="):
        SeverityTable("own", {"minor": 1.0}, cap=weight)
