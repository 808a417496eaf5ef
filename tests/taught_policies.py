"""Tiny policies that learned a few translations, so that their samples differ and make sense."""

from rewardlab.trainers.from_scratch import new_policy, train_tokenizer
from rewardlab.trainers.sft import Example, fine_tune


def half_taught(directory, pairs):
    """A checkpoint that knows English-Russian pairs a little, in the style of ``prompt: cpt``."""
    examples = [Example(f"<en2ru> {en} <ru>", ru) for en, ru in pairs]
    texts = [text for example in examples for text in example.texts]
    tokenizer = train_tokenizer(texts, vocab_size=300)
    policy = taught(tokenizer, examples, directory, steps=60, layers=1)
    policy.save_pretrained(directory / "start")
    tokenizer.save_pretrained(str(directory / "start"))
    return directory / "start"


def taught(tokenizer, examples, directory, *, steps, **shape):
    """A policy that knows its examples a little, or by heart."""
    policy = new_policy(tokenizer, hidden_size=64, heads=2, **shape)
    fine_tune(
        policy,
        tokenizer,
        examples,
        examples,
        directory / "checkpoints",
        max_steps=steps,
        eval_steps=steps,
        learning_rate=1e-2,
        per_device_train_batch_size=8,
        lr_scheduler_type="cosine",
        use_cpu=True,
        bf16=False,
        report_to=[],
        disable_tqdm=True,
        activation_checkpointing=False,
    )
    return policy
