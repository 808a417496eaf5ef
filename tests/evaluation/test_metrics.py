"""Rewards as measures: direction, tokenizers, and what is no independent check."""

import numpy as np
import pytest

from rewardlab import rewards
from rewardlab.data.rows import Row
from rewardlab.evaluation.metrics import Metric, Relation, score_rows
from rewardlab.store.lineage import TrainedOn
from rewardlab.types import family_of


def trained(*on):
    return [TrainedOn(reward.name, family_of(reward), weight=1.0) for reward in on]


@pytest.mark.parametrize(
    ("metric", "on", "relation"),
    [
        (rewards.ChrF(), [rewards.ChrF()], "optimised"),
        (rewards.BLEU(), [rewards.ChrF()], "related"),
        (rewards.ChrF(word_order=2, name="chrf_pp"), [rewards.ChrF()], "related"),
        (rewards.TER(), [rewards.ChrF()], "independent"),
        (rewards.ExactMatch(), [rewards.ChrF()], "independent"),
        (rewards.TER(), [rewards.ChrF(), rewards.LexicalSpans()], "related"),
        (rewards.ChrF(), [], "independent"),
    ],
)
def test_relations_to_a_training(metric, on, relation):
    assert Metric(metric).relation(trained(*on), known=True) == relation


def test_what_nobody_knows_is_unknown_and_not_independent():
    on = trained(rewards.ChrF())
    assert Metric(rewards.TER()).relation(on, known=False) is Relation.UNKNOWN
    assert Metric(rewards.BLEU()).relation(on, known=False) is Relation.RELATED


def test_only_ter_is_an_error():
    assert not Metric(rewards.TER()).higher_is_better
    assert Metric(rewards.LexicalSpans()).higher_is_better
    assert [Metric(r).is_corpus for r in (rewards.TER(), rewards.LexicalSpans())] == [True, False]


def test_row_scores_keep_what_is_not_scored_apart():
    rows = [Row(str(n), "hund", "dog", "da", "en") for n in range(600)]
    texts = ["dog", "cat", "3"] * 200
    metrics = [Metric(rewards.ExactMatch()), Metric(rewards.NumbersKept()), Metric(rewards.ChrF())]
    found = score_rows(metrics, rows, texts)
    assert list(found) == ["exact_match", "numbers_kept"], "corpus metrics have no row scores"
    assert found["exact_match"].tolist() == [1.0, 0.0, 0.0] * 200
    unscored = score_rows([Metric(rewards.TargetScript())], [Row("1", "a", "b", "br", "br")], ["c"])
    assert np.isnan(unscored["target_script"]).all()
    assert score_rows([Metric(rewards.ChrF())], rows, texts) == {}
