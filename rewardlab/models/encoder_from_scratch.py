"""A small XLM-R encoder with random weights, and a tokenizer of XLM-R's kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import XLMRobertaConfig, XLMRobertaModel

from rewardlab.models.unigram import learn_pieces

SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
POSITIONS = 514


def new_encoder(
    directory: Path,
    texts: Sequence[str],
    *,
    vocab_size: int,
    hidden_size: int,
    layers: int,
    heads: int,
    seed: int,
) -> None:
    """Write an encoder with random weights, in the layout of ``save_pretrained``.

    Args:
        directory: Created if it does not exist.
        texts: Texts that the tokenizer learns from.
        vocab_size: Maximum number of pieces.
        hidden_size: Width, a multiple of ``heads``.
        layers: Number of transformer blocks.
        heads: Number of attention heads.
        seed: Seed of the weights.

    Raises:
        ValueError: The vocabulary is too small, or the width is not a multiple of the heads.
    """
    if hidden_size % heads:
        raise ValueError(f"hidden_size={hidden_size} is not a multiple of heads={heads}")
    tokenizer = train_tokenizer(texts, vocab_size=vocab_size)
    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(with_added_tokens=True),
        hidden_size=hidden_size,
        intermediate_size=2 * hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=POSITIONS,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        hidden_dropout_prob=0.0,  # a small model sees few rows more than a few times
        attention_probs_dropout_prob=0.0,
        bos_token_id=SPECIALS.index("<s>"),
        pad_token_id=SPECIALS.index("<pad>"),
        eos_token_id=SPECIALS.index("</s>"),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = XLMRobertaModel(config, add_pooling_layer=False)
    model.save_pretrained(directory)
    tokenizer.save(str(directory / "tokenizer.json"))


def train_tokenizer(texts: Sequence[str], *, vocab_size: int) -> Tokenizer:
    """Train a tokenizer like XLM-R's: unigram pieces over normalised text, ``<s> text </s>``.

    Args:
        texts: Training texts.
        vocab_size: Maximum number of pieces; short texts give fewer.

    Raises:
        ValueError: The vocabulary is too small for the characters.
    """
    learned = learn_pieces(texts, vocab_size=vocab_size, specials=SPECIALS)
    made = Tokenizer(models.Unigram(learned.pieces, unk_id=3, byte_fallback=False))
    made.normalizer = normalizers.Precompiled(learned.normalization)
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    made.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    made.post_processor = TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    made.add_special_tokens([AddedToken(token, special=True) for token in SPECIALS])
    return made
