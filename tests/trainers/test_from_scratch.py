import json
import math

import pytest
import torch
from tiny_run import config as grpo_config
from transformers import AutoModelForCausalLM, AutoTokenizer

from rewardlab.trainers.from_scratch import new_policy, train_tokenizer
from rewardlab.trainers.sft import Example, fine_tune

TEXTS = ["ein Haus am Fluss", "дом у реки", "家在河边"] * 4


def test_every_script_survives_the_tokenizer():
    tokenizer = train_tokenizer(TEXTS, vocab_size=300)
    for text in [*TEXTS, "unseen ελληνικά 👍"]:
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    with pytest.raises(ValueError, match="vocab_size=100 is below the 258"):
        train_tokenizer(TEXTS, vocab_size=100)


@pytest.mark.parametrize("architecture", ["qwen3", "gemma3"])
def test_policies_are_saved_in_the_real_format(tmp_path, architecture):
    tokenizer = train_tokenizer(TEXTS, vocab_size=300)
    policy = new_policy(tokenizer, architecture=architecture, hidden_size=32, layers=2, heads=2)
    policy.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    kind = json.loads((tmp_path / "config.json").read_text())["model_type"]
    assert kind == {"qwen3": "qwen3", "gemma3": "gemma3_text"}[architecture]
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    ids = AutoTokenizer.from_pretrained(tmp_path)("ein Haus", return_tensors="pt").input_ids
    torch.testing.assert_close(loaded(ids).logits, policy.eval()(ids).logits)


def test_weights_follow_the_seed_and_shapes_are_checked():
    tokenizer = train_tokenizer(TEXTS, vocab_size=300)
    make = {"hidden_size": 32, "layers": 1, "heads": 2}
    one, same, other = (new_policy(tokenizer, seed=seed, **make) for seed in (1, 1, 2))
    assert torch.equal(one.lm_head.weight, same.lm_head.weight)
    assert not torch.equal(one.lm_head.weight, other.lm_head.weight)
    with pytest.raises(ValueError, match="hidden_size=30 is not a multiple of heads=4"):
        new_policy(tokenizer, hidden_size=30, heads=4)


def test_sft_stops_at_its_best_heldout_loss(tmp_path):
    """Trained on noise, held-out loss turns; the policy is left where it was lowest."""
    tokenizer = train_tokenizer(TEXTS, vocab_size=300)
    policy = new_policy(tokenizer, hidden_size=32, layers=1, heads=2)
    heldout = [Example("q\n", "дом у реки")] * 4
    options = {
        name: getattr(grpo_config(tmp_path), name)
        for name in ("use_cpu", "bf16", "report_to", "disable_tqdm")
    }
    best = fine_tune(
        policy,
        tokenizer,
        [Example("q\n", "ein Haus am Fluss")] * 32,
        heldout,
        tmp_path,
        patience=2,
        max_steps=200,
        eval_steps=1,
        learning_rate=3e-2,
        per_device_train_batch_size=8,
        activation_checkpointing=False,
        **options,
    )
    ids = [*tokenizer("q\nдом у реки").input_ids, tokenizer.eos_token_id]
    prompt = len(tokenizer("q\n").input_ids)
    labels = torch.tensor([[-100] * prompt + ids[prompt:]])
    with torch.no_grad():
        loss = policy.eval()(torch.tensor([ids]), labels=labels).loss.item()
    assert loss == pytest.approx(best, abs=1e-3)
    assert best < math.log(300) + 1
    state = json.loads(next(tmp_path.glob("checkpoint-*/trainer_state.json")).read_text())
    assert state["best_metric"] == pytest.approx(best)
