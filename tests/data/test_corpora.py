import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.data.corpora import Corpus, join, read_parallel, split, validation_split
from rewardlab.data.funnel import Funnel
from rewardlab.data.rows import Row
from rewardlab.errors import UserError


def corpus_of(sources, documents=None):
    documents = documents or [None] * len(sources)
    rows = tuple(
        Row(str(number), source, source.upper(), "da", "nb", document)
        for number, (source, document) in enumerate(zip(sources, documents, strict=True), start=1)
    )
    return Corpus(rows, Funnel(len(rows)))


def refused(call, *args, **kwargs):
    with pytest.raises(UserError) as caught:
        call(*args, **kwargs)
    assert caught.value.exit_code == 3
    return [str(problem) for problem in caught.value.problems]


def test_rows_carry_line_number_languages_and_document(write):
    corpus = read_parallel(
        write("src.txt", "Hej.\nFarvel.\n"),
        write("ref.txt", "Hei.\nHa det.\n"),
        source_lang="da",
        target_lang="nb",
        documents=write("docs.tsv", "news.1\tx\nnews.2\ty\n"),
    )
    assert corpus.rows == (
        Row("1", "Hej.", "Hei.", "da", "nb", "news.1", line=1),
        Row("2", "Farvel.", "Ha det.", "da", "nb", "news.2", line=2),
    )
    assert corpus.funnel == Funnel(2)
    assert str(corpus.funnel) == "2 lines"
    assert corpus.notes == ()


def test_empty_and_long_rows_are_left_out_and_counted(write):
    corpus = read_parallel(
        write("src.txt", "a\n\nccc\nd\ne\n"),
        write("ref.txt", "A\nB\nC\n \t\nEEEE\n"),
        source_lang="da",
        target_lang="nb",
        max_characters=3,
    )
    assert [row.id for row in corpus.rows] == ["1", "3"]
    assert corpus.funnel == Funnel(5, (("empty", 2), ("over 3 characters", 1)))
    assert corpus.funnel.kept == 2
    assert str(corpus.funnel) == "5 lines: 2 rows; left out: 2 empty, 1 over 3 characters"


def test_without_reference_only_the_source_counts(write):
    path = write("src.txt", "a\n\nb")
    corpus = read_parallel(path, source_lang="da", target_lang="nb", name="da-nb")
    assert corpus.rows == (
        Row("da-nb:1", "a", None, "da", "nb", corpus="da-nb", line=1),
        Row("da-nb:3", "b", None, "da", "nb", corpus="da-nb", line=3),
    )


def test_missing_files_are_reported_together_and_directories_named(tmp_path):
    messages = refused(
        read_parallel, tmp_path / "no.txt", tmp_path, source_lang="da", target_lang="nb"
    )
    assert messages == [
        (
            f"error[E201] {tmp_path}/no.txt: cannot be read: No such file or directory. "
            "fix: check the path"
        ),
        f"error[E201] {tmp_path}: cannot be read: Is a directory. fix: name one of its files",
    ]


def test_a_file_without_rows_is_refused(write):
    path = write("src.txt", "\n \n")
    assert refused(read_parallel, path, source_lang="da", target_lang="nb") == [
        (
            f"error[E206] {path}: no rows: 2 lines: 0 rows; left out: 2 empty. "
            "fix: give a file with text"
        )
    ]


def test_rows_without_document_are_refused(write):
    documents = write("docs.tsv", "a\n\nb\n")
    messages = refused(
        read_parallel,
        write("src.txt", "1\n2\n3\n"),
        source_lang="da",
        target_lang="nb",
        documents=documents,
    )
    assert messages == [
        (
            f"error[E208] {documents}:2: no document id in 1 of 3 rows; at: 2. "
            "fix: write one id per line"
        )
    ]


def test_copies_and_repeats_are_noted_and_kept(write):
    corpus = read_parallel(
        write("src.txt", "a\nb\na\na\n"),
        write("ref.txt", "A\nb\nA\nB\n"),
        source_lang="da",
        target_lang="nb",
    )
    assert len(corpus) == 4
    assert corpus.notes == (
        "source equals reference in 1 of 4 rows; at: 2",
        "1 of 4 rows repeat an earlier one, most often 'a'",
    )


@pytest.mark.parametrize(
    ("heldout", "held"),
    [(0.1, ["10"]), (0.2, ["9", "10"]), (0.25, ["8", "9", "10"]), (3, ["8", "9", "10"]), (0, [])],
)
def test_the_end_is_held_out_by_share_or_number(heldout, held):
    train, heldout_side = split(corpus_of(list("abcdefghij")), heldout)
    assert [row.id for row in heldout_side.rows] == held
    assert [row.id for row in train.rows] == [str(n) for n in range(1, 11 - len(held))]


def test_documents_stay_whole():
    corpus = corpus_of(list("abcdefgh"), ["p", "p", "q", "q", "q", "r", "r", "p"])
    train, held = split(corpus, 1)
    assert [row.document for row in held.rows] == ["p", "p", "p"]
    assert [row.document for row in train.rows] == ["q", "q", "q", "r", "r"]
    _, held = split(corpus, 4)
    assert [row.document for row in held.rows] == ["p", "p", "r", "r", "p"]


