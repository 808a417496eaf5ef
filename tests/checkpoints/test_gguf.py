"""A GGUF becomes a checkpoint with the same weights, tokenizer and chat template."""

import pytest
import tiny_gguf
import tiny_tokenizers
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rewardlab.checkpoints.gguf import convert, read_parameters
from rewardlab.errors import UserError


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    root = tmp_path_factory.mktemp("gguf")
    weights = tiny_gguf.write(root / "tiny.gguf")
    (root / "out").mkdir()
    convert(root / "tiny.gguf", root / "out")
    return root / "tiny.gguf", root / "out", weights


def test_the_weights_are_the_dequantised_ones_exactly(converted):
    _, out, weights = converted
    model = AutoModelForCausalLM.from_pretrained(str(out))
    layer = model.model.layers[0]
    for name, parameter in (
        ("token_embd", model.model.embed_tokens.weight),
        ("blk.0.attn_v", layer.self_attn.v_proj.weight),
        ("blk.0.attn_output", layer.self_attn.o_proj.weight),
        ("blk.0.ffn_down", layer.mlp.down_proj.weight),
    ):
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, torch.from_numpy(weights[name]))


def test_tokenizer_and_chat_template_are_in_the_checkpoint(converted):
    _, out, _ = converted
    tokenizer = AutoTokenizer.from_pretrained(str(out))
    assert tokenizer.chat_template == tiny_gguf.CHAT
    assert tokenizer.eos_token == "<|im_end|>"  # noqa: S105 - a token of a vocabulary
    original = tiny_tokenizers.byte_level_bpe()
    # GPT-2's way to split, which GGUF names "default", agrees with the original here
    text = "The dog runs across"
    assert tokenizer(text)["input_ids"] == original(text)["input_ids"]


def test_the_size_is_known_before(converted):
    file, out, _ = converted
    model = AutoModelForCausalLM.from_pretrained(str(out))
    assert read_parameters(file) == model.num_parameters()


def damaged(path):
    tiny_gguf.write(path)
    path.write_bytes(path.read_bytes()[:3000])


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "cannot be read: No such file"),
        (lambda path: path.write_text("a text"), "begins with 'a te', so it is no GGUF"),
        (damaged, "damaged"),
        (lambda path: tiny_gguf.write(path, architecture="clip"), "architecture is 'clip'"),
    ],
)
def test_what_cannot_be_converted_is_refused(tmp_path, make, why):
    make(tmp_path / "file.gguf")
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=f"E384.*{why}") as refused:
        convert(tmp_path / "file.gguf", tmp_path / "out")
    assert refused.value.exit_code == 3
    assert not [*(tmp_path / "out").iterdir()]
