"""Every error is of a known kind, in a known place, and nothing else is wrong."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.miniature.grammar import Grammar
from rewardlab.miniature.meaning import Clause, NounPhrase
from rewardlab.miniature.noise import ERROR_KINDS, Draft, Imperfect, imperfect, with_error
from rewardlab.types import WMT_MQM, ErrorSpan

GRAMMAR = Grammar.load("en", "de")
PAIRS = GRAMMAR.pairs(300, seed=11)


def seeded(seed):
    return Random(seed)  # noqa: S311 - errors are no secret


MAN = NounPhrase("man")
DOG = NounPhrase("dog", "indefinite", adjectives=("small",))
TODAY = GRAMMAR.realise(Clause("see", MAN, DOG, mode="want", time="today"))


def every_way(pair, kind):
    """All texts that one kind of error can make of a sentence, the place at fault in brackets."""
    words = GRAMMAR.source.words(pair.meaning), GRAMMAR.target.words(pair.meaning)
    for draft in ERROR_KINDS[kind].ways(Draft(GRAMMAR, pair.meaning, *words), kind):
        for language, spoilt in ((GRAMMAR.source, draft.source), (GRAMMAR.target, draft.target)):
            text = language.write(spoilt)
            marked = [i for i, word in enumerate(text.words) if word.error]
            if marked:
                start, end = text.offsets[marked[0]][0], text.offsets[marked[-1]][1]
                yield f"{text.text[:start]}[{text.text[start:end]}]{text.text[end:]}"


def test_the_sentence_under_test():
    assert TODAY.source == "Today the man wants to see a small dog."
    assert TODAY.target == "Heute will der Mann einen kleinen Hund sehen."


@pytest.mark.parametrize(
    ("kind", "some", "ways"),
    [
        ("wrong article", "Heute will [dem] Mann einen kleinen Hund sehen.", 4 + 4),
        ("wrong article", "Heute will der Mann [eine] kleinen Hund sehen.", 4 + 4),
        ("wrong ending", "Heute will der Mann einen [kleiner] Hund sehen.", 4),
        ("wrong order", "Heute [der Mann will sehen einen kleinen Hund].", 1),
        ("repeated word", "Heute [heute] will der Mann einen kleinen Hund sehen.", 8),
        ("repeated word", "Heute will der Mann einen kleinen Hund sehen [sehen].", 8),
        ("wrong noun", "Heute will die [Frau] einen kleinen Hund sehen.", 10 + 5),
        ("wrong noun", "Heute will der Mann ein kleines [Pferd] sehen.", 10 + 5),
        ("added adjective", "Heute will der [alte] Mann einen kleinen Hund sehen.", 9),
        ("omitted adjective", "Today the man wants to see a [small] dog.", 1),
        ("untranslated word", "Heute will der Mann einen [small] Hund sehen.", 3),
        ("untranslated word", "Heute will der Mann einen kleinen [dog] sehen.", 3),
    ],
)
def test_ways_to_make_an_error(kind, some, ways):
    found = list(every_way(TODAY, kind))
    assert some in found
    assert len(found) == len(set(found)) == ways


@pytest.mark.parametrize(
    ("meaning", "wrong"),
    [
        (Clause("see", MAN, DOG), []),
        (Clause("see", MAN, DOG, mode="past"), ["Der Mann hat [gesehen einen kleinen Hund]."]),
        (
            Clause("see", MAN, DOG, subordinate=Clause("help", MAN, DOG, connective="because")),
            ["Der Mann sieht einen kleinen Hund, weil der Mann [hilft einem kleinen Hund]."],
        ),
    ],
)
def test_a_learner_keeps_the_order_of_the_mother_tongue(meaning, wrong):
    assert list(every_way(GRAMMAR.realise(meaning), "wrong order")) == wrong


def test_errors_inside_what_grows_together():
    house = NounPhrase("house", relation="in")
    pair = GRAMMAR.realise(Clause("sleep", MAN, adjunct=house))
    assert pair.target == "Der Mann schläft im Haus."
    articles = set(every_way(pair, "wrong article"))
    assert "Der Mann schläft in [der] Haus." in articles
    assert "Der Mann schläft in [dem] Haus." not in articles
    assert "Der Mann schläft in [im] Haus." in set(every_way(pair, "repeated word"))


@pytest.mark.parametrize("kind", ERROR_KINDS)
def test_every_way_changes_the_translation(kind):
    for pair in PAIRS:
        words = GRAMMAR.source.words(pair.meaning), GRAMMAR.target.words(pair.meaning)
        for draft in ERROR_KINDS[kind].ways(Draft(GRAMMAR, pair.meaning, *words), kind):
            assert GRAMMAR.target.write(draft.target).text != pair.target
            assert GRAMMAR.source.write(draft.source).text == pair.source
            errors = [word.error for word in (*draft.source, *draft.target) if word.error]
            assert set(errors) == {kind}


@pytest.mark.parametrize("kind", ERROR_KINDS)
def test_one_error_is_one_span_of_its_kind(kind):
    seen = 0
    for number, pair in enumerate(PAIRS):
        spoilt = with_error(pair, seeded(number), kind=kind)
        if not spoilt.spans:
            assert spoilt == Imperfect(pair.source, pair.target, ())
            continue
        seen += 1
        [span] = spoilt.spans
        known = ERROR_KINDS[kind]
        assert (span.explanation, span.category, span.severity) == (
            known.name,
            known.category,
            known.severity,
        )
        assert span.side == ("source" if kind == "omitted adjective" else "hypothesis")
    assert seen > len(PAIRS) / 3


def test_an_omission_lies_on_the_source():
    spoilt = with_error(TODAY, seeded(0), kind="omitted adjective")
    assert spoilt.hypothesis == "Heute will der Mann einen Hund sehen."
    assert spoilt.spans == (
        ErrorSpan(
            start=29,
            end=34,
            severity="major",
            category="Accuracy/Omission",
            side="source",
            explanation="omitted adjective",
        ),
    )
    assert spoilt.source[29:34] == "small"
    assert WMT_MQM.total(spoilt.spans) == 5.0


@given(st.integers(), st.integers())
def test_spans_lie_inside_their_text_and_do_not_overlap(sentence, seed):
    pair = GRAMMAR.sentence(sentence)
    spoilt = imperfect(pair, seeded(seed), rate=1.0)
    assert spoilt == imperfect(pair, seeded(seed), rate=1.0)
    assert spoilt.source == pair.source
    assert spoilt.hypothesis != pair.target
    assert spoilt.spans
    for side, text in (("hypothesis", spoilt.hypothesis), ("source", spoilt.source)):
        end = 0
        for span in spoilt.spans:
            if span.side == side:
                assert end <= span.start < span.end <= len(text)
                assert text[span.start : span.end].strip() == text[span.start : span.end]
                end = span.end


@given(st.integers())
def test_at_rate_zero_nothing_is_wrong(seed):
    pair = GRAMMAR.sentence(seed)
    assert imperfect(pair, seeded(seed), rate=0.0) == Imperfect(pair.source, pair.target, ())


def test_the_rate_is_kept_and_every_kind_occurs():
    rng = seeded(5)
    spoilt = [imperfect(pair, rng, rate=0.4) for pair in GRAMMAR.pairs(2000, seed=2)]
    wrong = [one for one in spoilt if one.spans]
    assert 0.36 < len(wrong) / len(spoilt) < 0.44
    assert 0.15 < sum(len(one.spans) > 1 for one in wrong) / len(wrong) < 0.30
    kinds = Counter(span.explanation for one in wrong for span in one.spans)
    assert set(kinds) == set(ERROR_KINDS)
    assert min(kinds.values()) > 50


@pytest.mark.parametrize("rate", [-0.1, 40, float("nan")])
def test_a_rate_that_is_no_chance_is_refused(rate):
    with pytest.raises(ValueError, match="is not in"):
        imperfect(TODAY, seeded(0), rate=rate)


def test_an_unknown_kind_is_refused():
    with pytest.raises(KeyError, match="bad luck"):
        with_error(TODAY, seeded(0), kind="bad luck")


def test_untranslated_words_are_the_sources_own():
    # "warm" is German too: left as it is, it lacks its ending, and that shows.
    bed = NounPhrase("bed", adjectives=("warm",), relation="in")
    pair = GRAMMAR.realise(Clause("sleep", NounPhrase("cat"), adjunct=bed))
    assert pair.target == "Die Katze schläft im warmen Bett."
    assert list(every_way(pair, "untranslated word")) == [
        "Die [cat] schläft im warmen Bett.",
        "Die Katze schläft im [warm] Bett.",
        "Die Katze schläft im warmen [bed].",
    ]
