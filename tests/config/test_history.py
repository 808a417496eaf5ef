"""What is known of a system, from the notes beside its model or its translations."""

import json

import pytest

from rewardlab.config.history import history, training_texts
from rewardlab.config.sections import SystemConfig
from rewardlab.errors import UserError
from rewardlab.store.lineage import Stage, TrainedOn, write_training

DATA = {"source_lang": "da", "target_lang": "nb", "documents": None, "max_characters": None}


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A model that was fine-tuned on one text and reinforced on another, chrF behind a gate."""
    monkeypatch.chdir(tmp_path)
    for name, lines in {
        "a.da": "en to",
        "a.nb": "ein to",
        "b.da": "tre x",
        "b.nb": "tri y",
    }.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines.split()))
    (tmp_path / "rl" / "model").mkdir(parents=True)
    (tmp_path / "rl" / "model" / "config.json").write_text("{}")
    stages = [
        Stage("sft", None, data=({**DATA, "source": "a.da", "reference": "a.nb", "heldout": 1},)),
        Stage(
            "rl",
            "sft",
            data=({**DATA, "source": "b.da", "reference": "b.nb", "heldout": 0},),
            rewards=(
                TrainedOn("chrf", "ngram_overlap", weight=1.0, token_weight=0.0),
                TrainedOn("spans", "edit_distance", weight=0.0, token_weight=0.5),
                TrainedOn("numbers_kept", "numbers_kept", weight=0.0, token_weight=0.0),
            ),
            gates=(TrainedOn("not_empty", "not_empty", below=0.5),),
        ),
    ]
    write_training(tmp_path / "rl" / "model", stages[0])
    text = json.loads((tmp_path / "rl" / "model" / "training.json").read_text())
    write_training(tmp_path / "rl" / "model", stages[1])
    after = json.loads((tmp_path / "rl" / "model" / "training.json").read_text())
    after["before"] = [{key: value for key, value in text.items() if key != "before"}]
    (tmp_path / "rl" / "model" / "training.json").write_text(json.dumps(after))
    return tmp_path


def of(**keys):
    return history(SystemConfig.model_validate({"name": "x", **keys}))


def test_rewards_and_gates_that_had_a_say(model):
    found = of(model="rl")
    assert [reward.name for reward in found.rewards] == ["chrf", "spans", "not_empty"]
    assert found.known
    assert found.origin == "rl/model"


def test_a_checkpoint_that_somebody_else_made_may_have_been_trained_on_anything(model):
    write_training(model / "rl" / "model", Stage("sft", "downloaded", data=()))
    assert (of(model="rl").rewards, of(model="rl").known) == ((), False)


def test_texts_of_every_stage_and_both_sides_but_what_was_held_out(model):
    assert training_texts(of(model="rl")) == {"en", "ein", "tre", "tri", "x", "y"}
    (model / "a.nb").unlink()
    with pytest.raises(UserError, match="E201"):
        training_texts(of(model="rl"))


def test_the_source_was_trained_on_nothing_and_of_a_file_nothing_is_known(model):
    (model / "out.txt").touch()
    assert (of(copy=True).rewards, of(copy=True).known) == ((), True)
    assert (of(translations="out.txt").rewards, of(translations="out.txt").known) == ((), False)


def test_a_rerank_run_adds_what_it_chose_by_to_what_its_samples_model_was_trained_on(model):
    for name, text in {
        "translate": "model: rl\n",
        "rerank": (
            "model: null\nsamples_from: translate\nrewards:\n"
            "- {reward: ter, weight: 2.0, no_punct: true}\n- {reward: bleu, weight: 0.0}\n"
            "gates:\n- {reward: target_script, below: 1.0}\n"
        ),
    }.items():
        (model / name).mkdir()
        (model / name / "config.yaml").write_text(text)
        for file in ("translations.jsonl", "hypotheses.txt"):
            (model / name / file).touch()
    expected = ["chrf", "spans", "not_empty", "ter", "target_script"]
    for path in ("rerank", "rerank/translations.jsonl", "rerank/hypotheses.txt"):
        found = of(translations=path)
        assert [reward.name for reward in found.rewards] == expected
        assert found.rewards[3].family == "edit_distance"
        assert found.known


def test_what_a_rerank_run_chose_by_is_known_even_where_its_model_is_not(model):
    (model / "best").mkdir()
    (model / "best" / "config.yaml").write_text("rewards: [{reward: ter, weight: 1.0}]\n")
    found = of(translations="best")
    assert [reward.name for reward in found.rewards] == ["ter"]
    assert not found.known


def test_a_model_that_a_server_has_need_not_be_here(model):
    system = SystemConfig.model_validate({"name": "x", "model": "elsewhere"})
    assert not history(system, served=True).known
    with pytest.raises(UserError, match="E080"):
        history(system)
