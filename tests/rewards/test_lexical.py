"""Sentence scores against sacrebleu itself, and by hand."""

import math
import subprocess
import sys

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU as SACRE_BLEU
from sacrebleu.metrics import CHRF as SACRE_CHRF
from sacrebleu.metrics import TER as SACRE_TER

from rewardlab.rewards import BLEU, TER, ChrF
from rewardlab.types import Candidate, Status

sentences = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from(["the", "dog", "Dog", "sees", "cats", ",", "."]), max_size=12).map(
        " ".join
    ),
)


def score(reward, hypothesis, reference):
    # English, because without a language words follow the script of the texts
    output = reward([Candidate("", hypothesis, reference, target_lang="en")])
    assert output.status == [Status.OK]
    assert output.spans is None
    return output.scores[0]


@pytest.mark.parametrize(
    ("reward", "peer"),
    [
        (ChrF(), SACRE_CHRF()),
        (ChrF(word_order=2), SACRE_CHRF(word_order=2)),
        (
            ChrF(char_order=3, beta=1, lowercase=True, whitespace=True, eps_smoothing=True),
            SACRE_CHRF(char_order=3, beta=1, lowercase=True, whitespace=True, eps_smoothing=True),
        ),
        (BLEU(), SACRE_BLEU(effective_order=True)),
        (
            BLEU(tokenize="char", smooth_method="add-k", smooth_value=0.5, max_ngram_order=2),
            SACRE_BLEU(
                tokenize="char",
                smooth_method="add-k",
                smooth_value=0.5,
                max_ngram_order=2,
                effective_order=True,
            ),
        ),
        (
            BLEU(tokenize="zh", lowercase=True, smooth_method="floor"),
            SACRE_BLEU(tokenize="zh", lowercase=True, smooth_method="floor", effective_order=True),
        ),
    ],
)
@settings(max_examples=100, deadline=None)
@given(hypothesis=sentences, reference=sentences)
def test_equals_sacrebleu(reward, peer, hypothesis, reference):
    expected = peer.sentence_score(hypothesis, [reference]).score
    assert score(reward, hypothesis, reference) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("reward", "peer"),
    [
        (TER(), SACRE_TER()),
        (
            TER(normalized=True, no_punct=True, asian_support=True, case_sensitive=True),
            SACRE_TER(normalized=True, no_punct=True, asian_support=True, case_sensitive=True),
        ),
    ],
)
@settings(max_examples=100, deadline=None)
@given(hypothesis=sentences, reference=sentences)
def test_ter_is_minus_sacrebleus(reward, peer, hypothesis, reference):
    expected = -peer.sentence_score(hypothesis, [reference]).score
    assert score(reward, hypothesis, reference) == pytest.approx(expected, abs=1e-9)


def test_chrf_by_hand():
    # "abcd" against "abce": 1-grams 3/4, 2-grams 2/3, 3-grams 1/2, 4-grams 0/1, the same for
    # precision and recall; both averages are 23/48, and F of equal parts is that part.
    assert score(ChrF(), "abcd", "abce") == pytest.approx(100 * 23 / 48)


def test_bleu_by_hand():
    # 3 of 4 words and 2 of 3 bigrams match, lengths are equal: sqrt(3/4 * 2/3) of two orders.
    expected = 100 * math.sqrt(3 / 4 * 2 / 3)
    assert score(BLEU(max_ngram_order=2), "a b c d", "a b c x") == pytest.approx(expected)


def test_bleu_leaves_out_orders_that_a_short_hypothesis_has_none_of():
    assert score(BLEU(), "a b", "a b") == pytest.approx(100.0)


def test_ter_by_hand():
    assert score(TER(), "a b c", "a b c") == 0.0
    assert math.copysign(1.0, score(TER(), "a", "a")) == 1.0  # no minus zero in tables
    assert score(TER(), "a x c d", "a b c d") == -25.0
    assert score(TER(), "c d a b", "a b c d") == -25.0  # one shift
    assert score(TER(), "", "a b") == -100.0


def test_ter_of_a_hypothesis_too_long_to_search_is_no_better_than_the_worst():
    # 50,000 words against two: 49,998 insertions, two edits each a hundredth
    assert score(TER(), "x " * 50_000, "a b") == -100.0 * 49_998 / 2
    assert score(TER(max_words=4), "a b x y z", "a b c d") == -300.0


def test_ter_of_a_long_reference_is_not_applicable_whatever_the_hypothesis():
    reward = TER(max_words=3)
    output = reward([Candidate("", text, "a b c d") for text in ("", "a b c d")])
    assert output.status == [Status.NOT_APPLICABLE] * 2


@pytest.mark.parametrize("reward", [ChrF(), BLEU(), TER()])
@pytest.mark.parametrize(("hypothesis", "reference"), [("", ""), ("a", ""), ("", "a"), (" ", "a")])
def test_empty_texts_have_a_score(reward, hypothesis, reference):
    assert score(reward, hypothesis, reference) in (0.0, -100.0)


@pytest.mark.parametrize("reward", [ChrF(), BLEU(), TER()])
def test_no_reference_is_not_applicable(reward):
    assert reward([Candidate("a", "b")]).status == [Status.NOT_APPLICABLE]


def test_signatures_carry_sacrebleus():
    version = sacrebleu.__version__
    assert ChrF(word_order=2).signature.endswith(
        f"|sacrebleu|nrefs:1|case:mixed|eff:yes|nc:6|nw:2|space:no|version:{version}"
    )
    assert BLEU(tokenize="13a").signature.endswith(
        f"|sacrebleu|nrefs:1|case:mixed|eff:yes|tok:13a|smooth:exp|version:{version}"
    )
    assert TER().signature.startswith("ter|TER|normalized:False|")
    assert (
        f"|sacrebleu|nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:{version}"
        in TER(asian_support=False).signature
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ChrF(char_order=0), "char_order=0"),
        (lambda: ChrF(beta=0), "beta=0"),
        (lambda: BLEU(tokenize="12a"), "the text '12a' is not one of auto, 13a"),
        (lambda: BLEU(smooth_method="laplace"), "smooth_method: the text 'laplace'"),
        (lambda: BLEU(smooth_value=math.nan), "smooth_value=nan"),
        (lambda: BLEU(max_ngram_order=0), "max_ngram_order=0"),
        (lambda: TER(worst=0.0), "worst=0.0"),
        (lambda: TER(worst=-math.inf), "worst=-inf"),
        (lambda: TER(max_words=0), "max_words=0"),
    ],
)
def test_options_out_of_range(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_importing_the_rewards_loads_neither_sacrebleu_nor_pydantic_nor_torch():
    code = (
        "import sys, rewardlab.rewards\n"
        "print([m for m in ('sacrebleu', 'pydantic', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
