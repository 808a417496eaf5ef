"""Which systems are compared, and what rewards say about their translations."""

import gold_scores
import numpy as np
import pytest

from rewardlab.errors import RewardFailed, UserError
from rewardlab.metaeval.scoring import (
    candidates,
    check_texts,
    compared_systems,
    is_reference_name,
    score_gold,
)
from rewardlab.rewards import ChrF, ExactMatch, FromFunction, LexicalSpans, NotCopied, TargetScript
from rewardlab.types import RewardOutput, Status


@pytest.mark.parametrize(
    "name",
    [
        "ref", "refA", "ref-B", "ref_C", "ref.D", "REF", "reference", "Reference-1",
        "Human-A", "human.A", "Human-A.0", "human", "ref-a", "ref2",
    ],
)  # fmt: skip
def test_names_of_references(name):
    assert is_reference_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "", "refiner", "refa", "prefA", "humanoid", "refAB", "GPT4-5shot_with_refA", "Online-A",
        "synthetic_ref", "ref A", "refA\n", "human-eval",
    ],
)  # fmt: skip
def test_names_of_systems(name):
    assert not is_reference_name(name)


# ── which systems ───────────────────────────────────────────────────────────────────────────────


def test_all_systems_are_compared_unless_some_are_left_out():
    gold = gold_scores.gold()
    assert compared_systems(gold) == ("A", "B", "C", "refA")
    assert compared_systems(gold, exclude=["B"]) == ("A", "C", "refA")
    assert compared_systems(gold, exclude_references=True) == ("A", "B", "C")


def test_a_reference_leaves_all_references_out():
    gold = gold_scores.gold()
    assert compared_systems(gold, reference_system="C") == ("A", "B")
    assert compared_systems(gold, reference_system="refA", exclude=["A"]) == ("B", "C")


def test_a_reference_that_nobody_judged_is_one():
    gold = gold_scores.gold()
    judged = gold_scores.gold(scores=gold.scores.only(["A", "B", "C"]))
    assert compared_systems(judged, reference_system="refA") == ("A", "B", "C")


def test_unknown_systems_are_all_named_at_once():
    with pytest.raises(UserError) as caught:
        compared_systems(gold_scores.gold(), reference_system="refB", exclude=["A", "Online"])
    assert caught.value.exit_code == 3
    assert [str(problem) for problem in caught.value.problems] == [
        (
            "error[E250] --exclude-systems: no system 'Online' in the human judgements. "
            "fix: one of A, B, C, refA"
        ),
        "error[E250] --reference-system: no system 'refB' in the human judgements. fix: refA",
    ]


def test_one_system_is_not_compared():
    with pytest.raises(UserError) as caught:
        compared_systems(gold_scores.gold(), reference_system="refA", exclude=["A", "B"])
    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        "error[E251] --gold: 1 of 4 systems left to compare: C. "
        "fix: leave out fewer than A, B, refA"
    )


# ── candidates ──────────────────────────────────────────────────────────────────────────────────


def test_candidates_are_what_people_judged():
    found = candidates(gold_scores.gold(), systems=["C", "A"], reference_system="refA")
    assert list(found) == [("C", "d:1"), ("C", "d:2"), ("A", "d:1"), ("A", "d:2")]
    one = found["C", "d:2"]
    assert (one.source, one.hypothesis, one.reference) == ("two cats", "zwei Kater", "zwei Katzen.")
    assert (one.source_lang, one.target_lang, one.id) == ("en", "de", "d:2")


def test_candidates_without_a_reference_or_sources():
    found = candidates(gold_scores.gold(sources=None), source_lang="fr", target_lang="it")
    assert len(found) == 8
    assert {one.reference for one in found.values()} == {None}
    assert {(one.source, one.source_lang, one.target_lang) for one in found.values()} == {
        ("", "fr", "it")
    }


# ── scoring ─────────────────────────────────────────────────────────────────────────────────────


