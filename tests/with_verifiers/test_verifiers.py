"""With verifiers itself: `make test-adapters`."""

import asyncio
from dataclasses import dataclass

import pytest
import verifiers.v1 as vf
from verifiers.v1.graph import MessageNode
from verifiers.v1.trace import AgentInfo, Trace, TraceTask
from verifiers.v1.types import AssistantMessage, UserMessage

from rewardlab import RewardEnsemble, Term
from rewardlab.adapters.verifiers import RolloutRewards
from rewardlab.rewards import ChrF
from rewardlab.types import Candidate, Gate, RewardOutput, Status

CALLS = []


@dataclass(frozen=True)
class Words:
    name: str = "words"
    signature: str = "words"
    needs_reference: bool = False
    worst: float = -9.0

    def key(self, candidate: Candidate):
        return candidate.hypothesis

    def __call__(self, candidates):
        CALLS.append([c.hypothesis for c in candidates])
        fates = {"down": Status.UNAVAILABLE, "odd": Status.REFUSED, "poem": Status.NOT_APPLICABLE}
        return RewardOutput.of(
            [-float(len(c.hypothesis.split())) for c in candidates],
            status=[fates.get(c.hypothesis, Status.OK) for c in candidates],
        )


class NotEmptyGate(Words):
    def __call__(self, candidates):
        return RewardOutput.of([float(bool(c.hypothesis)) for c in candidates])


class Row(vf.TaskData):
    source: str
    reference: str


ensemble = RewardEnsemble(
    [Term(Words(), 2.0), Term(ChrF(), 0.5)], gates=[Gate(NotEmptyGate(name="empty"), 0.5)]
)
rewards = RolloutRewards(ensemble)


class Translate(vf.Task[Row]):
    @vf.reward
    async def ensemble(self, trace: vf.Trace) -> dict[str, float]:
        return await rewards(trace, source=self.data.source, reference=self.data.reference)


def rollout(answer):
    task = Translate(Row(source="Der Hund", reference="the dog", prompt="Translate: Der Hund"))
    trace = Trace(
        task=TraceTask(type="Translate", data=task.data),
        agent=AgentInfo.model_construct(),
        nodes=[
            MessageNode(message=UserMessage(content="Translate: Der Hund")),
            MessageNode(parent=0, message=AssistantMessage(content=answer), sampled=True),
        ],
    )
    return task, trace


def scored(*answers):
    CALLS.clear()
    rollouts = [rollout(answer) for answer in answers]

    async def all_at_once():
        return await asyncio.gather(
            *(task.score(trace) for task, trace in rollouts), return_exceptions=True
        )

    return list(zip([trace for _, trace in rollouts], asyncio.run(all_at_once()), strict=True))


def kept(trace):
    return {name: (r.score, r.weight) for name, r in trace.rewards.items() if r is not None}


def test_rollouts_are_scored_together_and_recorded_by_term():
    found = scored("the dog", "<think>Hm.</think>\n\nthe dog", "the cat runs")
    assert [error for _, error in found] == [None] * 3
    assert kept(found[0][0]) == {"words": (-2.0, 2.0), "chrf": (pytest.approx(100.0), 0.5)}
    assert kept(found[1][0]) == kept(found[0][0])
    assert found[0][0].reward == pytest.approx(2.0 * -2.0 + 0.5 * 100.0)
    assert found[2][0].rewards["words"].score == -3.0
    assert CALLS == [["the dog", "the cat runs"]], "one call, equal rows once"


def test_fates():
    found = scored("odd", "poem", "down", "", "the dog")
    odd, poem, down, empty, good = [trace for trace, _ in found]
    assert odd.rewards["words"].score == -9.0
    assert "words" not in kept(poem)
    assert "chrf" in kept(poem)
    assert isinstance(found[2][1], vf.TaskError)
    assert kept(down) == {}
    assert {name: score for name, (score, _) in kept(empty).items()} == {"words": -9.0, "chrf": 0.0}
    assert good.rewards["words"].score == -2.0


def test_many_loops_and_full_batches():
    for _ in range(2):
        assert kept(scored("the dog")[0][0])
    small = RolloutRewards(ensemble, window=60.0, most=4)
    rollouts = [rollout(f"dog {n}") for n in range(8)]

    async def score_all():
        await asyncio.gather(
            *(small(trace, source="Hund", reference="dog") for _, trace in rollouts)
        )

    CALLS.clear()
    asyncio.run(score_all())
    assert sorted(map(len, CALLS)) == [4, 4]
    assert all(len(kept(trace)) == 2 for _, trace in rollouts)
