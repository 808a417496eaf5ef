"""Checks of a checkpoint's tokenizer against its embeddings, its chat template and one row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardlab.dry_run.findings import one_line
from rewardlab.errors import EXIT_USAGE, Problem, UserError, refuse, shown
from rewardlab.text.prompts import Prompt, chat_options

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "vocab.txt",
)
"""Files of the vocabulary; if all are missing, transformers makes up one with five tokens."""


def read_tokenizer(path: str | Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer as the trainers do.

    Raises:
        UserError: E057, the tokenizer is missing or cannot be read.
    """
    from rewardlab.trainers.policy import load_tokenizer

    path = Path(path)
    fix = "fetch it again, or save the tokenizer it was trained with beside the weights"
    if not any((path / name).is_file() for name in FILES):
        what = f"holds no tokenizer: none of {', '.join(FILES)}"
        refuse(Problem("E057", str(path), what, fix), exit_code=EXIT_USAGE)
    try:
        return load_tokenizer(path)
    except Exception as error:  # tokenizers raises plain Exceptions, transformers many kinds
        what = f"its tokenizer cannot be read: {one_line(error)}"
        raise UserError([Problem("E057", str(path), what, fix)]) from error


def tokenizer_problems(
    tokenizer: PreTrainedTokenizerBase, where: str, *, embeddings: int | None, prompt: Prompt
) -> Iterator[Problem]:
    """What would go wrong in training and decoding with this tokenizer.

    Args:
        tokenizer: The policy's.
        where: The checkpoint, for messages.
        embeddings: Number of token ids that the model has embeddings for; None if unknown.
        prompt: Prompt of one row; messages are rendered by the chat template.

    Yields:
        E058 more tokens than embeddings; E059 no end-of-sequence token; E044 no chat template, or
        a template that does not end turns; E060 a template that cannot render the prompt.
    """
    tokens = max(tokenizer.get_vocab().values(), default=-1) + 1
    if embeddings is not None and tokens > embeddings:
        what = f"the tokenizer writes ids up to {tokens - 1:,}, the model has {embeddings:,} rows"
        fix = "give tokenizer and weights of one checkpoint, or resize_token_embeddings and save"
        yield Problem("E058", where, what, fix)
    if tokenizer.eos_token_id is None:
        what = "the tokenizer has no end-of-sequence token, so that no completion could end"
        fix = 'name it in tokenizer_config.json: "eos_token": "</s>"'
        yield Problem("E059", where, what, fix)
    if not isinstance(prompt, str):
        yield from _chat_problems(tokenizer, where, prompt)


def padding_notes(tokenizer: PreTrainedTokenizerBase, where: str) -> Iterator[str]:
    """A note if another token is used for padding.

    Args:
        tokenizer: The policy's.
        where: The checkpoint, for the note.
    """
    if tokenizer.pad_token_id is None and tokenizer.eos_token_id is not None:
        yield f"{where}: no padding token; {shown(tokenizer.eos_token)} is used for it"


def credit_problems(tokenizer: PreTrainedTokenizerBase, where: str, text: str) -> Iterator[Problem]:
    """E061: error spans cannot be mapped to the tokens of this tokenizer.

    Args:
        tokenizer: The policy's.
        where: The checkpoint, for the message.
        text: A translation for the test.
    """
    from rewardlab.align import decode

    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if not decode(tokenizer, ids).aligned:  # pyright: ignore[reportArgumentType] - a list of ids
        what = "error spans cannot be put on its tokens: the tokenizer's decoder is not understood"
        fix = "token_weight: 0, or a checkpoint with a tokenizer.json of BPE, unigram or WordPiece"
        yield Problem("E061", where, what, fix)


def _chat_problems(
    tokenizer: PreTrainedTokenizerBase, where: str, prompt: list[dict[str, str]]
) -> Iterator[Problem]:
    from rewardlab.trainers.policy import end_of_turn

    template = tokenizer.chat_template
    if template is not None:
        render: Any = tokenizer.apply_chat_template
        options = chat_options(str(template))
        try:
            text = render(prompt, tokenize=False, add_generation_prompt=True, **options)
            what = f"the chat template leaves the prompt out: it renders {shown(text)}"
            renders = prompt[-1]["content"].strip() in text
        except Exception as error:  # noqa: BLE001 - a template is a program: it can raise anything
            what = f"the chat template cannot render one user turn of text: {one_line(error)}"
            renders = False
        if not renders:
            yield Problem("E060", where, what, "chat: false, or a template that takes plain text")
            return
    try:
        end_of_turn(tokenizer)
    except UserError as error:
        yield from error.problems
