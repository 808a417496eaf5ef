import pytest

from rewardlab.decoding.files import (
    read_translations,
    write_hypotheses,
    write_translations,
)
from rewardlab.decoding.translate import Translation
from rewardlab.errors import UserError

ROWS = [
    Translation("2", ("Blåbær\n\nog\u2028mere ", "x"), (3, 1), (True, False)),
    Translation("1", ("",), (1,), (True,)),
]
SOURCES = {"1": "ягода", "2": 'a "b"\tc'}


def test_texts_come_back_exactly_and_in_order(tmp_path):
    path = tmp_path / "translations.jsonl"
    write_translations(path, ROWS, SOURCES)
    found = read_translations(path)
    assert list(found.values()) == [(SOURCES["2"], ROWS[0]), (SOURCES["1"], ROWS[1])]
    lines = path.read_text("utf-8").splitlines()
    assert lines[0].startswith(
        '{"id": "2", "source": "a \\"b\\"\\tc", "texts": ["Blåbær\\n\\nog\\u2028mere ", "x"], '
        '"tokens": [3, 1], "finished": [true, false]}'
    )
    assert len(lines) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["translations.jsonl"]


def test_a_hypothesis_is_one_line_whatever_reads_it(tmp_path):
    path = tmp_path / "hypotheses.txt"
    texts = ["a\r\nb", "", " c ", "d\x0be\x85f\u2028g\u2029h\x1ci\rj\n", "k"]
    assert write_hypotheses(path, texts) == 2
    text = path.read_bytes().decode()
    assert text == "a b\n\n c \nd e f g h i j \nk\n"
    assert text.splitlines() == text.split("\n")[:-1]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'{"id": "1"}\n', 'line 1 is no translation: \'{"id": "1"}\''),
        (b"[]\n", "line 1 is no translation: '[]'"),
        (b'{"id": "1", "source": "a", "te\n', "line 1 is no translation"),
        (b"", "line 1 is no translation: ''"),
        (b"\xff\n", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_not_ours_is_refused(tmp_path, content, what):
    path = tmp_path / "translations.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_translations(path)
    (problem,) = error.value.problems
    assert (error.value.exit_code, problem.code, problem.where) == (3, "E085", str(path))
    assert problem.what.startswith(what)
