import json
from dataclasses import replace

import pytest

from rewardlab.errors import UserError
from rewardlab.rewards import ChrF, LexicalSpans, NotEmpty
from rewardlab.store.lineage import Stage, TrainedOn, Training, read_training, write_training
from rewardlab.types import Gate, Term

DATA = ({"source": "a.txt", "source_lang": "no"},)
SFT = Stage("sft", None, data=DATA)
RL = Stage(
    "rl",
    "runs/sft/model",
    data=({"source": "b.txt"},),
    rewards=(
        TrainedOn.term(Term(ChrF())),
        TrainedOn.term(Term(ChrF(name="chrf_2"), weight=0.0)),
        TrainedOn.term(Term(LexicalSpans(), weight=0.0, token_weight=0.5)),
    ),
    gates=(TrainedOn.gate(Gate(NotEmpty(), below=0.5)),),
)


def test_a_model_remembers_every_stage(tmp_path):
    write_training(tmp_path, RL, before=Training((SFT,)))
    assert read_training(tmp_path) == Training((SFT, RL))


def test_a_history_without_a_separator_is_of_answers_directly_after_the_prompt(tmp_path):
    write_training(tmp_path, replace(SFT, separator=" "))
    assert read_training(tmp_path).stages[-1].separator == " "
    record = json.loads((tmp_path / "training.json").read_text())
    del record["separator"]
    (tmp_path / "training.json").write_text(json.dumps(record))
    assert read_training(tmp_path).stages[-1].separator == ""


def test_the_file_tells_the_last_stage_first(tmp_path):
    write_training(tmp_path, RL, before=Training((SFT,)))
    told = json.loads((tmp_path / "training.json").read_text())
    assert (told["stage"], told["start"]) == ("rl", "runs/sft/model")
    assert told["rewards"][0] == {
        "name": "chrf",
        "family": "ngram_overlap",
        "weight": 1.0,
        "token_weight": 0.0,
    }
    assert told["gates"] == [{"name": "not_empty", "family": "not_empty", "below": 0.5}]
    assert [stage["stage"] for stage in told["before"]] == ["sft"]


def test_the_directory_of_the_run_will_do(tmp_path):
    (tmp_path / "model").mkdir()
    write_training(tmp_path / "model", SFT)
    assert read_training(tmp_path) == Training((SFT,))


def test_a_model_from_elsewhere_has_no_known_training(tmp_path):
    assert read_training(tmp_path) is None
    assert read_training(tmp_path / "nowhere") is None


def test_what_moved_the_weights_is_what_had_a_weight():
    training = Training((SFT, RL, RL))
    assert [reward.name for reward in training.rewards] == ["chrf", "lexical_spans"] * 2
    assert [gate.name for gate in training.gates] == ["not_empty"] * 2
    assert [data["source"] for data in training.data] == ["a.txt", "b.txt", "b.txt"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"before": [{}]}', '{"before": 1}'])
def test_a_file_that_tells_nothing_is_refused(tmp_path, text):
    (tmp_path / "training.json").write_text(text)
    with pytest.raises(UserError) as caught:
        read_training(tmp_path)
    assert caught.value.exit_code == 2
    assert f"error[E047] {tmp_path / 'training.json'}: is not a training history" in str(
        caught.value
    )
