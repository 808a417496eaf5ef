import dataclasses
import gzip
import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.errors import UserError
from rewardlab.human.rated import Preference, Rated
from rewardlab.scorers.preferences import preferences_of, read_preferences
from rewardlab.types import Candidate


def says(role, content):
    return {"role": role, "content": content}


PLAIN = {"prompt": "Name a fish.", "chosen": "Cod.", "rejected": "A cow."}
EXPLICIT = {
    "prompt": [says("user", "Name a fish.")],
    "chosen": [says("assistant", "Cod.")],
    "rejected": [says("assistant", "A cow.")],
}
IMPLICIT = {
    "chosen": [says("user", "Name a fish."), says("assistant", "Cod.")],
    "rejected": [says("user", "Name a fish."), says("assistant", "A cow.")],
}


@pytest.fixture
def write(tmp_path):
    def write(*rows, name="pairs.jsonl"):
        path = tmp_path / name
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write


def problems(path):
    with pytest.raises(UserError) as raised:
        read_preferences(path)
    assert raised.value.exit_code == 3
    return raised.value.problems


@pytest.mark.parametrize("row", [PLAIN, EXPLICIT, IMPLICIT])
def test_all_formats_say_the_same(write, row):
    (found,) = read_preferences(write(row))
    good = Candidate("Name a fish.", "Cod.", prompt="Name a fish.", id="pairs.jsonl:1")
    bad = dataclasses.replace(good, hypothesis="A cow.")
    assert found == Preference(good, bad, 0.0, "")


def test_what_else_a_line_may_say(write):
    row = {
        **PLAIN,
        "margin": 2,
        "source_lang": "en",
        "target_lang": "de",
        "document": "talk",
        "score_chosen": 7,
    }
    (found,) = read_preferences(write(row))
    assert (found.margin, found.document) == (2.0, "talk")
    assert (found.rejected.source_lang, found.rejected.target_lang) == ("en", "de")
    assert found.chosen.prompt == "Name a fish."


def test_a_translation_needs_no_prompt(write):
    row = {"source": "Hej", "chosen": "Hi", "rejected": "Ho", "target_lang": "en", "prompt": None}
    (found,) = read_preferences(write(row))
    assert found.chosen == Candidate("Hej", "Hi", target_lang="en", id="pairs.jsonl:1")


def test_blank_lines_are_left_out_and_lines_keep_their_numbers(write):
    found = read_preferences(write(PLAIN, "", PLAIN))
    assert [one.chosen.id for one in found] == ["pairs.jsonl:1", "pairs.jsonl:3"]


def test_a_gzipped_file(tmp_path):
    path = tmp_path / "pairs.jsonl.gz"
    path.write_bytes(gzip.compress(f"{json.dumps(PLAIN)}\n".encode()))
    assert read_preferences(path)[0].chosen.hypothesis == "Cod."


def test_texts_are_taken_as_they_are(write):
    row = {"prompt": " 你好\n", "chosen": " A ", "rejected": "A"}
    (found,) = read_preferences(write(row))
    assert (found.chosen.prompt, found.chosen.hypothesis) == (" 你好\n", " A ")


TWO_TURNS = [says("user", "a"), says("assistant", "b"), says("user", "c"), says("assistant", "d")]


