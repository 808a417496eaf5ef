"""What is wrong with a checkpoint directory is said before a weight is loaded."""

import json
import shutil

import pytest
import tiny_checkpoints
import torch
from safetensors.torch import load_file, save_file

from rewardlab.dry_run.checkpoint import embedding_rows, read_checkpoint, weight_shapes
from rewardlab.errors import UserError
from rewardlab.store.checkpoints import find_checkpoint


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("checkpoints")
    names = ("gemma3", "gemma3_vision", "qwen3", "mt5", "xlm_r")
    return {name: getattr(tiny_checkpoints, name)(root / name) for name in names}


@pytest.fixture
def copied(published, tmp_path):
    return shutil.copytree(published["gemma3"], tmp_path / "model")


def refused(path):
    with pytest.raises(UserError) as caught:
        read_checkpoint(path)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def rewrite(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    ("name", "architecture", "rows", "parameters"),
    [
        # 704 x 32 embeddings; a layer: 2 norms of its own width in Qwen3 and 4 in Gemma 3,
        # q 32x32, k and v 16x32, o 32x32, two norms of 16, three of 64x32 in the MLP; a last norm
        ("gemma3", "Gemma3ForCausalLM", 704, 704 * 32 + 2 * (4 * 32 + 3072 + 32 + 6144) + 32),
        ("qwen3", "Qwen3ForCausalLM", 704, 704 * 32 + 2 * (2 * 32 + 3072 + 32 + 6144) + 32),
    ],
)
def test_a_published_checkpoint_is_read_without_its_weights(
    published, name, architecture, rows, parameters
):
    checkpoint = read_checkpoint(published[name])
    assert type(checkpoint.model).__name__ == architecture
    assert embedding_rows(checkpoint.model) == rows
    assert sum(weight.numel() for weight in checkpoint.model.parameters()) == parameters
    assert {weight.device.type for weight in checkpoint.model.parameters()} == {"meta"}
    assert checkpoint.weight_bytes == 4
    assert checkpoint.notes == ()


def test_a_model_that_also_sees_is_read_as_what_it_is(published):
    model = read_checkpoint(published["gemma3_vision"]).model
    assert type(model).__name__ == "Gemma3ForConditionalGeneration"
    assert embedding_rows(model) == 704


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (
            "mt5",
            (
                "MT5ForConditionalGeneration (mt5) has an encoder and a decoder; a policy "
                "continues its prompt"
            ),
        ),
        ("xlm_r", "XLMRobertaModel (xlm-roberta) is not a causal language model"),
    ],
)
def test_what_does_not_continue_a_text_is_refused(published, name, what):
    path = published[name]
    assert refused(path) == [
        (
            f"error[E052] {path / 'config.json'}: {what}. "
            "fix: give a decoder-only model, such as a Gemma 3 or Qwen3 checkpoint"
        )
    ]


def test_a_checkpoint_must_name_its_architecture(copied):
    rewrite(copied / "config.json", architectures=None)
    assert refused(copied) == [
        (
            f"error[E052] {copied / 'config.json'}: names no architecture. "
            'fix: "architectures": ["Gemma3ForCausalLM"]'
        )
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "cannot be read: Expecting property name"),
        ("[]", "is no JSON mapping"),
        ('{"model_type": "nope"}', "transformers"),
        (
            '{"model_type": "gemma3_text", "hidden_size": "wide", "architectures": ["A"]}',
            "hidden_size",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(copied, text, what):
    (copied / "config.json").write_text(text)
    (message,) = refused(copied)
    assert message.startswith(f"error[E050] {copied / 'config.json'}: ")
    assert what in message


def test_code_in_a_checkpoint_is_refused_wherever_it_is_asked_for(copied):
    rewrite(copied / "config.json", auto_map={"AutoModelForCausalLM": "modeling.Mine"})
    rewrite(copied / "tokenizer_config.json", auto_map={"AutoTokenizer": ["tok.Mine", None]})
    assert refused(copied) == [
        f"error[E051] {copied / name}: auto_map asks for code from the checkpoint to be run. "
        "fix: take a checkpoint that transformers reads without it, and remove auto_map"
        for name in ("config.json", "tokenizer_config.json")
    ]


def test_code_in_a_checkpoint_is_not_even_asked_about(copied, monkeypatch):
    rewrite(
        copied / "config.json", model_type="mine", auto_map={"AutoConfig": "configuration.Mine"}
    )
    asked = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "n")
    assert [message[6:10] for message in refused(copied)] == ["E051", "E050"]
    assert not asked


