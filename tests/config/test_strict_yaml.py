import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.config.strict_yaml import MAX_BYTES, dump, load, read
from rewardlab.errors import UserError


def refusal(text):
    with pytest.raises(UserError) as caught:
        load(text, "rl.yaml")
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("True", "True"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("Null", "Null"),
        ("0", 0),
        ("-12", -12),
        ("007", "007"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("1e-5", 1e-5),
        ("3E3", 3000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("'1'", "1"),
        ('"true"', "true"),
        ("1.2.3", "1.2.3"),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_a_word_is_what_it_looks_like(word, value):
    read_back = load(f"key: {word}\n", "rl.yaml").value
    assert read_back == {"key": value}
    assert type(read_back["key"]) is type(value)


def test_values_keep_their_place():
    document = load("run: a\ndata:\n  - source: b\n    n: [1, 2]\n", "rl.yaml")
    assert document.value == {"run": "a", "data": [{"source": "b", "n": [1, 2]}]}
    assert dict(document.positions) == {
        (): (1, 1),
        ("run",): (1, 1),
        ("data",): (2, 1),
        ("data", 0): (3, 5),
        ("data", 0, "source"): (3, 5),
        ("data", 0, "n"): (4, 5),
        ("data", 0, "n", 0): (4, 9),
        ("data", 0, "n", 1): (4, 12),
    }
    assert document.where(("data", 0, "n")) == "rl.yaml:4:5 data.0.n"
    assert document.where(("data", 0, "missing")) == "rl.yaml:3:5 data.0.missing"
    assert document.where(()) == "rl.yaml:1:1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "\ufeffrun: a",
            (
                "error[E002] rl.yaml:1:1: the file starts with a byte-order mark (U+FEFF). "
                "fix: save the file as UTF-8 without BOM"
            ),
        ),
        (
            "run: a\x00b",
            (
                "error[E002] rl.yaml:1:7: the character U+0000 is refused. "
                "fix: remove it, or write it as an escape in double quotes"
            ),
        ),
        (
            "run: a\u2028b",
            (
                "error[E002] rl.yaml:1:7: the character U+2028 is refused. "
                "fix: remove it, or write it as an escape in double quotes"
            ),
        ),
        (
            "run: [1, 2\n",
            (
                "error[E003] rl.yaml:2:1: not YAML: expected ',' or ']', but got '<stream end>' "
                "while parsing a flow sequence. fix: check indentation, brackets and quotes"
            ),
        ),
        (
            "run: a: b",
            (
                "error[E003] rl.yaml:1:7: a key is not allowed here. "
                "fix: quote text that contains ': ', or correct the indentation of the line"
            ),
        ),
        (
            "run:\n\tpath: a",
            "error[E004] rl.yaml:2:1: a tab indents this line. fix: indent with spaces",
        ),
        ("run:\ta", "error[E004] rl.yaml:1:5: a tab separates here. fix: use spaces"),
        ("", "error[E005] rl.yaml:1:1: the document is empty. fix: write key: value lines"),
        ("# a", "error[E005] rl.yaml:1:1: the document is empty. fix: write key: value lines"),
        (
            "run: a\nseed: 1\nrun: b",
            (
                "error[E006] rl.yaml:3:1: 'run' appears twice, first in line 1. "
                "fix: keep one of the two"
            ),
        ),
        (
            "run: !!python/object/apply:os.system ['touch canary']",
            (
                "error[E007] rl.yaml:1:6: tags are refused, found "
                "'tag:yaml.org,2002:python/object/apply:os.system'. fix: write the plain value"
            ),
        ),
        (
            "%TAG ! tag:x,2000:\n---\na: 1",
            "error[E007] rl.yaml:1:1: %TAG directives are refused. fix: remove the line",
        ),
        (
            "a: &x 1",
            (
                "error[E008] rl.yaml:1:4: anchors and aliases are refused, found 'x'. "
                "fix: write the value out where it is used"
            ),
        ),
        (
            "<<: {a: 1}",
            (
                "error[E008] rl.yaml:1:1: merge keys (<<) are refused. "
                "fix: write the keys out where they are used"
            ),
        ),
        (
            "[" * 30,
            (
                "error[E009] rl.yaml:1:25: more than 24 levels deep. "
                "fix: no configuration needs that; flatten it"
            ),
        ),
        (
            "a" * (MAX_BYTES + 1),
            (
                "error[E009] rl.yaml: larger than 65,536 bytes. "
                "fix: keep data in files of their own and name them here"
            ),
        ),
        ("1: a", "error[E010] rl.yaml:1:1: a key must be text, found '1'. fix: \"1\":"),
        (
            "? [a]\n: 1",
            "error[E010] rl.yaml:1:3: a key must be text, found something else. fix: write a word",
        ),
        (
            "--- {a: 1}\n--- {b: 2}",
            "error[E011] rl.yaml:2:1: a second document starts here. fix: keep one document",
        ),
        (
            "lr: .inf",
            (
                "error[E012] rl.yaml:1:5: '.inf' is not a finite number. "
                "fix: write a finite number, or quote it as text"
            ),
        ),
        (
            "lr: 1e999",
            (
                "error[E012] rl.yaml:1:5: '1e999' is not a finite number. "
                "fix: write a finite number, or quote it as text"
            ),
        ),
        (
            "n: 9223372036854775808",
            (
                "error[E012] rl.yaml:1:4: '9223372036854775808' does not fit in 64 bits. "
                "fix: write a finite number, or quote it as text"
            ),
        ),
    ],
)
def test_what_is_refused_says_where_and_how_to_fix_it(text, message):
    assert refusal(text) == [message]


