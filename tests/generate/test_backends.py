import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import tiny_checkpoint
from misbehaving_server import serving

from rewardlab.errors import UserError
from rewardlab.generate import Generated, Sampling
from rewardlab.generate.backends import judge_backend
from rewardlab.seeds import seed_for

GREEDY = Sampling(max_new_tokens=8)
URL = "http://127.0.0.1:8000/v1"


@pytest.fixture
def checkpoint(tmp_path):
    return tiny_checkpoint.save(tmp_path / "run" / "model", chat=True)


def local(checkpoint, batch_size=4):
    return judge_backend(
        backend="transformers", model=str(checkpoint), url="", batch_size=batch_size
    )


def test_equal_arguments_give_the_same_one_also_when_threads_ask_at_once(checkpoint):
    start = Barrier(8)

    def ask(_):
        start.wait()
        return local(checkpoint)

    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(ask, range(8)))
    assert len({id(one) for one in made}) == 1
    assert local(checkpoint.parent) is made[0], "a run directory is its model"
    assert local(checkpoint, 5) is not made[0]


def test_a_server_is_named_by_address_and_model():
    settings = {"backend": "server", "url": URL, "batch_size": 3}
    server = judge_backend(model="a", **settings)
    assert judge_backend(model="a", **settings) is server
    assert judge_backend(model="b", **settings) is not server
    assert (server.concurrency, server.signature) == (3, f"server|{URL}|a")


def test_vllm_is_not_imported_before_it_is_used(checkpoint):
    made = judge_backend(backend="vllm", model=str(checkpoint), url="", batch_size=3)
    assert made.batch_size == 3
    assert "vllm" not in sys.modules


@pytest.mark.parametrize(
    ("options", "code", "where"),
    [
        ({"backend": "transformers", "url": URL}, "E330", "url"),
        ({"backend": "vllm", "url": URL}, "E330", "url"),
        ({"backend": "server", "url": URL, "model": ""}, "E330", "model"),
        ({"backend": "server"}, "E086", "url"),
        ({"backend": "server", "url": URL, "batch_size": 0}, "E330", "batch_size"),
        ({"backend": "transformers", "model": "nowhere"}, "E080", "model"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, code, where):
    settings = {"backend": "server", "model": "tiny", "url": "", "batch_size": 4} | options
    with pytest.raises(UserError) as error:
        judge_backend(**settings)
    (problem,) = error.value.problems
    assert (error.value.exit_code, problem.code, problem.where) == (2, code, where)


def test_the_local_one_answers_every_prompt_as_a_call_does(checkpoint):
    generator = local(checkpoint)
    prompts = ["the dog", "a much longer prompt about the old bridge", "x"]
    sampled = Sampling(max_new_tokens=8, temperature=1.0)
    seeds = [seed_for(0, prompt) for prompt in prompts]
    answers = generator.ask(prompts, sampled, seeds=seeds, schema={"type": "object"})
    assert answers == [texts[0] for texts in generator(prompts, sampled, seeds=seeds)]
    lengths = [len(generator.tokenizer(prompt)["input_ids"]) for prompt in prompts]
    assert [one.prompt_tokens for one in answers] == lengths
    assert generator.ask([], GREEDY, seeds=[]) == []


def test_two_threads_share_one_model(checkpoint):
    generator = local(checkpoint)
    prompts = [["the dog", "x"], ["the old bridge", "a cat"], ["she says"], ["y", "z", "w"]] * 2
    with ThreadPoolExecutor(8) as threads:
        done = list(
            threads.map(lambda one: generator.ask(one, GREEDY, seeds=[0] * len(one)), prompts)
        )
    alone = [generator.ask(one, GREEDY, seeds=[0] * len(one)) for one in prompts]
    assert done == alone
    assert all(isinstance(one, Generated) for answers in done for one in answers)


def test_a_server_that_is_reached_answers(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving() as server:
        generator = judge_backend(backend="server", model="tiny", url=server.url, batch_size=2)
        generator.ready()
        (answer,) = generator.ask(["a"], GREEDY, seeds=[1])
    assert answer == Generated("A -", 3, finished=True)