def test_sources_on_both_sides_leave_the_training_side():
    train, held = split(corpus_of(["a", "b", "a", "c", "b"]), 1)
    assert [row.source for row in held.rows] == ["b"]
    assert [row.source for row in train.rows] == ["a", "a", "c"]
    assert train.funnel == Funnel(5, (("held out", 1), ("whose source is also held out", 1)))
    assert str(train.funnel) == (
        "5 lines: 3 rows; left out: 1 held out, 1 whose source is also held out"
    )
    assert held.funnel == Funnel(5, (("to train on", 4),))


def test_holding_everything_out_is_refused():
    corpus = corpus_of(list("abc"), ["p", "p", "p"])
    assert refused(split, corpus, 0.1) == [
        (
            "error[E207] heldout: holding out 3 of 3 rows leaves none to train on. "
            "fix: hold out fewer, or split longer documents"
        )
    ]


@pytest.mark.parametrize("heldout", [1.0, 1.5, -0.1, -1])
def test_a_share_out_of_range_is_refused(heldout):
    with pytest.raises(ValueError, match="neither a share in"):
        split(corpus_of(["a"]), heldout)


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("pqr")), min_size=1),
    st.floats(0, 0.99) | st.integers(0, 30),
)
def test_a_split_never_shares_a_source_or_a_document_and_loses_nothing_held_out(rows, heldout):
    corpus = corpus_of([source for source, _ in rows], [document for _, document in rows])
    try:
        train, held = split(corpus, heldout)
    except UserError as error:
        assert error.problems[0].code == "E207"  # noqa: PT017
        return
    assert not {row.source for row in train.rows} & {row.source for row in held.rows}
    assert not {row.document for row in train.rows} & {row.document for row in held.rows}
    assert len(held) >= (heldout * len(rows) - 1e-6 if isinstance(heldout, float) else heldout)


def test_joined_corpora_need_different_ids():
    corpus = corpus_of(["a", "b"])
    other = Corpus((Row("x:1", "c", None, "da", "sv"),), Funnel(3, (("empty", 2),)), ("a note",))
    both = join([corpus, other])
    assert [row.id for row in both.rows] == ["1", "2", "x:1"]
    assert (both.funnel.start, both.funnel.parts) == (3, (corpus.funnel, other.funnel))
    assert str(both.funnel) == "2 lines + 3 lines: 1 row; left out: 2 empty"
    assert join([other]).funnel == other.funnel
    assert both.notes == ("a note",)
    with pytest.raises(ValueError, match="2 ids appear twice, first 1: name the corpora"):
        join([corpus, corpus])


def documents(corpus):
    return [row.document for row in corpus.rows]


def numbered(*found):
    made = (Row(str(at), source, "", "da", "nb", doc) for at, (source, doc) in enumerate(found))
    return Corpus(tuple(made), Funnel(len(found)))


def test_validation_is_whole_documents_apart_from_the_rest():
    train = numbered(*((f"s{at}", f"d{at // 3}") for at in range(30)))
    kept, aside = validation_split(train, 0.2, seed=0)
    assert len(aside) == 6
    assert len(set(documents(aside))) == 2
    assert not set(documents(aside)) & set(documents(kept))
    assert len(kept) == 24
    assert kept.funnel == Funnel(30, (("set aside for validation", 6),))


def test_validation_follows_the_seed_and_not_the_order_of_the_file():
    train = numbered(*((f"s{at}", f"d{at}") for at in range(50)))
    once, again, other = (validation_split(train, 5, seed=seed)[1] for seed in (1, 1, 2))
    assert once == again
    assert documents(once) != documents(other)
    assert documents(once) != documents(train)[-5:]


def test_a_source_set_aside_is_not_trained_on_either():
    train = numbered(
        *(("same", f"d{at}") for at in range(2)), *((f"s{at}", None) for at in range(8))
    )
    for seed in range(10):
        kept, aside = validation_split(train, 3, seed=seed)
        assert not {row.source for row in kept.rows} & {row.source for row in aside.rows}


def test_setting_everything_aside_is_refused():
    with pytest.raises(UserError) as caught:
        validation_split(numbered(("a", "d"), ("b", "d")), 0.5, seed=0)
    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        "error[E207] validation: setting 2 of 2 rows aside leaves none to train on. "
        "fix: set fewer aside, or split longer documents"
    )


def test_an_unknown_language_is_refused_and_an_unusual_pair_is_noted(write):
    files = {"source": write("src", "Hej.\n"), "reference": write("ref", "Hei.\n")}
    (problem,) = refused(read_parallel, **files, source_lang="danisch", target_lang="nb")
    assert problem.startswith("error[E260] source_lang: unknown language 'danisch'. fix: did you")
    corpus = read_parallel(**files, source_lang="Danish", target_lang="dan_Latn")
    assert corpus.notes == (
        "source and target language are the same, Danish: a correct translation is a copy",
    )
