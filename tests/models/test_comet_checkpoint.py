"""Checkpoints that are not what they should be: one line says where, what and how to fix it."""

import json
import os
import pickle
from pathlib import Path

import pytest
import tiny_comet
import torch
import yaml
from safetensors.torch import load_file, save_file

from rewardlab.errors import UserError
from rewardlab.models.comet_checkpoint import comet_digest, read_settings
from rewardlab.models.comet_loading import load_comet


@pytest.fixture
def checkpoint(tmp_path):
    return tiny_comet.write_safetensors(tmp_path / "model", "kiwi")


def refused(path, **options):
    """The one problem that loading finds."""
    with pytest.raises(UserError) as error:
        load_comet(path, **{"device": "cpu", "dtype": "auto", **options})
    assert error.value.exit_code == 2
    (problem,) = error.value.problems
    assert problem.fix
    assert "\n" not in str(problem)
    return problem


def change_hparams(path, **changes):
    told = {**yaml.safe_load((path / "hparams.yaml").read_text("utf-8")), **changes}
    (path / "hparams.yaml").write_text(yaml.safe_dump(told), "utf-8")


def change_tensors(path, change):
    tensors = load_file(path / "model.safetensors")
    change(tensors)
    save_file(tensors, path / "model.safetensors")


class TestFiles:
    def test_no_directory(self, tmp_path):
        problem = refused(tmp_path / "nowhere")
        assert (problem.code, "is not a directory" in problem.what) == ("E320", True)

    def test_no_hparams(self, checkpoint):
        (checkpoint / "hparams.yaml").unlink()
        problem = refused(checkpoint)
        assert (problem.code, "holds no hparams.yaml" in problem.what) == ("E320", True)

    def test_no_weights(self, checkpoint):
        (checkpoint / "model.safetensors").unlink()
        problem = refused(checkpoint)
        assert (problem.code, "checkpoints/model.ckpt" in problem.what) == ("E320", True)

    @pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
    def test_no_encoder_names_the_one_it_needs(self, checkpoint, name):
        change_hparams(checkpoint, pretrained_model="microsoft/infoxlm-large")
        (checkpoint / "encoder" / name).unlink()
        problem = refused(checkpoint)
        assert (problem.code, name in problem.what) == ("E323", True)
        assert "microsoft/infoxlm-large" in problem.fix
        assert "encoder=" in problem.fix

    def test_the_encoder_may_lie_elsewhere(self, checkpoint, tmp_path):
        moved = (checkpoint / "encoder").rename(tmp_path / "elsewhere")
        assert refused(checkpoint).code == "E323"
        load_comet(checkpoint, encoder=str(moved), device="cpu", dtype="auto")

    def test_the_digest_tells_weights_and_tokenizers_apart(self, checkpoint, tmp_path):
        same = tiny_comet.write_safetensors(tmp_path / "same", "kiwi")
        other = tiny_comet.write_safetensors(tmp_path / "other", "kiwi", seed=1)
        published = tiny_comet.write(tmp_path / "published", "kiwi")
        digest = comet_digest(str(checkpoint))
        assert comet_digest(str(same)) == digest
        assert comet_digest(str(same), str(other / "encoder")) == digest
        (same / "encoder" / "tokenizer.json").write_text("{}", "utf-8")
        found = [comet_digest(str(path)) for path in (other, published)]
        found.append(comet_digest(str(checkpoint), str(same / "encoder")))
        assert len({digest, *found}) == 4


class TestSettings:
    @pytest.mark.parametrize(
        "text",
        [
            "!!python/object/apply:os.system ['touch canary']",
            "class_identifier: !!python/name:os.system ''",
            "- a list",
            "text",
            "",
            "a: [",
            "class_identifier: \udcff",
        ],
    )
    def test_no_plain_mapping(self, checkpoint, text, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (checkpoint / "hparams.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
        assert refused(checkpoint).code == "E321"
        assert not Path("canary").exists()

    def test_too_large(self, checkpoint):
        (checkpoint / "hparams.yaml").write_text("a: b\n" * 300_000, "utf-8")
        assert refused(checkpoint).code == "E321"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("class_identifier", "ranking_metric"),
            ("class_identifier", None),
            ("class_identifier", ["xcomet_metric"]),
            ("encoder_model", "RemBERT"),
            ("pool", "median"),
            ("activations", "Module"),
            ("final_activation", "Sequential"),
            ("input_segments", ["src"]),
            ("input_segments", 3),
            ("sent_layer", -1),
            ("sent_layer", "all"),
            ("word_layer", "last"),
        ],
    )
    def test_a_value_that_is_not_supported(self, checkpoint, name, value):
        change_hparams(checkpoint, **{name: value})
        problem = refused(checkpoint)
        assert problem.code == "E321"
        assert name.removeprefix("sent_") in problem.what

    def test_keys_that_only_training_reads_are_left_alone(self, checkpoint):
        change_hparams(checkpoint, train_data=["a.csv"], layerwise_decay=0.95, something_new={})
        load_comet(checkpoint, device="cpu", dtype="auto")

    def test_what_is_not_said_is_what_unbabel_comet_takes(self, tmp_path):
        path = tmp_path / "hparams.yaml"
        path.write_text("class_identifier: xcomet_metric", "utf-8")
        settings = read_settings(path)
        assert settings.sparsemax is True
        assert settings.layer_norm is False
        assert settings.input_segments == ("mt", "src", "ref")
        path.write_text("class_identifier: regression_metric", "utf-8")
        settings = read_settings(path)
        assert (settings.sparsemax, settings.layer_norm, settings.pool) == (False, True, "avg")

    def test_settings_in_the_pickle_win_but_for_the_patch(self, tmp_path):
        path = tmp_path / "hparams.yaml"
        path.write_text("{class_identifier: unified_metric, layer_norm: true}", "utf-8")
        trained = {"layer_norm": False, "layer_transformation": "sparsemax"}
        assert read_settings(path, trained).layer_norm is False
        assert read_settings(path, trained).sparsemax is True
        patched = "{class_identifier: unified_metric, layer_transformation: sparsemax_patch}"
        path.write_text(patched, "utf-8")
        assert read_settings(path, trained).sparsemax is False


