import dataclasses
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.data.rows import Row
from rewardlab.human.rated import Rated
from rewardlab.perturbations.attacks import Case
from rewardlab.perturbations.failures import FAILURES, damaged, fail, failures
from rewardlab.text.words import spoken
from rewardlab.types import Candidate, ErrorSpan

ENGLISH = [
    ("Jeg så en hest i går. Den var hvid!", "I saw a horse yesterday. It was white!"),
    ("Hvor bor du?", "Where do you live?"),
    ("Vi har 29 døre i huset.", "We have 29 doors in the house."),
    ("Min søster læser bøger om havet.", "My sister reads books about the sea."),
]
CHINESE = [
    ("I saw a white horse yesterday.", "我昨天看见了一匹白马。"),
    ("Where do you live?", "你住在哪里？"),
    ("My sister reads books about the sea.", "我姐姐读关于大海的书。"),
]


def corpus(pairs=ENGLISH, source_lang="da", target_lang="en"):
    return [
        Row(f"{target_lang}:{number}", *pair, source_lang, target_lang, f"doc{number % 2}")
        for number, pair in enumerate(pairs)
    ]


def judged(rows, systems=2):
    """Each reference back to front, by several systems."""
    return [
        Rated(
            Candidate(
                row.source,
                f"{row.reference[::-1]} {system}.",
                row.reference,
                row.source_lang,
                row.target_lang,
                id=row.id,
            ),
            -3.0,
            ((ErrorSpan(0, 1, "major"),),),
            f"system{system}",
            row.document,
        )
        for row in rows
        for system in range(systems)
    ]


def case(source, text, other="", **fields):
    return Case(Candidate(source, text, **fields), other)


def test_the_source_untranslated_is_wrong_as_a_whole():
    made = fail(case("Hvor bor du?", "Where do you live?"), "untranslated", seed=0)
    whole = ErrorSpan(0, 12, "critical", "Non-translation")
    assert made == ("untranslated", "Hvor bor du?", 25.0, (whole,))
    assert fail(case("Taxi", "Taxi"), "untranslated", seed=0) is None
    assert fail(case(" ", "Taxi"), "untranslated", seed=0) is None


def test_an_unrelated_text_is_wrong_as_a_whole():
    made = fail(case("Hvor bor du?", "Where do you live?", "It is red."), "unrelated", seed=0)
    whole = ErrorSpan(0, 10, "critical", "Non-translation")
    assert made == ("unrelated", "It is red.", 25.0, (whole,))
    assert fail(case("Hvor bor du?", "Where do you live?"), "unrelated", seed=0) is None


def test_the_more_is_cut_off_the_more_it_costs_with_and_without_a_final_mark():
    text = "one two three four five six seven eight nine ten."
    made = [fail(case("s", text), "truncated", seed=seed) for seed in range(60)]
    for one in made:
        kept = one.hypothesis.removesuffix(".").split()
        assert kept == text.split()[: len(kept)]
        assert one.error == pytest.approx(25 * (10 - len(kept)) / 10)
        assert one.spans == ()
    assert {len(one.hypothesis.split()) for one in made} == set(range(2, 9))
    closed = sum(one.hypothesis.endswith(".") for one in made)
    assert 15 <= closed <= 45


def test_no_cut_costs_less_than_a_major_error_and_something_always_stays():
    made = fail(case("s", "one two"), "truncated", seed=0)
    assert (made.hypothesis, made.error) == ("one", 12.5)
    long = " ".join(["word"] * 100)
    assert min(fail(case("s", long), "truncated", seed=n).error for n in range(200)) >= 5.0
    assert fail(case("s", "one"), "truncated", seed=0) is None


def test_a_repeated_text_is_marked_where_it_starts_again():
    made = fail(case("s", "Hi there."), "repeated", seed=0)
    assert made.hypothesis == "Hi there. Hi there."
    assert made.spans == (ErrorSpan(10, 19, "critical", "Accuracy/Addition"),)
    assert made.error == 25.0
    two = [fail(case("s", "Hi. How are you?"), "repeated", seed=seed) for seed in range(20)]
    assert {(one.hypothesis, one.error, one.spans[0].severity) for one in two} == {
        ("Hi. How are you? Hi. How are you?", 25.0, "critical"),
        ("Hi. How are you? How are you?", 5.0, "major"),
    }
    for one in two:
        assert one.hypothesis[one.spans[0].start :] == one.hypothesis[17:]


def test_chinese_is_repeated_without_a_space():
    made = fail(case("s", "你好。"), "repeated", seed=0)
    assert made.hypothesis == "你好。你好。"
    assert made.spans[0].start == 3


