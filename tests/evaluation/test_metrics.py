"""Rewards as measures: direction, tokenizers, and what is no independent check."""

import importlib.util

import numpy as np
import pytest

from rewardlab import rewards
from rewardlab.data.corpora import Row
from rewardlab.evaluation.metrics import Metric, Relation, for_language, score_rows
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


@pytest.mark.parametrize(
    ("language", "tokenizer"),
    [("de", "13a"), ("zh", "zh"), ("zho_Hant", "zh"), ("zh-TW", "zh"), ("th", "13a"), ("", "13a")],
)
def test_bleu_splits_a_language_as_sacrebleu_does(language, tokenizer):
    metric, note = for_language(Metric(rewards.BLEU()), language)
    assert metric.reward.tokenize == tokenizer
    assert note is None


@pytest.mark.parametrize(("language", "extra"), [("jpn_Jpan", "ja"), ("ko", "ko")])
def test_a_missing_tokenizer_falls_back_to_characters_and_says_so(monkeypatch, language, extra):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    metric, note = for_language(Metric(rewards.BLEU()), language)
    assert metric.reward.tokenize == "char"
    assert note.startswith(
        f"bleu splits {language} into characters: {extra}-mecab is not installed"
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    metric, note = for_language(Metric(rewards.BLEU()), language)
    assert (metric.reward.tokenize, note) == (f"{extra}-mecab", None)


def test_a_tokenizer_that_was_asked_for_stays():
    asked = Metric(rewards.BLEU(tokenize="intl"), by_language=False)
    assert for_language(asked, "zh") == (asked, None)
    assert for_language(Metric(rewards.ChrF()), "zh")[0] == Metric(rewards.ChrF())


def test_row_scores_keep_what_is_not_scored_apart():
    rows = [Row(str(n), "hund", "dog", "da", "en") for n in range(600)]
    texts = ["dog", "cat", "3"] * 200
    metrics = [Metric(rewards.ExactMatch()), Metric(rewards.NumbersKept()), Metric(rewards.ChrF())]
    found = score_rows(metrics, rows, texts)
    assert list(found) == ["exact_match", "numbers_kept"], "corpus metrics have no row scores"
    assert found["exact_match"].tolist() == [1.0, 0.0, 0.0] * 200
    unscored = score_rows([Metric(rewards.TargetScript())], [Row("1", "a", "b", "xx", "xx")], ["c"])
    assert np.isnan(unscored["target_script"]).all()
    assert score_rows([Metric(rewards.ChrF())], rows, texts) == {}
