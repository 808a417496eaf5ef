"""A rollout: sampled completions as the rewards saw them, with their scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from rewardlab.advantages import RewardRows
from rewardlab.align import Decoded
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import refuse
from rewardlab.text.languages import language_problems
from rewardlab.types import Candidate, Scores

CANDIDATE_COLUMNS = ("source", "reference", "source_lang", "target_lang", "id")
"""Columns that are fields of a `Candidate`; other columns reach rewards as ``extra``."""

LANGUAGE_COLUMNS = ("source_lang", "target_lang")


class Rollout(NamedTuple):
    """The latest scored completions of this process.

    Attributes:
        decoded: n hypotheses with their token offsets, cut out of the completions.
        candidates: n candidates as the rewards saw them.
        scores: Scores of this process's n rows.
        rows: Scores of all processes' N rows.
        statuses: int64 (N, R) indices into ``list(Status)``, for all processes' rows.
        training: False for an evaluation batch.
        advantages: (n, T), once they are known.
    """

    decoded: list[Decoded]
    candidates: list[Candidate]
    scores: Scores
    rows: RewardRows
    statuses: Tensor
    training: bool
    advantages: Tensor | None = None


def candidate_of(row: Mapping[str, Any], prompt: Any, hypothesis: str) -> Candidate:
    """The candidate of one completion.

    Args:
        row: A row of the data set; needs ``source``.
        prompt: A text, or a list of messages of which the last is shown to rewards.
        hypothesis: The translation, cut out of the completion.
    """
    known = {column: row[column] for column in CANDIDATE_COLUMNS if row.get(column) is not None}
    extra = {k: v for k, v in row.items() if k not in (*CANDIDATE_COLUMNS, "prompt")}
    text = prompt if isinstance(prompt, str) else str(prompt[-1]["content"])
    known["id"] = str(known.get("id", ""))
    return Candidate(hypothesis=hypothesis, prompt=text, extra=extra, **known)


def require_columns(ensemble: RewardEnsemble, dataset: Any) -> None:
    """Check that a data set has the columns that an ensemble reads.

    Args:
        ensemble: The ensemble; its terms and gates state whether they need references.
        dataset: A data set with ``column_names``; any other object is accepted unchecked.

    Raises:
        ValueError: Column ``source`` is missing, or a reward needs references that are missing.
        UserError: E260, rows with a language that does not exist; exit code 3.
    """
    columns = getattr(dataset, "column_names", None)
    if columns is None:
        return
    if "source" not in columns:
        raise ValueError(f"the data set needs a column 'source'; it has {', '.join(columns)}")
    rewards = [entry.reward for entry in (*ensemble.terms, *ensemble.gates)]
    needing = [reward.name for reward in rewards if reward.needs_reference]
    if needing and "reference" not in columns:
        raise ValueError(
            f"{', '.join(needing)} need references; the data set has no column 'reference'"
        )
    named = [name for name in LANGUAGE_COLUMNS if name in columns and hasattr(dataset, "__len__")]
    unknown = [one for name in named for one in language_problems(name, dataset[name])]
    if unknown:
        refuse(*unknown)
