"""A judge that failed never selects: every status, in every position."""

import itertools

import pytest
from curation_jobs import FakeGenerator, curated, rows

from rewardlab.curation.stages.best_of import BestOf
from rewardlab.curation.stages.gain import Gain
from rewardlab.types import RewardOutput, Status, Term

SCORED = (Status.OK, Status.REPAIRED)
FAILED = (
    Status.UNPARSEABLE,
    Status.REFUSED,
    Status.TRUNCATED,
    Status.NON_FINITE,
    Status.UNAVAILABLE,
)


class Judge:
    """Gives each candidate of a call the next status; what is scored gets 1, 2, 3..."""

    needs_reference = False
    worst = 0.0
    bounds = (0.0, 10.0)
    signature = "judge"
    name = "judge"

    def __init__(self, statuses):
        self.statuses = statuses

    def key(self, candidate):
        return None

    def __call__(self, candidates):
        scores = [
            float(at + 1) if status.scored else float("nan")
            for at, status in enumerate(self.statuses)
        ]
        assert len(candidates) == len(scores)
        return RewardOutput.of(scores, status=list(self.statuses))


@pytest.mark.parametrize("status", FAILED)
@pytest.mark.parametrize("place", range(3))
def test_a_sample_that_failed_is_not_chosen(tmp_path, status, place):
    statuses = [Status.OK] * 3
    statuses[place] = status
    stage = BestOf(number=3, rewards=[Term(Judge(statuses))])
    (item,), _ = curated(tmp_path / "job", rows(1), [stage])
    best = max(at for at in range(3) if at != place)
    assert item.origin["best_of"]["sample"] == best
    assert item.origin["best_of"]["failed"] == 1


@pytest.mark.parametrize("statuses", [*itertools.product(FAILED, repeat=2)])
def test_a_source_without_a_scored_sample_is_dropped_and_counted(tmp_path, statuses):
    stage = BestOf(number=2, rewards=[Term(Judge(list(statuses)))])
    items, outcome = curated(tmp_path / "job", rows(1), [stage])
    assert items == []
    ((reason, count),) = outcome.funnel.steps
    assert count == 1
    assert reason.startswith(("with no sample", "with no finished sample"))
    assert ("unavailable" in reason) == (Status.UNAVAILABLE in statuses)


@pytest.mark.parametrize("place", range(2))
@pytest.mark.parametrize("status", FAILED)
def test_a_gain_of_a_failed_score_is_unknown(tmp_path, status, place):
    statuses = [Status.OK, Status.OK]
    statuses[place] = status
    items, outcome = curated(tmp_path / "job", rows(1), [Gain(reward=Judge(statuses))])
    assert items == []
    ((reason, _),) = outcome.funnel.steps
    assert reason.startswith("with an unknown gain")


def test_an_unavailable_judge_is_asked_again_on_request(tmp_path):
    gone, here = Judge([Status.OK, Status.UNAVAILABLE]), Judge([Status.OK, Status.OK])
    folder, generator = tmp_path / "job", FakeGenerator()
    (item,), _ = curated(folder, rows(1), [BestOf(number=2, rewards=[Term(gone)])])
    assert item.origin["best_of"]["sample"] == 0
    again = [BestOf(number=2, rewards=[Term(here)])]
    (item,), _ = curated(folder, rows(1), again, generator=generator)
    assert item.origin["best_of"]["sample"] == 0
    (item,), _ = curated(folder, rows(1), again, generator=generator, retry=True)
    assert item.origin["best_of"]["sample"] == 1
    assert generator.drawn == []  # its samples are still there


def test_truncated_samples_are_not_chosen(tmp_path):
    generator = FakeGenerator(cut="0123456789abcde")
    stage = BestOf(number=30, rewards=[Term(Judge([Status.OK] * 30))])
    items, _ = curated(tmp_path / "job", rows(1), [stage], generator=generator)
    assert [item.text[-1] for item in items] == ["f"]