@pytest.mark.parametrize(
    ("source", "text", "bare", "place"),
    [
        ("Hvor bor du?", "Where do you live?", "Where do you live", (11, 12)),
        ("Hvor bor du", 'He said "no!"', 'He said "no"', None),
        ("Come here...", "过来。。。", "过来", (9, 12)),
    ],
)
def test_a_missing_final_mark_is_marked_in_the_source(source, text, bare, place):
    made = fail(case(source, text), "no_punctuation", seed=0)
    assert (made.hypothesis, made.error) == (bare, 1.0)
    expected = place and ErrorSpan(*place, "minor", "Fluency/Punctuation", "source")
    assert made.spans == ((expected,) if place else ())


def test_where_there_is_no_final_mark_none_is_missing():
    assert fail(case("s", "No mark"), "no_punctuation", seed=0) is None
    assert fail(case("s", "..."), "no_punctuation", seed=0) is None


def test_failures_are_as_many_as_asked_for_and_of_every_kind():
    made = failures(judged(corpus()), share=1.25, seed=3)
    assert len(made) == 10
    assert Counter(row.system for row in made) == {f"made-up:{kind}": 2 for kind in FAILURES}
    assert {row.document for row in made} <= {"doc0", "doc1"}


def test_failures_keep_everything_but_the_text():
    rows = judged(corpus())
    by_id = {row.candidate.id: row.candidate for row in rows}
    for row in failures(rows, share=1.0, seed=0):
        one = dataclasses.replace(by_id[row.candidate.id], hypothesis=row.candidate.hypothesis)
        assert row.candidate == one


def spoilt(text, score, *raters, **fields):
    row = Rated(Candidate("Hej, du.", text, **fields), score, raters)
    return {one.system: one for one in failures([row], share=9, seed=0)}


def test_the_errors_that_were_there_before_still_cost():
    early, late = ErrorSpan(0, 2, "Major", "Other"), ErrorSpan(4, 9, "Minor")
    left_out = ErrorSpan(0, 3, "Minor", "Omission", "source")
    made = spoilt("It is so.", -7.0, (early, late, left_out), ())
    bare = made["made-up:no_punctuation"]
    assert (bare.candidate.hypothesis, bare.score) == ("It is so", -8.0)
    mark = ErrorSpan(7, 8, "minor", "Fluency/Punctuation", "source")
    assert bare.spans == ((left_out, early, ErrorSpan(4, 8, "Minor"), mark), (mark,))
    cut = made["made-up:truncated"]
    assert cut.candidate.hypothesis in ("It is", "It is.", "It", "It.")
    assert cut.score < -12
    assert early in cut.spans[0]
    again = made["made-up:repeated"]
    assert (again.candidate.hypothesis, again.score) == ("It is so. It is so.", -25.0)
    more = ErrorSpan(10, 19, "critical", "Accuracy/Addition")
    assert again.spans == ((left_out, early, late, more), (more,))


def test_a_copy_of_the_source_has_no_other_error():
    made = spoilt("It is so.", -7.0, (ErrorSpan(0, 2, "Major"),), ())
    whole = ErrorSpan(0, 8, "critical", "Non-translation")
    assert made["made-up:untranslated"].spans == ((whole,),)
    assert made["made-up:untranslated"].score == -25.0


def test_without_raters_only_flawless_rows_have_spans():
    assert spoilt("It is so.", -7.0)["made-up:repeated"].spans == ()
    assert len(spoilt("It is so.", 0.0)["made-up:repeated"].spans) == 1


def test_no_two_made_up_rows_are_alike_so_there_may_be_fewer():
    rows = [Rated(Candidate("Ja", "Yes"), 0.0)]
    made = failures(rows, share=50, seed=0)
    assert sorted(row.candidate.hypothesis for row in made) == ["Ja", "Yes Yes"]
    assert failures([], share=1.0, seed=0) == []
    assert failures(rows, share=0.0, seed=0) == []


def test_the_order_of_rows_changes_nothing():
    rows = judged(corpus()) + judged(corpus(CHINESE, "en", "zh"))
    assert failures(rows, share=1.0, seed=5) == failures(rows[::-1], share=1.0, seed=5)
    assert failures(rows, share=1.0, seed=5) != failures(rows, share=1.0, seed=6)
    pairs = corpus() + corpus(CHINESE, "en", "zh")
    back = damaged(pairs[::-1], copies=3, seed=5)
    assert sorted(map(repr, back)) == sorted(map(repr, damaged(pairs, copies=3, seed=5)))


