"""Scores as people meet them: rows, totals, data frames, HTML."""

import builtins
import importlib
import json
import math

import numpy as np
import pytest
from rich.cells import cell_len

from rewardlab import Candidate, ErrorSpan, Gate, RewardEnsemble, RewardOutput, Status, Term
from rewardlab.rewards import ChrF, FromFunction, LexicalSpans, NotEmpty, NumbersKept

SOURCE, REFERENCE = "The dog ate 3 apples.", "Der Hund hat 3 Äpfel gegessen."
TEXTS = [REFERENCE, "Die Hund hat 5 Äpfel gegessen.", "<b>Hund</b>", ""]


def scores(texts=TEXTS):
    ensemble = RewardEnsemble(
        [Term(ChrF()), Term(NumbersKept(), 50.0), Term(LexicalSpans(), 0.0, 0.5)],
        gates=[Gate(NotEmpty(), below=0.5)],
    )
    return ensemble(
        [Candidate(SOURCE, text, REFERENCE, id=str(at)) for at, text in enumerate(texts)]
    )


def test_the_repr_is_short():
    assert repr(scores()) == (
        "<Scores: 4 rows; means: chrf 44.89, numbers_kept 0.5167, lexical_spans -15; 1 gated>"
    )
    assert repr(scores()[0]) == (
        "ScoredRow('Der Hund hat 3 Äpfel gegessen.', chrf=100, numbers_kept=1, lexical_spans=0, "
        "total=150)"
    )
    assert repr(scores()[:0]) == (
        "<Scores: 0 rows; means: chrf none, numbers_kept none, lexical_spans none>"
    )


def test_rows_and_slices():
    found = scores()
    row = found[1]
    assert row["chrf"] == found.values[1, 0]
    assert row.candidate.hypothesis == TEXTS[1]
    assert [row.candidate.text_of(span) for span in row.spans["lexical_spans"]] == ["Die", "5"]
    assert found[-1].gated == "not_empty"
    assert [one.candidate.id for one in found] == ["0", "1", "2", "3"]
    last = found[2:]
    assert len(last) == 2
    assert last[1].candidate.id == "3"
    assert last.values.tolist() == found.values[2:].tolist()
    assert found["chrf"].tolist() == found.values[:, 0].tolist()
    with pytest.raises(KeyError, match="no reward 'bleu'; there are chrf, numbers_kept, lexical"):
        found["bleu"]
    with pytest.raises(IndexError, match="row 4 of 4 rows"):
        found[4]


def test_spans_print_with_their_text():
    assert str(scores()[1]).splitlines() == [
        "source      The dog ate 3 apples.",
        "hypothesis  ⟦Die⟧ Hund hat ⟦5⟧ Äpfel gegessen.",
        "reference   Der Hund hat 3 Äpfel gegessen.",
        "chrf              71.69",
        "numbers_kept        0.8  '5' [13, 14) minor, '3' [12, 13) minor (source)",
        "lexical_spans       -10  'Die' [0, 3) major, '5' [13, 14) major",
        "total             111.7",
    ]


def test_a_total_is_the_weighted_sum_of_what_was_scored():
    def answer(name, status):
        def function(candidates):
            return RewardOutput.of([2.0] * len(candidates), status=[status] * len(candidates))

        return FromFunction(function, name=name, worst=0.0)

    def total(*statuses):
        terms = [Term(answer(str(at), status), at) for at, status in enumerate(statuses)]
        return RewardEnsemble(terms)([Candidate("a", "b")])[0].total

    assert total(Status.UNAVAILABLE, Status.OK, Status.REPAIRED) == 1 * 2.0 + 2 * 2.0
    assert total(Status.OK, Status.NOT_APPLICABLE, Status.REPAIRED) == 2 * 2.0
    assert math.isnan(total(Status.OK, Status.REFUSED, Status.OK))
    assert math.isnan(total(Status.OK, Status.UNAVAILABLE, Status.OK))
    assert math.isnan(total(Status.OK, Status.NOT_APPLICABLE))
    assert scores().totals.tolist() == [one.total for one in scores()]


