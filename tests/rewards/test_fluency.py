"""Bits per byte under a language model, against transformers alone."""

import math

import numpy as np
import pytest
import tiny_checkpoints
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rewardlab.errors import UserError
from rewardlab.rewards import Fluency
from rewardlab.rewards.registry import parse_reward
from rewardlab.types import Candidate

MAKERS = {"gemma": tiny_checkpoints.gemma3, "qwen": tiny_checkpoints.qwen3}
TEXTS = ("Der Hund läuft über die alte Brücke.", "狗跑过了旧桥。", "Ja.")


def alone(path, text):
    """Bits per byte of one text, token by token."""
    tokenizer = AutoTokenizer.from_pretrained(str(path))
    model = AutoModelForCausalLM.from_pretrained(str(path)).eval()
    ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
    with torch.no_grad():
        chances = model(input_ids=torch.tensor([ids])).logits[0].float().log_softmax(-1)
    nats = -sum(chances[at, ids[at + 1]].item() for at in range(len(ids) - 1))
    return nats / math.log(2) / len(text.encode())


@pytest.mark.parametrize("family", MAKERS)
def test_the_score_is_minus_bits_per_byte_whatever_the_batch(family):
    path = tiny_checkpoints.for_the_contract(MAKERS[family])
    found = Fluency(model=path, batch_tokens=40)([Candidate("x", text) for text in TEXTS])
    expected = np.array([alone(path, text) for text in TEXTS])
    np.testing.assert_allclose(found.components["bits_per_byte"], expected, rtol=1e-4)
    np.testing.assert_allclose(found.scores, -np.minimum(expected, 8), rtol=1e-4)


def test_fluent_enough_is_enough():
    path = tiny_checkpoints.for_the_contract(MAKERS["qwen"])
    rows = [Candidate("x", text) for text in TEXTS]
    bits = Fluency(model=path)(rows).components["bits_per_byte"]
    middle = float(np.sort(np.minimum(bits, 7.9))[1])
    found = Fluency(model=path, enough=middle)(rows)
    expected = np.minimum(0.0, middle - np.minimum(bits, 8))
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)
    assert (found.scores == 0).sum() >= 1


def test_only_the_bytes_that_were_read_count():
    path = tiny_checkpoints.for_the_contract(MAKERS["qwen"])
    tokenizer = AutoTokenizer.from_pretrained(str(path))
    text = TEXTS[0]
    begin = tokenizer.decode(tokenizer(text)["input_ids"][:5])
    found = Fluency(model=path, max_length=5)([Candidate("x", begin), Candidate("x", text)])
    short, whole = found.components["bits_per_byte"]
    assert short == pytest.approx(whole, rel=1e-5)
    assert found.components["truncated"].tolist() == [0.0, 1.0]


def test_options_that_cannot_be_used(tmp_path):
    path = tiny_checkpoints.for_the_contract(MAKERS["qwen"])
    for option in ("enough=9", "enough=-1", "max_length=0", "dtype=int8"):
        with pytest.raises(UserError, match="E103"):
            parse_reward(f"fluency:model={path},{option}")
    with pytest.raises(UserError, match="E080"):
        Fluency(model=tmp_path)([Candidate("Yes.", "Ja.")])
