import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rewardlab.judges.answers import (
    LONGEST_ANSWER,
    MQMAnswer,
    MQMError,
    NaturalnessAnswer,
    RubricAnswer,
    json_schema,
    read_answer,
)
from rewardlab.text.reasoning import closing_tags
from rewardlab.types import Status

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "judge_answers.py"
ERROR = {
    "span": "cat",
    "span_with_context": "the cat",
    "severity": "major",
    "category": "Accuracy/Mistranslation",
    "in": "translation",
}
UNNATURAL = {
    "span": "cat",
    "span_with_context": "the cat",
    "severity": "minor",
    "excused": False,
    "source_span": "",
}
CLEAN = '{"errors": []}'


def with_error(**changes):
    return json.dumps({"errors": [{**ERROR, **changes}]})


def without(key):
    return json.dumps({"errors": [{name: one for name, one in ERROR.items() if name != key}]})


def test_an_answer_by_the_letter_is_ok():
    reading = read_answer(with_error(), MQMAnswer)
    assert reading.status is Status.OK
    assert reading.answer.errors == [
        MQMError(
            span="cat",
            span_with_context="the cat",
            severity="major",
            category="Accuracy/Mistranslation",
            **{"in": "translation"},
        )
    ]
    assert read_answer(f"\n {CLEAN}\t\n", MQMAnswer) == (Status.OK, MQMAnswer(errors=[]))
    unnatural = json.dumps({"errors": [UNNATURAL]})
    assert read_answer(unnatural, NaturalnessAnswer).answer.errors[0].side == "translation"
    grade = '{"reason": "", "score": 10}'
    assert read_answer(grade, RubricAnswer) == (Status.OK, RubricAnswer(reason="", score=10))


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{CLEAN}\n```",
        f"```\n{CLEAN}\n```\n",
        f"<think>\n\n</think>\n\n{CLEAN}",
        f"<think>Is it? {with_error()}</think>{CLEAN}",
        f"\n<think>x</think>\n```json\n{CLEAN}\n```",
        f"The second word is odd.\n</think>\n{CLEAN}",
        f"<think>a</think><think>b</think>{CLEAN}",
        f"<think>a <think>b</think> c</think>\n{CLEAN}",
        f"a</think>\r\n```json\r\n{CLEAN}\r\n```",
        f"```json\r\n{CLEAN}\r\n```",
        f"```JSON\n{CLEAN}```",
        f"````\n{CLEAN}\n````",
        f"```json {CLEAN} ```",
        f"~~~json\n{CLEAN}\n~~~",
    ],
)
def test_two_wrappings_are_taken_off_whole(text):
    assert read_answer(text, MQMAnswer) == (Status.REPAIRED, MQMAnswer(errors=[]))
    for cut in range(len(text.rstrip())):
        assert read_answer(text[:cut], MQMAnswer) == (Status.UNPARSEABLE, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "{}",
        '{"errors": null}',
        '{"errors": {}}',
        '{"errors": [null]}',
        '{"errors": [], "errors": []}',
        '{"errors": [], "note": ""}',
        '{"Errors": []}',
        "{'errors': []}",
        '{"errors": [],}',
        '{"errors": []} // fine',
        f"Sure! {CLEAN}",
        f"{CLEAN}\nIs that all?",
        f"{CLEAN}{CLEAN}",
        f"{CLEAN}\n{with_error()}",
        f"```json\n{CLEAN}",
        f"```python\n{CLEAN}\n```",
        f"Here:\n```json\n{CLEAN}\n```",
        f"```json\n{CLEAN}\n```\n```json\n{CLEAN}\n```",
        f"{CLEAN}</think>",
        f"<think>{CLEAN}",
        f"<think>a</think>{with_error()}</think>{CLEAN}",
        f"<think>a</think>{with_error()[:40]}<think>b</think>{CLEAN}",
        '{"errors": [{"span": "</think>[]',
        "```json\n[{</think>[]",
        f"Hm.</reasoning>{CLEAN}",
        f"\ufeff{CLEAN}",
        "I cannot judge this text.",
        with_error(severity="Major"),
        with_error(severity="severe"),
        with_error(severity="neutral"),
        with_error(severity=""),
        with_error(severity=None),
        with_error(severity=5),
        with_error(category="Accuracy"),
        with_error(category="accuracy/mistranslation"),
        with_error(category=None),
        with_error(span=""),
        with_error(span=None),
        with_error(span=["cat"]),
        with_error(span="x" * 4001),
        with_error(span_with_context=None),
        with_error(span="\ud800"),
        with_error(score=0),
        with_error(side="translation"),
        with_error(**{"in": "hypothesis"}),
        *(without(key) for key in ERROR),
        json.dumps({"errors": [ERROR] * 51}),
        with_error(span=float("nan")),
        with_error(span=float("inf")),
        with_error().replace('"severity"', '"severity": "minor", "severity"'),
        with_error(span="a\nb").replace("\\n", "\n"),
        CLEAN + " " * LONGEST_ANSWER,
        "[" * 50_000,
        '{"errors":' * 20_000,
        "9" * 5_000,
        "\x00",
    ],
)
def test_whatever_else_is_unparseable(text):
    assert read_answer(text, MQMAnswer) == (Status.UNPARSEABLE, None)


