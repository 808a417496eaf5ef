"""A reward uses a model of ``train-reward`` as it was trained, however it is built."""

import dataclasses
import json

import pytest

from rewardlab.errors import UserError
from rewardlab.rewards import AutoMQM, Generalist, MetricX
from rewardlab.rewards.registry import build_reward, parse_reward
from rewardlab.rewards.trained import Trained, write_trained
from rewardlab.scorers.families.automqm import AutoMQMFamily
from rewardlab.scorers.families.generalist import GeneralistFamily
from rewardlab.scorers.families.metricx import MetricXFamily

METRICX_23 = Trained("metricx", {"version": ["23"], "mode": ["reference"]}, {"max_length": 300})


@pytest.fixture
def run(tmp_path):
    """A run whose model is one of MetricX-23 with reference, as far as a constructor looks."""
    model = tmp_path / "run" / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    write_trained(model, METRICX_23)
    return model.parent


@pytest.mark.parametrize("of", ["run", "model"])
def test_options_that_are_not_given_are_those_of_the_training(run, of):
    path = run if of == "run" else run / "model"
    built = [
        MetricX(model=path),
        build_reward("metricx", {"model": str(path)}),
        parse_reward(f"metricx:model={path}"),
        parse_reward(f"metricx:model={path},version=23"),
        dataclasses.replace(MetricX(model=path), name="metricx"),
    ]
    for reward in built:
        assert (reward.version, reward.mode, reward.max_length) == ("23", "reference", 300)
        assert reward.needs_reference
    assert MetricX(model=path, max_length=200).max_length == 200


def test_a_contradiction_names_both_values_and_the_fix(run):
    with pytest.raises(UserError) as error:
        parse_reward(f"metricx:model={run},version=24,mode=qe", where="--reward")
    assert error.value.exit_code == 2
    told = f"is given, and {run}/model was trained with"
    version, mode = str(error.value).splitlines()
    assert version.startswith(f"error[E310] --reward: metricx.version: '24' {told} 23. fix: ")
    assert version.endswith(" fix: version=23, or leave version out")
    assert mode.startswith(f"error[E310] --reward: metricx.mode: 'qe' {told} reference. fix: ")
    with pytest.raises(UserError, match=r"E310\] metricx.mode: 'qe' is given"):
        MetricX(model=run, mode="qe")


def test_a_hybrid_has_both_modes(run):
    write_trained(run / "model", MetricXFamily(mode="hybrid").trained())
    assert MetricX(model=run).mode == "qe"
    assert MetricX(model=run, mode="reference").mode == "reference"


def test_a_judge_asks_with_the_prompt_that_it_learned(run, tmp_path):
    family = AutoMQMFamily(reference=True, chat=False, prompt="automqm_short", max_new_tokens=64)
    write_trained(run / "model", family.trained())
    prompt = run / "model" / "prompt.toml"
    prompt.write_text("system = 'x'\n")
    judge = AutoMQM(model=str(run))
    assert (judge.reference, judge.chat, judge.max_new_tokens) == (True, False, 64)
    assert judge.prompt == str(prompt)
    (tmp_path / "copy.toml").write_text("system = 'x'\n")
    (tmp_path / "other.toml").write_text("system = 'y'\n")
    assert AutoMQM(model=str(run), prompt=str(tmp_path / "copy.toml")).chat is False
    with pytest.raises(UserError, match="E310"):
        AutoMQM(model=str(run), prompt=str(tmp_path / "other.toml"))
    with pytest.raises(UserError, match=r"fix: chat=false, or leave chat out"):
        parse_reward(f"automqm:model={run},chat=true")


def test_models_of_others_keep_their_options(run, tmp_path):
    assert MetricX(model=tmp_path).version == "24"
    assert AutoMQM(model=str(run)).chat is True, "the file is about metricx"
    assert Generalist(model=run).label == -1
    assert AutoMQM(model="").prompt == ""
    write_trained(tmp_path, GeneralistFamily().trained())
    assert not (tmp_path / "reward.json").exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"reward": "metricx", "fixed": {"mode": []}, "defaults": {}}']
)
def test_a_damaged_file_is_refused(run, text):
    (run / "model" / "reward.json").write_text(text)
    with pytest.raises(UserError, match=r"E310\] .*reward.json: cannot be read"):
        MetricX(model=run)


def test_what_is_written_is_what_the_family_trains(run):
    write_trained(run / "model", MetricXFamily(mode="reference", version="23").trained())
    assert json.loads((run / "model" / "reward.json").read_text()) == {
        "reward": "metricx",
        "fixed": {"version": ["23"], "mode": ["reference"]},
        "defaults": {},
    }
