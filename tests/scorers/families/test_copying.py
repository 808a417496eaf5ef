import random

import pytest
import torch

from rewardlab.scorers.families.copying import write_copying
from rewardlab.trainers.from_scratch import new_policy, train_tokenizer

TEXTS = ["the old house by the sea had seven small windows and a red door " * 3]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, vocab_size=300)


def continued(policy, length, numbers):
    """Share of tokens that follow from their first time, in a sequence that comes twice."""
    once = numbers.sample(range(10, 290), length)
    with torch.no_grad():
        logits = policy(torch.tensor([once + once])).logits[0]
    said = logits[length:-1].argmax(-1).tolist()
    return sum(one == other for one, other in zip(said, once[1:], strict=True)) / (length - 1)


def test_it_repeats_what_it_has_read(tokenizer):
    policy = new_policy(tokenizer, hidden_size=128, layers=2, heads=4, seed=1).eval()
    numbers = random.Random(0)  # noqa: S311 - no secret
    assert continued(policy, 40, numbers) < 0.1
    assert write_copying(policy, tokenizer, seed=1)
    assert min(continued(policy, 40, numbers) for _ in range(4)) > 0.9
    assert continued(policy, 100, numbers) > 0.8


def test_it_follows_from_the_seed(tokenizer):
    weights = []
    for seed in (1, 1, 2):
        policy = new_policy(tokenizer, hidden_size=32, layers=2, heads=2, seed=0)
        assert write_copying(policy, tokenizer, seed=seed)
        weights.append(policy.get_input_embeddings().weight.detach().clone())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_words_with_and_without_a_space_are_alike(tokenizer):
    policy = new_policy(tokenizer, hidden_size=128, layers=2, heads=4)
    write_copying(policy, tokenizer, seed=0)
    weight = policy.get_input_embeddings().weight.detach()
    words = tokenizer.get_vocab()
    pairs = [
        (words[token], words[token[1:]])
        for token in words
        if token[1:] in words and token[0] == "Ġ"
    ]
    assert len(pairs) > 5
    for spaced, bare in pairs:
        assert torch.cosine_similarity(weight[spaced, 1:], weight[bare, 1:], dim=0) > 0.6
        assert torch.cosine_similarity(weight[spaced, 1:], weight[bare - 1, 1:], dim=0) < 0.5


def test_one_layer_has_no_room(tokenizer):
    policy = new_policy(tokenizer, hidden_size=32, layers=1, heads=2)
    kept = policy.get_input_embeddings().weight.detach().clone()
    assert not write_copying(policy, tokenizer, seed=0)
    assert torch.equal(policy.get_input_embeddings().weight, kept)
