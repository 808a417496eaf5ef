"""Token counts of the rows, against the limits that would cut them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from rewardlab.errors import Problem
from rewardlab.text.prompts import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Pair: TypeAlias = tuple[Prompt, Prompt | None]
"""A prompt and its answer, if known: texts or messages."""
MOST = 20_000
"""Maximum number of rows whose tokens are counted; from more rows, an even sample is taken."""


class TokenCounts(NamedTuple):
    """Tokens of M measured rows.

    Attributes:
        rows: Total number of rows, measured or not.
        prompts: M counts.
        completions: M counts, with the token that ends the completion; None for a row without an
            answer.
    """

    rows: int
    prompts: list[int]
    completions: list[int | None]

    @property
    def answers(self) -> list[int]:
        """The completions of the rows that have one."""
        return [count for count in self.completions if count is not None]

    @property
    def totals(self) -> list[int]:
        """Tokens of prompt and completion together, for each row."""
        pairs = zip(self.prompts, self.completions, strict=True)
        return [prompt + (completion or 0) for prompt, completion in pairs]

    def cut_as_a_whole(self, limit: int | None) -> int:
        """Number of rows whose prompt and completion together exceed a limit."""
        return 0 if limit is None else sum(total > limit for total in self.totals)

    def cut_answers(self, limit: int | None) -> int:
        """Number of rows whose completion alone exceeds a limit."""
        return 0 if limit is None else sum(count > limit for count in self.answers)

    def longest(self) -> int:
        """Tokens of the longest row, prompt and completion together."""
        return max(self.totals, default=0)


def count_tokens(tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair]) -> TokenCounts:
    """Count as the trainers do, template, separator and end of sequence included.

    Args:
        tokenizer: The policy's.
        pairs: Prompts and answers; at most `MOST` are counted.
    """
    from rewardlab.models.boundary import answer_ids, prompt_ids

    step = max(1, math.ceil(len(pairs) / MOST))
    prompts: list[int] = []
    completions: list[int | None] = []
    for prompt, answer in pairs[::step]:
        prompts.append(len(prompt_ids(tokenizer, prompt)))
        known = answer is not None
        completions.append(len(answer_ids(tokenizer, prompt, answer)) if known else None)
    return TokenCounts(len(pairs), prompts, completions)


def spread(counts: Sequence[int]) -> dict[str, int]:
    """Median, 95th percentile and maximum, each of them a count that occurs (nearest rank).

    >>> spread(range(1, 101))
    {'median': 50, 'p95': 95, 'max': 100}
    """
    ordered = sorted(counts)
    if not ordered:
        return {}
    ranks = {"median": 0.5, "p95": 0.95, "max": 1.0}
    return {name: ordered[math.ceil(share * len(ordered)) - 1] for name, share in ranks.items()}


def length_notes(
    counts: TokenCounts, *, cut: int, limit: str, positions: int | None
) -> Iterator[str]:
    """Warnings about rows that fine-tuning would cut.

    Args:
        counts: Token counts of the rows.
        cut: Number of rows over the limit.
        limit: Name and value of the limit on prompt and completion together.
        positions: Maximum number of tokens in the model's input; None if unknown.
    """
    of, longest = _measured(counts), counts.longest()
    if cut:
        yield (
            f"{cut:,} of {of} rows have more than {limit} tokens and lose their ends; a policy "
            f"does not learn to stop from such rows. The longest has {longest:,}: raise the limit, "
            "or leave long rows out with data.max_characters"
        )
    if positions is not None and longest > positions:
        yield f"the longest row has {longest:,} tokens, the model {positions:,} positions"


def completion_notes(
    counts: TokenCounts, *, key: str, limit: int | None, positions: int | None
) -> Iterator[str]:
    """Warnings about completions that would be cut, and prompts that leave no room for one.

    Args:
        counts: Token counts of the rows.
        key: Name of the option that limits a completion: ``max_new_tokens``.
        limit: Its value; None for no limit.
        positions: Maximum number of tokens in the model's input; None if unknown.
    """
    if cut := counts.cut_answers(limit):
        yield (
            f"{cut:,} of {len(counts.answers):,} references have more than {key}={limit} tokens: "
            f"translations of that length would be cut. The longest has {max(counts.answers):,}"
        )
    tokens = max(counts.prompts, default=0) + (limit or max(counts.answers, default=0))
    if positions is not None and tokens > positions:
        yield (
            f"prompt and translation may take {tokens:,} tokens, the model has {positions:,} "
            "positions"
        )


def _measured(counts: TokenCounts) -> str:
    measured = len(counts.prompts)
    return f"{measured:,}" if measured == counts.rows else f"{measured:,} measured"


def nothing_left(counts: TokenCounts, limit: int | None) -> list[Problem]:
    """E045: ``max_length`` cuts every row before its translation begins.

    Args:
        counts: Token counts of the rows of one side.
        limit: ``max_length``; None for no limit.
    """
    if limit is None or any(prompt < limit for prompt in counts.prompts):
        return []
    what = f"max_length={limit}: every prompt alone reaches it, so there is nothing to learn"
    return [Problem("E045", "trainer.max_length", what, f"max_length: {counts.longest()}")]


def nothing_fits(counts: TokenCounts, *, limit: int | None, key: str) -> list[Problem]:
    """E062: no reference fits in a completion, so every sampled translation would be cut as well.

    Args:
        counts: Token counts of the rows.
        limit: Maximum number of tokens in a completion; None for no limit.
        key: Dotted keys of the option that sets the limit.
    """
    answers = counts.answers
    if not answers or limit is None or counts.cut_answers(limit) < len(answers):
        return []
    what = f"no reference fits in {limit} tokens: the shortest has {min(answers)}, end included"
    return [Problem("E062", key, what, f"{key.rpartition('.')[2]}: {max(answers)}")]


def as_summary(counts: TokenCounts, **limits: Any) -> dict[str, Any]:
    """The counts as a dry run reports them.

    Args:
        counts: Token counts of the rows.
        **limits: Values to report after the counts, unchanged.
    """
    return {
        "measured": len(counts.prompts),
        "prompt": spread(counts.prompts),
        "completion": spread(counts.answers),
        **limits,
    }
