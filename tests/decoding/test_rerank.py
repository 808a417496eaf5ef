import math

import numpy as np
import pytest

from rewardlab.data.rows import Row
from rewardlab.decoding.rerank import SampleScores, choose, is_oracle, judge_samples
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import RewardUnavailable
from rewardlab.rewards import ChrF, FromFunction, NotEmpty
from rewardlab.store.journal import Journal
from rewardlab.types import Gate, RewardOutput, Term

NAN = math.nan


def row(number, reference=None):
    return Row(str(number), f"source {number}", reference, "en", "da")


def judged(scores, gated=None, failed=None):
    count = len(scores)
    return SampleScores(
        "1",
        np.array(scores, dtype=float),
        tuple(gated or [None] * count),
        tuple(failed or [False] * count),
    )


class Counting:
    """Scores a text by its length, minus its reference's if it has one; knows what it was asked."""

    def __init__(self, *, reads=True, answers=None):
        self.name, self.signature, self.worst, self.needs_reference = "counting", "c", -9.0, reads
        self.asked, self.answers = [], answers or {}

    def key(self, candidate):
        fields = (candidate.source, candidate.hypothesis)
        return (*fields, candidate.reference) if self.needs_reference else fields

    def __call__(self, candidates):
        self.asked += [(one.hypothesis, one.reference) for one in candidates]
        return RewardOutput.of(
            [
                self.answers.get(
                    one.hypothesis,
                    -abs(len(one.hypothesis) - len(one.reference or "")) * 1.0,
                )
                for one in candidates
            ]
        )


def test_the_largest_weighted_sum_of_z_scores_wins():
    # z of 0, 1, 2: -1.2247, 0, 1.2247; of 10, 30, 20: -1.2247, 1.2247, 0
    scores = [[0.0, 10.0], [1.0, 30.0], [2.0, 20.0]]
    found = choose(judged(scores), [1.0, 0.5])
    assert found.index == 2
    assert found.totals == pytest.approx([-1.5 * 1.5**0.5, 0.5 * 1.5**0.5, 1.5**0.5])
    assert choose(judged(scores), [0.5, 1.0]).index == 1
    assert choose(judged(scores), [-1.0, 0.0]).index == 0


def test_scales_do_not_matter_and_ties_go_to_the_first():
    scores = np.array([[0.1, 5.0], [0.3, 5.0], [0.3, 5.0], [0.2, 5.0]])
    assert choose(judged(scores), [1.0, 1.0]).index == 1
    assert choose(judged(scores * [1e6, 1.0] + [-7.0, 0.0]), [1.0, 1.0]).index == 1
    assert choose(judged([[5.0], [5.0]]), [1.0]).index == 0


def test_sums_of_the_same_scores_in_another_order_are_a_tie():
    """Two texts, twice each, whose chrF is the same both ways: only the sums' order differs."""
    texts = ["en hund løber", "en hund løper"] * 2
    one = row(1)
    (found,) = judge_samples([one], {one.id: texts}, RewardEnsemble([Term(ChrF())]))
    assert choose(found, [1.0]).index == 0
    assert choose(found, [1.0]).totals.tolist() == [0.0] * 4


def test_gated_and_failed_samples_win_only_where_all_are():
    scores = [[90.0], [1.0], [NAN], [2.0]]
    found = choose(
        judged(scores, gated=["not_empty", None, None, None], failed=[False, False, True, False]),
        [1.0],
    )
    assert found.index == 3
    assert found.totals.tolist() == pytest.approx([NAN, -1.0, NAN, 1.0], nan_ok=True)
    nobody = choose(judged(scores[:2], gated=["a", "b"]), [1.0])
    assert nobody.index == 0
    assert np.isnan(nobody.totals).all()


def test_a_reward_that_does_not_apply_adds_nothing():
    scores = [[NAN, 1.0], [NAN, 2.0], [NAN, 0.0]]
    assert choose(judged(scores), [1.0, 1.0]).index == 1
    # The second reward knows only one sample, which has no spread: the first decides.
    assert choose(judged([[1.0, 9.0], [2.0, NAN]]), [1.0, 1.0]).index == 1


