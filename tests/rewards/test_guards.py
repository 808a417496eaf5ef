import math

import pytest

from rewardlab.rewards import LengthRatio, NoRepetition, NotCopied, NotEmpty, TargetScript
from rewardlab.types import Candidate, Status


def judged(reward, source, hypothesis, target_lang=None):
    """The score, None if not applicable, and (text, severity, category, side) of each span."""
    output = reward([Candidate(source, hypothesis, target_lang=target_lang)])
    spans = [
        (
            (hypothesis if span.side == "hypothesis" else source)[span.start : span.end],
            span.severity,
            span.category,
            span.side,
        )
        for span in output.spans[0]
    ]
    if output.status == [Status.NOT_APPLICABLE]:
        assert spans == []
        return None
    return output.scores[0], spans


def hypothesis_span(text, category, severity="major"):
    return (text, severity, category, "hypothesis")


def omission(source):
    return (source, "major", "Accuracy/Omission", "source")


class TestNotEmpty:
    def test_a_letter_or_a_digit_is_enough(self):
        for hypothesis in ("a", "7", "...北", "٣"):
            assert judged(NotEmpty(), "Hund", hypothesis) == (1.0, [])

    def test_nothing_is_an_omission_of_the_source(self):
        assert judged(NotEmpty(), "Hund", "") == (0.0, [omission("Hund")])

    @pytest.mark.parametrize("hypothesis", ["...", " ", "👍", "\u200b", "\u0301"])
    def test_marks_alone_are_no_translation(self, hypothesis):
        expected = hypothesis_span(hypothesis, "Non-translation")
        assert judged(NotEmpty(), "Hund", hypothesis) == (0.0, [expected])

    def test_a_source_that_says_nothing_is_not_applicable(self):
        assert judged(NotEmpty(), "!?", "!?") is None
        assert judged(NotEmpty(), "", "") is None


class TestLengthRatio:
    @pytest.mark.parametrize("length", [10, 30, 90, 110])  # 30/3, ..., 3*30, 3*30 + 20
    def test_inside_the_bounds(self, length):
        assert judged(LengthRatio(), "s" * 30, "h" * length) == (1.0, [])

    def test_too_short_is_an_omission(self):
        assert judged(LengthRatio(), "s" * 30, "h" * 4) == (
            pytest.approx(0.4),
            [omission("s" * 30)],
        )
        assert judged(LengthRatio(), "s" * 30, "") == (0.0, [omission("s" * 30)])

    def test_the_tail_of_a_long_hypothesis_is_an_addition(self):
        score, spans = judged(LengthRatio(slack=0), "s" * 30, "h" * 90 + "t" * 90)
        assert score == 0.5
        assert spans == [hypothesis_span("t" * 90, "Accuracy/Addition")]

    def test_dense_scripts_weigh_more(self):
        source = "The European Commission has not accepted it."  # 44 characters
        assert judged(LengthRatio(), source, "欧盟委员会没接受") == (1.0, [])  # 8 * 3 >= 44 / 3
        score, _ = judged(LengthRatio(), source, "欧盟")  # 2 * 3 characters of 14.67
        assert score == pytest.approx(6 / (44 / 3))
        score, spans = judged(LengthRatio(max_ratio=1.0, slack=0), "s" * 6, "ab北京x")
        assert score == pytest.approx(6 / 9)
        assert spans == [hypothesis_span("京x", "Accuracy/Addition")]
        assert judged(LengthRatio(max_ratio=1.0, slack=0), "s" * 4, "한어") == (1.0, [])

    def test_without_a_source_not_applicable(self):
        assert judged(LengthRatio(), "", "Hund") is None

    @pytest.mark.parametrize(
        "options",
        [
            {"min_ratio": -0.1},
            {"min_ratio": 4.0},
            {"max_ratio": math.inf},
            {"min_ratio": math.nan},
            {"slack": -1},
        ],
    )
    def test_bounds_out_of_range(self, options):
        with pytest.raises(ValueError, match="must be"):
            LengthRatio(**options)


class TestTargetScript:
    UNTRANSLATED = "Accuracy/Untranslated text"

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("Hello, wörld 7!", "en"),
            ("Привет", "ru_RU"),
            ("コーヒーを飲む人", "ja"),
            ("欧盟", "zho-CN"),
            ("한국어", "ko"),
            ("हिन्दी", "hi"),
            ("می‌خواهم", "fa"),
            ("Dobar dan", "srp-Latn"),
            ("Добар дан", "sr"),
            ("12.5 👍", "ru"),
            ("", "ru"),
        ],
    )
    def test_texts_in_the_right_script(self, text, code):
        assert judged(TargetScript(), "s", text, code) == (1.0, [])

    def test_share_and_spans(self):
        score, spans = judged(TargetScript(), "x", "Я вижу a big dog, да.", "ru")
        assert score == pytest.approx(7 / 14)  # Я вижу да against a big dog
        assert spans == [hypothesis_span("a big dog", self.UNTRANSLATED)]

    def test_what_the_source_has_too_may_be_a_name(self):
        _, spans = judged(TargetScript(), "I like iPhone", "我喜欢iPhone", "zh")
        assert spans == [hypothesis_span("iPhone", self.UNTRANSLATED, "minor")]

    def test_the_subtag_decides(self):
        assert judged(TargetScript(), "x", "Добар дан", "srp-Latn") == (
            0.0,
            [hypothesis_span("Добар дан", self.UNTRANSLATED)],
        )

    @pytest.mark.parametrize("code", [None, "", "br", "Breton"])
    def test_a_language_outside_the_table_is_not_applicable(self, code):
        assert judged(TargetScript(), "x", "y", code) is None

    @pytest.mark.parametrize("code", ["de", "DE", "deu_Latn", "de-DE", "German", "german"])
    def test_every_spelling_of_a_language_means_the_same(self, code):
        assert judged(TargetScript(), "x", "我喜欢你", code)[0] == 0.0

    @pytest.mark.parametrize("code", ["xx", "nonsense"])
    def test_a_language_that_does_not_exist_is_refused(self, code):
        with pytest.raises(ValueError, match=f"unknown language '{code}'"):
            judged(TargetScript(), "x", "y", code)


