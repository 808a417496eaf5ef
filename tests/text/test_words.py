import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.text.characters import visible
from rewardlab.text.words import ngram_length, spoken, words


def texts(text):
    return [word.text for word in words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\n", []),
        ("Hello, world!", ["Hello", ",", "world", "!"]),
        ("Don't l’eau state-of-the-art", ["Don't", "l’eau", "state-of-the-art"]),
        ("'quoted' a--b", ["'", "quoted", "'", "a", "-", "-", "b"]),
        ("1,000.5 10:30 3/4 5.", ["1,000.5", "10:30", "3/4", "5", "."]),
        ("50% of €5", ["50", "%", "of", "€", "5"]),
        ("snake_case x2", ["snake_case", "x2"]),
        ("北京dog。", ["北", "京", "dog", "。"]),
        ("コーヒー", ["コ", "ー", "ヒ", "ー"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("ភាសា", ["ភា", "សា"]),
        ("สวน ๑๒๓", ["ส", "ว", "น", "๑๒๓"]),
        ("한국어 단어", ["한국어", "단어"]),
        ("می\u200cخواهم نه", ["می\u200cخواهم", "نه"]),
        ("e\u0301te\u0301 हिन्दी", ["e\u0301te\u0301", "हिन्दी"]),
    ],
)
def test_words_of_many_scripts(text, expected):
    assert texts(text) == expected


def test_kinds_and_offsets():
    assert [tuple(word) for word in words("北a €.")] == [
        ("北", 0, 1, "letter"),
        ("a", 1, 2, "word"),
        ("€", 3, 4, "symbol"),
        (".", 4, 5, "mark"),
    ]
    assert [word.text for word in spoken("北a €.")] == ["北", "a"]


def test_ngram_length_follows_the_majority():
    assert ngram_length(words("one two 北"), 4) == 4
    assert ngram_length(words("one 北 京"), 4) == 8
    assert ngram_length([], 4) == 4


@given(st.text())
def test_words_cover_everything_visible_once_and_in_order(text):
    end = 0
    for word in words(text):
        assert word.text == text[word.start : word.end] != ""
        assert visible(text[end : word.start]).strip() == ""
        end = word.end
    assert visible(text[end:]).strip() == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\u200fالكلب ينبح.\u200f", ["الكلب", "ينبح", "."]),
        ("Wort\u00adteil und\u200b so\ufeff", ["Wort\u00adteil", "und", "so"]),
        ("می\u200cروم", ["می\u200cروم"]),
        ("ดี\u200bมาก", ["ดี", "ม", "า", "ก"]),
        ("４５，０００ 26،013 1ʼ000", ["４５，０００", "26،013", "1ʼ000"]),
        ("👩\u200d👧 ok", ["👩\u200d", "👧", "ok"]),
    ],
)
def test_invisible_characters_are_no_words(text, found):
    assert [word.text for word in words(text)] == found


def test_words_are_compared_by_what_is_shown():
    (word,) = words("Wort\u00adTeil\u200f")
    assert (word.text, word.shown, word.folded) == ("Wort\u00adTeil", "WortTeil", "wortteil")
    assert [word.shown for word in words("می\u200cروم")] == ["می\u200cروم"]
