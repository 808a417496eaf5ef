"""Each stage alone: what it drops, and why."""

import itertools
import random

import pytest
from curation_jobs import curated, rows

from rewardlab.curation.stages import STAGES
from rewardlab.curation.stages.decontaminate import Decontaminate
from rewardlab.curation.stages.gate import GateStage
from rewardlab.curation.stages.language import Language
from rewardlab.curation.stages.length import Length
from rewardlab.curation.stages.length_buckets import LengthBuckets
from rewardlab.curation.stages.near_duplicates import NearDuplicates, ngrams, similarity
from rewardlab.data.rows import Row
from rewardlab.errors import RewardUnavailable, UserError
from rewardlab.rewards import NotCopied
from rewardlab.types import RewardOutput, Status

WORDS = [f"{first}{second}" for first in "bdfgklmnprst" for second in ("a", "et", "iro")]


def sources(*texts):
    return [Row(f"{at}", text, None, "en", "de") for at, text in enumerate(texts)]


def kept(folder, data, stage):
    items, outcome = curated(folder, data, [stage])
    return sorted(item.source for item in items), dict(outcome.funnel.steps)


@pytest.mark.parametrize("name", STAGES.names())
def test_a_stage_is_found_by_its_name(name):
    assert STAGES.load(name).name == name


def test_lengths_have_limits(tmp_path):
    found = kept(tmp_path, sources("abc", "ab", "abcde"), Length(minimum=3, maximum=4))
    assert found == (
        ["abc"],
        {"shorter than 3 characters": 1, "longer than 4 characters": 1},
    )


def test_buckets_have_as_many_rows_each(tmp_path):
    data = sources(*(letter * length for letter in "abcdef" for length in (3, 9, 20)))
    items, steps = kept(tmp_path, data, LengthBuckets(edges=[5, 10], rows=2))
    assert [sum(len(one) == length for one in items) for length in (3, 9, 20)] == [2, 2, 2]
    assert steps == {
        "not drawn from those of 0 to 4 characters": 4,
        "not drawn from those of 5 to 9 characters": 4,
        "not drawn from those of 10 or more characters": 4,
    }


def test_edges_ascend():
    with pytest.raises(ValueError, match=r"edges=\[5, 3\] must be in ascending order"):
        LengthBuckets(edges=[5, 3])


def test_pairs_that_a_reward_scores_too_low_are_dropped(tmp_path):
    data = [
        Row("0", "The dog barks at night.", "Der Hund bellt in der Nacht.", "en", "de"),
        Row("1", "The dog barks at night.", "The dog barks at night.", "en", "de"),
    ]
    _, steps = kept(tmp_path, data, GateStage(reward=NotCopied(), below=0.5))
    assert steps == {"with not_copied below 0.5": 1}


def test_a_gate_that_is_gone_stops_the_job(tmp_path):
    class Gone:
        name = signature = "gone"
        needs_reference = False
        worst = 0.0

        def key(self, candidate):
            return candidate.hypothesis

        def __call__(self, candidates):
            nan = [float("nan")] * len(candidates)
            return RewardOutput.of(nan, status=[Status.UNAVAILABLE] * len(candidates))

    data = [Row("0", "Hi.", "Hallo.", "en", "de")]
    with pytest.raises(RewardUnavailable, match="gone could not score 0"):
        curated(tmp_path, data, [GateStage(reward=Gone(), below=0.5)])


def test_test_sets_are_found_as_a_whole_and_in_parts(tmp_path):
    tested = tmp_path / "test.en"
    long = "One two three four five six seven eight"
    tested.write_text(f"Short text here.\n{long}\n\n", encoding="utf-8")
    data = [
        *sources(
            "short  TEXT here", "I said: two, three four five six!", "two three four", "Fine."
        ),
        Row("4", "Etwas anderes.", "Short text here.", "de", "en"),
    ]
    stage = Decontaminate(against=[tested], n=5)
    found = kept(tmp_path / "job", data, stage)
    assert found == (
        ["Fine.", "two three four"],
        {"that are in a test set": 2, "that share 5 words with a test set": 1},
    )


def test_rows_in_another_language_are_dropped(tmp_path):
    german, english = "Der Hund bellt in der Nacht sehr laut.", "The dog barks loudly at night."
    catalan, spanish = "El gos lladra molt a la nit.", "El perro ladra mucho por la noche."
    data = [
        Row("good", english, german, "en", "de"),
        Row("source", german, german, "en", "de"),
        Row("translation", english, english, "en", "de"),
        Row("alone", english, None, "en", "de"),
        Row("low", english, catalan, "en", "ca"),
        Row("wrong", english, spanish, "en", "ca"),
        Row("brazil", english, "O cachorro late muito alto à noite e eu não durmo.", "en", "pt-BR"),
        Row(
            "norwegian",
            english,
            "Hunden bjeffer veldig høyt om natten, og jeg får ikke sove.",
            "en",
            "nb",
        ),
    ]
    items, outcome = curated(tmp_path, data, [Language()])
    assert sorted(item.id for item in items) == ["alone", "brazil", "good", "low", "norwegian"]
    assert dict(outcome.funnel.steps) == {
        "whose source is in its language with a probability below 0.5": 1,
        "whose translation is in its language with a probability below 0.5": 1,
        "whose translation is more likely in another language": 1,
    }


def test_a_language_that_the_identifier_lacks_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"E261.*'tlh' is not among the 1\d\d"):
        curated(tmp_path, [Row("0", "nuqneH", None, "tlh", "de")], [Language()])


def test_the_signature_follows_the_files(tmp_path):
    tested = tmp_path / "test.en"
    tested.write_text("One.\n")
    before = Decontaminate(against=[tested]).signature
    tested.write_text("Two.\n")
    assert Decontaminate(against=[tested]).signature != before


def test_near_duplicates_are_those_of_brute_force(tmp_path):
    rng = random.Random(0)  # noqa: S311 - texts
    texts = [" ".join(rng.choices(WORDS, k=30)) for _ in range(150)]
    for text in texts[:75]:  # some words are changed, so that similarities are from 0.5 to 1
        words = text.split()
        for _ in range(rng.randrange(1, 4)):
            words[rng.randrange(30)] = rng.choice(WORDS)
        texts.append(" ".join(words))
    threshold = 0.7
    items, _ = curated(tmp_path, sources(*texts), [NearDuplicates(threshold=threshold)])
    grams = [ngrams(item.source, 5) for item in items]
    assert all(similarity(a, b) < threshold for a, b in itertools.combinations(grams, 2))
    everything, _ = curated(tmp_path / "all", sources(*texts), [Length()])
    left = []
    for item in everything:  # in the order of their keys
        own = ngrams(item.source, 5)
        if all(similarity(own, ngrams(other.source, 5)) < threshold for other in left):
            left.append(item)
    assert [item.key for item in items] == [item.key for item in left]
    assert 150 <= len(left) < 225


def test_the_same_text_of_another_pair_is_no_duplicate(tmp_path):
    data = [*rows(1), Row("x", rows(1)[0].source, None, "en", "fr")]
    items, _ = curated(tmp_path, data, [NearDuplicates()])
    assert len(items) == 2
