import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rewardlab.human.marked_text import (
    CLOSE,
    EMPTY,
    NESTED,
    OPEN,
    STRAY,
    UNCLOSED,
    Marked,
    moved,
    read_marks,
)

TAG_FREE = st.text(alphabet="ab ø😀<>/v", max_size=12).filter(
    lambda text: OPEN not in text and CLOSE not in text
)
PIECES = st.lists(st.sampled_from([OPEN, CLOSE, "a", "ø", "😀", " ", "<", "v>", ""]), max_size=12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ingen fejl", Marked("ingen fejl")),
        ("", Marked("")),
        ("<v>hele</v>", Marked("hele", ((0, 4),))),
        ("a<v>b</v>c<v>d</v>", Marked("abcd", ((1, 2), (3, 4)))),
        ("😀<v>ø</v>", Marked("😀ø", ((1, 2),))),  # code points, not bytes or UTF-16 units
        ("a <v>b c", Marked("a b c", ((2, 5),), (UNCLOSED,))),
        ("a <v>", Marked("a ", (), (UNCLOSED, EMPTY))),
        ("a</v> b", Marked("a b", (), (STRAY,))),
        ("a<v></v>b", Marked("ab", (), (EMPTY,))),
        ("<v>a<v>b</v>c</v>d", Marked("abcd", ((0, 3),), (NESTED,))),
        ("<v>a<v>b</v>c", Marked("abc", ((0, 3),), (NESTED, UNCLOSED))),
        ("x < y <v>z</v>", Marked("x < y z", ((6, 7),))),
    ],
)
def test_marks_become_stretches_of_the_text_without_them(text, expected):
    assert read_marks(text) == expected


@given(PIECES)
def test_any_text_can_be_read(pieces):
    text = "".join(pieces)
    marked = read_marks(text)
    assert len(marked.text) == len(text) - 3 * text.count(OPEN) - 4 * text.count(CLOSE)
    ends = [0, *(place for stretch in marked.stretches for place in stretch), len(marked.text)]
    assert ends == sorted(ends)
    assert all(start < end for start, end in marked.stretches)


@given(st.lists(st.tuples(TAG_FREE, TAG_FREE), max_size=4), TAG_FREE)
def test_what_was_marked_is_found_again(parts, rest):
    """Texts that only look like tags at the seams are left to the test above."""
    text = "".join(f"{before}\0{OPEN}{inside}\0{CLOSE}" for before, inside in parts) + "\0" + rest
    marked = read_marks(text)
    assert [marked.text[start:end] for start, end in marked.stretches] == [
        f"{inside}\0" for _, inside in parts
    ]
    assert marked.faults == ()


@pytest.mark.parametrize(
    ("stretch", "text", "kept", "found"),
    [
        ((0, 2), "ja og nej", "ja og nej", (0, 2)),
        ((6, 10), "ja og nej ", "ja og nej", (6, 9)),  # white space at the end is cut off
        ((9, 10), "ja og nej ", "ja og nej", None),  # and may be all that was marked
        ((6, 9), "ja og nej", "ja og nej ", (6, 9)),
        ((0, 2), "ja og nej", "ja eller nej", (0, 2)),  # in what both begin with
        ((6, 9), "ja og nej", "ja eller nej", (9, 12)),  # in what both end with
        ((3, 5), "ja og nej", "ja eller nej", None),
        ((2, 7), "ja og nej", "ja eller nej", None),
        ((0, 3), "abc", "", None),
    ],
)
def test_a_stretch_moves_with_its_characters(stretch, text, kept, found):
    assert moved(stretch, text, kept) == found


@given(st.text("ab ", max_size=8), st.text("ab ", max_size=8), st.data())
@example("aa", "aaa", None)
def test_a_stretch_that_moved_covers_the_same_characters(text, kept, data):
    if data is None or not text:
        return
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    found = moved((start, end), text, kept)
    if found is not None:
        assert 0 <= found[0] < found[1] <= len(kept)
        assert kept[found[0] : found[1]].rstrip() == text[start:end].rstrip()
