import pytest

from rewardlab.config import DataConfig, read_data, select_rows
from rewardlab.config.rows import corpus_names, source_lines
from rewardlab.errors import UserError


@pytest.fixture
def corpus(tmp_path):
    """Write a corpus of rows (source, reference, document) and say how to read it."""

    def write(name, rows, **options):
        for at, part in enumerate(("source", "reference", "documents")):
            text = "".join(f"{row[at]}\n" for row in rows)
            (tmp_path / f"{name}.{part}").write_text(text, encoding="utf-8")
        return DataConfig(
            source=tmp_path / f"{name}.source",
            reference=tmp_path / f"{name}.reference",
            documents=tmp_path / f"{name}.documents",
            source_lang=name,
            target_lang="nob",
            **options,
        )

    return write


def test_a_document_held_out_in_one_language_is_held_out_of_all(corpus):
    """The Swedish file is longer after the split, but must not show the Danish one's answers."""
    danish = corpus("dan", [("da1", "nb1", "a"), ("da2", "nb2", "b"), ("da3", "nb3", "c")])
    rows = [("sv1", "nb1", "a"), ("sv2", "nb2", "b"), ("sv3", "nb3", "c"), ("sv4", "nb4", "d")]
    swedish = corpus("swe", rows)
    train, heldout = read_data([danish, swedish])
    assert [row.id for row in heldout.rows] == ["dan-nob:3", "swe-nob:4"]
    assert [row.id for row in train.rows] == ["dan-nob:1", "dan-nob:2", "swe-nob:1", "swe-nob:2"]
    assert train.funnel.steps == (("of documents that are held out elsewhere", 1),)
    assert [one.steps for one in train.funnel.parts] == [(("held out", 1),)] * 2


def test_corpora_that_hold_everything_out_together_are_refused(corpus):
    first = corpus("dan", [("a1", "b1", "x"), ("a2", "b2", "y")], heldout=1)
    second = corpus("swe", [("c2", "b2", "y"), ("c1", "b1", "x")], heldout=1)
    with pytest.raises(UserError, match=r"error\[E207\] data: .* none to train on: ") as caught:
        read_data([first, second])
    assert caught.value.exit_code == 3


def test_a_source_held_out_in_one_corpus_is_held_out_of_all(corpus):
    first = corpus("dan", [("a", "1", "x"), ("b", "2", "y")], heldout=1)
    second = corpus("swe", [("b", "3", "u"), ("c", "4", "v")], heldout=0)
    train, heldout = read_data([first, second])
    assert [row.source for row in heldout.rows] == ["b"]
    assert [row.source for row in train.rows] == ["a", "c"]


def test_a_pair_held_out_in_one_direction_is_not_trained_on_in_reverse(corpus):
    """Ja. has another translation there, so that its row is no answer to what is held out."""
    there = corpus("dan", [("en", "ein", "x"), ("to", "tvo", "y"), ("Ja.", "Jo.", "z")], heldout=2)
    back = corpus("nob", [("tvo", "to", "u"), ("Jo.", "Ja!", "v"), ("tre", "tri", "w")], heldout=0)
    train, heldout = read_data([there, back])
    assert [row.id for row in heldout.rows] == ["dan-nob:2", "dan-nob:3"]
    assert [row.id for row in train.rows] == ["dan-nob:1", "nob-nob:2", "nob-nob:3"]
    assert train.funnel.steps == (("that are held out in the other direction", 1),)


def test_one_side_of_the_data_or_all_of_it_can_be_selected(corpus):
    data = [corpus("dan", [(f"s{i}", f"t{i}", i) for i in range(10)], heldout=2)]
    assert [row.source for row in select_rows(data, "heldout").rows] == ["s8", "s9"]
    assert len(select_rows(data, "train")) == 8
    assert len(select_rows(data, "all")) == 10


def test_an_empty_heldout_side_is_no_selection(corpus):
    data = [corpus("dan", [("a", "1", "x")], heldout=0)]
    with pytest.raises(UserError) as caught:
        select_rows(data, "heldout")
    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        "error[E206] data: no rows: heldout is 0, and split: heldout is asked for. fix: split: all"
    )


def test_corpora_of_one_language_pair_are_told_apart(corpus):
    first = corpus("dan", [("a", "1", "x"), ("b", "2", "y")], heldout=0)
    second = first.model_copy(update={"heldout": 1})
    assert [row.id for row in select_rows([first, second], "all").rows] == [
        "dan-nob:1",
        "dan-nob:2",
        "dan-nob.2:1",
        "dan-nob.2:2",
    ]
    assert corpus_names([first, second]) == ["dan-nob", "dan-nob.2"]
    assert corpus_names([first]) == [""]


def test_source_lines_are_those_of_all_segments(corpus):
    first = corpus("dan", [("a", "1", "x"), ("", "2", "y"), ("c", "3", "z")], heldout=0)
    second = corpus("swe", [("a", "", "x")], heldout=0)
    assert source_lines([first]) == [("", 1), ("", 2), ("", 3)]
    expected = [("dan-nob", 1), ("dan-nob", 2), ("dan-nob", 3), ("swe-nob", 1)]
    assert source_lines([first, second]) == expected
