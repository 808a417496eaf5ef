import json

import numpy as np
import pytest
import tiny_metricx
import torch
from safetensors.torch import load_file
from torch import distributed
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from rewardlab.models.metricx import HEAD_ROW, load_regressor
from rewardlab.models.metricx_training import (
    PUBLISHED_ROWS,
    Reading,
    collate,
    load_trainable,
    save_published,
    token_rows,
)
from rewardlab.models.weights import pickle_digest

TEXTS = {
    "source: Hallo. candidate: Hello.": 2.0,
    "source: Hallo. candidate: Goodbye.": 9.0,
    "source: Der Hund läuft. candidate: The dog runs across the old bridge.": 14.0,
}


@pytest.fixture(scope="module")
def untied(tmp_path_factory):
    return tiny_metricx.metricx(tmp_path_factory.mktemp("untied"), errors=TEXTS)


@pytest.fixture(scope="module")
def tied(tmp_path_factory):
    return tiny_metricx.metricx(tmp_path_factory.mktemp("tied"), errors=TEXTS, tied=True)


def readings(tokenizer, texts=TEXTS):
    return [Reading(tiny_metricx.input_ids(tokenizer, text, 1536), 4.0) for text in texts]


def logits(model, batch):
    with torch.no_grad():
        return model(batch["input_ids"], batch["attention_mask"]).logits


def predicted(path, texts=TEXTS):
    found = load_regressor(
        path, tokenizer=path, device="cpu", dtype="auto", pickle_sha256=""
    ).predict(list(texts), max_length=1536, batch_tokens=0)
    return found.errors


def test_a_batch_is_padded_on_the_right():
    batch = collate([Reading([7, 8], 1.0), Reading([9], 25.0), Reading([], 0.5)])
    assert batch["input_ids"].tolist() == [[7, 8], [9, 0], [0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1], [1, 0], [0, 0]]
    assert batch["labels"].tolist() == [1.0, 25.0, 0.5]


def test_only_the_tokenizers_rows_are_held(untied):
    model, tokenizer = load_trainable(untied, tokenizer=untied)
    assert model.shared.weight.shape == (token_rows(tokenizer), 32)
    assert token_rows(tokenizer) == len(tokenizer)
    fixed = [name for name, weight in model.named_parameters() if not weight.requires_grad]
    fixed = [name for name in fixed if "SelfAttention" not in name]
    assert fixed == ["span_head.weight", "span_head.bias"]  # nothing is asked of it
    assert model.encoder.embed_tokens.weight is model.shared.weight
    assert model.decoder.embed_tokens.weight is model.shared.weight


@pytest.mark.parametrize("kind", ["untied", "tied"])
def test_a_published_checkpoint_says_the_same_before_it_learns(kind, request):
    path = request.getfixturevalue(kind)
    model, tokenizer = load_trainable(path, tokenizer=path)
    said = logits(model.eval(), collate(readings(tokenizer)))
    np.testing.assert_allclose(said, predicted(path), atol=2e-6)
    np.testing.assert_allclose(said, [2.0, 9.0, 14.0], atol=1e-4)


def test_the_loss_is_the_mean_squared_difference_of_raw_logits(untied):
    """Logits 2 and 9 against 5 and 8: (9 + 1) / 2; a logit of -1 is not clamped: (1 + 1) / 2."""
    model, tokenizer = load_trainable(untied, tokenizer=untied)
    model.eval()
    ids = [reading.ids for reading in readings(tokenizer)]
    batch = collate([Reading(ids[0], 5.0), Reading(ids[1], 8.0)])
    assert model(**batch).loss.item() == pytest.approx(5.0, abs=1e-4)
    with torch.no_grad():
        model.head.mul_(-0.5)  # logits -1 and -4.5
    batch = collate([Reading(ids[0], 0.0), Reading(ids[1], -3.5)])
    assert model(**batch).loss.item() == pytest.approx(1.0, abs=1e-4)


def test_gradients_reach_every_weight(untied):
    model, tokenizer = load_trainable(untied, tokenizer=untied)
    model(**collate(readings(tokenizer))).loss.backward()
    learning = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    assert not [name for name, weight in learning if weight.grad is None], "as DDP wants it"
    silent = {name for name, _ in model.named_parameters()} - {name for name, _ in learning}
    # A first step has nobody else to attend to: its weights do not matter.
    silent = [name for name in silent if not name.startswith("span_head.")]
    assert all("decoder" in name and "SelfAttention" in name for name in silent)
    assert {name.rsplit(".", 2)[-2] for name in silent} == {"q", "k", "relative_attention_bias"}


