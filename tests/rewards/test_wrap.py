import asyncio
import functools
import math
import threading

import numpy as np
import pytest
import torch

from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import RewardFailed, UserError
from rewardlab.rewards import FromFunction
from rewardlab.types import Candidate, Reward, RewardOutput, Status, Term

ROWS = [
    Candidate("Hund", "dog", "dog", "de", "en", "P1", extra={"domain": "pets", "source": "not me"}),
    Candidate("Katze", "a cat", None, "de", "en", "P2", extra={"level": 2}),
]


def ours(candidates):
    return [float(len(c.hypothesis)) for c in candidates]


async def ours_async(candidates):
    await asyncio.sleep(0)
    return ours(candidates)


def trl(prompts, completions, **columns):
    assert prompts == ["P1", "P2"]
    assert columns == {
        "source": ["Hund", "Katze"],
        "reference": ["dog", None],
        "source_lang": ["de", "de"],
        "target_lang": ["en", "en"],
        "domain": ["pets", None],
        "level": [None, 2],
    }
    return [float(len(text)) for text in completions]


def trl_named(completions, target_lang, domain=()):
    assert target_lang == ["en", "en"]
    assert domain == ["pets", None]
    return [len(text) for text in completions]


async def trl_async(*, completions, **columns):
    return trl_named(completions, columns["target_lang"], columns["domain"])


class Callable:
    def __call__(self, candidates):
        return ours(candidates)


@pytest.mark.parametrize("function", [ours, ours_async, trl, trl_named, trl_async])
def test_both_forms_sync_and_async(function):
    reward = FromFunction(function, worst=0.0)
    assert isinstance(reward, Reward)
    assert reward.name == function.__name__
    np.testing.assert_array_equal(reward(ROWS).scores, [3.0, 5.0])


def test_an_async_function_runs_in_the_thread_that_calls():
    seen = []

    async def where(candidates):
        seen.append(threading.current_thread())
        return [0.0] * len(candidates)

    worker = threading.Thread(target=FromFunction(where, worst=0.0), args=(ROWS,))
    worker.start()
    worker.join()
    assert seen == [worker]


@pytest.mark.parametrize(
    ("score", "expected", "status"),
    [
        (None, math.nan, Status.NOT_APPLICABLE),
        (math.nan, math.nan, Status.NON_FINITE),
        (-math.inf, math.nan, Status.NON_FINITE),
        (np.float32("inf"), math.nan, Status.NON_FINITE),
        (True, 1.0, Status.OK),
        (np.bool_(False), 0.0, Status.OK),
        (3, 3.0, Status.OK),
        (np.float16(0.5), 0.5, Status.OK),
        (np.array(0.5), 0.5, Status.OK),
        (torch.tensor(0.5), 0.5, Status.OK),
        (torch.tensor(True), 1.0, Status.OK),
    ],
)
def test_kinds_of_scores(score, expected, status):
    output = FromFunction(lambda c: [score], name="f", worst=0.0)(ROWS[:1])
    assert output.scores[0] == pytest.approx(expected, nan_ok=True)
    assert output.status == [status]


@pytest.mark.parametrize("scores", [np.array([1.0, 2.0]), torch.tensor([1.0, 2.0]), (1, 2)])
def test_kinds_of_lists(scores):
    output = FromFunction(lambda c: scores, name="f", worst=0.0)(ROWS)
    np.testing.assert_array_equal(output.scores, [1.0, 2.0])


def test_a_reward_output_passes_through():
    output = RewardOutput.of([1.0, None], spans=[[], []])
    assert FromFunction(lambda c: output, name="f", worst=0.0)(ROWS) is output


@pytest.mark.parametrize("score", ["0.9", b"1", [1.0], np.array([1.0]), 1j, {}, object()])
def test_what_is_no_score(score):
    reward = FromFunction(lambda c: [0.0, score], name="mine", worst=0.0)
    with pytest.raises(TypeError, match=r"reward mine returned .* \(\w+\) for row 1; a score is"):
        reward(ROWS)


def test_the_value_is_named():
    reward = FromFunction(lambda c: ["0.9"] * 2, name="mine", worst=0.0)
    with pytest.raises(TypeError, match=r"returned '0\.9' \(str\) for row 0"):
        reward(ROWS)


@pytest.mark.parametrize("returned", [1.0, None, "ab", {0: 1.0, 1: 2.0}])
def test_what_is_no_list(returned):
    reward = FromFunction(lambda c: returned, name="mine", worst=0.0)
    with pytest.raises(TypeError, match="not one score per candidate"):
        reward(ROWS)


@pytest.mark.parametrize("returned", [[1.0] * 3, RewardOutput.of([1.0] * 3)])
def test_wrong_length(returned):
    reward = FromFunction(lambda c: returned, name="mine", worst=0.0)
    told = "^reward mine returned 3 scores for 2 candidates; it must return one for each"
    with pytest.raises(RewardFailed, match=told):
        reward(ROWS)
    with pytest.raises(RewardFailed, match=told):
        RewardEnsemble([Term(reward)])(ROWS)


def test_what_the_function_raises_comes_through():
    def broken(candidates):
        raise KeyError("gold")

    with pytest.raises(KeyError, match="gold"):
        FromFunction(broken, worst=0.0)(ROWS)


@pytest.mark.parametrize("nameless", [lambda c: [], functools.partial(ours), Callable()])
def test_a_function_without_a_name_needs_one(nameless):
    with pytest.raises(
        ValueError, match=r"has no name of its own. fix: FromFunction\(function, name="
    ):
        FromFunction(nameless, worst=0.0)
    assert FromFunction(nameless, name="mine", worst=0.0).name == "mine"


def test_worst_is_required_and_finite():
    with pytest.raises(UserError, match=r"worst: is required\. fix: FromFunction"):
        FromFunction(ours)
    with pytest.raises(ValueError, match="worst=-inf of ours must be finite"):
        FromFunction(ours, worst=-math.inf)


def test_is_never_deduplicated():
    assert FromFunction(ours, worst=0.0).key(ROWS[0]) is None


def test_signature_says_which_function():
    assert FromFunction(ours, worst=-1.0).signature.startswith("ours|FromFunction|function:")
    assert FromFunction(ours, worst=-1.0).signature.endswith(
        ".ours|worst:-1.0|needs_reference:False"
    )