def test_pickles_are_refused_with_the_command_that_converts_them(copied):
    (copied / "pytorch_model.bin").write_bytes(b"")
    assert read_checkpoint(copied).notes == (), "safetensors beside them are what is loaded"
    (copied / "model.safetensors").unlink()
    (message,) = refused(copied)
    assert message.startswith(f"error[E053] {copied}: its weights are pickles")
    assert "-safetensors" in message.partition("python -c ")[2]


def test_a_directory_without_weights_is_refused(copied):
    (copied / "model.safetensors").unlink()
    assert refused(copied) == [
        (
            f"error[E053] {copied}: holds no weights: neither model.safetensors nor "
            "model.safetensors.index.json. fix: give the directory that save_pretrained wrote"
        )
    ]


def test_a_file_that_was_cut_short_is_refused(copied):
    file = copied / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    (message,) = refused(copied)
    assert message.startswith(f"error[E054] {file}: is damaged: ")
    assert message.endswith("fix: fetch the file again")


def sharded(path):
    """The checkpoint with its weights in two files and an index."""
    weights = load_file(path / "model.safetensors")
    names = sorted(weights)
    halves = {
        "model-00001-of-00002.safetensors": names[::2],
        "model-00002-of-00002.safetensors": names[1::2],
    }
    for file, half in halves.items():
        save_file({name: weights[name] for name in half}, path / file, metadata={"format": "pt"})
    (path / "model.safetensors").unlink()
    where = {name: file for file, half in halves.items() for name in half}
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    return path


def test_files_of_an_index_must_all_be_there(copied):
    assert read_checkpoint(sharded(copied)).weight_bytes == 4
    lost = copied / "model-00002-of-00002.safetensors"
    lost.unlink()
    assert refused(copied) == [f"error[E054] {lost}: is missing. fix: fetch the file again"]


def test_tensors_of_an_index_must_be_in_its_files(copied):
    index = sharded(copied) / "model.safetensors.index.json"
    where = json.loads(index.read_text())["weight_map"]
    index.write_text(
        json.dumps({"weight_map": {**where, "lost.weight": next(iter(where.values()))}})
    )
    assert refused(copied) == [
        (
            f"error[E054] {index}: tensors that none of its files holds: 1, lost.weight. "
            "fix: fetch the checkpoint again"
        )
    ]


def test_weights_that_would_start_at_random_are_an_error(published, copied):
    """What transformers does with a text-only configuration over a model that also sees."""
    shutil.copy(published["gemma3_vision"] / "model.safetensors", copied)
    (message,) = refused(copied)
    # embeddings, head, last norm, and 13 in each of two layers
    assert message.startswith(
        f"error[E055] {copied}: weights of Gemma3ForCausalLM that it lacks: 29, first lm_head"
    )
    assert "they would start at random" in message


def test_weights_of_another_shape_are_an_error(copied):
    rewrite(copied / "config.json", hidden_size=64)
    (message,) = refused(copied)
    assert message.startswith(
        f"error[E055] {copied}: weights of another shape than config.json says: 24, first "
    )
    assert "model.embed_tokens.weight is [704, 32] and not [704, 64]" in message


def test_tensors_that_nothing_reads_are_noted(copied):
    weights = load_file(copied / "model.safetensors")
    weights["value_head.weight"] = torch.zeros(1, 32)
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    assert read_checkpoint(copied).notes == (
        f"{copied}: tensors that Gemma3ForCausalLM does not use: 1, value_head.weight",
    )


def test_a_token_that_ends_a_text_must_be_one_of_the_models(copied):
    rewrite(copied / "generation_config.json", eos_token_id=[1, 106_000])
    assert refused(copied) == [
        (
            f"error[E056] {copied / 'generation_config.json'}: eos_token_id 106000 is no token of "
            "a model with 704 embeddings. fix: write the ids of the checkpoint's own tokenizer"
        )
    ]


def test_problems_of_configuration_and_weights_are_reported_together(copied):
    rewrite(
        copied / "config.json", architectures=["XLMRobertaModel"], auto_map={"AutoModel": "m.M"}
    )
    (copied / "model.safetensors").unlink()
    assert [message[6:10] for message in refused(copied)] == ["E051", "E052", "E053"]


def test_a_gguf_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "model.Q4.gguf").write_bytes(b"GGUF")
    with pytest.raises(UserError) as caught:
        weight_shapes(tmp_path)
    assert "error[E053]" in str(caught.value)
    assert "its weights are in model.Q4.gguf, a GGUF. fix: download the model in safetensors" in (
        str(caught.value)
    )
    for path in (tmp_path, tmp_path / "model.Q4.gguf"):
        with pytest.raises(UserError, match=r"E080.*a GGUF. fix: download the model in saf"):
            find_checkpoint(path)
