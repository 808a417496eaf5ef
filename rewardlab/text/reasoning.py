"""Where the answer begins in what a reasoning model wrote."""

from __future__ import annotations

CLOSING = "</think>"


def answer_start(completion: str) -> int:
    r"""The place of the first character that is answer and not reasoning.

    Everything up to the last closing ``</think>`` is reasoning, whether or not it was opened here:
    many chat templates open it in the prompt. So is the white space that they put behind it. Text
    without the tag is answer from its first character on.

    A judge's answer is read more strictly (`rewardlab.judges.answers`): there only a block that
    opens the answer is taken away, since accepting more would make broken answers count.

    Args:
        completion: What was sampled, decoded.

    Returns:
        In [0, len(completion)].

    >>> text = "<think>Hm.</think>\n\nHello."
    >>> text[answer_start(text) :], answer_start(" Hello.")
    ('Hello.', 0)
    """
    reasoning, closing, rest = completion.rpartition(CLOSING)
    if not closing:
        return 0
    return len(reasoning) + len(closing) + len(rest) - len(rest.lstrip())