@pytest.mark.filterwarnings("ignore:FSDP2-wrapped module:UserWarning")  # of transformers' blocks
def test_sharded_it_says_and_learns_the_same(untied, tmp_path):
    """FSDP2 on the blocks that a launcher wraps; a weight that nobody gathers would be refused."""
    whole, tokenizer = load_trainable(untied, tokenizer=untied, span_weight=1.0)
    batch = collate(
        [reading._replace(marked=[0.5] * len(reading.ids)) for reading in readings(tokenizer)]
    )
    torch.manual_seed(0)
    expected = whole.train()(**batch).loss
    expected.backward()
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        mesh = init_device_mesh("cpu", (1,))
        model, _ = load_trainable(untied, tokenizer=untied, span_weight=1.0)
        wrapped = [one for one in model.modules() if type(one).__name__ in model._no_split_modules]
        assert len(wrapped) == model.config.num_layers + model.config.num_decoder_layers
        for module in (*wrapped, model):
            fully_shard(module, mesh=mesh)
        torch.manual_seed(0)
        loss = model.train()(**batch).loss
        loss.backward()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
        for (name, one), other in zip(model.named_parameters(), whole.parameters(), strict=True):
            assert (one.grad is None) == (other.grad is None), name
            if one.grad is not None:
                torch.testing.assert_close(one.grad.full_tensor(), other.grad)
        gathered = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))
        save_published(model, tmp_path / "sharded", start=untied, weights=gathered)
    finally:
        distributed.destroy_process_group()
    save_published(whole, tmp_path / "whole", start=untied)
    saved = (tmp_path / kind / "model.safetensors" for kind in ("sharded", "whole"))
    assert len({path.read_bytes() for path in saved}) == 1


@pytest.mark.parametrize("kind", ["untied", "tied"])
def test_other_rows_stay_as_they_were(kind, request, tmp_path):
    path = request.getfixturevalue(kind)
    model, _ = load_trainable(path, tokenizer=path)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.01)
    save_published(model, tmp_path, start=path)
    before, after = load_file(path / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    rows = model.config.vocab_size
    assert torch.equal(after["shared.weight"][:rows], before["shared.weight"][:rows] + 0.01)
    assert torch.equal(after["shared.weight"][rows:], before["shared.weight"][rows:])
    others = torch.arange(PUBLISHED_ROWS) != HEAD_ROW
    head = before["shared.weight"] * 32**-0.5 if kind == "tied" else before["lm_head.weight"]
    assert torch.equal(after["lm_head.weight"][others], head[others])
    assert torch.equal(after["lm_head.weight"][HEAD_ROW], model.head)
    assert torch.equal(
        after["encoder.final_layer_norm.weight"], before["encoder.final_layer_norm.weight"] + 0.01
    )


def test_what_is_written_is_the_published_layout(tied, tmp_path):
    model, tokenizer = load_trainable(tied, tokenizer=tied)
    save_published(model, tmp_path, start=tied)
    tokenizer.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    started = json.loads((tied / "config.json").read_text())
    changed = {"tie_word_embeddings": False, "dtype": "float32"}
    assert config == {**{k: v for k, v in started.items() if k != "torch_dtype"}, **changed}
    weights = load_file(tmp_path / "model.safetensors")
    assert {name.split(".")[0] for name in weights} == {"shared", "encoder", "decoder", "lm_head"}
    assert not [name for name in weights if "embed_tokens" in name]
    assert weights["shared.weight"].shape == weights["lm_head.weight"].shape == (250_112, 32)
    np.testing.assert_allclose(predicted(tmp_path), predicted(tied), atol=2e-6)


def test_half_precision_learns_and_is_written_in_float32(tmp_path):
    path = tiny_metricx.metricx(tmp_path / "half", errors=TEXTS, dtype=torch.bfloat16)
    model, _ = load_trainable(path, tokenizer=path)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    save_published(model, tmp_path / "saved", start=path)
    weights = load_file(tmp_path / "saved" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}


def test_a_pickle_is_read_with_its_digest(tmp_path):
    path = tiny_metricx.metricx(tmp_path / "pickle", errors=TEXTS, form="pickle")
    digest = pickle_digest([path / "pytorch_model.bin"])
    model, _ = load_trainable(path, tokenizer=path, pickle_sha256=digest)
    save_published(model, tmp_path / "saved", start=path, pickle_sha256=digest)
    assert (tmp_path / "saved" / "model.safetensors").is_file()
