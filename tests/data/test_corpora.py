import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.data.corpora import (
    Corpus,
    Row,
    drift,
    join,
    lines_of,
    read_aligned,
    read_lines,
    read_parallel,
    split,
)
from rewardlab.errors import UserError


def corpus_of(sources, documents=None):
    documents = documents or [None] * len(sources)
    rows = tuple(
        Row(str(number), source, source.upper(), "da", "nb", document)
        for number, (source, document) in enumerate(zip(sources, documents, strict=True), start=1)
    )
    return Corpus(rows, f"{len(rows)} lines")


def refused(call, *args, **kwargs):
    with pytest.raises(UserError) as caught:
        call(*args, **kwargs)
    assert caught.value.exit_code == 3
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def write(tmp_path):
    def file(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return file


def test_rows_carry_line_number_languages_and_document(write):
    corpus = read_parallel(
        write("src.txt", "Hej.\nFarvel.\n"),
        write("ref.txt", "Hei.\nHa det.\n"),
        source_lang="da",
        target_lang="nb",
        documents=write("docs.tsv", "news.1\tx\nnews.2\ty\n"),
    )
    assert corpus.rows == (
        Row("1", "Hej.", "Hei.", "da", "nb", "news.1"),
        Row("2", "Farvel.", "Ha det.", "da", "nb", "news.2"),
    )
    assert corpus.funnel == "2 lines"
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
    assert corpus.funnel == "5 lines: 2 empty, 1 over 3 characters left out; 2 rows"


def test_without_reference_only_the_source_counts(write):
    path = write("src.txt", "a\n\nb")
    corpus = read_parallel(path, source_lang="da", target_lang="nb", name="da-nb")
    assert [(row.id, row.source, row.reference) for row in corpus.rows] == [
        ("da-nb:1", "a", None),
        ("da-nb:3", "b", None),
    ]


def test_only_line_feeds_end_lines(write):
    path = write("src.txt", "a\u2028b\u0085c\x0bd\x0ce\rf\n g \n")
    assert read_lines(path).lines == ["a\u2028b\u0085c\x0bd\x0ce\rf", " g "]


def test_crlf_and_byte_order_mark_are_taken_off_and_noted(write):
    path = write("src.txt", b"\xef\xbb\xbfa\r\nb\r\nc\n")
    file = read_lines(path)
    assert file.lines == ["a", "b", "c"]
    assert file.notes == (
        f"{path}: a byte-order mark was taken off the start",
        f"{path}: 2 of 3 lines end in CRLF; read as LF",
    )


def test_gzip_is_read_by_content_and_by_name(write):
    packed = gzip.compress(b"a\nb\n")
    assert read_lines(write("src.txt.gz", packed)).lines == ["a", "b"]
    assert read_lines(write("src.txt", packed)).lines == ["a", "b"]


def test_truncated_and_false_gzip_are_refused(write):
    path = write("src.gz", gzip.compress(b"a\nb\n" * 100)[:-9])
    assert refused(read_lines, path) == [
        (
            f"error[E205] {path}: broken gzip: Compressed file ended before the end-of-stream "
            f"marker was reached. fix: fetch or make it anew; test with: gzip -t {path}"
        )
    ]
    path = write("plain.gz", "a\n")
    assert refused(read_lines, path) == [
        (
            f"error[E205] {path}: broken gzip: Not a gzipped file (b'a\\n'). "
            f"fix: fetch or make it anew; test with: gzip -t {path}"
        )
    ]


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


def test_bytes_that_are_not_utf8_are_counted_and_the_first_is_shown(write):
    path = write("src.txt", b"a\n" + b"K\xf8b\n" * 7 + b"c\n")
    assert refused(read_lines, path) == [
        (
            f"error[E202] {path}:2: not UTF-8: 7 of 9 rows; first 5: 2, 3, 4, 5, 6; "
            "byte 0xf8 at offset 3. fix: convert it: iconv -f latin1 -t utf-8"
        )
    ]


def test_nul_characters_are_refused_with_their_lines(write):
    path = write("src.txt", "a\nb\0\nc\n\0\n")
    assert refused(read_lines, path) == [
        (
            f"error[E203] {path}:2: NUL characters in 2 of 4 rows; at: 2, 4. "
            "fix: make the file anew: it is damaged"
        )
    ]


def test_line_counts_that_differ_point_to_where_the_texts_part(write):
    lengths = [3, 60, 10, 90, 30, 5, 70, 20, 110, 40]
    source = write("src.txt", "".join("x" * length + "\n" for length in lengths))
    lost = write("ref.txt", "".join("y" * length + "\n" for length in lengths if length != 30))
    assert refused(read_aligned, [source, lost]) == [
        f"error[E204] {lost}: 9 lines, but {source} has 10. fix: look near line 5"
    ]


@pytest.mark.parametrize("lost", range(10))
@pytest.mark.parametrize("factor", [1, 3])
def test_a_lost_line_is_found_wherever_it_was(lost, factor):
    lengths = [3, 60, 10, 90, 30, 5, 70, 20, 110, 40]
    source = ["x" * length for length in lengths]
    other = ["y" * factor * length for at, length in enumerate(lengths) if at != lost]
    assert abs(drift(source, other) - (lost + 1)) <= 1
    assert abs(drift(other, source) - (lost + 1)) <= 1


def test_a_file_without_rows_is_refused(write):
    path = write("src.txt", "\n \n")
    assert refused(read_parallel, path, source_lang="da", target_lang="nb") == [
        (
            f"error[E206] {path}: no rows: 2 lines: 2 empty left out; 0 rows. "
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
    assert train.funnel == (
        "5 lines; 4 to train on: 1 sources that are also held out left out; 3 rows"
    )
    assert held.funnel == "5 lines; 1 held out"


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
    other = Corpus((Row("x:1", "c", None, "da", "sv"),), "1 lines", ("a note",))
    both = join([corpus, other])
    assert [row.id for row in both.rows] == ["1", "2", "x:1"]
    assert both.funnel == "2 lines + 1 lines"
    assert both.notes == ("a note",)
    with pytest.raises(ValueError, match="2 ids appear twice, first 1: name the corpora"):
        join([corpus, corpus])


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_a_user_error(data):
    try:
        file = lines_of(data, "x.txt")
    except UserError as error:
        assert error.exit_code == 3  # noqa: PT017
    else:
        assert all("\n" not in line for line in file.lines)
