import json

import pytest
import scripted_judge
from scripted_judge import Replies

from rewardlab.errors import UserError
from rewardlab.generate import backends
from rewardlab.rewards import Rubric
from rewardlab.types import Candidate, Status

URL = "http://127.0.0.1:9/v1"


@pytest.fixture
def replies(monkeypatch):
    def reply(data, attempt):
        return json.dumps({"reason": "", "score": min(10, 1 + len(data["answer"]))})

    replies = Replies(reply)
    monkeypatch.setattr(backends, "judge_backend", lambda **_: replies)
    return replies


def test_the_score_is_the_grade(replies):
    output = Rubric(model="m")(
        [Candidate("s", ""), Candidate("s", "abc"), Candidate("s", "x" * 99)]
    )
    assert output.scores.tolist() == [1.0, 4.0, 10.0]
    assert output.status == [Status.OK] * 3
    assert output.spans is None
    assert set(output.components) == {"prompt_tokens", "completion_tokens", "asked"}


@pytest.mark.parametrize(
    ("candidate", "data"),
    [
        (
            Candidate("Hund", "Dog", source_lang="de", target_lang="en", prompt="Translate: Hund"),
            {
                "source_language": "German (de)",
                "target_language": "English (en)",
                "source": "Hund",
                "answer": "Dog",
            },
        ),
        (Candidate("2+2?", "4", prompt="What is 2+2?"), {"request": "What is 2+2?", "answer": "4"}),
        (Candidate("2+2?", "4"), {"request": "2+2?", "answer": "4"}),
    ],
)
def test_a_row_with_a_target_language_is_a_translation(replies, candidate, data):
    Rubric(model="m")([candidate])
    assert scripted_judge.shown(replies.asked[0][0]) == data


def test_the_key_is_what_the_judge_is_shown():
    reward = Rubric(model="m")
    one = Candidate("2+2?", "4", prompt="What is 2+2?")
    assert reward.key(one) == reward.key(Candidate("other", "4", prompt="What is 2+2?"))
    assert reward.key(one) != reward.key(Candidate("2+2?", "4", prompt="And 2+2?"))


def test_a_rubric_of_ones_own(replies, tmp_path):
    path = tmp_path / "rubric.txt"
    path.write_text("10  Rhymes.\n1  Does not.\n", "utf-8")
    Rubric(model="m", rubric=str(path))([Candidate("s", "a")])
    first = replies.asked[0][0][0]["content"]
    assert "The rubric:\n10  Rhymes.\n1  Does not.\n\n<data-" in first
    options = {"model": "m", "backend": "server", "url": URL}
    own, ours = Rubric(rubric=str(path), **options), Rubric(**options)
    assert own.template.digest != ours.template.digest
    assert own.template.digest in own.signature
    assert "Length is no merit." in ours.template.instructions
    with pytest.raises(UserError, match="E340"):
        Rubric(rubric=str(tmp_path / "none"), **options).signature  # noqa: B018