class TestNotCopied:
    def test_share_of_copied_words(self):
        score, spans = judged(NotCopied(n=3), "one two three four", "eins Two three, four fünf")
        assert score == pytest.approx(2 / 5)
        assert spans == [hypothesis_span("Two three, four", "Accuracy/Untranslated text")]

    def test_shorter_than_n_is_no_copy(self):
        assert judged(NotCopied(n=3), "one two three four", "eins two three vier") == (1.0, [])

    def test_a_short_source_is_one_ngram(self):
        assert judged(NotCopied(), "Hello world", "hello world!")[0] == 0.0
        assert judged(NotCopied(), "Hello world", "hello")[0] == 1.0
        assert judged(NotCopied(), "Hello world", "hello world hallo Welt")[0] == 0.5

    def test_letters_without_spaces_count_half(self):
        source = "一二三四五六七八九"
        assert judged(NotCopied(), source, "一二三四五六七百千")[0] == 1.0  # 7 letters in common
        assert judged(NotCopied(), source, "一二三四五六七八千")[0] == pytest.approx(1 / 9)

    def test_empty_is_not_copied(self):
        assert judged(NotCopied(), "Hello", "") == (1.0, [])

    def test_a_source_without_letters_is_not_applicable(self):
        assert judged(NotCopied(), "12:30", "12:30") is None


class TestNoRepetition:
    def test_second_and_later_occurrences(self):
        score, spans = judged(NoRepetition(n=2), "x", "a b, c a b d A B")
        assert spans == [
            hypothesis_span("a b", "Accuracy/Addition"),
            hypothesis_span("A B", "Accuracy/Addition"),
        ]
        assert score == pytest.approx(1 - 6 / 16)

    def test_as_often_as_the_source_repeats(self):
        assert judged(NoRepetition(n=2), "x y z x y", "a b c a b") == (1.0, [])
        assert judged(NoRepetition(n=2), "x y z x y", "a b c a b d a b")[0] < 1.0

    def test_occurrences_do_not_overlap(self):
        assert judged(NoRepetition(), "x", "very very very very very good")[0] == 1.0
        assert judged(NoRepetition(), "x", "very " * 8)[0] < 1.0

    def test_a_loop_of_characters(self):
        score, spans = judged(NoRepetition(), "x", "So " + "ha" * 10 + "!")
        assert spans == [hypothesis_span("ha" * 9, "Accuracy/Addition")]
        assert score == pytest.approx(1 - 18 / 24)
        assert judged(NoRepetition(), "x", "ha" * 9) == (1.0, [])

    def test_a_loop_that_the_source_has_too(self):
        assert judged(NoRepetition(), "ja" * 12, "ha" * 12) == (1.0, [])

    def test_a_sentence_that_follows_itself(self):
        score, spans = judged(NoRepetition(), "Thanks.", "Danke. Danke.")
        assert spans == [hypothesis_span("Danke.", "Accuracy/Addition")]
        assert score == pytest.approx(1 - 6 / 13)
        assert judged(NoRepetition(), "谢", "谢谢。谢谢。")[0] == 0.5
        assert judged(NoRepetition(), "x", "(Beifall) (Beifall)")[0] < 1.0

    @pytest.mark.parametrize("source", ["Thanks. Thanks.", "Thanks, thanks.", "谢谢！谢谢！"])
    def test_a_sentence_that_the_source_says_as_often(self, source):
        assert judged(NoRepetition(), source, "Danke. Danke.") == (1.0, [])
        assert judged(NoRepetition(), source, "Danke. Danke. Danke.")[0] < 1.0

    def test_a_short_sentence_may_come_again_later(self):
        assert judged(NoRepetition(), "x", "Ja. Nein. Ja.") == (1.0, [])

    def test_nothing_repeats_nothing(self):
        assert judged(NoRepetition(), "x", "") == (1.0, [])


@pytest.mark.parametrize("guard", [NotCopied, NoRepetition])
@pytest.mark.parametrize("n", [0, -1, 101])
def test_n_out_of_range(guard, n):
    with pytest.raises(ValueError, match=f"n={n} must be from 1 to 100"):
        guard(n=n)


def test_invisible_characters_neither_hide_nor_fill_anything():
    hidden = "\u200b".join("The dog barked at night")
    assert NotCopied()([Candidate("The dog barked at night", hidden)]).scores.tolist() == [0.0]
    assert NotEmpty()([Candidate("The dog", "\u3164\u200b\ufeff")]).scores.tolist() == [0.0]
    padded = Candidate("The dog barked at night", "Der" + "\u200b" * 50)
    assert LengthRatio()([padded]).scores[0] == pytest.approx(3 / (23 / 3))
    twice = Candidate("x", "Der Hund bellt. Der\u200b Hund bellt.\u200f")
    assert NoRepetition()([twice]).scores[0] < 0.6
