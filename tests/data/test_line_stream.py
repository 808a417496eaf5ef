"""Lines one after another are the lines of the whole file, or the same problem."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.data.line_stream import stream_lines
from rewardlab.data.lines import read_lines
from rewardlab.errors import UserError


def both(path):
    """Lines and notes, or problems, of both ways."""

    def streamed():
        notes = []
        return list(stream_lines(path, notes)), notes

    def whole():
        file = read_lines(path)
        return file.lines, list(file.notes)

    found = []
    for call in (streamed, whole):
        try:
            found.append(call())
        except UserError as error:
            found.append([str(problem) for problem in error.problems])
    return found


@given(content=st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_read_alike(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "file.txt"
    path.write_bytes(content)
    streamed, whole = both(path)
    assert streamed == whole


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfa\r\nb\n",
        gzip.compress(b"a\r\nb\n"),
        gzip.compress(b"a\nb\n" * 100)[:-9],
        "a\u2028b\x85c\n".encode(),
        "ä\n".encode("utf-16"),
        b"a\n" * 40_000 + b"\xff\n",
        b"a\n" * 40_000 + b"\0\n",
        b"a" * 70_000 + b"\nb",
        "\U0001f600\n".encode() * 20_000,
    ],
    ids=range(9),
)
def test_marks_gzip_and_late_damage_are_read_alike(tmp_path, content):
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    streamed, whole = both(path)
    assert streamed == whole
