import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.scorers.document_split import LONG, Fold, linked_documents, split_documents

SHARED = "This sentence stands in two documents of one talk."
assert len(SHARED) >= LONG


def ten():
    """Ten documents of ten texts each."""
    return {f"d{number}": [f"{number}.{at}" for at in range(10)] for number in range(10)}


def test_shares_are_met_by_whole_documents():
    split = split_documents(ten(), validation=0.2, test=0.3, seed=1)
    assert (len(split.test), len(split.validation), len(split.train)) == (3, 2, 5)
    assert split.test | split.validation | split.train == ten().keys()


def test_another_seed_draws_other_documents():
    drawn = {split_documents(ten(), validation=0.2, test=0.3, seed=seed).test for seed in range(5)}
    assert len(drawn) > 1


def test_a_talk_in_two_files_stays_on_one_side():
    """The source of one pair of languages is the reference of another."""
    texts = {"en-de:1": [SHARED, "a"], "zh-en:9": [SHARED, "b"], "en-de:2": ["c"], "zh-en:8": ["d"]}
    assert linked_documents(texts)[0] == {"en-de:1", "zh-en:9"}
    for seed in range(20):
        split = split_documents(texts, validation=0.25, test=0.25, seed=seed)
        sides = [split.train, split.validation, split.test]
        assert sum({"en-de:1", "zh-en:9"} <= side for side in sides) == 1
        assert split.linked == (frozenset({"en-de:1", "zh-en:9"}),)


def test_documents_are_linked_through_others():
    other = SHARED.replace("two", "three")
    texts = {
        "a": [SHARED],
        "b": [SHARED, other],
        "c": [other],
        "d": ["Thank you."],
        "e": ["Thank you."],
    }
    assert linked_documents(texts) == [{"a", "b", "c"}, {"d"}, {"e"}]


def test_a_document_that_is_too_large_for_a_side_is_passed_over():
    texts = {"large": ["x"] * 90, "small": ["y"] * 4, "next": ["z"] * 6}
    for seed in range(10):
        split = split_documents(texts, validation=0.0, test=0.05, seed=seed)
        assert "large" not in split.test
        assert split.validation == frozenset()


def test_where_every_document_is_too_large_the_smallest_is_taken():
    split = split_documents({"a": ["x"] * 60, "b": ["y"] * 40}, validation=0.0, test=0.01)
    assert split.test == {"b"}


def test_what_leaves_nothing_to_train_on_is_refused():
    with pytest.raises(ValueError, match="leaves none to train on"):
        split_documents({"a": ["x"], "b": ["y"]}, validation=0.3, test=0.3)


def test_every_document_is_tested_in_one_fold():
    texts = ten() | {"linked": [SHARED] * 25, "to it": [SHARED], "short": ["x"]}
    sides = []
    for number in (1, 2, 3):
        split = split_documents(texts, validation=0.1, test=Fold(number, 3), seed=4)
        assert split.test | split.validation | split.train == texts.keys()
        assert split.validation
        sides.append(split.test)
    assert sorted(name for side in sides for name in side) == sorted(texts)
    sizes = [sum(len(texts[name]) for name in side) for side in sides]
    assert max(sizes) - min(sizes) <= 10, "as even as documents of ten texts allow"
    assert sum({"linked", "to it"} <= side for side in sides) == 1


@pytest.mark.parametrize(
    ("fold", "why"),
    [
        (Fold(0, 3), "there is no fold 0 of 3"),
        (Fold(4, 3), "there is no fold 4 of 3"),
        (Fold(1, 1), "there is no fold 1 of 1"),
        (Fold(1, 11), "10 sets that share no text cannot fill 11 folds"),
    ],
)
def test_folds_that_are_none(fold, why):
    with pytest.raises(ValueError, match=why):
        split_documents(ten(), validation=0.1, test=fold)


@pytest.mark.parametrize(("validation", "test"), [(-0.1, 0.1), (0.5, 0.5), (0.1, 1.0)])
def test_shares_out_of_range_are_refused(validation, test):
    with pytest.raises(ValueError, match="together below 1"):
        split_documents(ten(), validation=validation, test=test)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=3),
        st.lists(st.sampled_from([SHARED, SHARED + "!", "short", "other"]), min_size=1, max_size=4),
        min_size=3,
        max_size=12,
    ),
    st.integers(0, 99),
)
def test_no_long_text_stands_on_two_sides(texts, seed):
    try:
        split = split_documents(texts, validation=0.2, test=0.2, seed=seed)
    except ValueError:
        return
    sides = [split.train, split.validation, split.test]
    assert sum(map(len, sides)) == len(texts)
    long = [{t for d in side for t in texts[d] if len(t) >= LONG} for side in sides]
    assert sum(map(len, long)) == len(set().union(*long))
