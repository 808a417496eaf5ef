import numpy as np
import pytest
import tiny_tokenizers
import torch
from transformers import MT5Config

from rewardlab.models.metricx_from_scratch import new_trainable
from rewardlab.models.metricx_training import Reading, collate

TOKENIZER = tiny_tokenizers.sentencepiece_unigram()
CONFIG = MT5Config(
    vocab_size=len(TOKENIZER), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4
)
WORDS = ("The dog runs.", "Yes, the dog runs.", "She said it.", "The old bridge.") * 20
OPENING = 7


def readings():
    """A text of n ids has n / 2 errors."""
    ids = TOKENIZER(" ".join(WORDS), add_special_tokens=False)["input_ids"]
    return [Reading([OPENING, *ids[:n]], n / 2) for n in range(5, 45)]


def begun(seed=3):
    return new_trainable(CONFIG, readings(), opening=OPENING, seed=seed)


def logits(model):
    batch = collate(readings())
    with torch.no_grad():
        return model(batch["input_ids"], batch["attention_mask"]).logits.numpy()


def test_a_new_model_says_the_mean_error():
    errors = np.array([reading.error for reading in readings()])
    assert logits(begun().eval()).mean() == pytest.approx(errors.mean(), rel=1e-4)


def test_what_a_new_model_gathers_grows_with_the_length():
    """The decoder's first heads give the first token the weight of 150 others."""
    model = begun().eval()
    batch = collate(readings())
    real = batch["attention_mask"].bool()
    with torch.no_grad():
        read = model.encoder(batch["input_ids"], attention_mask=real).last_hidden_state
        block = model.decoder.block[0]
        h = model.shared.weight[0].expand(len(read), -1)
        own = block.layer[0]
        h = h + own.SelfAttention.o(own.SelfAttention.v(own.layer_norm(h)))
        attention = block.layer[1].EncDecAttention
        shape = (len(read), -1, attention.n_heads, attention.key_value_proj_dim)
        q = attention.q(block.layer[1].layer_norm(h)).view(*shape[:1], 1, *shape[2:])
        k = attention.k(read).view(shape)
        scores = (q * k).sum(-1).masked_fill(~real[..., None], -torch.inf)
        others = 1.0 - scores.softmax(1)[:, 0, : attention.n_heads // 2]
    lengths = real.sum(1)
    assert np.corrcoef(others.mean(1), lengths)[0, 1] > 0.8  # a softmax alone: always 1
    assert others.max() < 0.5


def test_the_seed_makes_the_weights():
    one, again, other = (begun(seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], again[name]) for name in one)
    name = "encoder.block.1.layer.0.SelfAttention.q.weight"
    assert not torch.equal(one[name], other[name])


def test_the_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    begun()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_half_of_the_first_heads_look_at_the_same_word_elsewhere():
    """Of 7, 8, 9, 10, 8: the second 8 looks at the first, and the first at the second."""
    model = begun().eval()
    block = model.encoder.block[0].layer[0]
    ids = torch.tensor([[OPENING, 8, 9, 10, 8]])
    with torch.no_grad():
        hidden = block.layer_norm(model.shared(ids))
        attention = block.SelfAttention
        shape = (5, attention.n_heads, attention.key_value_proj_dim)
        q, k = (part(hidden)[0].view(shape).transpose(0, 1) for part in (attention.q, attention.k))
        bias = attention.compute_bias(5, 5, device=ids.device)[0]
        heads = attention.n_heads // 2
        looks = (q @ k.transpose(1, 2) + bias).softmax(-1)[:heads]
    assert looks[:, 4, 1].min() > 0.8
    assert looks[:, 1, 4].min() > 0.8
    assert looks[:, 2, 2].max() < 0.05
