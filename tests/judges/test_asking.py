import json

import pytest
import tiny_checkpoints
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_judge import Replies

from rewardlab.generate import Generated, Unanswered
from rewardlab.judges.answers import MQMAnswer
from rewardlab.judges.asking import ask_judge
from rewardlab.judges.prompts import load_template
from rewardlab.rewards import AutoMQM, Naturalness, Rubric
from rewardlab.types import Candidate, Status

CLEAN = '{"errors": []}'
OK = (Status.OK, 1)


def ask(reply, texts=("one",), **options):
    judge = Replies(reply)
    template = load_template("automqm", MQMAnswer)
    questions = [{"source": "s", "translation": text} for text in texts]
    options = {"chat": True, "max_new_tokens": 64, **options}
    return ask_judge(judge, template, questions, MQMAnswer, **options), judge


def test_who_answers_as_asked_is_asked_once():
    judged, judge = ask(lambda data, attempt: CLEAN, ["one", "two"])
    assert [(one.status, one.asked) for one in judged] == [OK, OK]
    assert [(one.prompt_tokens, one.completion_tokens) for one in judged] == [(100, 7)] * 2
    assert [len(call) for call in judge.asked] == [2]


@pytest.mark.parametrize(("chat", "reply"), [(False, f" {CLEAN}"), (False, CLEAN), (True, CLEAN)])
def test_the_separator_after_a_question_is_no_repair(chat, reply):
    judged, _ = ask(lambda data, attempt: reply, chat=chat)
    assert [(one.status, one.asked) for one in judged] == [OK]


def test_only_what_went_wrong_is_asked_again():
    def reply(data, attempt):
        return "Hm." if data["translation"] == "two" and attempt == 0 else CLEAN

    judged, judge = ask(reply, ["one", "two", "three"])
    assert [(one.status, one.asked) for one in judged] == [OK, (Status.OK, 2), OK]
    assert [one.completion_tokens for one in judged] == [7, 14, 7]
    assert [len(call) for call in judge.asked] == [3, 1]
    assert judge.asked[0][1] != judge.asked[1][0]


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("Hm.", Status.UNPARSEABLE),
        ("", Status.UNPARSEABLE),
        ("I cannot help with that.", Status.UNPARSEABLE),
        (Generated(CLEAN, 64, finished=False), Status.TRUNCATED),
        (Generated(CLEAN[:5], 64, finished=False), Status.TRUNCATED),
        (Generated(CLEAN, 3, finished=True, refused=True), Status.REFUSED),
        (Generated("", 3, finished=False, refused=True), Status.REFUSED),
    ],
)
def test_a_second_failure_is_the_texts_fault(reply, status):
    (one,), judge = ask(lambda data, attempt: reply)
    assert (one.status, one.answer, one.asked) == (status, None, 2)
    assert len(judge.asked) == 2


def test_a_text_that_the_service_does_not_take_is_at_fault_and_not_asked_again():
    """Again it would be among such texts only, which for a server is a sign that none is taken."""

    def reply(data, attempt):
        return CLEAN if data["translation"] == "one" else Unanswered("too long", "text")

    judged, judge = ask(reply, ["one", *map(str, range(12))])
    assert [(one.status, one.asked) for one in judged] == [OK, *[(Status.UNPARSEABLE, 1)] * 12]
    assert [len(call) for call in judge.asked] == [13]


def test_no_answer_of_the_service_is_ours_and_not_asked_again():
    (one,), judge = ask(lambda data, attempt: Unanswered("down"))
    assert (one.status, one.asked, one.reason) == (Status.UNAVAILABLE, 1, "down")
    assert len(judge.asked) == 1


def test_a_text_that_was_not_asked_twice_is_not_at_fault():
    (one,), _ = ask(lambda data, attempt: "Hm." if attempt == 0 else Unanswered("down"))
    assert (one.status, one.asked) == (Status.UNAVAILABLE, 2)


def test_nothing_is_asked_about_nothing():
    judged, judge = ask(lambda data, attempt: CLEAN, [])
    assert judged == []
    assert judge.asked == []


ERROR = {"span_with_context": "", "category": "Other", "in": "translation"}
answers = st.lists(
    st.builds(
        lambda span, severity: {"span": span, "severity": severity, **ERROR},
        st.sampled_from(["cat", "the", "bird", 'a "quote"', "猫"]),
        st.sampled_from(["minor", "major", "critical"]),
    ),
    max_size=3,
)


@settings(max_examples=15, deadline=None)
@given(errors=answers, wrap=st.sampled_from(["{}", "```json\n{}\n```", "<think>hm</think>{}"]))
def test_cutting_an_answer_anywhere_never_raises_the_reward(errors, wrap):
    """Every cut of the answer, said to be finished: no score, or that of the whole."""
    reward = AutoMQM(model="none")
    candidate = Candidate("猫", "the cat and the 猫")
    whole = wrap.replace("{}", json.dumps({"errors": errors}))
    cuts = [whole[:end] for end in range(len(whole))]
    judged, _ = ask(lambda data, attempt: data["translation"], [*cuts, whole])
    *cut, full = [one.answer and reward.opinion(candidate, one.answer).score for one in judged]
    assert full is not None
    assert {score for score in cut if score is not None} <= {full}
    unfinished, _ = ask(
        lambda data, attempt: Generated(data["translation"], 9, finished=False), [*cuts, whole]
    )
    assert {one.status for one in unfinished} == {Status.TRUNCATED}


@pytest.fixture(scope="module")
def qwen(tmp_path_factory):
    return tiny_checkpoints.qwen3(tmp_path_factory.mktemp("judge") / "qwen")


@pytest.mark.parametrize(
    ("reward", "chat"), [(AutoMQM, True), (AutoMQM, False), (Naturalness, True), (Rubric, False)]
)
def test_a_model_that_writes_nonsense_has_no_opinion(qwen, reward, chat):
    """A real checkpoint with random weights, through the tokenizer and its chat template."""
    judge = reward(model=str(qwen), max_new_tokens=4, batch_size=2, chat=chat)
    output = judge([Candidate("Hund.", "Dog."), Candidate("Katze.", "")])
    assert set(output.status) <= {Status.UNPARSEABLE, Status.TRUNCATED}
    assert output.components["asked"].tolist() == [2.0, 2.0]
    assert (output.components["prompt_tokens"] > 1000).all()
    assert (output.components["completion_tokens"] <= 8).all()
    assert str(qwen) in judge.signature
    assert "transformers:" in judge.signature
