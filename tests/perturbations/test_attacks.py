"""Every attack by hand, and what all of them promise."""

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.perturbations.attack_words import FOREIGN, JUDGE_PHRASES, NEGATION
from rewardlab.perturbations.attacks import ATTACKS, Case, cases
from rewardlab.text.languages import LANGUAGES, scripts
from rewardlab.types import Candidate

BY_NAME = {attack.name: attack for attack in ATTACKS}
OTHER = "Das ist etwas anderes. Ganz sicher."


def attacked(name, text, other=OTHER, **changes):
    fields = {"source": "Something.", "source_lang": "en", "target_lang": "de", **changes}
    return BY_NAME[name](Case(Candidate(hypothesis=text, **fields), other))


@pytest.mark.parametrize(
    ("name", "text", "result"),
    [
        ("copy", "Etwas.", "Something."),
        ("copy", "Something.", None),  # already one
        ("empty", "Etwas.", ""),
        ("truncated", "Vier Worte stehen hier.", "Vier Worte"),
        ("truncated", "Eins.", None),  # the half is no whole word
        ("truncated", "这是一个句子。", "这是一"),
        ("truncated_with_stop", "Wo stehen, bitte, die Worte?", "Wo stehen?"),
        ("truncated_with_stop", "Vier Worte stehen hier.“", "Vier Worte."),
        ("truncated_with_stop", "Vier Worte stehen hier", None),
        ("sentence_repeated", "Ja. Wo bist du?", "Ja. Wo bist du? Wo bist du?"),
        ("sentence_repeated", "谢谢。", "谢谢。谢谢。"),
        ("sentence_repeated", "(Beifall)", "(Beifall) (Beifall)"),
        ("sentence_repeated", "...", None),
        ("unrelated", "Etwas.", OTHER),
        ("addition", "Etwas.", "Etwas. Das ist etwas anderes."),
        ("word_dropped", "Wir sahen ein Unwetter.", "Wir sahen ein."),
        ("word_dropped", "Ja, ich bin da.", None),
        ("word_dropped", "这是一个句子。", "这是一子。"),
        ("negation", "Das ist nicht wahr.", "Das ist wahr."),
        ("negation", "Das ist wahr.", "Das ist nicht wahr."),
        ("negation", "Kein Mensch glaubt das.", "ein Mensch glaubt das."),
        ("negation", "Wir gehen.", None),
        ("number", "Es hat 29 Türen und 3 Fenster.", "Es hat 24 Türen und 3 Fenster."),
        ("number", "١٢٣", "١٢٨"),
        ("number", "Es hat Türen.", None),
        ("punctuation_dropped", "Ja, wir - gehen.", "Ja wir gehen"),
        ("punctuation_dropped", "Ja wir gehen", None),
        ("punctuation_dropped", "...", None),
    ],
)
def test_attacks(name, text, result):
    assert attacked(name, text) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("I can't go.", "I can go."),
        ("We won’t go.", "We will go."),
        ("They don't.", "They do."),
        ("It is not true.", "It is true."),
        ("it's fine.", "it's not fine."),
        ("Dogs bark.", None),
        ("That's fine.", "That's not fine."),
        ("He never goes.", "He always goes."),
        ("You are here.", "You are not here."),
    ],
)
def test_english_negation(text, result):
    assert attacked("negation", text, source_lang="de", target_lang="en") == result


def test_a_language_without_a_table_is_left_out():
    assert attacked("negation", "Das ist nicht wahr.", target_lang="fi") is None
    assert attacked("negation", "Das ist nicht wahr.", target_lang=None) is None


def letters_in(text, code):
    """How many letters of a text are in a script of the language, and how many there are."""
    letters = regex.findall(r"\p{L}", text)
    right = "".join(rf"\p{{Script={script}}}" for script in scripts(code))
    return sum(bool(regex.match(f"[{right}]", letter)) for letter in letters), len(letters)


@pytest.mark.parametrize(("source_lang", "target_lang"), [("en", "de"), ("zh", "en"), ("ru", "ar")])
def test_wrong_script_is_in_neither_languages_script(source_lang, target_lang):
    for source in ("a", "b", "c", "d", "e"):
        languages = {"source_lang": source_lang, "target_lang": target_lang}
        text = attacked("wrong_script", "x" * 200, source=source, **languages)
        assert len(text) > 60
        assert letters_in(text, source_lang)[0] == letters_in(text, target_lang)[0] == 0


def test_wrong_script_needs_a_known_target():
    assert attacked("wrong_script", "Etwas.", target_lang="br") is None


def test_wrong_language_is_in_the_targets_script():
    text = attacked("wrong_language", "x" * 80)
    found, letters = letters_in(text, "de")
    assert found == letters
    assert text.startswith(tuple(FOREIGN[code][0] for code in ("es", "fr", "it")))
    assert attacked("wrong_language", "x", target_lang="el") is None  # no other in Greek script


def test_foreign_text_is_as_long_as_the_honest_one_and_repeats_nothing():
    for length in (1, 50, 120, 10_000):
        text = attacked("wrong_language", "x" * length)
        assert len(text) >= min(length, 200)
        sentences = text.split(". ")
        assert len(set(sentences)) == len(sentences)


def test_judge_words_stand_behind_the_honest_text():
    text = attacked("judge_words", "Etwas.")
    assert text.removeprefix("Etwas. ") in JUDGE_PHRASES


def test_the_other_text_is_the_nearest_in_length_of_another_source():
    texts = {"a": "1234", "b": "12345", "c": "1234567", "d": "1" * 20}
    honest = [Candidate(source, text) for source, text in texts.items()]
    others = {case.honest.source: case.other for case in cases(honest)}
    assert others == {"a": "12345", "b": "1234", "c": "12345", "d": "1234567"}


def test_the_other_text_differs_in_source_and_text():
    honest = [Candidate("a", "x"), Candidate("a", "y"), Candidate("b", "x"), Candidate("c", "zzz")]
    for case in cases(honest):
        assert case.other != case.honest.hypothesis
    assert [case.other for case in cases(honest)][1] == "x"
    assert cases([Candidate("a", "x"), Candidate("a", "y")]) == []
    assert cases([]) == []


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from(["de", "zh", "th", "br", ""]))
def test_any_text_can_be_attacked(text, source, code):
    case = Case(Candidate(source, text, source_lang="en", target_lang=code), OTHER)
    for attack in ATTACKS:
        result = attack(case)
        assert result is None or isinstance(result, str)
        assert result != text
        assert attack(case) == result


def test_names_are_unique_and_tables_know_their_languages():
    assert len(BY_NAME) == len(ATTACKS)
    codes = {language.code for language in LANGUAGES}
    assert codes.issuperset(FOREIGN)
    assert codes.issuperset(NEGATION)
    for code, sentences in FOREIGN.items():
        found, letters = letters_in("".join(sentences), code)
        assert found == letters
        assert len(set(sentences)) == 6
