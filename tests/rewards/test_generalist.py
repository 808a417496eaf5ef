import dataclasses
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tiny_checkpoints
import tiny_classifiers

from rewardlab import RewardEnsemble, Term
from rewardlab.errors import UserError
from rewardlab.rewards import ChrF, Generalist
from rewardlab.rewards.generalist import request_of
from rewardlab.rewards.registry import parse_reward
from rewardlab.types import Candidate, Status, is_generic, is_translation

TRANSLATION = Candidate(
    "Der Hund.", "The dog.", reference="The dog.", source_lang="de", target_lang="en"
)
GENERIC = Candidate("Name three fish.", "Cod, eel, pike.", prompt="Name three fish.")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny_classifiers.qwen3(tmp_path_factory.mktemp("model") / "m")


@pytest.fixture
def reward(path):
    return Generalist(model=path, device="cpu")


def written(request, answer):
    return f"<|im_start|>user\n{request}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n"


def test_the_score_is_the_logit_of_request_and_answer(path, reward):
    output = reward([TRANSLATION, GENERIC])
    asked = "Translate the following text from German into English:\n\nDer Hund."
    expected = [
        tiny_classifiers.alone(path, written(asked, "The dog."))[0],
        tiny_classifiers.alone(path, written("Name three fish.", "Cod, eel, pike."))[0],
    ]
    np.testing.assert_allclose(output.scores, expected, atol=1e-5)
    assert output.status == [Status.OK, Status.OK]
    assert output.components["truncated"].tolist() == [0.0, 0.0]
    assert output.spans is None


@pytest.mark.parametrize(
    ("changes", "request_text"),
    [
        ({"prompt": "Say it in English: Hej"}, "Say it in English: Hej"),
        ({"source_lang": "da"}, "Translate the following text from Danish into English:\n\nHej"),
        ({}, "Translate the following text into English:\n\nHej"),
        ({"target_lang": "tlh"}, "Translate the following text into Klingon:\n\nHej"),
        ({"target_lang": "qaa"}, "Translate the following text into qaa:\n\nHej"),
        ({"target_lang": None}, "Hej"),
        ({"prompt": ""}, ""),
    ],
)
def test_requests(changes, request_text):
    candidate = Candidate("Hej", "Hello", **({"target_lang": "en"} | changes))
    assert request_of(candidate) == request_text


def test_what_is_cut_is_counted_and_an_answer_never_is(reward):
    short = dataclasses.replace(reward, max_length=60)
    long_source = dataclasses.replace(TRANSLATION, source="Der Hund läuft. " * 50)
    long_answer = dataclasses.replace(TRANSLATION, hypothesis="The dog runs. " * 50)
    output = short([long_source, long_answer, GENERIC])
    assert output.status == [Status.OK, Status.TRUNCATED, Status.OK]
    assert output.components["truncated"].tolist() == [1.0, 0.0, 0.0]


def test_terms_apply_to_translations_or_to_other_prompts(reward):
    ensemble = RewardEnsemble(
        [Term(ChrF(), applies=is_translation), Term(reward, applies=is_generic)]
    )
    scores = ensemble([TRANSLATION, GENERIC])
    assert scores.status == [
        [Status.OK, Status.NOT_APPLICABLE],
        [Status.NOT_APPLICABLE, Status.OK],
    ]
    assert scores.values[0, 0] == 100.0
    both = RewardEnsemble([Term(reward)])([TRANSLATION, GENERIC])
    assert np.isfinite(both.values).all()


def test_the_signature_knows_the_model_and_not_where_it_lies(path, reward, tmp_path):
    shutil.copytree(path, tmp_path / "copy")
    assert dataclasses.replace(reward, model=tmp_path / "copy").signature == reward.signature
    other = tiny_classifiers.qwen3(tmp_path / "other", seed=1)
    assert dataclasses.replace(reward, model=other).signature != reward.signature
    shutil.copytree(path, tmp_path / "template")
    (tmp_path / "template" / "chat_template.jinja").write_text("{{ messages }}")
    assert dataclasses.replace(reward, model=tmp_path / "template").signature != reward.signature
    assert str(path) not in reward.signature
    assert "transformers:" in reward.signature


def test_it_is_built_from_text(path, reward):
    built = parse_reward(f"generalist:model={path},device=cpu,worst=-9,label=0")
    assert built == dataclasses.replace(reward, worst=-9.0, label=0)
    with pytest.raises(UserError, match=r"E103.*max_length=3 must be at least 16"):
        parse_reward(f"generalist:model={path},max_length=3")
    with pytest.raises(UserError, match=r"E103.*finite"):
        parse_reward(f"generalist:model={path},worst=nan")


def test_a_checkpoint_that_is_not_there_is_said(tmp_path):
    for use in (lambda r: r([TRANSLATION]), lambda r: r.signature):
        with pytest.raises(UserError, match="E080"):
            use(Generalist(model=tmp_path / "nowhere"))
    assert Generalist(model=tmp_path / "nowhere")([]).status == []


BEGIN_TOGETHER = """
import sys
from rewardlab import Candidate, RewardEnsemble, Term
from rewardlab.rewards import Generalist, Rubric

classifier, model = sys.argv[1:]
rewards = [
    Generalist(name="one", model=classifier, device="cpu"),
    Rubric(name="two", model=model, chat=False, max_new_tokens=1),
    Rubric(name="three", model=model, chat=False, max_new_tokens=1, batch_size=2),
    Generalist(name="four", model=classifier, device="cpu", dtype="bfloat16"),
]
row = Candidate("Der Hund.", "The dog.")
(found,) = RewardEnsemble([Term(reward) for reward in rewards])([row]).status
import torch
print(*found, torch.get_default_dtype(), torch.nn.init.normal_.__module__)
"""


def test_rewards_that_begin_together_load_one_after_another(path, tmp_path):
    """In a new process: transformers is imported by all of them at once."""
    model = tiny_checkpoints.qwen3(tmp_path / "model")
    command = [sys.executable, "-c", BEGIN_TOGETHER, str(path), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "ok truncated truncated ok torch.float32 torch.nn.init\n", done.stderr