def test_an_unrelated_text_is_in_the_same_language():
    rows = judged(corpus()) + judged(corpus(CHINESE, "en", "zh"))
    for row in failures(rows, share=2.0, seed=0):
        if row.system == "made-up:unrelated":
            same = [one for one in rows if one.candidate.hypothesis == row.candidate.hypothesis]
            assert same[0].candidate.target_lang == row.candidate.target_lang
            assert same[0].candidate.source != row.candidate.source


def test_damaged_gives_the_reference_and_its_copies():
    made = damaged(corpus(), copies=3, seed=0)
    starts = [at for at, row in enumerate(made) if row.system == "made-up:reference"]
    whole = [made[at] for at in starts]
    for row, (source, reference) in zip(whole, ENGLISH, strict=True):
        assert (row.candidate.source, row.candidate.hypothesis) == (source, reference)
        assert (row.score, row.spans) == (0.0, ((),))
    assert [row.document for row in whole] == ["doc0", "doc1", "doc0", "doc1"]
    for start, end in zip(starts, [*starts[1:], len(made)], strict=True):
        group = made[start:end]
        assert 2 <= len(group) <= 4, "a copy that came out as another one is left out"
        assert {row.candidate.reference for row in group} == {group[0].candidate.hypothesis}
        assert len({row.candidate.hypothesis for row in group}) == len(group)


def test_rows_without_a_reference_are_left_out():
    rows = [Row("1", "Hej", None, "da", "en"), Row("2", "Hej", "...", "da", "en")]
    assert damaged(rows, copies=2, seed=0) == []


def test_every_kind_of_error_occurs_and_points_are_their_sum():
    made = damaged(corpus(), copies=600, seed=0)
    words = [row for row in made if row.system == "made-up:words"]
    categories = {span.category for row in words for span in row.spans[0]}
    assert categories == {
        "Accuracy/Mistranslation",
        "Accuracy/Untranslated text",
        "Accuracy/Addition",
        "Fluency/Grammar",
    }
    for row in words:
        marked = sum({"minor": 1, "major": 5}[span.severity] for span in row.spans[0])
        assert marked <= -row.score <= 25
    omissions = [row for row in words if row.spans == ((),)]
    assert omissions, "what was left out has no span and costs all the same"
    assert all(row.score <= -1 for row in omissions)
    kinds = {row.system.removeprefix("made-up:") for row in made}
    assert kinds == {"words", "reference"}


def test_a_text_with_no_word_to_spoil_becomes_a_failure():
    made = damaged([Row("1", "Hej", "Hi", "da", "en")], copies=40, seed=0)
    kinds = {row.system.removeprefix("made-up:") for row in made}
    assert kinds - {"words", "reference"} <= set(FAILURES)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: failures([], share=-0.1, seed=0), "share=-0.1"),
        (lambda: damaged([], copies=-1, seed=0), "copies=-1"),
    ],
)
def test_negative_amounts_are_refused(call, what):
    with pytest.raises(ValueError, match=what):
        call()


TEXTS = st.text(
    st.sampled_from("ab cdéß 12.,!?\n\t„“-我你好。，、กขคה।👍")
    | st.characters(codec="utf-8", exclude_categories=["Cs"]),
    max_size=60,
)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(PAIRS, st.sampled_from(["en", "zh", "th"]), st.integers(0, 2**31))
def test_whatever_the_text_is(pairs, target_lang, seed):
    rows = corpus(pairs, "da", target_lang)
    originals = {row.id: row.reference for row in rows}
    made = damaged(rows, copies=3, seed=seed)
    assert made == damaged(rows, copies=3, seed=seed)
    references = [row for row in made if row.system == "made-up:reference"]
    spoilt = [row for row in made if row.system != "made-up:reference"]
    if references:
        spoilt += failures(references, share=1.0, seed=seed)
    for row in spoilt:
        text, source = row.candidate.hypothesis, row.candidate.source
        assert text.split() != originals[row.candidate.id].split()
        assert text.strip()
        assert -25 <= row.score < 0
        for span in row.spans[0]:
            assert span.end <= len(source if span.side == "source" else text)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([(ENGLISH, "en"), (CHINESE, "zh")]))
def test_what_is_not_marked_was_there_before(seed, chosen):
    """Outside of its spans a text with wrong words has only words of the original."""
    pairs, target_lang = chosen
    made = damaged(corpus(pairs, "da", target_lang), copies=4, seed=seed)
    for row in made:
        if row.system == "made-up:words":
            text = list(row.candidate.hypothesis)
            for span in row.spans[0]:
                assert span.side == "hypothesis"
                text[span.start : span.end] = [" "] * (span.end - span.start)
            known = {word.text for word in spoken(row.candidate.reference)}
            assert {word.text for word in spoken("".join(text))} <= known
