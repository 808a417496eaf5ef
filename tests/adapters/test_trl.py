"""In TRL's own trainer, beside ours on the same batch."""

import asyncio
import json
import os
import threading
from dataclasses import dataclass

import pytest
import torch
import trl
from tiny_run import COMPLETIONS, config, dataset, fixed_rollout, inputs, policy, tokenizer

from rewardlab import advantages
from rewardlab.adapters.trl import candidates_of, trl_rewards
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import RewardFailed, UserError
from rewardlab.rewards import ChrF, NotEmpty
from rewardlab.trainers.grpo import GRPOTrainer
from rewardlab.types import Candidate, ErrorSpan, Gate, RewardOutput, Status, Term

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
CALLS = []


@dataclass(frozen=True)
class Words:
    """Minus the distance from three words; every 'Haus' is a major error."""

    name: str = "words"
    needs_reference: bool = False
    worst: float = -9.0
    down: str = "-"
    odd: str = "-"
    signature: str = "words"

    def key(self, candidate: Candidate):
        return candidate.hypothesis

    def __call__(self, candidates):
        CALLS.append([c.hypothesis for c in candidates])
        texts = [c.hypothesis for c in candidates]
        fates = {self.down: Status.UNAVAILABLE, self.odd: Status.UNPARSEABLE}
        return RewardOutput.of(
            [-float(abs(len(text.split()) - 3)) for text in texts],
            spans=[
                [ErrorSpan(at, at + 4, "major")] if (at := text.find("Haus")) >= 0 else []
                for text in texts
            ],
            status=[fates.get(text, Status.OK) for text in texts],
        )


@dataclass(frozen=True)
class NoBoats(Words):
    """A gate."""

    name: str = "no_boats"

    def __call__(self, candidates):
        return RewardOutput.of([0.0 if "Boot Boot" in c.hypothesis else 1.0 for c in candidates])


@pytest.fixture(autouse=True)
def _nothing_called():
    CALLS.clear()


def ensemble(**words):
    terms = [Term(ChrF(), 0.1), Term(Words(**words), 2.0)]
    return RewardEnsemble(terms, gates=[Gate(NoBoats(), below=0.5)])


def theirs(tmp_path, rewards, **options):
    functions, weights = trl_rewards(rewards)
    made = trl.GRPOTrainer(
        policy(),
        reward_funcs=functions,
        args=config(tmp_path / "trl", reward_weights=weights, **options),
        train_dataset=dataset(),
        processing_class=tokenizer(),
        rollout_func=fixed_rollout,
    )
    made.current_gradient_accumulation_steps = 1
    made.model.train()
    return made


def ours(tmp_path, rewards):
    made = GRPOTrainer(
        policy(),
        ensemble=rewards,
        advantage=advantages.sum_then_normalize,
        args=config(tmp_path / "ours"),
        train_dataset=dataset(),
        processing_class=tokenizer(),
        rollout_func=fixed_rollout,
    )
    made.current_gradient_accumulation_steps = 1
    made.model.train()
    return made


@pytest.mark.parametrize("down", ["-", "zwei"])
def test_advantages_are_those_of_our_trainer(tmp_path, down):
    """Gates and outages included; ours weighs (N, T), so each row's first token is compared."""
    batch = theirs(tmp_path, ensemble(down=down))._generate_and_score_completions(inputs())
    expected = ours(tmp_path, ensemble(down=down))._generate_and_score_completions(inputs())
    torch.testing.assert_close(batch["advantages"], expected["advantages"][:, 0], atol=1e-5, rtol=0)
    assert batch["advantages"].abs().max() > 0.1
    assert (batch["advantages"][COMPLETIONS.index("zwei")] == 0.0) == (down == "zwei")


def test_two_steps_in_trls_trainer_ask_the_ensemble_once_a_batch(tmp_path):
    trainer = theirs(tmp_path, ensemble())
    before = [p.detach().clone() for p in trainer.model.parameters()]
    trainer.train()
    assert any(
        not torch.equal(one, other)
        for one, other in zip(before, trainer.model.parameters(), strict=True)
    )
    assert len(CALLS) == 2, "two steps"
    assert set(CALLS[0]) == set(COMPLETIONS) - {"Boot Boot Boot"}, "the gated row is not asked"
    logged = trainer.state.log_history[0]
    assert logged["rewards/words/mean"] == pytest.approx(expected_words().mean().item())
    assert logged["rewards/words/unscored"] == 0.0
    assert {"rewards/chrf/mean", "rewards/chrf/std"} <= logged.keys()
    spans = [json.loads(text) for text in trainer._logs["extra"]["error_spans"]]
    at = COMPLETIONS.index("ein rotes Haus")
    assert spans[at]["words"] == [
        {
            "start": 10,
            "end": 14,
            "severity": "major",
            "side": "hypothesis",
            "confidence": 1.0,
            "text": "Haus",
        }
    ]
    assert spans[COMPLETIONS.index("das")] == {}
    gated = COMPLETIONS.index("Boot Boot Boot")
    assert trainer._logs["extra"]["gated_by"][gated] == "no_boats"
    assert spans[gated]["words"][0]["category"] == "Non-translation"


def expected_words():
    rewards = [-float(abs(len(text.split()) - 3)) for text in COMPLETIONS]
    rewards[-1] = -9.0
    return torch.tensor(rewards)


def call(functions, completions, **columns):
    async def both():
        prompts = ["P"] * len(completions)
        return await asyncio.gather(
            *(f(prompts=prompts, completions=completions, **columns) for f in functions)
        )

    return asyncio.run(both())


