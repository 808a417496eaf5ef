"""Functions shared by adapters: the hypothesis in an answer, and a score as a plain number."""

from __future__ import annotations

from rewardlab.text.prompts import Prompt, without_separator
from rewardlab.text.reasoning import answer_start
from rewardlab.types import Scores, Status


def hypothesis_of(answer: str, *, prompt: Prompt = "") -> str:
    r"""The translation in an answer: all of it, or what follows a block of reasoning.

    Args:
        answer: The text that the model wrote.
        prompt: The text that it continued, whose separator is no part of the translation; messages
            have none.

    >>> hypothesis_of("<think>Hm.</think>\n\nHello."), hypothesis_of(" Hello.", prompt="English:")
    ('Hello.', 'Hello.')
    """
    answer = without_separator(prompt, answer)
    return answer[answer_start(answer) :]


def unavailable(scores: Scores, row: int) -> bool:
    """Whether a term with a weight was unavailable for the row.

    Args:
        scores: Scores of the batch.
        row: Row of the batch.
    """
    pairs = zip(scores.status[row], scores.weights, strict=True)
    return any(status is Status.UNAVAILABLE and weight for status, weight in pairs)


def value_of(scores: Scores, row: int, column: int, *, worst: float) -> float | None:
    """The score of one row for one term, for a program that accepts numbers and None.

    A row that failed because of its text gets ``worst``: a program that adds up the rewards that
    are not None would turn a missing negative reward into an advantage. None is returned only for
    terms that do not apply or are unavailable.

    Args:
        scores: Scores of the batch.
        row: Row of the batch.
        column: Column of the term.
        worst: The worst score of the term's reward.
    """
    status = scores.status[row][column]
    if status.failed:
        return worst
    return float(scores.values[row, column]) if status.scored else None
