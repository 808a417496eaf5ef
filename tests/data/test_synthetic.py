import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rewardlab.data.rows import Row
from rewardlab.data.synthetic import curriculum, synthetic_rows, word_table

DANISH = [
    ("jeg ser en hvid hest", "jeg ser en hvit hest"),
    ("en hvid bil", "en hvit bil"),
    ("jeg ejer en bil", "jeg eier en bil"),
    ("hest og bil", "hest og bil"),
    ("hvid og rød", "hvit og rød"),
]


def rows(pairs=DANISH):
    return [
        Row(str(number), source, reference, "dan", "nob")
        for number, (source, reference) in enumerate(pairs, start=1)
    ]


def test_words_are_aligned_by_where_they_stand_and_how_they_are_spelt():
    table = word_table(DANISH)
    assert table["hvid"] == "hvit"
    assert table["ejer"] == "eier"  # seen once, and spelt alike
    assert {word: table[word] for word in ("jeg", "en", "bil", "hest", "og")} == {
        word: word for word in ("jeg", "en", "bil", "hest", "og")
    }


def test_a_word_seen_once_is_not_translated_by_one_spelt_differently():
    table = word_table([("kat", "hund"), ("hus", "hus")])
    assert "kat" not in table
    assert word_table([("kat", "hund"), ("kat", "hund")])["kat"] == "hund"


def test_words_of_different_spelling_are_found_by_cooccurrence():
    pairs = [("og a", "und a"), ("b og", "b und"), ("c og d", "c und d"), ("d a", "d a")]
    assert word_table(pairs)["og"] == "und"


def test_an_empty_side_teaches_nothing():
    assert word_table([("", "x"), ("x", "")]) == {}


def test_copies_come_first_and_are_long():
    made = synthetic_rows(rows(), copies=300, word_for_word=200, longest=9)
    assert [row.id for row in made[299:301]] == ["copy:300", "words:301"]
    assert {len(row.source.split()) for row in made[:300]} == {5, 6, 7, 8, 9}
    assert {len(row.source.split()) for row in made[300:]} == {1, 2, 3, 4, 5, 6, 7, 8, 9}


def test_word_for_word_rows_translate_each_word_by_the_table():
    table = word_table(DANISH)
    for row in synthetic_rows(rows(), copies=0, word_for_word=200):
        expected = [table.get(word, word) for word in row.source.split()]
        assert row.reference == " ".join(expected)
        assert (row.source_lang, row.target_lang) == ("dan", "nob")


def test_each_direction_has_its_own_table():
    back = [
        Row(f"b{at}", target, source, "nob", "dan") for at, (source, target) in enumerate(DANISH)
    ]
    made = synthetic_rows([*rows(), *back], copies=0, word_for_word=400)
    translations = {
        (row.source_lang, a): b
        for row in made
        for a, b in zip(row.source.split(), str(row.reference).split(), strict=True)
    }
    assert translations["dan", "hvid"] == "hvit"
    assert translations["nob", "hvit"] == "hvid"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.text("ab é", min_size=1), st.text("ab é", min_size=1)), min_size=1),
    st.integers(0, 2**31),
)
def test_copies_are_copies_and_a_seed_decides_everything(pairs, seed):
    assume(any(source.split() and target.split() for source, target in pairs))
    made = synthetic_rows(rows(pairs), copies=20, word_for_word=20, longest=5, seed=seed)
    assert all(row.source == row.reference for row in made[:20])
    assert all(row.source.split() for row in made)
    assert made == synthetic_rows(rows(pairs), copies=20, word_for_word=20, longest=5, seed=seed)


def test_without_references_there_is_nothing_to_make():
    with pytest.raises(ValueError, match="no row has both"):
        synthetic_rows([Row("1", "hej", None, "dan", "nob")], copies=1, word_for_word=1)


def test_a_curriculum_ends_with_passes_over_the_real_rows_and_others_beside_them():
    learned = curriculum(rows(), copies=16, word_for_word=16, passes=3, batch_size=4, seed=1)
    assert len(learned) == 16 + 16 + 2 * 3 * 5
    assert {row.id.split(":")[0] for row in learned[:32]} == {"copy", "words"}
    real = [row for row in learned if ":" not in row.id]
    assert sorted(row.id for row in real) == sorted([*"12345"] * 3)
    assert learned == curriculum(
        rows(), copies=16, word_for_word=16, passes=3, batch_size=4, seed=1
    )


def test_rows_of_like_length_are_learned_from_together():
    learned = curriculum(rows(), copies=320, word_for_word=0, passes=0, batch_size=10)
    batches = [learned[at : at + 10] for at in range(0, 320, 10)]
    spread = [max(map(length, batch)) - min(map(length, batch)) for batch in batches]
    whole = max(map(length, learned)) - min(map(length, learned))
    assert sum(spread) / len(spread) < whole / 2


def length(row):
    return len(row.source)