def test_records_are_json_with_the_text_of_each_span():
    record = json.loads(json.dumps(scores().records(), allow_nan=False))[1]
    assert record["spans"]["lexical_spans"][0] == {
        "start": 0,
        "end": 3,
        "severity": "major",
        "category": "Accuracy/Mistranslation",
        "side": "hypothesis",
        "confidence": 1.0,
        "explanation": "reference: Der",
        "text": "Die",
    }
    assert (record["id"], record["status"]["chrf"], record["gated"]) == ("1", "ok", None)


def test_html_has_coloured_spans_and_no_markup_of_the_text():
    shown = scores()._repr_html_()
    assert '<mark style="background:#ff9b9b;color:#000" title="major' in shown
    assert "<b>" not in shown
    assert "&lt;" in shown
    assert "<script" not in shown
    assert "gated by not_empty" in shown
    many = scores(["Hund"] * 150)._repr_html_()
    assert many.endswith("<p>50 more rows</p>")


def test_pandas_if_it_is_there(monkeypatch):
    if importlib.util.find_spec("pandas") is not None:
        frame = scores().to_pandas()
        assert frame["chrf"].round(1).tolist()[:2] == [100.0, 71.7]
        assert list(frame.columns[:4]) == ["id", "source", "hypothesis", "reference"]
        assert frame["lexical_spans.spans"][1][1]["text"] == "5"
    whole = builtins.__import__

    def without(name, *arguments):
        if name == "pandas":
            raise ImportError(name)
        return whole(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(
        ImportError, match=r"Scores.to_pandas needs pandas. fix: pip install pandas"
    ):
        scores().to_pandas()


def test_scores_of_other_makers_need_no_candidates():
    bare = scores()
    bare = type(bare)(
        **{name: getattr(bare, name) for name in bare.__dataclass_fields__ if name != "candidates"}
    )
    assert bare[0]["chrf"] == 100.0
    assert np.isfinite(bare.totals).all()


def test_a_span_is_shown_with_what_differs_from_the_defaults():
    span = ErrorSpan(4, 9, "minor", "Accuracy/Omission", side="source", confidence=0.5)
    assert (
        repr(span) == "ErrorSpan(4, 9, 'minor', 'Accuracy/Omission', side='source', confidence=0.5)"
    )
    assert eval(repr(span)) == span  # noqa: S307 - our own text


def test_no_rows_are_said():
    empty = RewardEnsemble([Term(ChrF())])([])
    assert empty.table() == "no rows"
    assert "nan" not in repr(empty)


def test_zero_has_no_sign():
    tiny = FromFunction(lambda rows: [-1e-9], name="tiny", worst=-1.0)
    minus = FromFunction(lambda rows: [-0.0], name="minus", worst=-1.0)
    rows = RewardEnsemble([Term(minus), Term(tiny, 0.0)])([Candidate("a", "b")])
    assert rows.table().splitlines()[1].split()[2:4] == ["0.000", "0.000"]
    assert rows.table().splitlines()[2].split()[2:4] == ["0.000", "0.000"]
    assert "minus=0, tiny=-1e-09, total=0" in repr(rows[0])


def test_missing_words_are_shown_beside_the_row():
    candidate = Candidate("Der Hund bellt.", "The dog.", "The dog barks.")
    (row,) = RewardEnsemble([Term(LexicalSpans())])([candidate])
    assert "[0, 15) major (source, missing: barks)" in " ".join(str(row).split())


@pytest.mark.parametrize("text", ["the dog barks " * 30, "狗在公园里大声地叫" * 30])
def test_a_row_fits_80_columns(text):
    candidate = Candidate(text, text[: len(text) // 2], text)
    (row,) = RewardEnsemble([Term(LexicalSpans()), Term(ChrF(name="a_long_name_" * 3))])(
        [candidate]
    )
    assert max(map(cell_len, str(row).splitlines())) <= 80
    assert "".join(str(row).split()).count("".join(text.split())) == 2