def test_scores_are_put_back_where_they_belong():
    gold = gold_scores.gold()
    [exact, script] = score_gold(
        [ExactMatch(), TargetScript()], gold, systems=["B", "A"], reference_system="refA"
    )
    assert exact.scores.systems == ("B", "A")
    assert exact.scores.segments == ("d:1", "d:2")
    np.testing.assert_array_equal(exact.scores.values, [[0.0, 0.0], [1.0, 0.0]])
    assert exact.scores.signature.startswith("exact_match|ExactMatch|")
    assert exact.scores.signature.endswith("|reference_system:'refA'")
    np.testing.assert_array_equal(script.scores.values, np.ones((2, 2)))
    assert "reference_system" not in script.scores.signature
    assert exact.unscored == script.unscored == {}


def test_what_was_written_twice_is_scored_once():
    asked = []

    class Counting(ExactMatch):
        def __call__(self, candidates):
            asked.append(len(candidates))
            return super().__call__(candidates)

    # B and A translate the second text alike
    score_gold([Counting()], gold_scores.gold(), systems=["A", "B"], reference_system="refA")
    assert asked == [3]


def test_errors_are_kept_and_a_reward_that_finds_none_has_no_spans():
    gold = gold_scores.gold()
    [lexical, copied] = score_gold(
        [LexicalSpans(), NotCopied()], gold, systems=["A", "B"], reference_system="refA"
    )
    assert lexical.spans is not None
    assert [(span.start, span.end) for span in lexical.spans["B", "d:1"]] == [(4, 8)]
    assert lexical.spans["A", "d:1"] == []
    assert copied.spans is None


def test_what_is_not_scored_is_nan_and_counted_by_reason():
    def some(candidates):
        status = [Status.OK, Status.UNPARSEABLE, Status.NOT_APPLICABLE]
        return RewardOutput.of([1.0, None, None], status=status)

    gold = gold_scores.gold()
    texts = {cell: text for cell, text in gold.hypotheses.items() if cell != ("B", "d:2")}
    gold = gold_scores.gold(hypotheses=texts)
    [scored] = score_gold([FromFunction(some, worst=0.0)], gold, systems=["A", "B"])
    np.testing.assert_array_equal(scored.scores.values, [[1.0, np.nan], [np.nan, np.nan]])
    assert scored.unscored == {"unparseable": 1, "not_applicable": 1, "no_text": 1}


def test_a_segment_that_the_reference_lacks_does_not_apply():
    gold = gold_scores.gold()
    texts = {cell: text for cell, text in gold.hypotheses.items() if cell != ("refA", "d:2")}
    gold = gold_scores.gold(hypotheses=texts)
    [scored] = score_gold([ChrF()], gold, systems=["A", "B"], reference_system="refA")
    assert np.isnan(scored.scores.values[:, 1]).all()
    assert scored.unscored == {"not_applicable": 2}


def test_a_reward_that_breaks_stops():
    def broken(candidates):
        raise ZeroDivisionError

    with pytest.raises(RewardFailed, match="broken"):
        score_gold([FromFunction(broken, worst=0.0)], gold_scores.gold(), systems=["A", "B"])


def test_without_references_rewards_that_read_them_are_refused():
    with pytest.raises(UserError) as caught:
        check_texts([ChrF(), NotCopied(), ExactMatch()], gold_scores.gold(), None)
    assert caught.value.exit_code == 2
    assert [str(problem) for problem in caught.value.problems] == [
        f"error[E042] --reward: {name} reads references, and no system is named as one. "
        "fix: --reference-system refA"
        for name in ("chrf", "exact_match")
    ]


def test_without_texts_no_reward_can_be_asked():
    with pytest.raises(UserError) as caught:
        check_texts([ChrF(), NotCopied()], gold_scores.gold(hypotheses={}), "refA")
    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        "error[E252] --gold: holds scores and no texts for chrf, not_copied. "
        "fix: give ratings with texts (MQM), or scores of the metric: --scores NAME=FILE"
    )
    check_texts([], gold_scores.gold(hypotheses={}), "refA")


def test_without_sources_rewards_that_read_none_can_be_asked():
    gold = gold_scores.gold(sources=None)
    check_texts([ChrF()], gold, "refA")
    with pytest.raises(UserError, match=r"E252.* no sources, and not_copied reads them"):
        check_texts([ChrF(), NotCopied()], gold, "refA")
