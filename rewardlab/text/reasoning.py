"""Find the answer in the output of a reasoning model: for policies, judges and adapters alike.

Every path asks `answer_start`, so that what is trained on is also what is translated and evaluated.
"""

from __future__ import annotations

from collections.abc import Sequence

CLOSING = "</think>"
"""The tag that ends reasoning in most models; always known."""
OTHER_CLOSINGS = ("</reasoning>", "</thinking>", "</thought>", "</seed:think>")
"""Tags that end reasoning only if the model's chat template contains them: a translation may
contain them for other reasons."""


def closing_tags(template: object = None) -> tuple[str, ...]:
    """The tags that end reasoning in the output of a model.

    Args:
        template: The model's chat template; None if it has none or it is not known.

    >>> closing_tags("{% if x %}<reasoning>{{ x }}</reasoning>{% endif %}")
    ('</think>', '</reasoning>')
    """
    written = str(template or "")
    return (CLOSING, *(tag for tag in OTHER_CLOSINGS if tag in written))


def answer_start(completion: str, closings: Sequence[str] = (CLOSING,)) -> int:
    r"""The position of the first character of the answer, in [0, len(completion)].

    Everything up to the last closing tag is reasoning: one block, several, nested ones, or a block
    without an opening tag, since many chat templates write that tag into the prompt. White space
    after the tag is skipped. Without a closing tag the answer starts at 0, also if reasoning was
    opened and not closed: such a completion is truncated, and has no answer that could be found.

    Args:
        completion: The decoded text.
        closings: The tags that end reasoning, from `closing_tags`.

    >>> text = "<think>Hm.</think>\n\nHello."
    >>> text[answer_start(text) :], answer_start(" Hello.")
    ('Hello.', 0)
    """
    end = max(
        (completion.rfind(tag) + len(tag) for tag in closings if tag in completion), default=0
    )
    rest = completion[end:]
    return end + len(rest) - len(rest.lstrip()) if end else 0
