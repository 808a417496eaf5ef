"""A reward ensemble in TRL's own trainers: one reward function per term.

This is for sequence-level training. Error spans become token-level advantages only in
`rewardlab.trainers.grpo.GRPOTrainer`; here they are only logged.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, TypeAlias, cast

from rewardlab.adapters.rows import hypothesis_of, unavailable, value_of
from rewardlab.ensemble import RewardEnsemble
from rewardlab.types import Candidate, ErrorSpan, Scores

RewardFunction: TypeAlias = Callable[..., Awaitable[list[float | None]]]

FIELDS = ("source", "reference", "source_lang", "target_lang", "id")
"""Columns of the data set that become fields of a candidate; the others go into ``extra``."""
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

    Args:
        ensemble: The reward ensemble; its token weights are not used.

    Returns:
        Functions and weights, in the order of the terms.
    """
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
            ValueError: The data set has no column ``source``.
        """
        with self._lock:
            if self._batch is not completions or column in self._asked:
                candidates = candidates_of(prompts, completions, columns)
                self._running = self._thread.submit(self.ensemble, candidates)
                self._batch, self._asked = completions, set()
            self._asked.add(column)
            return self._running


def _spans(scores: Scores, row: int) -> str:
    found = zip(scores.names, scores.spans[row], strict=True)
    by_reward = {name: [_fields(span) for span in spans] for name, spans in found if spans}
    return json.dumps(by_reward, ensure_ascii=False)


def _fields(span: ErrorSpan) -> dict[str, Any]:
    return {name: value for name, value in asdict(span).items() if value is not None}


# ── TRL's rows ──────────────────────────────────────────────────────────────────────────────────


def candidates_of(
    prompts: Sequence[Any], completions: Sequence[Any], columns: Mapping[str, Any]
) -> list[Candidate]:
    """The candidates of a batch, from the arguments of TRL's reward functions.

    Args:
        prompts: N texts, or N lists of messages.
        completions: N texts, or N lists of messages.
        columns: Columns by name, each a list of N values, and the arguments in `TRLS_OWN`.

    Raises:
        ValueError: There is no column ``source``.

    >>> candidates_of(["Hej ->"], ["<think>Hm.</think> Hello."], {"source": ["Hej"]})[0].hypothesis
    'Hello.'
    """
    if "source" not in columns:
        known = ", ".join(sorted(columns.keys() - TRLS_OWN)) or "no other"
        raise ValueError(f"the data set needs a column 'source'; it has {known}")
    names = columns.keys() - TRLS_OWN
    rows = [{name: columns[name][row] for name in names} for row in range(len(completions))]
    return [
        _candidate(row, _text(prompt), hypothesis_of(_text(completion), prompt=prompt))
        for row, prompt, completion in zip(rows, prompts, completions, strict=True)
    ]


def _candidate(row: Mapping[str, Any], prompt: str, hypothesis: str) -> Candidate:
    known: dict[str, Any] = {name: row[name] for name in FIELDS if row.get(name) is not None}
    known = {"source": prompt, **known, "id": str(known.get("id", ""))}
    extra = {name: value for name, value in row.items() if name not in FIELDS}
    return Candidate(**known, hypothesis=hypothesis, prompt=prompt, extra=extra)


def _text(value: object) -> str:
    """A plain text, or the content of the last message."""
    if isinstance(value, str):
        return value
    messages = cast("Sequence[Mapping[str, Any]]", value)
    content: Any = messages[-1]["content"] if messages else ""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or ())
