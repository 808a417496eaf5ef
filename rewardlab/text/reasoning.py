"""Find the start of the answer in the output of a reasoning model."""

from __future__ import annotations

CLOSING = "</think>"


def answer_start(completion: str) -> int:
    r"""The position of the first character of the answer, in [0, len(completion)].

    Everything up to the last ``</think>`` is reasoning, even without an opening tag, since many
    chat templates write that tag into the prompt. White space after ``</think>`` is skipped.
    Without ``</think>`` the answer starts at 0.

    Answers of judges are read more strictly (`rewardlab.judges.answers`): only a block at the very
    start is removed, so that broken answers are not accepted.

    Args:
        completion: The decoded text.

    >>> text = "<think>Hm.</think>\n\nHello."
    >>> text[answer_start(text) :], answer_start(" Hello.")
    ('Hello.', 0)
    """
    reasoning, closing, rest = completion.rpartition(CLOSING)
    if not closing:
        return 0
    return len(reasoning) + len(closing) + len(rest) - len(rest.lstrip())
