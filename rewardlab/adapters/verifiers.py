"""A reward ensemble in environments of verifiers (https://github.com/PrimeIntellect-ai/verifiers).

verifiers scores rollouts one by one and concurrently; the ensemble gets them in batches.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from rewardlab import composing
from rewardlab.adapters.rows import hypothesis_of, unavailable, value_of
from rewardlab.data.candidate_rows import content_text
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import RewardUnavailable
from rewardlab.types import Candidate, Scores

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RolloutRewards:
    """Scores rollouts and records one weighted reward per term.

    In a task::

        rewards = RolloutRewards(ensemble)

        class Translate(vf.Task[Row]):
            @vf.reward
            async def ensemble(self, trace: vf.Trace) -> dict[str, float]:
                return await rewards(trace, source=self.data.source, target_lang="de")

    The hypothesis is the last message of the assistant, without a block of reasoning before it. A
    row that a term cannot score because of its text gets the term's ``worst``; a term that does not
    apply records nothing. If a term with a weight is unavailable, the rollout fails; verifiers
    counts failed rollouts and does not train on them.

    Attributes:
        ensemble: The reward ensemble; its token weights are not used.
        window: Seconds that a rollout waits for other rollouts.
        most: Maximum number of rollouts in one batch.
    """

    ensemble: RewardEnsemble
    window: float = 0.02
    most: int = 256
    _queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False, compare=False
    )
    _notes_told: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        composing.raise_if_any(composing.ensemble_problems(self.ensemble, "RolloutRewards"))

    async def __call__(
        self,
        trace: Any,
        *,
        source: str,
        reference: str | None = None,
        source_lang: str | None = None,
        target_lang: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> dict[str, float]:
        """Score one rollout and record its rewards.

        Args:
            trace: The rollout, a ``verifiers.v1.Trace``: its ``messages`` are read, and
                ``record_reward`` is called for each term.
            source: The text to translate.
            reference: The reference translation, for rewards that read one.
            source_lang: Language code of the source.
            target_lang: Language code of the translation.
            extra: Passed on in ``Candidate.extra``.

        Returns:
            An empty mapping: verifiers has nothing more to record.

        Raises:
            RewardUnavailable: A term that has a weight could not score the rollout.
            RewardFailed: A reward raised or broke its contract.
        """
        answers = [one.content for one in trace.messages if one.role == "assistant"]
        prompts = [one.content for one in trace.messages if one.role == "user"]
        candidate = Candidate(
            source=source,
            hypothesis=hypothesis_of(content_text(answers[-1]) if answers else ""),
            reference=reference,
            source_lang=source_lang,
            target_lang=target_lang,
            prompt=content_text(prompts[-1]) if prompts else None,
            extra=extra or {},
        )
        queue = self._queues.setdefault(asyncio.get_running_loop(), _Queue(self))
        scores, row = await queue.put(candidate)
        for note in scores.untold(self._notes_told):
            _log.warning(note)
        if unavailable(scores, row):
            raise RewardUnavailable(f"a reward was unavailable for {scores.names}")
        for column, term in enumerate(self.ensemble.terms):
            value = value_of(scores, row, column, worst=term.reward.worst)
            if value is not None:
                trace.record_reward(term.reward.name, value, term.weight)
        return {}


@dataclass(eq=False)
class _Queue:
    """The rollouts of one event loop that wait to be scored."""

    settings: RolloutRewards
    waiting: list[tuple[Candidate, asyncio.Future[tuple[Scores, int]]]] = field(
        default_factory=list
    )
    timer: asyncio.TimerHandle | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def put(self, candidate: Candidate) -> tuple[Scores, int]:
        """The scores of the candidate's batch, and its row in them."""
        loop = asyncio.get_running_loop()
        scored: asyncio.Future[tuple[Scores, int]] = loop.create_future()
        self.waiting.append((candidate, scored))
        if len(self.waiting) >= self.settings.most:
            self.send()
        elif self.timer is None:
            self.timer = loop.call_later(self.settings.window, self.send)
        return await scored

    def send(self) -> None:
        """Score all waiting rollouts as one batch."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = None
        batch, self.waiting = self.waiting, []
        task = asyncio.get_running_loop().create_task(self.score(batch))
        self.tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self.tasks.discard)

    async def score(
        self, batch: list[tuple[Candidate, asyncio.Future[tuple[Scores, int]]]]
    ) -> None:
        """Score a batch; batches take turns, since the ensemble counts failures across calls."""
        try:
            async with self.turn:
                candidates = [candidate for candidate, _ in batch]
                scores = await asyncio.to_thread(self.settings.ensemble, candidates)
        except Exception as error:  # noqa: BLE001 - handed to the rollouts, which raise it
            for _, scored in batch:
                if not scored.done():
                    scored.set_exception(error)
            return
        for row, (_, scored) in enumerate(batch):
            if not scored.done():  # a rollout that was cancelled
                scored.set_result((scores, row))
