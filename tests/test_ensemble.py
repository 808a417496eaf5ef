"""Statuses, gates, deduplication, outages: what became of every row is said and never a number."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import Problem, RewardFailed, RewardUnavailable, TooManyFailures, UserError
from rewardlab.reward_calls import BREAKER_AFTER
from rewardlab.rewards import ChrF, NotEmpty
from rewardlab.rewards.base import BaseReward
from rewardlab.types import (
    WMT_MQM,
    XCOMET,
    Candidate,
    ErrorSpan,
    Gate,
    RewardOutput,
    Status,
    Term,
)


@dataclass(frozen=True)
class Fake:
    """A reward that answers with `answer(candidates)` and counts what it was asked."""

    answer: Callable = lambda candidates: RewardOutput.of(
        [float(len(c.hypothesis)) for c in candidates]
    )
    name: str = "fake"
    worst: float = -1.0
    dedup: bool = True
    asked: list = field(default_factory=list)
    signature: str = "fake|v1"
    needs_reference: bool = False

    def key(self, candidate):
        return candidate.hypothesis if self.dedup else None

    def __call__(self, candidates):
        self.asked.append([c.hypothesis for c in candidates])
        return self.answer(candidates)


def rows(*hypotheses):
    return [Candidate(source="source", hypothesis=h) for h in hypotheses]


def test_scores_come_back_in_order_with_names_and_weights():
    def marks(candidates):
        lengths = [float(len(c.hypothesis)) for c in candidates]
        return RewardOutput.of(lengths, spans=[[] for _ in lengths])

    scores = RewardEnsemble([Term(Fake(), 2.0), Term(Fake(marks, name="other"), 0.0, 0.5)])(
        rows("a", "bbb")
    )
    assert scores.names == ("fake", "other")
    assert scores.values.tolist() == [[1.0, 1.0], [3.0, 3.0]]
    assert scores.weights.tolist() == [2.0, 0.0]
    assert scores.token_weights.tolist() == [0.0, 0.5]
    assert scores.status == [[Status.OK, Status.OK]] * 2
    assert "weight:2 token_weight:0" in scores.signature


def test_equal_keys_are_scored_once_and_plain_functions_never_are():
    once, each = Fake(), Fake(name="each", dedup=False)
    scores = RewardEnsemble([Term(once), Term(each)])(rows("a", "bb", "a"))
    assert once.asked == [["a", "bb"]]
    assert each.asked == [["a", "bb", "a"]]
    assert scores.values[:, 0].tolist() == [1.0, 2.0, 1.0]


def test_two_rewards_with_one_name_are_refused():
    with pytest.raises(UserError, match="two rewards are named 'fake'"):
        RewardEnsemble([Term(Fake()), Term(Fake())])


def test_a_bare_reward_is_told_to_be_a_term():
    with pytest.raises(UserError, match=r"Fake is not a Term. fix: write Term\(Fake"):
        RewardEnsemble([Fake()])
    with pytest.raises(UserError, match="at least one term"):
        RewardEnsemble([])


def test_a_term_that_does_not_apply_is_not_asked():
    fake = Fake()
    scores = RewardEnsemble([Term(fake, applies=lambda c: c.source == "other")])(rows("a"))
    assert fake.asked == []
    assert scores.status == [[Status.NOT_APPLICABLE]]
    assert np.isnan(scores.values).all()


def test_a_closed_gate_gives_worst_and_an_error_over_the_whole_text():
    term = Fake()
    guard = Fake(
        name="guard", answer=lambda cs: RewardOutput.of([float(c.hypothesis != "bad") for c in cs])
    )
    scores = RewardEnsemble([Term(term)], gates=[Gate(guard, below=0.5)])(rows("good", "bad"))
    assert term.asked == [["good"]]
    assert scores.values[:, 0].tolist() == [4.0, -1.0]
    assert scores.gated == [None, "guard"]
    assert scores.status[1] == [Status.OK]
    (span,) = scores.spans[1][0]
    assert (span.start, span.end, span.side, span.category) == (
        0,
        3,
        "hypothesis",
        "Non-translation",
    )


def test_a_gated_empty_hypothesis_is_an_error_of_the_source_side():
    guard = Fake(name="guard", answer=lambda cs: RewardOutput.of([0.0] * len(cs)))
    scores = RewardEnsemble([Term(Fake())], gates=[Gate(guard, below=0.5)])(rows(""))
    (span,) = scores.spans[0][0]
    assert (span.start, span.end, span.side) == (0, len("source"), "source")


def test_a_gate_that_the_text_broke_is_closed_and_one_that_is_down_is_our_fault():
    broken = Fake(name="broken", answer=lambda cs: RewardOutput.of([float("nan")] * len(cs)))
    scores = RewardEnsemble([Term(Fake())], gates=[Gate(broken, below=0.5)])(rows("a"))
    assert scores.gated == ["broken"]

    def gone(_):
        raise RewardUnavailable("down")

    scores = RewardEnsemble([Term(Fake())], gates=[Gate(Fake(gone), below=0.5)])(rows("a"))
    assert scores.status == [[Status.UNAVAILABLE]]


def test_unavailable_is_a_status_and_the_breaker_leaves_the_reward_alone():
    def gone(_):
        raise RewardUnavailable("down")

    fake = Fake(gone)
    ensemble = RewardEnsemble([Term(fake), Term(Fake(name="well"))])
    for _ in range(BREAKER_AFTER + 2):
        scores = ensemble(rows("a", "b"))
        assert [row[0] for row in scores.status] == [Status.UNAVAILABLE] * 2
        assert scores.values[:, 1].tolist() == [1.0, 1.0]
    assert len(fake.asked) == BREAKER_AFTER


def test_a_reward_that_hangs_costs_the_deadline_once():
    release = threading.Event()
    fake = Fake(lambda cs: (release.wait(30), RewardOutput.of([0.0] * len(cs)))[1])
    ensemble = RewardEnsemble([Term(fake)], timeout=0.05)
    assert ensemble(rows("a")).status == [[Status.UNAVAILABLE]]
    assert ensemble(rows("a")).status == [[Status.UNAVAILABLE]]
    assert len(fake.asked) == 1, "a second call must not pile up behind the first"
    release.set()


def test_a_bug_stops_with_the_name_of_the_reward():
    def bug(_):
        raise KeyError("x")

    with pytest.raises(RewardFailed, match=r"reward fake raised KeyError\('x'\)"):
        RewardEnsemble([Term(Fake(bug))])(rows("a"))


def test_why_a_reward_is_unavailable_is_said(caplog):
    def gone(_):
        raise RewardUnavailable("it cannot be reached")

    assert RewardEnsemble([Term(Fake(gone))])(rows("a")).status == [[Status.UNAVAILABLE]]
    assert caplog.messages == ["reward fake is unavailable: it cannot be reached"]


def test_what_cannot_be_used_is_said_as_such_and_is_no_bug_of_the_reward():
    def refuse(_):
        raise UserError([Problem("E080", "model", "'x' is not a directory", "give another")], 2)

    with pytest.raises(UserError) as error:
        RewardEnsemble([Term(Fake(refuse))])(rows("a"))
    assert error.value.exit_code == 2
    assert str(error.value) == "error[E080] fake: model: 'x' is not a directory. fix: give another"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda cs: RewardOutput.of([1.0]), "returned 1 scores for 2 candidates"),
        (lambda cs: [1.0, 2.0], "returned list, not RewardOutput"),
        (lambda cs: None, "returned NoneType, not RewardOutput"),
        (
            lambda cs: RewardOutput.of([1.0, 1.0], spans=[[ErrorSpan(0, 9, "major")], []]),
            r"marked \[0, 9\) in a hypothesis of 1 characters",
        ),
    ],
)
def test_a_broken_contract_stops_with_the_name_of_the_reward(answer, message):
    with pytest.raises(RewardFailed, match=f"reward fake {message}"):
        RewardEnsemble([Term(Fake(answer))])(rows("a", "b"))


def test_too_many_failures_stop_the_run():
    def nan(candidates):
        return RewardOutput.of([float("nan")] * len(candidates))

    ensemble = RewardEnsemble([Term(Fake(nan, dedup=False))], max_failed=0.5)
    assert ensemble(rows(*"a" * 10)).status == [[Status.NON_FINITE]] * 10
    with pytest.raises(TooManyFailures, match=r"fake: 100% of the latest \d+ rows were unscored"):
        ensemble(rows(*"a" * 100))


def test_four_rewards_wait_at_the_same_time():
    all_four = threading.Barrier(4, timeout=30)

    def wait(candidates):
        all_four.wait()  # one after the other would wait for good
        return RewardOutput.of([0.0] * len(candidates))

    ensemble = RewardEnsemble([Term(Fake(wait, name=f"r{i}")) for i in range(4)])
    began = threading.active_count()
    assert ensemble(rows("a")).values.tolist() == [[0.0] * 4]
    assert threading.active_count() == began


def test_no_rows_are_no_work():
    fake = Fake()
    scores = RewardEnsemble([Term(fake)])([])
    assert fake.asked == []
    assert scores.values.shape == (0, 1)


def test_the_table_names_mean_std_share_and_statuses():
    scores = RewardEnsemble(
        [
            Term(Fake(), 1.0),
            Term(Fake(lambda cs: RewardOutput.of([None] * len(cs)), name="none"), 1.0),
        ]
    )(rows("a", "bbb"))
    header, first, second = scores.table().splitlines()
    assert header.split() == ["reward", "weight", "mean", "std", "share", "status"]
    assert first.split() == ["fake", "1", "2.000", "1.000", "100%", "ok", "2"]
    assert second.split() == ["none", "1", "nan", "nan", "0%", "not_applicable", "2"]


def test_a_gate_that_fails_too_often_stops_the_run_under_its_own_name():
    broken = Fake(name="guard", answer=lambda cs: RewardOutput.of([float("nan")] * len(cs)))
    ensemble = RewardEnsemble([Term(Fake())], gates=[Gate(broken, below=0.5)])
    with pytest.raises(TooManyFailures, match="reward guard"):
        ensemble(rows(*[f"text {i}" for i in range(100)]))


def test_two_threads_may_ask_one_ensemble():
    def wait(candidates):
        time.sleep(0.1)
        return RewardOutput.of([1.0] * len(candidates))

    ensemble = RewardEnsemble([Term(Fake(wait))])
    found = []
    threads = [threading.Thread(target=lambda: found.append(ensemble(rows("a")))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [scores.status for scores in found] == [[[Status.OK]]] * 2


def test_bugs_in_key_and_applies_name_the_reward():
    @dataclass(frozen=True)
    class Unhashable(Fake):
        def key(self, candidate):
            return [candidate.hypothesis]

    with pytest.raises(RewardFailed, match="key of reward fake"):
        RewardEnsemble([Term(Unhashable())])(rows("a"))
    with pytest.raises(RewardFailed, match="applies of reward fake"):
        RewardEnsemble([Term(Fake(), applies=lambda c: c.missing)])(rows("a"))


def test_a_gate_needs_a_threshold_that_can_close():
    with pytest.raises(UserError, match="the number nan is out of range: it must be finite"):
        Gate(Fake(), below=float("nan"))


def test_spans_cost_what_the_reward_says_unless_the_term_says_otherwise():
    @dataclass(frozen=True)
    class Own(Fake):
        span_severities = XCOMET

    terms = [Term(Fake()), Term(Own(name="own")), Term(Own(name="told"), severities=WMT_MQM)]
    ensemble = RewardEnsemble(terms)
    assert ensemble(rows("a")).severities == (WMT_MQM, XCOMET, WMT_MQM)
    lines = ensemble.signature.split("\n")
    assert [line.rpartition(":")[2] for line in lines] == ["wmt", "xcomet", "wmt"]


def test_parts_come_back_in_their_rows_and_truncation_is_told():
    def answer(candidates):
        cut = np.array([float(len(c.hypothesis) > 2) for c in candidates])
        return RewardOutput.of([1.0] * len(candidates), components={"truncated": cut})

    term = Term(Fake(answer), applies=lambda c: c.hypothesis != "not me")
    scores = RewardEnsemble([term])(rows("abc", "not me", "a", "abc"))
    np.testing.assert_array_equal(scores.components["fake/truncated"], [1.0, np.nan, 0.0, 1.0])
    assert scores.table().endswith("truncated: fake read 2 texts in part")


def test_a_gate_looks_only_at_the_rows_it_is_for():
    gate = Gate(Fake(name="gate"), below=9.0, applies=lambda c: c.target_lang is not None)
    translated = Candidate("source", "b", target_lang="de")
    scores = RewardEnsemble([Term(Fake(worst=-7.0))], [gate])([*rows("a"), translated])
    assert scores.gated == [None, "gate"]
    assert scores.values[:, 0].tolist() == [1.0, -7.0]


def test_an_unknown_language_is_refused_with_the_number_of_rows():
    ensemble = RewardEnsemble([Term(NotEmpty())])
    rows = [
        Candidate("a", "b", source_lang="en", target_lang=code) for code in ("Germn", "de", None)
    ]
    with pytest.raises(UserError, match="target_lang: unknown language 'Germn' in 1 of 3 rows"):
        ensemble(rows)
    assert ensemble(rows[1:]).values.tolist() == [[1.0], [1.0]]


@dataclass(frozen=True, kw_only=True)
class Collapsed(BaseReward):
    """A learned reward that gives nearly the same score to every text."""

    name: str = "collapsed"
    learned = True
    worst = -25.0
    bounds = (-25.0, 0.0)

    def __call__(self, candidates):
        return RewardOutput.of([-1.4 - 1e-5 * len(one.hypothesis) for one in candidates])


def test_a_learned_reward_that_tells_nothing_apart_is_noted():
    texts = [Candidate("a", "x" * length) for length in range(1, 25)]
    notes = RewardEnsemble([Term(Collapsed())])(texts).notes
    assert "collapsed gives nearly the same score to every text: it tells nothing apart" in notes
    assert not RewardEnsemble([Term(Collapsed())])(texts[:5]).notes


def test_empty_references_are_counted():
    rows = [Candidate("a", "b", reference="b"), Candidate("a", "b", reference=" ", id="news-2")]
    assert RewardEnsemble([Term(ChrF())])(rows).notes == (
        "1 reference of 2 empty, first news-2; they count in the means",
    )
    assert RewardEnsemble([Term(NotEmpty())])(rows).notes == ()