def test_all_problems_of_a_file_are_reported_at_once():
    codes = [message[6:10] for message in refusal("a: 1\na: 2\nb: &x 3\nc: *x\nd: !t 4\n5: e\n")]
    assert codes == ["E006", "E008", "E008", "E007", "E010"]


def test_an_alias_bomb_is_refused_at_its_first_anchor():
    levels = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for last, name in zip("abcdefgh", "bcdefghi", strict=True):
        levels.append(f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]")
    assert refusal("\n".join(levels))[0].startswith("error[E008] rl.yaml:1:4: ")


HOSTILE = (
    """[ { [1, {a:· -· ?· & * ! % ' "\\x a, [? {a # | a:·b↵ a:↵ a:·[↵ >↵· a:·'x↵↵ ---↵ é ⇥ ↵"""
)


@pytest.mark.parametrize("word", HOSTILE.split())
def test_hostile_input_is_read_or_refused_within_a_second(word):
    piece = word.translate({ord("·"): " ", ord("↵"): "\n", ord("⇥"): "\t"})
    start = time.thread_time()
    try:
        load(piece * (MAX_BYTES // len(piece.encode())), "rl.yaml")
    except UserError as error:
        assert 1 <= len(error.problems) <= 20  # noqa: PT017
    assert time.thread_time() - start < 1.0


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet=st.sampled_from("ab:-[]{},&*!|>'\"%@`#?<~ \n\t1e.\\\x00\ufeffé"), max_size=60)
)
def test_arbitrary_text_raises_nothing_but_a_user_error(text):
    try:
        load(text, "rl.yaml")
    except UserError as error:
        assert all(str(problem).startswith("error[E0") for problem in error.problems)  # noqa: PT017


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(["no", "1e-5", "null", "~", "<<", "0x1F", "- a", "a: b", "#", " a ", "007"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_what_is_dumped_is_loaded_as_it_was(value):
    assert load(dump(value), "out.yaml").value == value


def test_a_file_is_read_by_its_name(tmp_path):
    path = tmp_path / "rl.yaml"
    path.write_text("lang: no\n", encoding="utf-8")
    assert read(path).value == {"lang": "no"}


def test_a_missing_file_and_a_directory_are_named(tmp_path):
    for path, reason in [
        (tmp_path / "none.yaml", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ]:
        with pytest.raises(UserError) as caught:
            read(path)
        message = f"error[E001] {path}: cannot be read: {reason}. fix: give the path of a YAML file"
        assert str(caught.value) == message


def test_a_file_that_is_not_utf8_is_refused_at_its_byte(tmp_path):
    path = tmp_path / "latin1.yaml"
    path.write_bytes(b"run: a\nname: K\xf8benhavn\n")
    with pytest.raises(UserError) as caught:
        read(path)
    where = f"{path}:2:8"
    message = f"error[E002] {where}: byte 0xf8 is not UTF-8. fix: save the file as UTF-8"
    assert str(caught.value) == message


def test_a_huge_file_is_refused_without_being_read_whole(tmp_path):
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UserError, match="E009"):
        read(path)
