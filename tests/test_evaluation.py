import pytest
import tiny_tokenizers
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from rewardlab.evaluation import quality, translate


def test_quality_by_hand():
    found = quality(["a b", "a x c d"], ["a b", "a b c d"])
    assert found.exact_match == 50.0
    assert found.ter == pytest.approx(100 / 6)  # one edit in six reference words
    with pytest.raises(ValueError, match="1 hypotheses and 2 references"):
        quality(["a"], ["a", "b"])


def test_translations_come_back_in_order_whatever_the_batches():
    tokenizer = tiny_tokenizers.byte_level_bpe()
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1,
            num_attention_heads=2, num_key_value_heads=2, head_dim=16,
            pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
        )
    ).train()  # fmt: skip
    prompts = ["the dog", "a much longer prompt about the old bridge", "x", "the old dog runs"]
    together = translate(model, tokenizer, prompts, batch_size=4, max_new_tokens=8)
    alone = [translate(model, tokenizer, [p], max_new_tokens=8)[0] for p in prompts]
    assert together == alone
    assert translate(model, tokenizer, prompts, batch_size=3, max_new_tokens=8) == alone
    assert model.training, "the training mode is kept"
