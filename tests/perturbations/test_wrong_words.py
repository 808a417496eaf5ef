import random

from rewardlab.perturbations.wrong_words import Text, wrong_words


def drawing(seed):
    return random.Random(seed)  # noqa: S311 - no secrets here


def all_of(text, source="", pool=(), seeds=400):
    """Everything that becomes of a text: (text, points, what is marked in it)."""
    found = set()
    for seed in range(seeds):
        made = wrong_words(
            Text.of(text), Text.of(source), [Text.of(one) for one in pool], drawing(seed)
        )
        if made:
            marked = tuple(
                (span.severity, span.category, made.text[span.start : span.end])
                for span in made.spans
            )
            found.add((made.text, made.points, marked))
    return found


def test_what_becomes_of_two_words():
    twice = "Accuracy/Addition"
    assert all_of("one two.") == {
        ("two.", 1.0, ()),
        ("one.", 1.0, ()),
        ("one", 1.0, ()),
        ("two one.", 1.0, (("minor", "Fluency/Grammar", "two one"),)),
        ("one one two.", 1.0, (("minor", twice, "one"),)),
        ("one two two.", 1.0, (("minor", twice, "two"),)),
        ("one two one two.", 1.0, (("minor", twice, "one two"),)),
    }


def test_words_of_others_and_of_the_source():
    found = all_of("Yes", "Hvid", ["Yes", "No, 29"])
    wrong, left = "Accuracy/Mistranslation", "Accuracy/Untranslated text"
    assert found == {
        ("No", 1.0, (("minor", wrong, "No"),)),
        ("29", 1.0, (("minor", wrong, "29"),)),
        ("Hvid", 1.0, (("minor", left, "Hvid"),)),
        ("Yes Yes", 1.0, (("minor", "Accuracy/Addition", "Yes"),)),
    }


def test_two_letters_of_chinese_are_a_word():
    assert all_of("你好。") == {
        ("好你。", 1.0, (("minor", "Fluency/Grammar", "好你"),)),
        ("你好你好。", 1.0, (("minor", "Accuracy/Addition", "你好"),)),
    }


def test_several_errors_stand_apart_and_are_added_up():
    text = Text.of(" ".join(f"word{n}" for n in range(30)))
    counts = set()
    for seed in range(100):
        made = wrong_words(text, Text.of(""), [], drawing(seed))
        ends = [0, *(span.end for span in made.spans)]
        assert all(span.start >= end for span, end in zip(made.spans, ends, strict=False))
        assert made.points >= len(made.spans), "what was left out costs without a span"
        counts.add(made.points)
    assert counts == {1, 2, 3, 4, 5, 6}, "at most one for every five words"


def test_nothing_to_change():
    rng = drawing(0)
    nothing = Text.of("")
    assert wrong_words(nothing, nothing, [], rng) is None
    assert wrong_words(Text.of("?!"), Text.of("a"), [Text.of("b")], rng) is None


def test_words_are_swapped_in_runs():
    found = {made for made in all_of("a b c d") if made[2] and made[2][0][1] == "Fluency/Grammar"}
    assert ("b a c d", 1.0, (("minor", "Fluency/Grammar", "b a"),)) in found
    assert ("c d a b", 1.0, (("minor", "Fluency/Grammar", "c d a b"),)) in found
