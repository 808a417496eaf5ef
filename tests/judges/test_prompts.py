import dataclasses
import json
from importlib.resources import files

import pytest
import scripted_judge

from rewardlab.errors import UserError
from rewardlab.judges.answers import MQMAnswer, NaturalnessAnswer, RubricAnswer, read_answer
from rewardlab.judges.marking import mark
from rewardlab.judges.prompts import language_shown, load_template, load_text, write_question
from rewardlab.types import ErrorSpan, Status

TEMPLATES = {
    "automqm": MQMAnswer,
    "automqm_reference": MQMAnswer,
    "naturalness": NaturalnessAnswer,
    "rubric": RubricAnswer,
}
DATA = {"source": "Hund.", "translation": "Dog."}
OWN = """
instructions = "List errors."
reminder = "Only JSON."
[[examples]]
[examples.data]
source = "Hund und Hund."
translation = "Dog and dog and cat."
[examples.answer]
errors = [
  {span = "cat", span_with_context = "", severity = "major", category = "Other", in = "translation"}
]
"""


@pytest.mark.parametrize("name", TEMPLATES)
def test_our_examples_are_answered_as_asked_and_quote_their_texts(name):
    """Loading holds them to it; that every kind of case is shown is held here."""
    template = load_template(name, TEMPLATES[name])
    assert len(template.examples) >= 3
    readings = [read_answer(one.answer, TEMPLATES[name]) for one in template.examples]
    assert {reading.status for reading in readings} == {Status.OK}
    if name != "rubric":
        assert any(not reading.answer.errors for reading in readings)
        for example, reading in zip(template.examples, readings, strict=True):
            texts = scripted_judge.shown(example.question)
            assert ("reference" in texts) == (name == "automqm_reference")
            marks = mark(texts, reading.answer.errors)
            assert len(marks.spans) == len(reading.answer.errors)
            assert (marks.ambiguous, marks.dropped) == (0, 0)


@pytest.mark.parametrize("form", [MQMAnswer, NaturalnessAnswer, RubricAnswer])
def test_instructions_name_every_key_and_choice(form):
    name = next(name for name, one in TEMPLATES.items() if one is form)
    instructions = load_template(name, form).instructions
    told = json.dumps(form.model_json_schema(by_alias=True))
    choices = json.loads(told).get("$defs", {}).values()
    wanted = [key for one in choices for key in one["properties"]]
    wanted += [
        word
        for one in choices
        for key in one["properties"].values()
        for word in key.get("enum", [])
    ]
    assert [word for word in wanted if f'"{word}"' not in instructions] == []


def test_a_chat_has_no_turn_of_the_system():
    template = load_template("automqm", MQMAnswer)
    chat = write_question(template, DATA, chat=True)
    assert [turn["role"] for turn in chat] == ["user", "assistant"] * 4 + ["user"]
    assert chat[0]["content"].startswith("You annotate errors")
    assert chat[-1]["content"].endswith(template.reminder)
    assert json.loads(chat[1]["content"])["errors"][0]["span"] == "Dienstag"


def test_a_plain_text_ends_where_the_answer_begins():
    text = write_question(load_template("automqm", MQMAnswer), DATA, chat=False)
    assert text.endswith("one JSON object and nothing else.\nAnswer:")
    assert text.count("\nAnswer: {") == 4


def test_asked_again_it_is_another_question_about_the_same():
    template = load_template("automqm", MQMAnswer)
    first = write_question(template, DATA, chat=True)
    second = write_question(template, DATA, chat=True, attempt=1)
    assert first[:-1] == second[:-1]
    assert first[-1] != second[-1]
    assert scripted_judge.shown(first) == scripted_judge.shown(second) == DATA


def test_digests_follow_from_the_file_and_what_follows_it(tmp_path):
    ours = load_template("automqm", MQMAnswer)
    copy = tmp_path / "copy.toml"
    copy.write_bytes((files("rewardlab.judges") / "prompts" / "automqm.toml").read_bytes())
    assert load_template("", MQMAnswer, path=str(copy)) == ours
    other = tmp_path / "other.toml"
    other.write_bytes(copy.read_bytes() + b"# one more line\n")
    assert load_template("", MQMAnswer, path=str(other)).digest != ours.digest
    assert ours.followed_by("Be kind.").digest != ours.followed_by("Be strict.").digest
    assert ours.followed_by("Be kind.\n").instructions.endswith("\nBe kind.")
    assert dataclasses.replace(ours) == ours


def test_a_prompt_file_of_ones_own(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(OWN, "utf-8")
    template = load_template("automqm", MQMAnswer, path=str(path))
    assert template.instructions == "List errors."
    path.write_text("text", "utf-8")
    assert load_template("automqm", MQMAnswer, path=str(path)) is template  # read once


@pytest.mark.parametrize(
    ("code", "old", "new", "said"),
    [
        ("E340", "reminder =", "reminder", "not TOML"),
        ("E341", "reminder", "remainder", "reminder: Field required"),
        ("E341", '"Only JSON."', '""', "at least 1 character"),
        ("E341", "source =", "src =", "examples.0.data"),
        ("E341", '"major"', '"severe"', "example 1: "),
        ("E341", '"cat"', '"bird"', "example 1: 'bird' occurs nowhere in its translation"),
        ("E341", '"cat"', '"and"', "example 1: 'and' occurs several times in its translation"),
        ("E341", '"translation"}', '"source"}', "example 1: 'cat' occurs nowhere in its source"),
    ],
)
def test_what_is_wrong_with_a_prompt_file(tmp_path, code, old, new, said):
    path = tmp_path / "own.toml"
    assert old in OWN
    path.write_text(OWN.replace(old, new, 1), "utf-8")
    with pytest.raises(UserError) as error:
        load_template("automqm", MQMAnswer, path=str(path))
    (problem,) = error.value.problems
    assert (problem.code, error.value.exit_code) == (code, 2)
    assert said in problem.what
    assert problem.fix


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin").write_bytes("Prüfe!".encode("latin-1"))
    for path in (tmp_path / "none", tmp_path, tmp_path / "latin", "nul\0"):
        with pytest.raises(UserError) as error:
            load_text("rubric.txt", path=str(path))
        assert error.value.problems[0].code == "E340"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("de", "German (de)"),
        ("zho_Hans", "Chinese (zho_Hans)"),
        ("pt-BR", "Portuguese (pt-BR)"),
        ("German", "German (de)"),
        ("br", "Breton (br)"),
        ("qaa", "qaa"),
        ("", "not stated"),
        (None, "not stated"),
    ],
)
def test_languages_are_told_by_name(code, told):
    assert language_shown(code) == told


def test_marks_are_spans_in_code_points():
    error = {"severity": "minor", "category": "Other", "span_with_context": ""}
    answer = MQMAnswer.model_validate(
        {
            "errors": [
                {**error, "span": "猫", "in": "translation"},
                {**error, "span": "Katze", "in": "source"},
                {**error, "span": "a", "in": "translation"},
                {**error, "span": "Katze", "in": "translation"},
            ]
        }
    )
    marks = mark({"source": "Eine Katze", "translation": "a 😀猫 a"}, answer.errors)
    assert marks == (
        [ErrorSpan(3, 4, "minor", "Other"), ErrorSpan(5, 10, "minor", "Other", "source")],
        1,
        1,
    )