def test_functions_are_named_and_weighted_as_the_terms():
    functions, weights = trl_rewards(ensemble())
    assert [function.__name__ for function in functions] == ["chrf", "words"]
    assert weights == [0.1, 2.0]
    assert all(asyncio.iscoroutinefunction(function) for function in functions)


def test_what_trl_gets_for_each_fate():
    functions, _ = trl_rewards(ensemble(down="down", odd="odd"))
    completions = ["ein Haus", "down", "odd", "Boot Boot"]
    columns = {"source": ["Haus"] * 4, "reference": ["ein Haus", "a", None, "b"]}
    chrf, words = call(functions, completions, **columns)
    assert chrf == [pytest.approx(100.0), None, None, 0.0]
    assert words == [-1.0, None, -9.0, -9.0]


def test_a_term_without_weight_that_is_down_harms_nobody():
    rewards = RewardEnsemble([Term(NotEmpty()), Term(Words(down="a"), 0.0)])
    functions, _ = trl_rewards(rewards)
    assert call(functions, ["a", "b"], source=["s", "s"]) == [[1.0, 1.0], [None, -2.0]]


def test_the_same_list_again_is_a_new_batch():
    functions, _ = trl_rewards(ensemble())
    completions = ["ein Haus"]
    for _ in range(2):
        call(functions, completions, source=["Haus"], reference=["ein Haus"])
    assert len(CALLS) == 2
    call(functions[1:], completions, source=["Haus"], reference=["ein Haus"])
    assert len(CALLS) == 3


def test_conversations_columns_and_what_trl_adds():
    completions = [
        [{"role": "assistant", "content": "<think>Well.</think>\n\nein Haus"}],
        [{"role": "assistant", "content": [{"type": "text", "text": "das"}]}],
        "plain",
        [],
    ]
    prompts = [
        [{"role": "system", "content": "S"}, {"role": "user", "content": "a house"}],
        "text",
        "P",
        "Q",
    ]
    columns = {
        "source": ["a house", "that", "P", "s"],
        "target_lang": ["de", "de", None, "de"],
        "id": [1, 2, 3, 4],
        "domain": ["news", "law", "chat", "web"],
        "completion_ids": [[1], [2], [3], [4]],
        "trainer_state": object(),
    }
    found = candidates_of(prompts, completions, columns)
    assert [one.hypothesis for one in found] == ["ein Haus", "das", "plain", ""]
    assert [one.prompt for one in found] == ["a house", "text", "P", "Q"]
    assert [one.source for one in found] == ["a house", "that", "P", "s"]
    assert found[0] == Candidate("a house", "ein Haus", target_lang="de", prompt="a house", id="1")
    assert found[0].extra == {"domain": "news"}
    assert found[2].target_lang is None
    with pytest.raises(UserError, match=r"no column 'source'; the columns are domain, prompt\."):
        candidates_of(["P"], ["C"], {"domain": ["news"], "completion_ids": [[1]]})


@pytest.mark.parametrize("given", [[ChrF()], RewardEnsemble([Term(ChrF())])])
def test_rewards_that_are_given_to_trl_as_they_are_are_refused_with_the_way(tmp_path, given):
    trainer = trl.GRPOTrainer(
        policy(),
        reward_funcs=given,
        args=config(tmp_path),
        train_dataset=dataset(),
        processing_class=tokenizer(),
        rollout_func=fixed_rollout,
    )
    with pytest.raises(UserError, match=r"E108\] .*TRL passes prompts.* = trl_rewards\("):
        trainer.train()


def test_a_data_set_without_references_does_not_train_on_nothing(tmp_path):
    functions, weights = trl_rewards(RewardEnsemble([Term(ChrF())]))
    trainer = trl.GRPOTrainer(
        policy(),
        reward_funcs=functions,
        args=config(tmp_path, reward_weights=weights),
        train_dataset=dataset().remove_columns("reference"),
        processing_class=tokenizer(),
        rollout_func=fixed_rollout,
    )
    with pytest.raises(UserError, match=r"E032\] the data set: chrf reads references"):
        trainer.train()


@dataclass(frozen=True)
class Broken(Words):
    def __call__(self, candidates):
        raise KeyError("no such judge")


def test_a_bug_in_a_reward_stops_with_its_name():
    functions, _ = trl_rewards(RewardEnsemble([Term(Broken()), Term(ChrF())]))
    with pytest.raises(RewardFailed, match="reward words raised"):
        call(functions, ["no"], source=["s"], reference=["s"])


def test_the_loop_is_not_blocked():
    """TRL's loop runs other rewards meanwhile."""
    leave = threading.Event()

    class Slow(Words):
        def __call__(self, candidates):
            assert leave.wait(5)
            return super().__call__(candidates)

    functions, _ = trl_rewards(RewardEnsemble([Term(Slow())]))

    async def other():
        await asyncio.sleep(0.01)
        leave.set()

    async def both():
        score = functions[0](prompts=["P"], completions=["a b c"], source=["s"])
        return (await asyncio.gather(score, other()))[0]

    assert asyncio.run(both()) == [0.0]


def test_the_separator_after_a_plain_prompt_is_no_part_of_the_hypothesis():
    asked = [{"role": "user", "content": "Spanish:"}]
    prompts = ["Spanish:", "Spanish:", "Hi.\n=>es\n", asked]
    said = [" Hola", "Hola", " Hola", [{"role": "assistant", "content": " Hola"}]]
    found = candidates_of(prompts, said, {"source": ["Hi."] * 4})
    assert [one.hypothesis for one in found] == ["Hola", "Hola", " Hola", " Hola"]
