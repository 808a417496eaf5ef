"""Tokenizers with chat templates of the families that policies come from."""

import copy

import tiny_tokenizers
from transformers import PreTrainedTokenizerBase

GEMMA = (
    "{{ bos_token }}{% for message in messages %}"
    "<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}\n"
    "{{ message.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
QWEN = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% endif %}{% endif %}"
)


def gemma() -> PreTrainedTokenizerBase:
    """Turns end in a special token that is not the end of sequence."""
    tokenizer = copy.deepcopy(tiny_tokenizers.byte_fallback_bpe())
    turns = ["<start_of_turn>", "<end_of_turn>"]
    tokenizer.add_special_tokens({"additional_special_tokens": turns})
    tokenizer.chat_template = GEMMA
    return tokenizer


def qwen() -> PreTrainedTokenizerBase:
    """A reasoning model's: an answer begins with a block of reasoning, empty where none is asked.

    The end of a turn is not the end of sequence, as in Qwen's base models.
    """
    tokenizer = copy.deepcopy(tiny_tokenizers.byte_level_bpe())
    tokenizer.eos_token = "<|endoftext|>"  # noqa: S105 - not a password
    tokenizer.chat_template = QWEN
    return tokenizer