def test_a_list_alone_is_the_list_of_errors():
    assert read_answer("Odd.\n</think>\n[]", MQMAnswer) == (Status.REPAIRED, MQMAnswer(errors=[]))
    status, answer = read_answer(json.dumps([ERROR]), MQMAnswer)
    assert (status, len(answer.errors)) == (Status.REPAIRED, 1)
    assert read_answer("[]", RubricAnswer).status is Status.UNPARSEABLE


def test_a_tag_of_the_models_template_ends_reasoning_too():
    text = f"Hm.</reasoning>{CLEAN}"
    assert read_answer(text, MQMAnswer, closing_tags("<reasoning></reasoning>")).answer is not None


@pytest.mark.parametrize(
    "score", ["0", "11", "-3", "7.0", "7.5", '"7"', "true", "null", "1e1", "1e999", "NaN", "[7]"]
)
def test_a_grade_is_a_whole_number_from_1_to_10(score):
    assert read_answer(f'{{"reason": "", "score": {score}}}', RubricAnswer).answer is None


@pytest.mark.parametrize("change", [{"severity": "critical"}, {"excused": "true"}, {"excused": 1}])
def test_naturalness_has_its_own_form(change):
    text = json.dumps({"errors": [{**UNNATURAL, **change}]})
    assert read_answer(text, NaturalnessAnswer).answer is None


def test_the_schema_is_plain_and_strict():
    assert json_schema(RubricAnswer) == {
        "type": "object",
        "properties": {
            "reason": {"type": "string"},
            "score": {"type": "integer", "minimum": 1, "maximum": 10},
        },
        "required": ["reason", "score"],
        "additionalProperties": False,
    }
    text = json.dumps(json_schema(MQMAnswer))
    assert "$ref" not in text
    assert text.count('"additionalProperties": false') == text.count('"type": "object"') == 2
    error = json_schema(MQMAnswer)["properties"]["errors"]["items"]
    assert error["required"] == list(ERROR)
    assert error["properties"]["severity"]["enum"] == ["minor", "major", "critical"]


FORMS = {MQMAnswer: with_error(), NaturalnessAnswer: json.dumps({"errors": [UNNATURAL]})}
pieces = st.one_of(
    st.text(max_size=20),
    st.sampled_from([CLEAN, with_error(), "```json\n", "\n```", "<think>", "</think>", "{", "]"]),
)


@settings(max_examples=300, deadline=None)
@given(parts=st.lists(pieces, max_size=6))
@example(parts=["<think>", "</think>", CLEAN])
def test_no_text_raises_and_none_is_read_by_halves(parts):
    text = "".join(parts)
    for form in FORMS:
        status, answer = read_answer(text, form)
        assert (answer is None) == (status is Status.UNPARSEABLE)
        if status is Status.OK:
            assert form.model_validate(json.loads(text)) == answer


@pytest.mark.parametrize("form", FORMS)
def test_one_slip_never_makes_an_answer_milder(form):
    """Every character taken out, doubled, or replaced by any of those that mean something."""
    text = FORMS[form]
    for place in range(len(text)):
        for new in ("", text[place] * 2, *'"\\{}[],: ae0'):
            _, answer = read_answer(text[:place] + new + text[place + 1 :], form)
            if answer is not None:
                (error,) = answer.errors
                assert error.severity == json.loads(text)["errors"][0]["severity"]
                assert not getattr(error, "excused", False)


def test_the_benchmark_in_small():
    """2,000 generated answers and 400 truncations; the benchmark says more about them."""
    command = [sys.executable, BENCHMARK, "--answers", "2000", "--truncations", "400"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "violations: 0 in" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
