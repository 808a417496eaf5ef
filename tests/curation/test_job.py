"""A job's result depends on the content of its rows, and on nothing else."""

import numpy as np
import pytest
from curation_jobs import QE, FakeGenerator, curated, number, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.curation.stages.best_of import BestOf
from rewardlab.curation.stages.gain import Gain
from rewardlab.curation.stages.length_buckets import LengthBuckets
from rewardlab.curation.stages.near_duplicates import NearDuplicates
from rewardlab.curation.stages.quota import Quota
from rewardlab.data.rows import Row
from rewardlab.seeds import seed_for
from rewardlab.types import Term

STAGES = [
    LengthBuckets(edges=[10], rows=30),
    NearDuplicates(),
    Gain(reward=QE, keep=0.5),
    BestOf(number=4, rewards=[Term(QE)]),
    Quota(rows=9),
]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return curated(tmp_path_factory.mktemp("whole") / "a", rows(40), STAGES)


def test_every_row_is_counted(expected):
    items, outcome = expected
    assert outcome.funnel.start == 40
    assert outcome.funnel.kept == len(items) == 9
    assert dict(outcome.funnel.steps) == {
        "not drawn from those of 10 or more characters": 10,
        "below the top 0.5 by gain": 15,
        "over the quota of 9": 6,
    }
    assert outcome.pairs == {"en-de": 9}


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(40)), call_size=st.integers(1, 64))
def test_neither_order_nor_batch_size_matters(tmp_path_factory, expected, order, call_size):
    data = rows(40)
    folder = tmp_path_factory.mktemp("other") / "b"
    generator = FakeGenerator(call_size)
    items, outcome = curated(folder, [data[at] for at in order], STAGES, generator=generator)
    assert items == expected[0]
    assert outcome == expected[1]


def test_what_was_sampled_is_not_sampled_again_when_data_is_added(tmp_path, expected):
    curated(tmp_path / "grown", rows(25), STAGES)
    generator = FakeGenerator()
    items, _ = curated(tmp_path / "grown", rows(40), STAGES, generator=generator)
    assert items == expected[0]
    earlier = {row.source for row in rows(25)}
    fresh = FakeGenerator()
    curated(tmp_path / "fresh", rows(40), STAGES, generator=fresh)
    assert len(generator.drawn) < len(fresh.drawn)
    gains = [(text, heat) for text, heat in generator.drawn if text in earlier and heat == 0]
    assert gains == []  # the greedy translations of these were all made before


def test_the_best_of_the_samples_is_chosen(tmp_path):
    (item,), _ = curated(tmp_path / "one", rows(1), [BestOf(number=5, rewards=[Term(QE)])])
    seed = seed_for(0, "best_of", item.key)
    texts = [f"{item.source} {seed_for(seed, n) % 65536:04x}" for n in range(5)]
    best = max(texts, key=lambda text: text[-4:])
    assert item.text == best
    facts = item.origin["best_of"]
    values = [int(text[-4:], 16) / 65535 for text in texts]
    assert facts["sample"] == texts.index(best)
    assert facts["qe"]["chosen"] == pytest.approx(max(values))
    assert facts["qe"]["mean"] == pytest.approx(np.mean(values))
    assert facts["qe"]["std"] == pytest.approx(np.std(values))


def test_sources_are_ranked_by_what_a_sample_gains(tmp_path):
    top, _ = curated(tmp_path / "top", rows(20), [Gain(reward=QE, keep=0.1)])
    everything, _ = curated(tmp_path / "all", rows(20), [Gain(reward=QE, keep=1.0)])
    ranked = sorted(everything, key=lambda item: -item.origin["gain"])
    assert sorted(item.key for item in top) == sorted(item.key for item in ranked[:2])
    seed = seed_for(seed_for(0, "gain", ranked[0].key), 0)
    assert ranked[0].origin["gain"] == pytest.approx(seed % 65536 / 65535)  # greedy has 0


def test_equal_texts_are_one_row_whatever_their_ids(tmp_path):
    data = [Row("b", "Hi.", None, "en", "de"), Row("a", "Hi.", None, "en", "de")]
    for order in (data, data[::-1]):
        (item,), outcome = curated(tmp_path / order[0].id, order, [Quota(rows=5)])
        assert item.id == "a"
        assert dict(outcome.funnel.steps) == {"that repeat another one": 1}


def test_a_share_is_rounded_up_for_each_pair(tmp_path):
    data = rows(7) + rows(3, pair=("en", "fr"))
    _, outcome = curated(tmp_path / "pairs", data, [Gain(reward=QE, keep=0.3)])
    assert outcome.pairs == {"en-de": 3, "en-fr": 1}


def test_number_reads_hexadecimal_digits():
    row = rows(1)[0]
    assert number(row.candidate("x ffff")) == 1.0
