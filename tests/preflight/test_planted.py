"""Planted texts: which rewards see that a reference is better than gibberish."""

import json
import math
import re
from dataclasses import dataclass

import numpy as np
import pytest
import tiny_classifiers
import tiny_comet
import tiny_metricx
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from scripted_judge import Replies

from rewardlab.errors import RewardUnavailable
from rewardlab.generate import Unanswered, backends
from rewardlab.perturbations.attack_words import FOREIGN, PARALLEL
from rewardlab.preflight.planted import (
    KINDS,
    ROWS,
    ask_planted,
    check_planted,
    consequences,
    gibberish,
    mean_is_above,
    planted_rows,
    spread_rows,
)
from rewardlab.rewards import (
    AutoMQM,
    Cached,
    ChrF,
    CometKiwi,
    FromFunction,
    Generalist,
    MetricX,
    Naturalness,
    NotEmpty,
    Rubric,
)
from rewardlab.types import Candidate, Gate, RewardOutput, Status, Term, is_generic, is_translation

PAIRS = [
    ("The dog runs across the bridge.", "Der Hund rennt über die Brücke."),
    ("The cat sleeps in the house.", "Die Katze schläft im Haus."),
    ("The boy reads a good book.", "Der Junge liest ein gutes Buch."),
    ("The girl writes a long letter.", "Das Mädchen schreibt einen langen Brief."),
    ("A bird sings in the garden.", "Ein Vogel singt im Garten."),
    ("Yes.", "Ja."),
]
ROWS_OF_DATA = [
    Candidate(source, "", reference, "en", "de", id=str(number))
    for number, (source, reference) in enumerate(PAIRS, 1)
]
REFERENCES = {reference for _, reference in PAIRS}
SOURCE_OF = {reference: source for source, reference in PAIRS}


@dataclass(frozen=True)
class Says:
    """A learned reward whose scores are those of a function of a candidate."""

    score: object
    name: str = "says"
    learned: bool | None = True
    needs_reference: bool = False
    worst: float = -25.0
    signature: str = "says"

    def key(self, candidate):
        return None

    def __call__(self, candidates):
        scores = [self.score(one) for one in candidates]
        status = [one if isinstance(one, Status) else Status.OK for one in scores]
        numbers = [None if isinstance(one, Status) else one for one in scores]
        return RewardOutput.of(numbers, status=status)


def kind_of(candidate):
    """The kind of a planted text, by the rules for them written again."""
    text = candidate.hypothesis
    if text == candidate.reference:
        return "reference"
    if text == candidate.source:
        return "copy"
    if text in REFERENCES:
        return "unrelated"
    return "half" if candidate.reference.startswith(text) else "gibberish"


def by_kind(**scores):
    return lambda candidate: scores[kind_of(candidate)]


GOOD = {"reference": -1.0, "half": -8.0, "copy": -20.0, "unrelated": -22.0, "gibberish": -25.0}


def asked(reward):
    return ask_planted(reward, planted_rows(ROWS_OF_DATA))


# ── the texts ───────────────────────────────────────────────────────────────────────────────────


def test_five_texts_are_planted_for_four_rows_of_ordinary_length():
    rows = planted_rows(ROWS_OF_DATA)
    assert len(rows) == ROWS == 4
    for row in rows:
        assert [*row] == [*KINDS] == [kind_of(one) for one in row.values()]
        assert len({one.source for one in row.values()}) == 1
        assert row["reference"].reference != "Ja.", "half of one word is no text"
    runs = next(row for row in rows if row["reference"].id == "1")
    assert runs["half"].hypothesis == "Der Hund rennt"
    assert runs["copy"].hypothesis == "The dog runs across the bridge."
    made = runs["gibberish"].hypothesis
    assert re.fullmatch(r"\w{3} \w{4} \w{5} \w{4} \w{3} \w{6}\.", made)


def test_what_cannot_be_made_is_left_out():
    (row,) = planted_rows([Candidate("ja", "", "ja", "da", "nb")])
    assert [*row] == ["reference"] or row["gibberish"].hypothesis != "ja"
    assert "copy" not in row  # it is the reference
    assert "half" not in row
    assert "unrelated" not in row
    assert planted_rows([]) == []
    assert planted_rows([Candidate("a b", "", " ", "da", "nb")]) == []


