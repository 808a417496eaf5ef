"""Plug a reward ensemble into TRL: with token-level advantages, and in TRL's own trainer.

Run it: ``python docs/examples/train_with_trl.py`` (seconds on a CPU, no network). The policy is a
tiny one from random weights; give both trainers the path of your checkpoint instead.
"""

import tempfile

import trl
from datasets import Dataset
from transformers import PrinterCallback

from rewardlab import GRPOTrainer, RewardEnsemble, Term
from rewardlab.adapters.trl import trl_rewards
from rewardlab.advantages import combination
from rewardlab.rewards import ChrF, LexicalSpans
from rewardlab.trainers.from_scratch import new_policy, train_tokenizer

pairs = [("the dog barks", "der Hund bellt"), ("the cat sleeps", "die Katze schläft")]
prompts = [f"English: {source}\nGerman:" for source, _ in pairs]
dataset = Dataset.from_list(
    [
        {"prompt": prompt, "source": source, "reference": reference}
        for prompt, (source, reference) in zip(prompts, pairs, strict=True)
    ]
)
texts = [*prompts, *(reference for _, reference in pairs)]
tokenizer = train_tokenizer(texts * 4, vocab_size=280)

ensemble = RewardEnsemble([Term(ChrF()), Term(LexicalSpans(), weight=0.0, token_weight=0.5)])


def options(**more):
    """Options of TRL, for a run of two small steps."""
    return trl.GRPOConfig(
        tempfile.mkdtemp(),
        num_generations=4,
        per_device_train_batch_size=4,
        max_completion_length=12,
        max_steps=2,
        logging_steps=1,
        use_cpu=True,
        bf16=False,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        activation_checkpointing=False,
        **more,
    )


def trained(trainer):
    """Train, and give the mean reward of each step."""
    trainer.remove_callback(PrinterCallback)  # it would print every metric of every step
    trainer.train()
    logs = [log for log in trainer.state.log_history if "loss" in log]
    return " ".join(f"{log['rewards/chrf/mean']:.2f}" for log in logs)


# Our trainer is TRL's, with two arguments more: advantages of shape (rows, tokens).
ours = GRPOTrainer(
    new_policy(tokenizer, hidden_size=32, layers=1, heads=2, seed=0),
    ensemble=ensemble,
    advantage=combination("gdpo"),  # docs/maths.md says which preset to take when
    args=options(),
    train_dataset=dataset,
    processing_class=tokenizer,
)
print("token-level advantages, chrF by step:", trained(ours))

# TRL's own trainers take one reward function per term; error spans are only logged there.
reward_funcs, reward_weights = trl_rewards(ensemble)
theirs = trl.GRPOTrainer(
    new_policy(tokenizer, hidden_size=32, layers=1, heads=2, seed=0),
    reward_funcs=reward_funcs,
    args=options(reward_weights=reward_weights),
    train_dataset=dataset,
    processing_class=tokenizer,
)
print("sequence-level advantages in TRL, chrF by step:", trained(theirs))
print("Two steps from random weights show that both run, not that they learn.")
