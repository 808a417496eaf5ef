import pytest

from rewardlab.config import DataConfig, read_data, select_rows
from rewardlab.config.rows import corpus_names, validation_split
from rewardlab.data.corpora import Corpus, Row
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


def documents(corpus):
    return [row.document for row in corpus.rows]


def test_a_document_held_out_in_one_language_is_held_out_of_all(corpus):
    """The Swedish file is longer after the split, but must not show the Danish one's answers."""
    danish = corpus("dan", [("da1", "nb1", "a"), ("da2", "nb2", "b"), ("da3", "nb3", "c")])
    rows = [("sv1", "nb1", "a"), ("sv2", "nb2", "b"), ("sv3", "nb3", "c"), ("sv4", "nb4", "d")]
    swedish = corpus("swe", rows)
    train, heldout = read_data([danish, swedish])
    assert [row.id for row in heldout.rows] == ["dan-nob:3", "swe-nob:4"]
    assert [row.id for row in train.rows] == ["dan-nob:1", "dan-nob:2", "swe-nob:1", "swe-nob:2"]
    assert "1 of documents that are held out elsewhere left out" in train.funnel


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
    assert "; 1 that are held out in the other direction left out" in train.funnel


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


def rows(*found):
    made = (Row(str(at), source, "", "da", "nb", doc) for at, (source, doc) in enumerate(found))
    return Corpus(tuple(made), f"{len(found)} lines")


def test_validation_is_whole_documents_apart_from_the_rest():
    train = rows(*((f"s{at}", f"d{at // 3}") for at in range(30)))
    kept, aside = validation_split(train, 0.2, seed=0)
    assert len(aside) == 6
    assert len(set(documents(aside))) == 2
    assert not set(documents(aside)) & set(documents(kept))
    assert len(kept) == 24
    assert kept.funnel == "30 lines; 6 set aside to decide when to stop"


def test_validation_follows_the_seed_and_not_the_order_of_the_file():
    train = rows(*((f"s{at}", f"d{at}") for at in range(50)))
    once, again, other = (validation_split(train, 5, seed=seed)[1] for seed in (1, 1, 2))
    assert once == again
    assert documents(once) != documents(other)
    assert documents(once) != documents(train)[-5:]


def test_a_source_set_aside_is_not_trained_on_either():
    train = rows(*(("same", f"d{at}") for at in range(2)), *((f"s{at}", None) for at in range(8)))
    for seed in range(10):
        kept, aside = validation_split(train, 3, seed=seed)
        assert not {row.source for row in kept.rows} & {row.source for row in aside.rows}


def test_setting_everything_aside_is_refused():
    with pytest.raises(UserError) as caught:
        validation_split(rows(("a", "d"), ("b", "d")), 0.5, seed=0)
    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        "error[E207] validation: setting 2 of 2 rows aside leaves none to train on. "
        "fix: set fewer aside, or split longer documents"
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