def test_rows_of_a_mixed_batch_are_those_that_the_term_scores():
    generic = [Candidate(f"Name {n} fish.", "", f"Cod, eel, pike {n}.") for n in range(3)]
    mixed = [*generic, *ROWS_OF_DATA]
    for applies, langs in ((is_generic, {None}), (is_translation, {"de"})):
        rows = planted_rows(mixed, applies=applies)
        assert {one.target_lang for row in rows for one in row.values()} == langs


def test_without_references_sentences_of_the_library_are_planted():
    rows = planted_rows([Candidate("Hej.", "", None, "en-GB", "de_DE", prompt="Translate: Hej.")])
    assert len(rows) == ROWS
    for row in rows:
        good = row["reference"]
        place = FOREIGN["en"].index(good.source)
        assert (good.hypothesis, good.prompt) == (PARALLEL["de"][place], None)
    assert planted_rows([Candidate("demat", "", None, "br", "de")]) == []
    assert planted_rows([Candidate("Hej.", "", None)]) == []


def test_the_sentences_of_the_library_are_parallel():
    assert {len(sentences) for sentences in (FOREIGN | PARALLEL).values()} == {6}
    assert not FOREIGN.keys() & PARALLEL.keys()


@given(st.text(), st.text("abcæ汉क", min_size=1))
def test_gibberish_keeps_length_and_everything_but_letters(text, letters):
    made = gibberish(text, letters)
    assert len(made) == len(text)
    assert made == gibberish(text, letters)
    for before, after in zip(text, made, strict=True):
        assert after in letters if before.isalpha() else after == before


def test_rows_are_spread_over_data_and_streams_give_their_first():
    assert list(spread_rows(range(3))) == [0, 1, 2]
    assert list(spread_rows(range(1000)))[:4] == [0, 2, 5, 7]
    assert list(spread_rows(iter(range(1000)))) == list(range(400))


# ── the verdict ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("score", "verdict", "confused"),
    [
        (by_kind(**GOOD), "sees", ()),
        (by_kind(**GOOD | {"copy": -1.0}), "confuses", ("copy",)),
        (by_kind(**GOOD | {"half": 0.0, "unrelated": -0.5}), "confuses", ("half", "unrelated")),
        (lambda _: 0.0, "blind", tuple(KINDS)[1:]),
        (lambda _: 2.0, "blind", tuple(KINDS)[1:]),
        (by_kind(**GOOD | {"reference": -25.0}), "blind", tuple(KINDS)[1:]),
        # a constant in 16 bits: the last digit says nothing
        (lambda one: 3.0 + 0.001 * (kind_of(one) == "reference"), "blind", tuple(KINDS)[1:]),
        (lambda _: Status.UNPARSEABLE, "unscored", ()),
        (lambda _: Status.UNAVAILABLE, "unavailable", ()),
        (lambda _: Status.NOT_APPLICABLE, "unchecked", ()),
        # what it cannot judge has the worst score of its row, as in training
        (by_kind(**GOOD | {"gibberish": Status.UNPARSEABLE}), "sees", ()),
        (by_kind(**GOOD | {"reference": Status.TRUNCATED}), "blind", tuple(KINDS)[1:]),
        (by_kind(**GOOD | {"reference": Status.UNAVAILABLE}), "unavailable", ()),
    ],
)
def test_the_verdict(score, verdict, confused):
    found = asked(Says(score))
    assert (found.verdict, found.confused) == (verdict, confused)


def test_one_row_of_noise_turns_no_verdict():
    """A judge that errs on one row of four, and a blind one that is lucky on one."""

    def errs(candidate):
        good = by_kind(**GOOD)(candidate)
        return -26.0 - good if candidate.id == "2" else good

    found = asked(Says(errs))
    assert found.verdict == "sees"
    # by hand: references -1, -25, -1, -1; gibberish -25, -1, -25, -25
    assert (found.means["reference"], found.means["gibberish"]) == (-7.0, -19.0)
    lucky = asked(Says(lambda one: 3.0 if one.id == "2" and kind_of(one) == "reference" else 2.0))
    assert (lucky.verdict, lucky.confused) == ("confuses", tuple(KINDS)[1:])


