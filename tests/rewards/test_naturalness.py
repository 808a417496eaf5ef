import json

import pytest
from scripted_judge import Replies

from rewardlab.generate import backends
from rewardlab.rewards import Naturalness
from rewardlab.types import Candidate, ErrorSpan, Status

ROW = Candidate("Much wisdom you have.", "Viel Weisheit du hast, hast du.", target_lang="de")


def span(text, severity="minor", *, excused=False, source_span="", context=""):
    return {
        "span": text,
        "span_with_context": context,
        "severity": severity,
        "excused": excused,
        "source_span": source_span,
    }


@pytest.fixture
def judge(monkeypatch):
    def judge(*errors):
        replies = Replies(lambda data, attempt: json.dumps({"errors": errors}))
        monkeypatch.setattr(backends, "judge_backend", lambda **_: replies)
        return Naturalness(model="m")([ROW])

    return judge


def counts(output, *names):
    return [float(output.components[name][0]) for name in names]


def test_a_text_that_sounds_native_costs_nothing(judge):
    output = judge()
    assert (output.scores.tolist(), output.spans, output.status) == ([0.0], [[]], [Status.OK])


def test_spans_cost_by_severity(judge):
    output = judge(span("Viel Weisheit du hast", "major"), span(", hast du"))
    assert output.scores.tolist() == [-6.0]
    assert output.spans == [
        [
            ErrorSpan(0, 21, "major", "Style/Unnatural"),
            ErrorSpan(21, 30, "minor", "Style/Unnatural"),
        ]
    ]


def test_what_the_source_excuses_costs_nothing(judge):
    excuse = {"excused": True, "source_span": "Much wisdom you have"}
    output = judge(span("Viel Weisheit du hast", "major", **excuse), span(", hast du"))
    assert output.scores.tolist() == [-1.0]
    assert output.spans == [[ErrorSpan(21, 30, "minor", "Style/Unnatural")]]
    assert counts(output, "excused", "unproven", "located") == [1, 0, 1]


@pytest.mark.parametrize("source_span", ["", " ", "much wisdom", "Viel Weisheit"])
def test_an_excuse_that_the_source_does_not_bear_out_does_not_hold(judge, source_span):
    output = judge(span("Weisheit", "major", excused=True, source_span=source_span))
    assert output.scores.tolist() == [-5.0]
    assert counts(output, "excused", "unproven", "located") == [0, 1, 1]


def test_words_of_the_source_alone_excuse_nothing(judge):
    output = judge(span("Weisheit", source_span="Much wisdom"))
    assert output.scores.tolist() == [-1.0]
    assert counts(output, "excused", "unproven") == [0, 0]


def test_what_has_no_place_costs_the_same(judge):
    output = judge(span("hast"), span("Klugheit"))
    assert output.scores.tolist() == [-2.0]
    assert output.spans == [[]]
    assert counts(output, "ambiguous", "dropped", "located") == [1, 1, 0]


def test_the_worst_is_the_end(judge):
    assert judge(*[span("du", "major")] * 9).scores.tolist() == [Naturalness(model="m").worst]
