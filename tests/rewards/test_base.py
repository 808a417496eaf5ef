"""Families: which rewards are no independent check of each other."""

import pytest

from rewardlab import rewards
from rewardlab.types import family_of


@pytest.mark.parametrize(
    ("one", "other", "relatives"),
    [
        (rewards.ChrF(), rewards.BLEU(), True),
        (rewards.TER(), rewards.LexicalSpans(), True),
        (rewards.ChrF(), rewards.ChrF(word_order=2, name="chrf_pp"), True),
        (rewards.ChrF(), rewards.TER(), False),
        (rewards.ChrF(), rewards.ExactMatch(), False),
        (rewards.NotEmpty(), rewards.NotCopied(), False),
    ],
)
def test_relatives(one, other, relatives):
    assert (family_of(one) == family_of(other)) is relatives


def test_a_name_given_to_a_reward_does_not_take_it_out_of_its_family():
    assert family_of(rewards.NumbersKept(name="mine")) == "numbers_kept"
    assert family_of(rewards.ChrF(name="mine")) == "ngram_overlap"


def test_a_function_is_alone_in_the_family_of_its_name():
    assert family_of(rewards.FromFunction(len, worst=0.0, name="length")) == "length"
