"""What adapters do alike: where the hypothesis is in an answer, and what a score is to others."""

from __future__ import annotations

from rewardlab.text.reasoning import answer_start
from rewardlab.types import Scores, Status


def hypothesis_of(answer: str) -> str:
    r"""The translation in what a model wrote: all of it, or what follows a block of reasoning.

    >>> hypothesis_of("<think>Hm.</think>\n\nHello."), hypothesis_of(" Hello.")
    ('Hello.', ' Hello.')
    """
    return answer[answer_start(answer) :]


def unavailable(scores: Scores, row: int) -> bool:
    """Whether a term that has a weight left the row unscored through our fault."""
    pairs = zip(scores.status[row], scores.weights, strict=True)
    return any(status is Status.UNAVAILABLE and weight for status, weight in pairs)


def value_of(scores: Scores, row: int, column: int, *, worst: float) -> float | None:
    """One row of one term for a program that knows numbers and None.

    A row whose text broke the reward gets ``worst``: a program that adds up what there is would
    make a missing negative reward a prize. None is left for what does not apply, or is our fault.
    """
    status = scores.status[row][column]
    if status.failed:
        return worst
    return float(scores.values[row, column]) if status.scored else None
