"""A new tokenizer and a small, randomly initialised policy.

The architectures are the real ones (Qwen3, Gemma 3) at a size that a laptop can train. Models are
saved in the real format, so code that runs on them also runs on published checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3ForSequenceClassification,
)

Architecture = Literal["qwen3", "gemma3"]
PAD, EOS = "<pad>", "<eos>"


def train_tokenizer(texts: Iterable[str], *, vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer, as used by Qwen; it can encode every text.

    Args:
        texts: Training text, prompts included.
        vocab_size: Number of tokens, at least 258: all bytes, padding and end of sequence.

    Raises:
        ValueError: The vocabulary is too small for the bytes.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if vocab_size < len(alphabet) + 2:
        raise ValueError(
            f"vocab_size={vocab_size} is below the {len(alphabet) + 2} that bytes need"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, EOS],
        initial_alphabet=sorted(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=EOS, padding_side="left"
    )


def new_policy(
    tokenizer: PreTrainedTokenizerFast,
    *,
    architecture: Architecture | Literal["qwen3_classifier"] = "qwen3",
    hidden_size: int = 128,
    layers: int = 4,
    heads: int = 4,
    max_positions: int = 1024,
    seed: int = 0,
) -> PreTrainedModel:
    """A randomly initialised causal language model with tied embeddings, or a classifier.

    Args:
        tokenizer: The tokenizer; it defines the vocabulary size and the special ids.
        architecture: ``qwen3`` or ``gemma3``; ``qwen3_classifier`` has one logit and no language
            model head.
        hidden_size: Model width; a multiple of ``heads``.
        layers: Number of decoder layers.
        heads: Number of attention heads; no grouped-query attention.
        max_positions: Maximum number of tokens in a sequence.
        seed: Seed of the random weights.

    Raises:
        ValueError: ``hidden_size`` is not a multiple of ``heads``.
    """
    import torch

    if hidden_size % heads:
        raise ValueError(f"hidden_size={hidden_size} is not a multiple of heads={heads}")
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": hidden_size,
        "intermediate_size": 3 * hidden_size,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": hidden_size // heads,
        "max_position_embeddings": max_positions,
        "tie_word_embeddings": True,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
    }
    torch.manual_seed(seed)
    if architecture == "gemma3":
        return Gemma3ForCausalLM(
            Gemma3TextConfig(**shape, query_pre_attn_scalar=hidden_size // heads)
        )
    if architecture == "qwen3_classifier":
        shape |= {"tie_word_embeddings": False, "num_labels": 1}
        return Qwen3ForSequenceClassification(Qwen3Config(**shape))
    return Qwen3ForCausalLM(Qwen3Config(**shape))