@pytest.mark.parametrize(
    ("row", "code", "what"),
    [
        ("{", "E370", "is not JSON"),
        ('["a"]', "E370", "no JSON object"),
        ({"prompt": "a", "chosen": "b"}, "E371", "there is no rejected"),
        ({"chosen": "b", "rejected": "c"}, "E371", "there is no prompt"),
        ({**PLAIN, "target_lang": "Germn"}, "E260", "target_lang: unknown language 'Germn'"),
        ({**PLAIN, "chosen": 3}, "E371", "neither all texts nor all lists"),
        ({**EXPLICIT, "prompt": "Name a fish."}, "E371", "neither all texts nor all lists"),
        ({**EXPLICIT, "chosen": ["Cod."]}, "E371", "a message of chosen has no content: 'Cod.'"),
        ({**EXPLICIT, "chosen": [says("assistant", [])]}, "E371", "has no content"),
        ({**PLAIN, "margin": -1}, "E371", "margin is -1"),
        ({**PLAIN, "margin": "1"}, "E371", "margin is '1'"),
        ({**PLAIN, "margin": True}, "E371", "margin is True"),
        ({**PLAIN, "margin": float("nan")}, "E371", "margin is nan"),
        ({**PLAIN, "margin": float("inf")}, "E371", "margin is inf"),
        ({**PLAIN, "margin": 10**400}, "E371", "margin is 1000"),
        ({**PLAIN, "target_lang": 7}, "E371", "target_lang is the number 7"),
        ({**PLAIN, "document": ""}, "E371", "document is empty"),
        ({"chosen": TWO_TURNS, "rejected": TWO_TURNS}, "E372", "chosen has the turns"),
        ({**EXPLICIT, "prompt": [says("system", "x"), *TWO_TURNS[:1]]}, "E372", "prompt has the"),
        ({**EXPLICIT, "rejected": []}, "E372", "rejected has the turns []"),
        (
            {**IMPLICIT, "rejected": [says("user", "Name a cow."), says("assistant", "Cod.")]},
            "E372",
            "different requests, of which the first is 'Name a fish.'",
        ),
        ({**PLAIN, "rejected": "Cod."}, "E373", "both answers are the same text, 'Cod.'"),
        ({**PLAIN, "chosen": " "}, "E373", "the chosen answer is empty"),
        ({**PLAIN, "prompt": ""}, "E373", "the prompt is empty"),
        ({**PLAIN, "prompt": "a \ud800"}, "E373", "half a surrogate pair"),
        ({**PLAIN, "rejected": "a \udfff"}, "E373", "half a surrogate pair"),
        ({"source": "\n", "chosen": "a", "rejected": "b"}, "E373", "the source is empty"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(write, row, code, what):
    path = write(PLAIN, row)
    (problem,) = problems(path)
    assert (problem.code, problem.where) == (code, f"{path}:2")
    assert what in problem.what
    assert problem.fix


def test_an_empty_answer_may_be_the_worse_one(write):
    assert read_preferences(write({**PLAIN, "rejected": ""}))[0].rejected.hypothesis == ""


def test_rows_with_the_same_fault_are_said_together(write):
    path = write(PLAIN, {**PLAIN, "margin": -2}, "nonsense", {**PLAIN, "margin": -3})
    margin, nonsense = problems(path)
    assert margin.where == f"{path}:2"
    assert margin.what == "margin is -2 (2 of 4 rows; at: 2, 4)"
    assert nonsense.where == f"{path}:3"


def test_a_file_without_rows_or_none_at_all(write, tmp_path):
    assert problems(write("", " "))[0].code == "E206"
    assert problems(tmp_path / "missing.jsonl")[0].code == "E201"


# ── pairs of rated translations ─────────────────────────────────────────────────────────────────


def rated(hypothesis, score, segment="1", **fields):
    one = Candidate(f"source {segment}", hypothesis, id=segment, **fields)
    return Rated(one, score, document="talk")


def pairs(rows, smallest_margin=1.0, most_per_segment=99, seed=0):
    found = preferences_of(
        rows, smallest_margin=smallest_margin, most_per_segment=most_per_segment, seed=seed
    )
    return sorted((one.chosen.hypothesis, one.rejected.hypothesis, one.margin) for one in found)


def test_pairs_differ_by_the_smallest_margin_at_least():
    rows = [rated("a", -6.0), rated("b", -1.0), rated("c", -0.5), rated("d", -1.0)]
    assert pairs(rows) == [("b", "a", 5.0), ("c", "a", 5.5), ("d", "a", 5.0)]
    assert pairs(rows, 0.5) == [
        ("b", "a", 5.0),
        ("c", "a", 5.5),
        ("c", "b", 0.5),
        ("c", "d", 0.5),
        ("d", "a", 5.0),
    ]
    assert preferences_of(rows, smallest_margin=1, most_per_segment=1, seed=0)[0].document == "talk"


def test_rounding_loses_no_pair():
    better, worse = sum([-0.1] * 4), -1 + sum([-0.1] * 4)
    assert better - worse < 1.0
    assert len(pairs([rated("a", better), rated("b", worse)], 1.0)) == 1


def test_ties_never_make_a_pair():
    assert pairs([rated("a", -1.0), rated("b", -1.0)], 0.0) == []


def test_a_text_of_several_systems_counts_once_with_its_mean_score():
    rows = [rated("a", -1.0), rated("a", -3.0), rated("b", -4.0)]
    assert pairs(rows) == [("a", "b", 2.0)]


def test_only_translations_of_one_segment_are_compared():
    rows = [
        rated("a", 0.0),
        rated("b", -9.0, segment="2"),
        rated("c", -9.0, target_lang="de"),
        dataclasses.replace(rated("d", -9.0), document="other"),
        rated("e", -9.0, prompt="Shorter!"),
    ]
    assert pairs(rows) == []


def test_pairs_are_drawn_evenly():
    rows = [rated(letter, -float(at)) for at, letter in enumerate("abcde")]
    drawn = Counter(pair for seed in range(1_000) for pair in pairs(rows, 1.0, 2, seed))
    assert len(drawn) == 10
    assert sum(drawn.values()) == 2_000
    assert all(140 <= count <= 260 for count in drawn.values())


SCORES = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from([0.0, -0.1, -1.0, -5.0, -25.0])),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(SCORES, st.integers(1, 5), st.floats(0, 6), st.integers(0, 99), st.randoms())
def test_the_order_of_rows_changes_nothing(rows, most, smallest, seed, rng):
    rows = [rated(text, score) for text, score in rows]
    found = pairs(rows, smallest, most, seed)
    assert found == pairs(rng.sample(rows, len(rows)), smallest, most, seed)
    assert len(found) == len({pair[:2] for pair in found}) <= most
    for chosen, rejected, margin in found:
        assert chosen != rejected
        assert margin >= max(smallest - 1e-9, 1e-12)


@pytest.mark.parametrize(
    "options", [{"smallest_margin": -1}, {"smallest_margin": float("nan")}, {"most_per_segment": 0}]
)
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="must be at least"):
        pairs([], **options)
