"""With mbrs itself: `make test-adapters`."""

from dataclasses import dataclass

import pytest
import torch
from mbrs.decoders import DecoderMBR, DecoderProbabilisticMBR, DecoderPruningMBR, DecoderRerank
from mbrs.metrics import MetricChrF

from rewardlab.adapters.mbrs import mbrs_metric
from rewardlab.errors import RewardUnavailable
from rewardlab.rewards import ChrF, FromFunction, NotCopied
from rewardlab.types import Candidate, RewardOutput, Status

HYPOTHESES = ["Thank you.", "Thanks.", "Thank you very much.", "Danke.", "Thank you."]
SOURCE = "Danke."


def test_scores_are_those_of_their_own_chrf():
    ours, theirs = mbrs_metric(ChrF()), MetricChrF(MetricChrF.Config())
    torch.testing.assert_close(
        ours.pairwise_scores(HYPOTHESES, HYPOTHESES),
        theirs.pairwise_scores(HYPOTHESES, HYPOTHESES),
        atol=1e-3,
        rtol=0,
    )
    assert ours.score("Thanks.", "Thank you.") == pytest.approx(
        theirs.score("Thanks.", "Thank you."), abs=1e-3
    )
    assert ours.corpus_score(["Thanks."], [["Thanks."]]) == pytest.approx(100.0)


@pytest.mark.parametrize("decoder", [DecoderMBR, DecoderPruningMBR, DecoderProbabilisticMBR])
def test_decoders_choose_what_they_choose_with_their_own_chrf(decoder):
    chosen = []
    for metric in (mbrs_metric(ChrF()), MetricChrF(MetricChrF.Config())):
        torch.manual_seed(0)  # the probabilistic one completes a matrix from a random start
        found = decoder(decoder.Config(), metric).decode(HYPOTHESES, HYPOTHESES, SOURCE, nbest=1)
        chosen.append(found)
    assert chosen[0].sentence == chosen[1].sentence
    assert chosen[0].score == pytest.approx(chosen[1].score, abs=1e-3)


def test_rewards_without_references_rerank():
    metric = mbrs_metric(NotCopied(), source_lang="de", target_lang="en")
    source = "Der Hund schläft heute in der alten Küche."
    good = "The dog sleeps in the old kitchen today."
    found = DecoderRerank(DecoderRerank.Config(), metric).decode([source, good], source, nbest=2)
    assert found.sentence == [good, source]
    assert found.score == [1.0, 0.0]
    assert metric.score(good, source) == 1.0


@dataclass(frozen=True)
class Fates:
    name: str = "fates"
    signature: str = "fates"
    needs_reference: bool = False
    worst: float = -9.0

    def key(self, candidate: Candidate):
        return candidate.hypothesis

    def __call__(self, candidates):
        status = [Status(c.hypothesis) for c in candidates]
        return RewardOutput.of([1.0 if s.scored else None for s in status], status=status)


def test_what_is_not_scored_is_never_chosen_and_outages_stop():
    metric = mbrs_metric(Fates())
    hypotheses = ["ok", "refused", "not_applicable", "repaired"]
    assert metric.scores(hypotheses, [SOURCE] * 4).tolist() == [1.0, -9.0, -9.0, 1.0]
    with pytest.raises(RewardUnavailable, match="fates left 1 of 2 rows unscored"):
        metric.scores(["ok", "unavailable", "ok"], [SOURCE] * 3)


def test_equal_rows_are_asked_once_unless_nobody_knows_what_is_read():
    asked = []

    def length(candidates):
        asked.append(len(candidates))
        return [float(len(c.hypothesis)) for c in candidates]

    metric = mbrs_metric(FromFunction(length, worst=0.0))
    assert metric.scores(["a", "a", "bb"], ["s"] * 3).tolist() == [1.0, 1.0, 2.0]
    assert asked == [3]
