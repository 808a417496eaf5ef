"""A rollout: sampled completions as the rewards saw them, with their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rewardlab import composing
from rewardlab.advantages import RewardRows
from rewardlab.align import Decoded, decode
from rewardlab.data.candidate_rows import check_dataset
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import EXIT_DATA, Problem, UserError
from rewardlab.models.boundary import ids_before, written_separator
from rewardlab.text.prompts import Prompt
from rewardlab.text.reasoning import answer_start, closing_tags
from rewardlab.types import Candidate, Scores


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


def answer_bounds(completion: str, template: object = None) -> tuple[int, int]:
    """The bounds of the translation in a completion: what follows a block of reasoning.

    Args:
        completion: The completion, decoded from its first sampled id on, without its separator.
        template: The policy's chat template, whose tags end reasoning.

    Returns:
        ``[start, end)`` in characters.
    """
    return answer_start(completion, closing_tags(template)), len(completion)


def hypothesis_in(
    tokenizer: PreTrainedTokenizerBase,
    ids: Sequence[int],
    *,
    prompt: Prompt = "",
    bounds: Callable[[str], tuple[int, int]] | None = None,
) -> Decoded:
    """The hypothesis in a completion, with the places of all its tokens.

    Args:
        tokenizer: The policy's tokenizer.
        ids: The completion as it was sampled.
        prompt: What the policy was given; the separator after it is no part of the hypothesis.
        bounds: Gives the hypothesis in the decoded completion without its separator:
            ``[start, end)`` in characters. By default `answer_bounds`.
    """
    between = written_separator(tokenizer, prompt)
    found = decode(tokenizer, ids, after=ids_before(tokenizer, between))
    answer = found.text.removeprefix(between)
    found = found.cut(len(found.text) - len(answer), len(found.text))
    known = answer_bounds(answer, tokenizer.chat_template) if bounds is None else bounds(answer)
    return found.cut(*known)


def check_training(ensemble: RewardEnsemble, **datasets: Any) -> None:
    """Check that an ensemble can train on data sets.

    Args:
        ensemble: The ensemble; its terms and gates state whether they need references.
        **datasets: Data sets by the name of their argument; a mapping holds several; None for none.

    Raises:
        UserError: E038 all weights are 0; E107 ``ensemble`` is none; E109, E032 see
            `check_dataset`.
    """
    composing.raise_if_any(composing.ensemble_problems(ensemble, "ensemble"))
    weights = [weight for term in ensemble.terms for weight in (term.weight, term.token_weight)]
    composing.raise_if_any(composing.nothing_to_learn(weights, "ensemble"))
    for name, given in datasets.items():
        several = cast("Mapping[str, Any]", given) if isinstance(given, dict) else {"": given}
        for key, dataset in several.items():
            where = f"{name}.{key}".rstrip(".")
            check_dataset(dataset, ensemble.needing_references, where=where)
            columns = getattr(dataset, "column_names", None)
            if isinstance(columns, list) and "prompt" not in columns:
                what = (
                    f"there is no column 'prompt'; the columns are {', '.join(columns) or 'none'}"
                )
                fix = "add the text that the policy continues as column 'prompt'"
                raise UserError([Problem("E109", where, what, fix)], EXIT_DATA)
