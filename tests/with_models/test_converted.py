"""Converted models are the published ones: weights, tokenizers, what they know."""

import json

import gguf
import pytest
import sentencepiece
import torch
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from rewardlab.checkpoints.fetch import _unpacked
from rewardlab.checkpoints.published import published
from rewardlab.checkpoints.trim import trim

HARD = (
    "Hello world",
    "¿Qué?",
    "a\n\nb\t\tc",
    "中文字",
    "क्षत्रिय",
    "👩‍👩‍👧‍👦 emoji",
    "\u200f\u200b x",
    "1234567",
    "e\u0301",
    "ﬁ ligature",
    "\x00\x01",
    "ß ẞ",
    "\r\n crlf",
    "ทดสอบ",
    "𝔘𝔫𝔦",
    "﷽",
    "नमस्ते",
    "",
    "a" * 50,
    "=====",
    "🤷🏽‍♀️",
    "\ufeffBOM",
    "한국어",
    "\u3000全角",
    "Ünïcödé",
    "\ufffd",
    "  two  spaces ",
    "    indented",
    "3,14 + 2.71 = 5.85",
    "don't can't won't",
    "https://example.org/a?b=c",
)


@pytest.fixture(scope="module", params=["gemma-3-270m", "smollm2-135m-instruct"])
def language_model(request, here, tmp_path_factory):
    """Name, checkpoint and the GGUF that it was made from."""
    scratch = tmp_path_factory.mktemp(request.param)
    (scratch / "made").mkdir()
    file = _unpacked(published(request.param), scratch, scratch / "made", lambda _: None)
    return request.param, here[request.param], gguf.GGUFReader(file)


def test_every_weight_is_the_dequantised_one(language_model):
    """Norms of Gemma are stored plus one; the rows of Llama's q and k are stored interleaved."""
    name, checkpoint, reader = language_model
    model = AutoModelForCausalLM.from_pretrained(str(checkpoint), dtype=torch.float32)
    weights = model.state_dict()
    compared = 0
    names = {"ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "attn_v": "self_attn.v_proj"}
    for tensor in reader.tensors:
        stored = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy())
        if tensor.name == "token_embd.weight":
            ours = weights["model.embed_tokens.weight"]
        elif tensor.name == "output_norm.weight":
            ours = weights["model.norm.weight"] + (1 if "gemma" in name else 0)
        elif tensor.name.split(".")[-2] in names:
            _, layer, part, _ = tensor.name.split(".")
            ours = weights[f"model.layers.{layer}.{names[part]}.weight"]
        else:
            continue
        # subtracting and adding 1 rounds once
        torch.testing.assert_close(ours, stored, atol=1e-6 if "norm" in tensor.name else 0, rtol=0)
        compared += 1
    assert compared == 2 + 3 * model.config.num_hidden_layers


def reference(name, reader, special):
    """Another implementation of the tokenizer that the GGUF holds: text -> ids."""
    content = {key: field.contents() for key, field in reader.fields.items()}
    tokens = content["tokenizer.ggml.tokens"]
    if "gemma" not in name:
        pairs = [tuple(pair.split(" ")) for pair in content["tokenizer.ggml.merges"]]
        vocabulary = {token: id_ for id_, token in enumerate(tokens)}
        made = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
        # how SmolLM2 was trained: digits alone ("smollm" in llama.cpp)
        digits = pre_tokenizers.Digits(individual_digits=True)
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.pre_tokenizer = pre_tokenizers.Sequence([digits, byte_level])
        made.decoder = decoders.ByteLevel()
        return lambda text: made.encode(text).ids
    proto = sentencepiece_model_pb2.ModelProto()
    for token, score in zip(tokens, content["tokenizer.ggml.scores"], strict=True):
        byte = token.startswith("<0x") and token.endswith(">")
        kind = 6 if byte else 4 if token in special else 1
        proto.pieces.add(piece=token, score=score, type=kind)
    proto.pieces[tokens.index("<unk>")].type = 2
    proto.trainer_spec.model_type = 2
    proto.trainer_spec.byte_fallback = True
    proto.trainer_spec.unk_id = tokens.index("<unk>")
    proto.normalizer_spec.name = "identity"
    proto.normalizer_spec.add_dummy_prefix = False
    proto.normalizer_spec.remove_extra_whitespaces = False
    made = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())
    return made.encode


def test_tokens_of_hard_texts_are_those_of_another_implementation(language_model):
    name, checkpoint, reader = language_model
    tokenizer = AutoTokenizer.from_pretrained(str(checkpoint))
    tokens = reference(name, reader, tokenizer.get_added_vocab())
    different = [
        text
        for text in HARD
        if tokenizer(text, add_special_tokens=False)["input_ids"] != tokens(text)
    ]
    # SentencePiece scores runs of spaces, which the original Gemma merges by rank
    assert different == [text for text in different if "gemma" in name and "  " in text]
    assert all(tokenizer.decode(tokens(text)) == text for text in HARD)


def test_the_chat_template_is_that_of_the_file(language_model):
    _, checkpoint, reader = language_model
    field = reader.fields.get("tokenizer.chat_template")
    expected = field.contents() if field is not None else None
    assert AutoTokenizer.from_pretrained(str(checkpoint)).chat_template == expected


def test_gemma_trimmed_to_two_sentences(here, tmp_path):
    said = trim(here["gemma-3-270m"], tmp_path, ["The dog runs.", "El perro corre."])
    assert said.entries < 1000 < said.entries_before == 262_144
    assert said.largest_difference <= 1e-5


def test_the_sentence_encoder_finds_translations(here):
    english = ["The dog ate three apples.", "I love music.", "Prices rose again."]
    german = ["Der Hund aß drei Äpfel.", "Ich liebe Musik.", "Die Preise stiegen wieder."]
    path = str(here["multilingual-e5-small"])
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path)
    batch = tokenizer(
        [f"query: {text}" for text in english + german], return_tensors="pt", padding=True
    )
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    mean = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
    assert (mean[:3] @ mean[3:].T).argmax(1).tolist() == [0, 1, 2]


def test_origin_and_licence_lie_beside_the_weights(here):
    for name, path in here.items():
        assert published(name).origin in (path / "ORIGIN.txt").read_text()
        config = json.loads((path / "config.json").read_text())
        assert config["architectures"]
