"""A reward ensemble in TRL's own trainers: one reward function per term.

This is for sequence-level training. Error spans become token-level advantages only in
`rewardlab.trainers.grpo.GRPOTrainer`; here they are only logged.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

from rewardlab import composing
from rewardlab.adapters.rows import hypothesis_of, unavailable, value_of
from rewardlab.data.candidate_rows import candidates_from, last_text, missing_columns
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import Problem
from rewardlab.types import Candidate, Scores

RewardFunction: TypeAlias = Callable[..., Awaitable[list[float | None]]]

_log = logging.getLogger(__name__)
TRLS_OWN = frozenset({"completion_ids", "environments", "log_metric", "trainer_state"})
"""Arguments that TRL passes in addition to the columns."""


def trl_rewards(ensemble: RewardEnsemble) -> tuple[list[RewardFunction], list[float]]:
    """The ensemble as TRL's arguments ``reward_funcs`` and ``reward_weights``.

    There is one ``async`` function per term, named after its reward, so that TRL logs each term.
    Together they call the ensemble once per batch: gates close on all terms, and nothing is scored
    twice. The data set needs the column ``source``; ``reference``, ``source_lang``, ``target_lang``
    and ``id`` are read if present. Prompts and completions may be plain or conversational; the
    hypothesis is the last message of the assistant, without a block of reasoning before it.

    For each row, a function returns:

    - the score; for a gated row, the term's ``worst``;
    - ``worst`` if the term failed because of the text, so that failing never pays: TRL adds up the
      rewards that are not None, so a missing negative reward would be an advantage;
    - None if the term does not apply, which is then the case for the whole group;
    - None for every term if a term with a weight was unavailable: TRL then excludes the row from
      its group's baseline and gives it advantage 0.

    TRL additionally logs ``rewards/{name}/unscored``, the share of rows without a score, and two
    columns in its completions table: ``error_spans`` as JSON by reward, and ``gated_by``.

    Notes on the scores, such as a missing ``target_lang`` that a guard reads, are logged once. The
    first batch is refused if a column that the ensemble needs is missing.

    Args:
        ensemble: The reward ensemble; its token weights are not used.

    Returns:
        Functions and weights, in the order of the terms.

    Raises:
        UserError: E038, every weight is 0; E107, ``ensemble`` is none.
    """
    composing.raise_if_any(composing.ensemble_problems(ensemble, "trl_rewards"))
    weights = [term.weight for term in ensemble.terms]
    composing.raise_if_any(composing.nothing_to_learn(weights, "trl_rewards"))
    batches = _Batches(ensemble)
    functions = [_function(batches, column, name) for column, name in enumerate(ensemble.names)]
    return functions, [term.weight for term in ensemble.terms]


def _function(batches: _Batches, column: int, name: str) -> RewardFunction:
    async def reward(
        prompts: Sequence[Any],
        completions: Sequence[Any],
        log_extra: Callable[[str, list[Any]], None] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        asked = batches.ask(column, prompts, completions, columns)
        scores = await asyncio.wrap_future(asked)
        for note in scores.untold(batches.notes_told):
            _log.warning(note)
        if log_extra is not None and column == 0:
            log_extra("error_spans", [_spans(scores, row) for row in range(len(scores))])
            log_extra("gated_by", [gate or "" for gate in scores.gated])
        if log_metric is not None and len(scores):
            unscored = sum(not row[column].scored for row in scores.status) / len(scores)
            log_metric(f"rewards/{name}/unscored", unscored)
        worst = batches.ensemble.terms[column].reward.worst
        return [
            None if unavailable(scores, row) else value_of(scores, row, column, worst=worst)
            for row in range(len(scores))
        ]

    reward.__name__ = reward.__qualname__ = name
    return reward


class _Batches:
    """Calls the ensemble once per batch, although each term's function is called with the batch.

    A batch is identified by its list object of completions, which TRL passes to all functions. If a
    function is called with the same object again, a new batch starts.
    """

    def __init__(self, ensemble: RewardEnsemble) -> None:
        self.ensemble = ensemble
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ensemble")
        self._batch: object = None
        self._asked: set[int] = set()
        self.notes_told: set[str] = set()
        self._running: Future[Scores] = Future()

    def ask(
        self,
        column: int,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        columns: Mapping[str, Any],
    ) -> Future[Scores]:
        """A future of the scores of a batch.

        Args:
            column: Column of the calling function's term.
            prompts: As in `candidates_of`.
            completions: As in `candidates_of`.
            columns: As in `candidates_of`.

        Raises:
            UserError: E032 a reward needs the column ``reference``; and those of `candidates_of`.
        """
        with self._lock:
            if self._batch is not completions or column in self._asked:
                names = columns_of(columns)
                needing = self.ensemble.needing_references
                composing.raise_if_any(missing_columns(names, needing, where="the data set"))
                candidates = candidates_of(prompts, completions, columns)
                self._running = self._thread.submit(self.ensemble, candidates)
                self._batch, self._asked = completions, set()
            self._asked.add(column)
            return self._running


def _spans(scores: Scores, row: int) -> str:
    found = zip(scores.names, scores.spans[row], strict=True)
    candidate = scores.candidates[row]
    by_reward = {
        name: [_known(candidate.span_record(span)) for span in spans]
        for name, spans in found
        if spans
    }
    return json.dumps(by_reward, ensure_ascii=False)


def _known(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None}


# ── TRL's rows ──────────────────────────────────────────────────────────────────────────────────


def columns_of(columns: Mapping[str, Any]) -> set[str]:
    """The columns of the data set, as far as TRL passes them on; it always reads ``prompt``.

    Args:
        columns: As in `candidates_of`.
    """
    return {"prompt", *columns.keys() - TRLS_OWN}


def candidates_of(
    prompts: Sequence[Any], completions: Sequence[Any], columns: Mapping[str, Any]
) -> list[Candidate]:
    """The candidates of a batch, from the arguments of TRL's reward functions.

    Args:
        prompts: N texts, or N lists of messages.
        completions: N texts, or N lists of messages.
        columns: Columns by name, each a list of N values, and the arguments in `TRLS_OWN`.

    Raises:
        UserError: E109, there is no column ``source``, a value is missing or is not text, or a
            column has another number of rows.

    >>> candidates_of(["Hej ->"], ["<think>Hm.</think> Hello."], {"source": ["Hej"]})[0].hypothesis
    'Hello.'
    """
    names = columns.keys() - TRLS_OWN
    composing.raise_if_any(missing_columns(columns_of(columns), (), where="the data set"))
    composing.raise_if_any(
        Problem("E109", name, f"{len(columns[name])} values for {len(completions)} rows")
        for name in names
        if len(columns[name]) != len(completions)
    )
    rows = [{name: columns[name][row] for name in names} for row in range(len(completions))]
    hypotheses = [
        hypothesis_of(last_text(one, "assistant"), prompt=prompt)
        for one, prompt in zip(completions, prompts, strict=True)
    ]
    return candidates_from(rows, prompts=prompts, hypotheses=hypotheses)
