"""Tiny random reward models in transformers' sequence-classification format."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import tiny_checkpoints
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Gemma3Config,
    Gemma3ForSequenceClassification,
    Gemma3TextConfig,
    Gemma3TextForSequenceClassification,
    Qwen3Config,
    Qwen3ForSequenceClassification,
)


def qwen3(path, **changes):
    """As published reward models on Qwen3: padding is ``<|endoftext|>``, the last id a line end."""
    return _save(path, tiny_checkpoints.qwen3, Qwen3Config, Qwen3ForSequenceClassification, changes)


def gemma3(path, **changes):
    """On the text-only Gemma 3."""
    architecture = Gemma3TextForSequenceClassification
    return _save(path, tiny_checkpoints.gemma3, Gemma3TextConfig, architecture, changes)


def gemma3_vision(path, **changes):
    """On a Gemma 3 that also sees."""
    architecture = Gemma3ForSequenceClassification
    return _save(path, tiny_checkpoints.gemma3_vision, Gemma3Config, architecture, changes)


@cache
def for_the_contract(seed=0):
    """A checkpoint that stays until the process ends."""
    directory = Path(tempfile.mkdtemp(prefix="tiny_classifier_"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return qwen3(directory / "model", seed=seed)


def _save(path, base, configuration, architecture, changes):
    """The family's tokenizer and configuration, and a model of another kind with large weights.

    Weights of the usual size give logits that hardly differ between texts.
    """
    base(path)
    config = configuration.from_pretrained(path)
    config.num_labels = changes.get("labels", 1)
    config.get_text_config().initializer_range = 0.3
    pad = AutoTokenizer.from_pretrained(path).pad_token_id
    config.get_text_config().pad_token_id = pad if changes.get("pad", True) else None
    with torch.random.fork_rng():
        torch.manual_seed(changes.get("seed", 0))
        architecture(config).eval().save_pretrained(path)
    return path


def alone(path, text):
    """What transformers itself says about one text, without padding and without any of our code."""
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForSequenceClassification.from_pretrained(path).eval()
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return model(input_ids=ids).logits[0].tolist()
