"""Decode a test set and score it with measures that were not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase


class Quality(NamedTuple):
    """How good translations are, against their references.

    Attributes:
        exact_match: Percentage of hypotheses equal to their reference.
        ter: Corpus TER (sacrebleu), an error: lower is better, in percent.
        chrf: Corpus chrF2 (sacrebleu), 0 to 100.
    """

    exact_match: float
    ter: float
    chrf: float


def quality(hypotheses: Sequence[str], references: Sequence[str]) -> Quality:
    """Measure translations.

    Raises:
        ValueError: The lists differ in length or are empty.
    """
    import sacrebleu

    if not hypotheses or len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses and {len(references)} references")
    equal = sum(h == r for h, r in zip(hypotheses, references, strict=True))
    return Quality(
        exact_match=100.0 * equal / len(references),
        ter=sacrebleu.corpus_ter(hypotheses, [references]).score,
        chrf=sacrebleu.corpus_chrf(hypotheses, [references]).score,
    )


def translate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    batch_size: int = 64,
    max_new_tokens: int = 128,
) -> list[str]:
    """Greedy translations, in the order of the prompts, longest prompts batched together.

    Args:
        model: The policy; its training mode is kept.
        tokenizer: Pads on the left.
        prompts: Any number.
        batch_size: Prompts decoded at once.
        max_new_tokens: Completions are cut here.
    """
    import torch

    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    texts = [""] * len(prompts)
    greedy = GenerationConfig(
        do_sample=False,
        max_new_tokens=max_new_tokens,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=_ends(model, tokenizer),
    )
    generate: Any = model.generate
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for first in range(0, len(order), batch_size):
            rows = order[first : first + batch_size]
            batch: Any = tokenizer(
                [prompts[i] for i in rows],
                return_tensors="pt",
                padding=True,
                padding_side="left",
                return_token_type_ids=False,
            ).to(model.device)
            ids = generate(**batch, generation_config=greedy)
            completions = ids[:, batch["input_ids"].shape[1] :]
            for i, text in zip(
                rows, tokenizer.batch_decode(completions, skip_special_tokens=True), strict=True
            ):
                texts[i] = text
    model.train(was_training)
    return texts


def _ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Any:
    """What ends a completion: the checkpoint's own list (turn ends included), else the EOS."""
    configured = model.generation_config and model.generation_config.eos_token_id
    return tokenizer.eos_token_id if configured is None else configured
