"""Where the answer begins in the output of a reasoning model."""

from __future__ import annotations

CLOSING = "</think>"


def answer_start(completion: str) -> int:
    r"""The position of the first character of the answer, in [0, len(completion)].

    Everything up to the last ``</think>`` is reasoning, whether or not it was opened here: many
    chat templates open it in the prompt. White space behind it is skipped. Without the tag the
    answer begins at 0.

    A judge's answer is read more strictly (`rewardlab.judges.answers`): there only a block at the
    very start is removed, since accepting more would make broken answers count.

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