@given(st.lists(st.floats(-100, 100), min_size=1), st.floats(-100, 100))
def test_equal_means_are_not_above(scores, shift):
    values = np.array(scores)
    assert not mean_is_above(values, values)
    assert not (mean_is_above(values, values + shift) and mean_is_above(values + shift, values))


# ── judges and learned rewards ──────────────────────────────────────────────────────────────────


def judged(data):
    text = data.get("translation", data.get("answer"))
    return text in REFERENCES and data["source"] == SOURCE_OF[text]


def example(data, attempt):
    """A judge that repeats the example of its prompt."""
    error = {"span": "bellen", "span_with_context": "Hund bellen.", "severity": "minor"}
    return json.dumps({"errors": [error | {"category": "Fluency/Grammar", "in": "translation"}]})


def sees(data, attempt):
    bad = {"span": "x", "span_with_context": "", "severity": "critical", "category": "Other"}
    return json.dumps({"errors": [] if judged(data) else [bad | {"in": "translation"}]})


@pytest.mark.parametrize(
    ("judge", "reply", "verdict"),
    [
        (AutoMQM, lambda *_: '{"errors": []}', "blind"),
        (AutoMQM, lambda *_: '```json\n{"errors": []}\n```', "blind"),
        (AutoMQM, example, "blind"),
        (AutoMQM, lambda *_: "All good.", "unscored"),
        (AutoMQM, sees, "sees"),
        (Naturalness, lambda *_: '{"errors": []}', "blind"),
        (Rubric, lambda *_: '{"reason": "fine", "score": 2}', "blind"),
        (Rubric, lambda d, _: f'{{"reason": "", "score": {9 if judged(d) else 2}}}', "sees"),
        (Rubric, lambda *_: Unanswered("it is down"), "unavailable"),
    ],
)
def test_judges(monkeypatch, judge, reply, verdict):
    monkeypatch.setattr(backends, "judge_backend", lambda **_: Replies(reply))
    found = asked(judge(model="m"))
    assert found.verdict == verdict
    told = consequences(Term(judge(model="m")), found, refuse=True)
    codes = {"blind": ["E130"], "unscored": ["E131"]}.get(verdict, [])
    assert [problem.code for problem in told.problems] == codes
    assert len(told.notes) == (verdict == "unavailable")
    log_only = consequences(Term(judge(model="m"), weight=0.0), found, refuse=True)
    assert log_only.problems == []
    assert len(log_only.notes) == (verdict != "sees")


def collapsed(path, head):
    """The checkpoint, with a last layer of zeros: it says the same of every text."""
    file = next(path.rglob("model.safetensors"))
    weights = load_file(file)
    last = max(name for name in weights if name.startswith(head) and name.endswith("weight"))
    weights[last] = weights[last] * 0
    save_file(weights, file, metadata={"format": "pt"})
    return path


def test_learned_rewards_that_collapsed(tmp_path):
    metricx = tiny_metricx.metricx(tmp_path / "metricx", errors={"source: a candidate: b": 0.0})
    classifier = collapsed(tiny_classifiers.qwen3(tmp_path / "generalist"), "score")
    comet = tiny_comet.write_safetensors(tmp_path / "kiwi", "referenceless")
    collapsed(comet, "estimator")
    rewards = [
        MetricX(model=metricx),
        Generalist(model=classifier),
        CometKiwi(model=comet, encoder=str(comet / "encoder")),
    ]
    for reward in rewards:
        found = asked(reward)
        assert found.verdict == "blind", found
        assert not found.means.keys() ^ KINDS.keys()
        assert len(set(found.means.values())) == 1


# ── consequences ────────────────────────────────────────────────────────────────────────────────


