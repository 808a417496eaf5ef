import pytest

from rewardlab.text.languages import LANGUAGES
from rewardlab.text.number_words import (
    SMALL,
    TENS,
    chinese_number,
    scale_after,
    spelled_numbers,
)


def values(text, language):
    return [one.value for one in spelled_numbers(text, language)]


@pytest.mark.parametrize(
    ("numeral", "value"),
    [
        ("零", 0),
        ("十", 10),
        ("十二", 12),
        ("二十", 20),
        ("一百零五", 105),
        ("两千五百", 2500),
        ("一万", 10_000),
        ("十万", 100_000),
        ("三十亿", 3_000_000_000),
        ("一亿二千万", 120_000_000),
        ("一万亿", 10**12),
        ("三万五千亿", 35 * 10**11),
        ("二〇二一", 2021),
        ("万", 10_000),
    ],
)
def test_chinese_numerals(numeral, value):
    assert chinese_number(numeral) == value


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("Twelve of twenty-four", "en", [12, 24]),
        ("twenty, four", "en", [20, 4]),
        ("zwölf und hundert", "de", [12, 100]),
        ("п'ять", "uk", [5]),
        ("sechs", "en", []),
        ("sechs", "deu_Latn", [6]),
        ("six", None, []),
        ("six", "br", []),
        ("sechs", "German", [6]),
        ("sixteenth", "en", []),
    ],
)
def test_words(text, language, found):
    assert values(text, language) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("138亿", []),
        ("18.9 亿", []),
        ("百人", [100]),
        ("九二共识", [92]),
        ("十个", [10]),
        ("三个", [3]),
        ("一万六千", [16_000]),
        ("二〇二一年", [2021]),
    ],
)
def test_numerals_that_say_a_number(text, found):
    assert values(text, "zh") == found


def test_words_stand_where_they_say():
    text = "Ten or twenty-four"
    assert [text[one.start : one.end] for one in spelled_numbers(text, "en")] == [
        "Ten",
        "twenty-four",
    ]


@pytest.mark.parametrize(
    "text", ["2.5 million", "28亿", "5 тыс.", "3-million", "125m people", "40 Mio.", "2万"]
)
def test_scaled(text):
    end = max(at for at, character in enumerate(text) if character.isdigit()) + 1
    assert scale_after(text, end) is not None


@pytest.mark.parametrize("text", ["25 mice", "25", "25 metres", "25 %", "25 binary"])
def test_not_scaled(text):
    assert scale_after(text, 2) is None


def test_every_language_is_one_we_know_and_counts_without_gaps():
    codes = {language.code for language in LANGUAGES}
    assert codes.issuperset(SMALL)
    assert codes.issuperset(TENS)
    for words in SMALL.values():
        assert len(set(words.split())) == len(words.split()) >= 11