class TestEncoder:
    def test_another_architecture(self, checkpoint):
        path = checkpoint / "encoder" / "config.json"
        told = {**json.loads(path.read_text("utf-8")), "model_type": "xlm-roberta-xl"}
        path.write_text(json.dumps(told), "utf-8")
        problem = refused(checkpoint)
        assert (problem.code, "'xlm-roberta-xl'" in problem.what) == ("E323", True)

    @pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}'])
    def test_a_broken_file(self, checkpoint, name, text):
        (checkpoint / "encoder" / name).write_text(text, "utf-8")
        assert refused(checkpoint).code == "E323"

    def test_another_padding(self, checkpoint):
        path = checkpoint / "encoder" / "config.json"
        told = {**json.loads(path.read_text("utf-8")), "pad_token_id": 0}
        path.write_text(json.dumps(told), "utf-8")
        assert "padding" in refused(checkpoint).what

    def test_more_pieces_than_embeddings(self, checkpoint):
        path = checkpoint / "encoder" / "config.json"
        told = {**json.loads(path.read_text("utf-8")), "vocab_size": 9}
        path.write_text(json.dumps(told), "utf-8")
        problem = refused(checkpoint)
        assert (problem.code, "the encoder 9" in problem.what) == ("E323", True)


class TestTensors:
    @pytest.mark.parametrize(
        "name",
        [
            "encoder.model.encoder.layer.1.output.dense.weight",
            "layerwise_attention.gamma",
            "layerwise_attention.scalar_parameters.3",
            "estimator.ff.0.bias",
            "estimator.ff.3.weight",
        ],
    )
    def test_one_is_missing(self, checkpoint, name):
        change_tensors(checkpoint, lambda tensors: tensors.pop(name))
        assert refused(checkpoint).code == "E324"

    @pytest.mark.parametrize(
        "name", ["head.weight", "encoder.model.extra", "estimator.ff.9.weight"]
    )
    def test_one_is_unknown(self, checkpoint, name):
        change_tensors(checkpoint, lambda tensors: tensors.update({name: torch.zeros(2, 2)}))
        assert refused(checkpoint).code == "E324"

    @pytest.mark.parametrize(
        "name",
        [
            "encoder.model.embeddings.word_embeddings.weight",
            "estimator.ff.0.bias",
            "layerwise_attention.gamma",
        ],
    )
    def test_one_has_another_shape(self, checkpoint, name):
        change_tensors(checkpoint, lambda tensors: tensors.update({name: torch.zeros(7)}))
        assert refused(checkpoint).code == "E324"

    def test_a_layer_that_is_not_there(self, checkpoint):
        change_hparams(checkpoint, sent_layer=9)
        assert "layer 9" in refused(checkpoint).what

    def test_labels_of_another_scheme(self, tmp_path):
        path = tiny_comet.write_safetensors(tmp_path / "xcomet", "xcomet")
        two = {"hidden2tag.weight": torch.zeros(2, 24), "hidden2tag.bias": torch.zeros(2)}
        change_tensors(path, lambda tensors: tensors.update(two))
        assert "hidden2tag.weight has shape (2, 24), where (4, 24)" in refused(path).what

    def test_what_only_training_reads_may_stand_there(self, checkpoint):
        extra = {
            "wordloss.weight": torch.ones(3),
            "encoder.model.embeddings.position_ids": torch.arange(514)[None],
            "encoder.model.pooler.dense.weight": torch.zeros(24, 24),
            "encoder.model.pooler.dense.bias": torch.zeros(24),
        }
        change_tensors(checkpoint, lambda tensors: tensors.update(extra))
        load_comet(checkpoint, device="cpu", dtype="auto")


class TestPickle:
    def test_needs_its_digest(self, tmp_path):
        path = tiny_comet.write(tmp_path / "model", "kiwi")
        problem = refused(path)
        assert problem.code == "E301"
        assert f"pickle_sha256={tiny_comet.sha256(path)}" in problem.fix
        assert refused(path, pickle_sha256="0" * 64).code == "E302"
        load_comet(path, device="cpu", dtype="auto", pickle_sha256=tiny_comet.sha256(path))

    def test_runs_no_code(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        path = tiny_comet.write(tmp_path / "model", "kiwi")
        (path / "checkpoints" / "model.ckpt").write_bytes(pickle.dumps(Touch(), protocol=2))
        assert refused(path, pickle_sha256=tiny_comet.sha256(path)).code == "E304"
        assert not Path("canary").exists()

    @pytest.mark.parametrize(
        "held", [{}, {"state_dict": [1]}, {"state_dict": {}}, {"state_dict": {"a": 1}}]
    )
    def test_holds_no_weights(self, tmp_path, held):
        path = tiny_comet.write(tmp_path / "model", "kiwi")
        torch.save(held, path / "checkpoints" / "model.ckpt")
        assert refused(path, pickle_sha256=tiny_comet.sha256(path)).code == "E324"

    def test_safetensors_come_first(self, tmp_path):
        path = tiny_comet.write(tmp_path / "model", "kiwi")
        plain = tiny_comet.write_safetensors(tmp_path / "plain", "kiwi")
        (plain / "model.safetensors").rename(path / "model.safetensors")
        load_comet(path, device="cpu", dtype="auto")


class Touch:
    def __reduce__(self):
        return os.system, ("touch canary",)
