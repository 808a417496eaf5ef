import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.text.sentences import is_finished, sentences


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("3.5 of 7.", ["3.5 of 7."]),
        ("„Ja.“ Nein.", ["„Ja.“", "Nein."]),
        ('He said: "Go!" So I went...', ['He said: "Go!"', "So I went..."]),
        ("(Laughter) (Applause)", ["(Laughter)", "(Applause)"]),
        ("（笑声）（掌声）谢谢。谢谢！", ["（笑声）", "（掌声）", "谢谢。", "谢谢！"]),
        ("यह अच्छा है। चलो।", ["यह अच्छा है।", "चलो।"]),
        ("कुत्ता है | बिल्ली है |", ["कुत्ता है |", "बिल्ली है |"]),
        ("a | b", ["a | b"]),
        ("ينبح.\u200f نعم.", ["ينبح.\u200f", "نعم."]),
        ("ល្អ។\u200bទៅ។", ["ល្អ។\u200b", "ទៅ។"]),
        ("３．５と４。", ["３．５と４。"]),
        ("no end", ["no end"]),
        ("two\nlines", ["two", "lines"]),
        ('the "big" house', ['the "big" house']),
        ("", []),
        (" \t", []),
    ],
)
def test_sentences(text, parts):
    assert [one.text for one in sentences(text)] == parts


@pytest.mark.parametrize(
    "text",
    [
        *("Yes.", "Ja!“", "谢谢。", "He left. ”", "(Applause)", "first:", "one; ", "Really?!"),
        *(
            f"الكلب ينبح.{mark}"
            for mark in "\u200e\u200f\u061c\u200b\u2060\ufeff\u200d\u00ad\u2069"
        ),
        *(
            "“Yes.”\u200f",
            "Yes.\u200b”",
            "(Applause)\u200f",
            "\u200f«انتهى.»\u200f",
            "Oui\u202f!\u202f»\u200b",
        ),
        *("कुत्ता भौंकता है |", "कुत्ता भौंकता है|", "कुत्ता है ||", "कुकुर भुक्छ ।", "কুকুর ঘেউ করে |"),
        *("ਕੁੱਤਾ ਭੌਂਕਦਾ ਹੈ |", "कुत्रा भुंकतो |”", "श्वानः बुक्कति ॥", "ନୟନ |", "कुत्ता (dog) ｜"),
        *("کتا بھونکتا ہے۔", "هل ينبح؟", "ខ្មែរ។", "ខ្មែរ៕", "བོད་ཡིག།", "ᠮᠣᠩᠭᠣᠯ᠃", "မြန်မာ။", "ውሻ ጮኸ።"),
        *(
            "ውሻ ጮኸ፡፡",
            "Շունը հաչում է։",
            "Τι κάνεις\u037e",
            "ᱥᱟᱱᱛᱟᱲᱤ᱾",
            "ꯃꯅꯤꯄꯨꯔꯤ꯫",
            "שלום.״",
            "Wait⋯",
        ),
        *("Wow‼", "*He left.*", "'Ja.'´", "终于好了﹗", "好的。＂", "„Ja.„"),
    ],
)
def test_finished(text):
    assert is_finished(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "and then", "Dr. Weber", "the 'plan'", "Muppets", "on,", "and then\u200f", "\u200b"),
        *("A | B |", "كلب،", "कुत्ता भौंकता", "कुत्ता | और"),
    ],
)
def test_not_finished(text):
    assert not is_finished(text)


@settings(deadline=None)
@given(st.text(alphabet="ab .!。)(“\n", max_size=60))
def test_sentences_are_all_of_the_text_but_white_space(text):
    found = list(sentences(text))
    assert all(text[one.start : one.end] == one.text for one in found)
    gaps = [0, *(at for one in found for at in (one.start, one.end)), len(text)]
    assert not "".join(text[a:b] for a, b in zip(gaps[::2], gaps[1::2], strict=True)).strip()


@pytest.mark.parametrize(
    "unit", ["a", " ", ".", ". ", "(", ")", "( ", "[a", "。”", "\n", "1.", ".\u200f", "है|"]
)
def test_time_is_linear(unit):
    started = time.thread_time()
    text = unit * (100_000 // len(unit))
    list(sentences(text))
    is_finished(text)
    assert time.thread_time() - started < 4.0
