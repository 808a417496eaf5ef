"""A tiny policy and fixed completions: what it takes to compare two trainers exactly."""

from pathlib import Path

import tiny_tokenizers
import torch
from datasets import Dataset
from transformers import Qwen3Config, Qwen3ForCausalLM
from trl import GRPOConfig

PROMPTS = ["one house", "two houses", "a small boat"]
COMPLETIONS = [
    "ein Haus", "ein rotes Haus", "eine Haus", "das",
    "zwei Häuser", "zwei", "zwei Haus und noch eins", "Häuser",
    "ein kleines Boot", "ein Boot", "eine kleine Boot", "Boot Boot Boot",
]  # fmt: skip
"""One group of four per prompt, prompt-major."""


def tokenizer():
    return tiny_tokenizers.byte_level_bpe()


def policy(seed=0):
    tok = tokenizer()
    torch.manual_seed(seed)
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tok),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=16,
            tie_word_embeddings=True,
            pad_token_id=tok.pad_token_id,
            eos_token_id=tok.eos_token_id,
        )
    )


def dataset():
    return Dataset.from_list([{"prompt": p, "source": p, "reference": "ein Haus"} for p in PROMPTS])


def config(output_dir: Path, **options):
    defaults = {
        "per_device_train_batch_size": 12,
        "num_generations": 4,
        "max_completion_length": 32,
        "max_steps": 2,
        "learning_rate": 1e-2,
        "use_cpu": True,
        "bf16": False,
        "report_to": [],
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "activation_checkpointing": False,
        "shuffle_dataset": False,
    }
    return GRPOConfig(str(output_dir), **(defaults | options))


def fixed_rollout(prompts, trainer):
    """The same completions whatever the policy is: row i of the global batch gets text i."""
    tok = trainer.processing_class
    first = trainer.accelerator.process_index * len(prompts)
    texts = [COMPLETIONS[(first + i) % len(COMPLETIONS)] for i in range(len(prompts))]
    return {
        "prompt_ids": [tok(prompt)["input_ids"] for prompt in prompts],
        "completion_ids": [[*tok(text)["input_ids"], tok.eos_token_id] for text in texts],
        "logprobs": None,
    }


def inputs():
    """The generation batch of twelve rows, as TRL's sampler hands it out."""
    return [row for row in dataset() for _ in range(4)]
