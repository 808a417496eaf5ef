"""A checkpoint with a smaller vocabulary computes what the whole one does."""

import json

import pytest
import tiny_checkpoints
import tiny_tokenizers
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from rewardlab.checkpoints.trim import KEPT, trim
from rewardlab.errors import UserError

TEXTS = tiny_tokenizers.CORPUS[:6]
MAKERS = {
    name: getattr(tiny_checkpoints, name) for name in ("gemma3", "gemma3_vision", "qwen3", "xlm_r")
}


@pytest.fixture(scope="module", params=MAKERS)
def pair(request, tmp_path_factory):
    """The whole checkpoint, the trimmed one, and what `trim` says."""
    root = tmp_path_factory.mktemp(request.param)
    whole = MAKERS[request.param](root / "whole")
    small = root / "small"
    small.mkdir()
    return whole, small, trim(whole, small, TEXTS)


def test_it_is_smaller_and_says_by_how_much(pair):
    _, small, said = pair
    keep = json.loads((small / KEPT).read_text())
    config = json.loads((small / "config.json").read_text())
    assert said.entries == len(keep) < said.entries_before
    assert config.get("text_config", config)["vocab_size"] == len(keep)
    assert said.parameters < said.parameters_before
    assert said.lines == len(TEXTS)
    assert said.largest_difference <= 1e-5


def test_tokens_and_outputs_of_kept_text_are_those_of_the_whole_model(pair):
    whole, small, _ = pair
    keep = json.loads((small / KEPT).read_text())
    tokenizers = [AutoTokenizer.from_pretrained(str(one)) for one in (whole, small)]
    kind = AutoModel if "xlm" in str(whole) else AutoModelForCausalLM
    models = [kind.from_pretrained(str(one)).eval() for one in (whole, small)]
    ids, new = (one(TEXTS[0])["input_ids"] for one in tokenizers)
    assert [keep[id_] for id_ in new] == ids
    with torch.no_grad():
        before, after = (
            m(input_ids=torch.tensor([i])) for m, i in zip(models, (ids, new), strict=True)
        )
    if kind is AutoModel:
        before, after = before.last_hidden_state, after.last_hidden_state
    else:
        before, after = before.logits[..., keep], after.logits
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)


def test_settings_name_the_new_ids(pair):
    whole, small, _ = pair
    keep = json.loads((small / KEPT).read_text())
    one, other = (AutoTokenizer.from_pretrained(str(path)) for path in (whole, small))
    assert [keep[id_] for id_ in other.all_special_ids] == one.all_special_ids
    assert other.chat_template == one.chat_template
    if (whole / "generation_config.json").exists():
        ends = [GenerationConfig.from_pretrained(str(path)).eos_token_id for path in (whole, small)]
        old, new = (ids if isinstance(ids, list) else [ids] for ids in ends)
        assert [keep[id_] for id_ in new] == old


def test_a_chat_is_encoded_as_before(pair):
    whole, small, _ = pair
    keep = json.loads((small / KEPT).read_text())
    one, other = (AutoTokenizer.from_pretrained(str(path)) for path in (whole, small))
    if one.chat_template:
        chat = [{"role": "user", "content": TEXTS[0]}]
        texts = [t.apply_chat_template(chat, tokenize=False) for t in (one, other)]
        assert texts[0] == texts[1]
        marks = "<start_of_turn>" if "gemma" in str(whole) else "<|im_start|>"
        assert keep[other.convert_tokens_to_ids(marks)] == one.convert_tokens_to_ids(marks)


def test_it_says_how_much_longer_other_text_becomes(tmp_path):
    whole = tiny_checkpoints.qwen3(tmp_path / "whole")
    small = tmp_path / "small"
    small.mkdir()
    kept, other = TEXTS[:1], tiny_tokenizers.CORPUS[-3:]
    said = trim(whole, small, kept, other_texts=[*kept, *other])
    tokens = [
        sum(len(AutoTokenizer.from_pretrained(str(path))(text)["input_ids"]) for text in texts)
        for path in (whole, small)
        for texts in (kept, other)
    ]
    assert (said.other_tokens_before, said.other_tokens) == (sum(tokens[:2]), sum(tokens[2:]))
    assert tokens[0] == tokens[2]
    assert tokens[1] < tokens[3]


def test_untied_heads_are_cut_alike(tmp_path):
    whole = tiny_checkpoints.qwen3(tmp_path / "whole")
    model = AutoModelForCausalLM.from_pretrained(str(whole))
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    model.save_pretrained(str(whole))
    small = tmp_path / "small"
    small.mkdir()
    said = trim(whole, small, TEXTS)
    loaded = AutoModelForCausalLM.from_pretrained(str(small))
    keep = json.loads((small / KEPT).read_text())
    assert torch.equal(loaded.lm_head.weight, model.lm_head.weight[keep])
    assert said.largest_difference <= 1e-5


def test_a_word_piece_model_is_refused(tmp_path):
    whole = tiny_checkpoints.xlm_r(tmp_path / "whole")
    model = AutoModel.from_pretrained(str(whole))
    model.resize_token_embeddings(1000)
    model.save_pretrained(str(whole))
    tiny_tokenizers.wordpiece().save_pretrained(str(whole))
    with pytest.raises(UserError, match=r"E385.*WordPiece"):
        trim(whole, tmp_path, TEXTS)


def test_a_directory_without_weights_is_refused(tmp_path):
    whole = tiny_checkpoints.gemma3(tmp_path / "whole")
    (whole / "model.safetensors").unlink()
    with pytest.raises(UserError, match="E385"):
        trim(whole, tmp_path, TEXTS)
