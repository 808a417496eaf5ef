import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.data.lines import drift, lines_of, read_aligned, read_lines
from rewardlab.errors import UserError


def refused(call, *args, **kwargs):
    with pytest.raises(UserError) as caught:
        call(*args, **kwargs)
    assert caught.value.exit_code == 3
    return [str(problem) for problem in caught.value.problems]


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
            f"marker was reached. fix: download or create it again; test it with: gzip -t {path}"
        )
    ]
    path = write("plain.gz", "a\n")
    assert refused(read_lines, path) == [
        (
            f"error[E205] {path}: broken gzip: Not a gzipped file (b'a\\n'). "
            f"fix: download or create it again; test it with: gzip -t {path}"
        )
    ]


def test_bytes_that_are_not_utf8_are_counted_and_the_first_is_shown(write):
    path = write("src.txt", b"a\n" + b"K\xf8b\n" * 7 + b"c\n")
    out = path.with_name("utf8_src.txt")
    assert refused(read_lines, path) == [
        (
            f"error[E202] {path}:2: not UTF-8: 7 of 9 rows; first 5: 2, 3, 4, 5, 6; "
            "byte 0xf8 at offset 3; as WINDOWS-1252 the first one reads 'Køb'. "
            f"fix: convert it: iconv -f WINDOWS-1252 -t UTF-8 {path} > {out}"
        )
    ]


def test_nul_characters_are_refused_with_their_lines(write):
    path = write("src.txt", "a\nb\0\nc\n\0\n")
    assert refused(read_lines, path) == [
        (
            f"error[E203] {path}:2: NUL characters in 2 of 4 rows; at: 2, 4. "
            "fix: create the file again: it is damaged"
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


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_a_user_error(data):
    try:
        file = lines_of(data, "x.txt")
    except UserError as error:
        assert error.exit_code == 3  # noqa: PT017
    else:
        assert all("\n" not in line for line in file.lines)


def test_files_of_other_texts_and_tables_are_named_as_such(write):
    long, short = write("long", "a\n" * 100), write("short", "a\n" * 10)
    with pytest.raises(UserError, match=r"E204.*fix: are .*long and .*short of the same texts\?"):
        read_aligned([long, short])
    table = write("table", "system\tsegment\n" + "A\t1\n" * 98)
    with pytest.raises(UserError, match=r"E204.*fix: .*table is a table with columns"):
        read_aligned([long, table])
    near = write("near", "a\n" * 99)
    with pytest.raises(UserError, match=r"E204.*fix: look near line"):
        read_aligned([long, near])
