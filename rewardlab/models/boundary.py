"""Token ids of a prompt and of the answer that follows it, for any causal tokenizer.

A training sequence is ``prompt_ids(prompt) + answer_ids(prompt, answer)``. The prompt's ids do not
depend on the answer, so a policy is trained on exactly the ids that it is asked with. Tokenising
``prompt + answer`` as one text does not ensure that: where the two meet, a tokenizer may write one
token for characters of both.

The white space between prompt and answer (`rewardlab.text.prompts.separator`) is the beginning of
the answer. Most tokenizers write it into the first word's token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rewardlab.errors import Problem, UserError, shown
from rewardlab.text.prompts import Prompt, chat_options, separator

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WORD = "a"
"""A text that every tokenizer can write, and that no token joins to white space after it."""
STARTS = ("\n", f"{WORD}:", WORD)
"""Texts before an answer, for finding its ids where its prompt would share a token with it."""
PROBE = "what-the-assistant-says"


def as_text(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> str:
    """The text of a prompt as the model reads it; a chat ends with the start of the model's turn.

    Args:
        tokenizer: The model's.
        prompt: A text, or a chat, which goes through the tokenizer's template.

    Raises:
        UserError: E044, a chat without a chat template; exit code 2.
    """
    if isinstance(prompt, str):
        return prompt
    if not tokenizer.chat_template:
        what = f"the tokenizer of {shown(tokenizer.name_or_path)} has no chat template"
        fix = "chat: false, or a checkpoint that was trained on chats"
        raise UserError([Problem("E044", "chat", what, fix)])
    return _rendered(tokenizer, prompt, add_generation_prompt=True)


def prompt_ids(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    """Token ids of a prompt, with the special tokens that begin a text, and none that end it.

    A chat template writes the special tokens itself.

    Args:
        tokenizer: The model's.
        prompt: A text or a chat.

    Raises:
        UserError: E044, a chat without a chat template; exit code 2.
    """
    ids = _ids(tokenizer, as_text(tokenizer, prompt))
    return [*_beginning(tokenizer), *ids] if isinstance(prompt, str) else ids


def answer_ids(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, answer: Prompt) -> list[int]:
    """Token ids of an answer after its prompt: its separator, its text, and what ends it.

    Args:
        tokenizer: The model's.
        prompt: A text or a chat.
        answer: A text, without a separator; after a chat, the messages of the assistant. A text
            ends with the tokenizer's end-of-sequence token, a message with what the chat template
            writes after it.

    Raises:
        UserError: E044, a chat without a chat template; exit code 2.
    """
    before = as_text(tokenizer, prompt)
    if not isinstance(answer, str):
        return _following(tokenizer, before, _turn(tokenizer, prompt, answer))
    ids = _following(tokenizer, before, separator(prompt) + answer)
    end: Any = tokenizer.eos_token_id
    return ids if end is None or ids[-1:] == [end] else [*ids, end]


def written_separator(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> str:
    r"""The white space that a model writes between a prompt and its answer.

    For a text, `rewardlab.text.prompts.separator`. A chat template may write white space itself,
    between the start of the model's turn and the answer: ``ASSISTANT:`` and a space, or
    ``<|assistant|>`` and a line break.

    Args:
        tokenizer: The model's.
        prompt: A text or a chat.

    Raises:
        UserError: E044, a chat without a chat template; exit code 2.
    """
    if isinstance(prompt, str):
        return separator(prompt)
    asked, answered = ([{"role": role, "content": PROBE}] for role in ("user", "assistant"))
    turn = _turn(tokenizer, asked, answered)
    return turn[: len(turn) - len(turn.lstrip())]


def ids_before(tokenizer: PreTrainedTokenizerBase, written: str) -> list[int]:
    """Ids after which the ids of an answer are decoded, so that its separator can be seen.

    Many tokenizers remove the space before the first word of a text. An answer without a separator
    is decoded as a text of its own.

    Args:
        tokenizer: The model's.
        written: The answer's `written_separator`.
    """
    return _ids(tokenizer, WORD) if written else []


def answer_text(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, ids: Sequence[int]) -> str:
    """The text of sampled ids, without special tokens, as it follows its prompt.

    After a text, it begins with the separator if the model wrote one. After a chat, the white space
    that the chat template asks for is left out.

    Args:
        tokenizer: The model's.
        prompt: A text or a chat.
        ids: The sampled ids.

    Raises:
        UserError: E044, a chat without a chat template; exit code 2.
    """
    written = written_separator(tokenizer, prompt)
    before = ids_before(tokenizer, written)
    start = len(str(tokenizer.decode(before, skip_special_tokens=True))) if before else 0
    text = str(tokenizer.decode([*before, *ids], skip_special_tokens=True))[start:]
    return text if isinstance(prompt, str) else text.removeprefix(written)


def _following(tokenizer: PreTrainedTokenizerBase, before: str, text: str) -> list[int]:
    """Ids of a text that stands after another text, without a token of both.

    They are those of the tokenizer in this place, unless a token would span the boundary: then
    those after another beginning. Either way no space is added that the tokenizer puts before the
    first word of a text.
    """
    for start in (before, *STARTS):
        head, whole = _ids(tokenizer, start), _ids(tokenizer, start + text)
        if (head or not start) and whole[: len(head)] == head:
            return whole[len(head) :]
    return _ids(tokenizer, text)


def _turn(tokenizer: PreTrainedTokenizerBase, prompt: Any, answer: Any) -> str:
    """What a chat template writes for the assistant's answer after `as_text`."""
    before, whole = as_text(tokenizer, prompt), _rendered(tokenizer, [*prompt, *answer])
    if whole.startswith(before):
        return whole[len(before) :]
    # The template writes the start of the turn otherwise once there is an answer, for example
    # without the empty block of reasoning. The model is asked with `as_text`.
    probed = _rendered(tokenizer, [*prompt, *answer[:-1], {"role": "assistant", "content": PROBE}])
    return str(answer[-1]["content"]) + probed.rpartition(PROBE)[2]


def _rendered(tokenizer: PreTrainedTokenizerBase, messages: Any, **options: bool) -> str:
    render: Any = tokenizer.apply_chat_template
    return str(
        render(messages, tokenize=False, **options, **chat_options(str(tokenizer.chat_template)))
    )


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: Any = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _beginning(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The special tokens that the tokenizer writes before a text."""
    full: Any = tokenizer(WORD)["input_ids"]
    bare = _ids(tokenizer, WORD)
    starts = range(len(full) - len(bare) + 1)
    return next((full[:start] for start in starts if full[start:][: len(bare)] == bare), [])
