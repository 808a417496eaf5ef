"""The table of `rewardlab score`, and its lines."""

import io
import math

import pytest
from rich.console import Console

from rewardlab.data.rows import Row
from rewardlab.ensemble import RewardEnsemble
from rewardlab.evaluation.system_scores import corpus_score, of_systems, score_in_parts
from rewardlab.report.scores import long_lines, number, row_lines, score_notes, score_table
from rewardlab.rewards import TER, ChrF, FromFunction, LexicalSpans, NotEmpty
from rewardlab.types import Gate, Term

ROWS = [Row(str(n), "Guten Tag.", "Good day.", "de", "en") for n in range(1, 4)]
LONG = "system-with-a-name-that-is-longer-than-any-table-has-room-for"


def scored(ensemble, systems, rows=ROWS):
    return of_systems(list(score_in_parts(ensemble, rows, systems)), rows, systems)


@pytest.fixture
def systems():
    ensemble = RewardEnsemble(
        [
            Term(ChrF(), weight=2.0),
            Term(LexicalSpans(), weight=0.125, token_weight=1.0),
            Term(TER(name="a_reward_with_a_name_that_is_longer_than_a_sensible_one")),
        ],
        [Gate(NotEmpty(), below=0.5)],
    )
    texts = {f"{LONG}-{n}": ["Good day.", "Bad day.", ""] for n in range(2)}
    return scored(ensemble, texts)


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("precision", [0, 4])
def test_the_table_shows_whole_numbers_at_every_width(systems, width, precision):
    corpus = {one.system: {"chrf": 65.4321} for one in systems}
    table = score_table(systems, corpus, weighted=True, precision=precision)
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in out.getvalue()
    for one in systems:
        for value in (*one.means(), *one.deviations()):
            assert number(value, precision) in out.getvalue()


def test_gated_rows_are_counted(systems):
    notes = list(score_notes(systems, {}))
    gated = f"gated: 1 of 3 rows of {LONG}-0, which have the worst score (not_empty 1)"
    assert notes[0] == gated


def test_a_name_cannot_control_the_terminal():
    [one] = scored(RewardEnsemble([Term(ChrF())]), {"\x1b[31mred": ["Good day."] * 3})
    out = io.StringIO()
    Console(file=out, width=80).print(score_table([one, one], {}, weighted=False, precision=1))
    assert "\x1b" not in out.getvalue()


def test_a_row_that_was_not_scored_is_an_empty_cell():
    def odd(candidates):
        return [None if candidate.hypothesis == "?" else 1.0 for candidate in candidates]

    systems = scored(
        RewardEnsemble([Term(FromFunction(odd, worst=0.0))]),
        {"a": ["x", "?", "y"], "b": ["?"] * 3},
    )
    assert list(long_lines(systems, precision=1)) == [
        "system\tsegment\todd",
        "a\t1\t1.0", "a\t2\t", "a\t3\t1.0",
        "b\t1\t", "b\t2\t", "b\t3\t",
    ]  # fmt: skip
    assert list(row_lines(systems[:1], gates=False, precision=0))[1:] == [
        "1\t1\tok", "2\t\tnot_applicable", "3\t1\tok",
    ]  # fmt: skip
    notes = list(score_notes(systems, {}))
    assert notes[0] == "not scored by odd: 1 of 3 rows of a (not_applicable 1)"
    assert math.isnan(systems[1].means()[0])


def test_parts_are_put_together_by_system(monkeypatch):
    """Two systems, five segments, two segments a part: every system has its own texts."""
    monkeypatch.setattr("rewardlab.evaluation.system_scores.ROWS_PER_CALL", 5)
    rows = [Row(str(n), "", None, "", "") for n in range(5)]
    length = FromFunction(lambda ones: [len(one.hypothesis) for one in ones], name="n", worst=0.0)
    ensemble = RewardEnsemble([Term(length)])
    texts = {"a": ["x" * n for n in range(5)], "b": ["x" * (10 + n) for n in range(5)]}
    parts = list(score_in_parts(ensemble, rows, texts))
    assert [len(part) for part in parts] == [4, 4, 2]
    a, b = of_systems(parts, rows, texts)
    assert a.values[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert b.values[:, 0].tolist() == [10, 11, 12, 13, 14]
    [a, b] = of_systems(parts[:2], rows, texts)
    assert (len(a), list(b.hypotheses)) == (4, texts["b"][:4])
    assert of_systems([], rows, texts) == []


def test_equal_translations_of_a_part_are_scored_once():
    asked = []

    class Counting(ChrF):
        def judge(self, candidate):
            asked.append(candidate.hypothesis)
            return super().judge(candidate)

    scored(RewardEnsemble([Term(Counting())]), {"a": ["x", "y", "z"], "b": ["x", "y", "w"]})
    assert sorted(asked) == ["w", "x", "y", "z"]


def test_ter_of_a_file_with_a_very_long_text_is_left_out():
    assert corpus_score(TER(), ["a b"], ["a b"]) == 0.0
    assert corpus_score(TER(), ["a " * 201], ["a b"]) is None
    assert corpus_score(NotEmpty(), ["a"], ["a"]) is None