def test_samples_are_held_against_each_other_and_equal_ones_are_scored_once():
    reward = Counting()
    ensemble = RewardEnsemble([Term(reward)])
    (one,) = judge_samples([row(1)], {"1": ["aa", "aaaa", "aa"]}, ensemble)
    # aa against aaaa and aa: -(2 + 0) / 2; aaaa against aa twice: -2
    assert one.scores.tolist() == [[-1.0], [-2.0], [-1.0]]
    assert sorted(reward.asked) == [("aa", "aa"), ("aa", "aaaa"), ("aaaa", "aa")]
    assert choose(one, [1.0]).index == 0


def test_references_of_the_data_are_read_only_where_asked_for():
    reward = Counting()
    ensemble = RewardEnsemble([Term(reward)])
    samples = {"1": ["aa", "aaaa"], "2": ["b", "bb"]}
    rows = [row(1, "rrrr"), row(2, "rr")]
    first, second = judge_samples(rows, samples, ensemble, references="data")
    assert (first.scores.tolist(), second.scores.tolist()) == ([[-2.0], [0.0]], [[-1.0], [0.0]])
    assert is_oracle(ensemble, "data")
    assert not is_oracle(ensemble, "samples")
    assert not is_oracle(RewardEnsemble([Term(Counting(reads=False))]), "data")
    assert is_oracle(RewardEnsemble([Term(Counting(reads=False))], gates=[Gate(ChrF(), 1)]), "data")


def test_rewards_without_references_are_asked_once_per_sample():
    reward = Counting(reads=False)
    judge_samples([row(1)], {"1": ["a", "b", "c"]}, RewardEnsemble([Term(reward)]))
    assert [hypothesis for hypothesis, _ in reward.asked] == ["a", "b", "c"]


def test_gates_and_unreadable_texts_are_known_per_sample():
    reward = FromFunction(
        lambda candidates: [
            NAN if one.hypothesis == "bad" else None if one.hypothesis == "na" else 1.0
            for one in candidates
        ],
        name="picky",
        worst=0.0,
    )
    ensemble = RewardEnsemble([Term(reward)], gates=[Gate(NotEmpty(), below=0.5)])
    (one,) = judge_samples([row(1)], {"1": ["ok", "", "bad", "na"]}, ensemble)
    assert one.gated == (None, "not_empty", None, None)
    assert one.failed == (False, False, True, False)
    assert one.scores[:, 0].tolist() == pytest.approx([1.0, 0.0, NAN, NAN], nan_ok=True)


def test_a_reward_that_is_gone_stops_the_run_and_nothing_is_chosen_without_it():
    def gone(_):
        raise RewardUnavailable("no server")

    ensemble = RewardEnsemble([Term(FromFunction(gone, name="judge", worst=0.0))])
    with pytest.raises(RewardUnavailable, match="judge could not score 2 of 2 texts"):
        judge_samples([row(1)], {"1": ["a", "b"]}, ensemble)


def test_scores_are_remembered_and_only_what_is_missing_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "rewardlab.decoding.rerank.CANDIDATES_PER_CALL", 4
    )  # two pairs a row: two rows
    rows = [row(number) for number in range(5)]
    samples = {str(number): ["a" * number, "aaa"] for number in range(5)}
    answers = {"": None}
    plain = judge_samples(rows, samples, RewardEnsemble([Term(Counting(answers=answers))]))
    with Journal.open(tmp_path / "j.sqlite", {}) as journal:
        first = Counting(answers=answers)
        judge_samples(rows[:4], samples, RewardEnsemble([Term(first)]), journal=journal)
        second = Counting(answers=answers)
        again = judge_samples(rows, samples, RewardEnsemble([Term(second)]), journal=journal)
    assert second.asked == [("aaaa", "aaa"), ("aaa", "aaaa")]
    assert [one.id for one in again] == ["0", "1", "2", "3", "4"]
    for one, other in zip(again, plain, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
        assert (one.gated, one.failed) == (other.gated, other.failed)


def test_a_single_sample_has_nothing_to_be_held_against():
    with pytest.raises(ValueError, match="at least two samples"):
        judge_samples([row(1)], {"1": ["a"]}, RewardEnsemble([Term(ChrF())]))