def test_who_is_refused_and_who_is_told():
    blind, half = Says(lambda _: 0.0), Says(by_kind(**GOOD | {"half": -1.0}), name="half")

    def outcome(entry, *, refuse=True):
        problems, notes = consequences(entry, asked(entry.reward), refuse=refuse)
        return len(problems), len(notes)

    assert outcome(Term(blind)) == (1, 0)
    assert outcome(Term(blind, weight=0.0, token_weight=1.0)) == (1, 0)
    assert outcome(Term(blind, weight=0.0)) == (0, 1)
    assert outcome(Gate(blind, below=-1.0)) == (0, 1)
    assert outcome(Term(blind), refuse=False) == (0, 1)
    assert outcome(Term(half)) == (0, 1)
    # whether a plain function is learned is not known, and a guard is not
    assert outcome(Term(Says(lambda _: 0.0, learned=None))) == (0, 1)
    assert outcome(Term(Says(half.score, learned=None))) == (0, 0)
    assert outcome(Term(NotEmpty())) == (0, 0)
    assert outcome(Term(ChrF())) == (0, 0)


def test_the_messages():
    (problem,) = consequences(Term(Says(lambda _: 2.0)), asked(Says(lambda _: 2.0)), refuse=True)[0]
    assert str(problem) == (
        "error[E130] reward says: gives every planted text the same score, gibberish included "
        "(mean score of 4 rows: reference 2, half 2, copy 2, unrelated 2, gibberish 2). fix: use a "
        "better model or prompt, or give it weight 0 to log it only; to train on it all the same, "
        "planted_check: warn (in Python, trainer.remove_callback(PlantedCheck))"
    )
    against = Says(by_kind(**GOOD | {"gibberish": 0.0}))
    (problem,) = consequences(Term(against), asked(against), refuse=True).problems
    assert problem.what.startswith("does not score the reference above gibberish (mean score of")
    some = Says(by_kind(**GOOD | {"half": -1.0, "copy": -0.5}))
    (note,) = consequences(Term(some), asked(some), refuse=True).notes
    assert note == (
        "the reward says does not score the reference above half of it and a copy of the source "
        "(mean score of 4 rows: reference -1, half -1, copy -0.5, unrelated -22, gibberish -25)"
    )
    mute = Says(lambda _: Status.REFUSED)
    (problem,) = consequences(Term(mute), asked(mute), refuse=True).problems
    assert problem.what == "scored no planted text, not even a reference: refused 20"


def test_a_cache_says_what_its_reward_says(tmp_path, monkeypatch):
    calls = []

    def reply(data, attempt):
        calls.append(data)
        return '{"errors": []}'

    monkeypatch.setattr(backends, "judge_backend", lambda **_: Replies(reply))
    cached = Term(Cached(AutoMQM(model="m"), tmp_path / "scores.db"))
    for _ in range(2):  # a dry run, and the run
        told = check_planted([cached], ROWS_OF_DATA, timeout=60.0)
        assert [problem.code for problem in told.problems] == ["E130"]
    assert len(calls) == ROWS * len(KINDS), "nothing is asked twice"


def test_rewards_without_a_model_are_not_asked():
    def fails(candidates):
        raise AssertionError

    entries = [Term(ChrF()), Gate(Says(fails, learned=False), below=0.0)]
    assert check_planted(entries, ROWS_OF_DATA, timeout=60.0) == ([], [])


def test_a_service_that_is_down_is_not_blind():
    @dataclass(frozen=True)
    class Down(Says):
        def __call__(self, candidates):
            raise RewardUnavailable("no route")

    told = check_planted([Term(Down(None))], ROWS_OF_DATA, timeout=60.0)
    assert told == (
        [], ["the reward says is unavailable, so it was not checked on planted texts"]
    )  # fmt: skip


def test_data_that_cannot_be_checked_is_told():
    told = check_planted(
        [Term(Says(None))], [Candidate("demat", "", None, "br", "fr")], timeout=9.0
    )
    assert told.problems == []
    assert told.notes[0].startswith("the reward says was not checked on planted texts: the data")


def test_a_plain_function_is_told_if_it_is_blind():
    constant = FromFunction(lambda candidates: [1.0] * len(candidates), name="constant", worst=0.0)
    told = check_planted([Term(constant)], ROWS_OF_DATA, timeout=60.0)
    assert told.problems == []
    assert [note[:40] for note in told.notes] == ["the reward constant gives every planted "]
    assert not any(math.isnan(mean) for mean in asked(constant).means.values())
