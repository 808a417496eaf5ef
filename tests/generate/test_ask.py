"""What a judge asks of a server: every prompt has its answer, or a reason why there is none."""

import asyncio
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from misbehaving_server import (
    completion,
    cut,
    good,
    hang,
    reset,
    sends,
    serving,
    status,
    trickle,
)

from rewardlab.errors import UserError
from rewardlab.generate import Generated, Sampling, Unanswered
from rewardlab.generate.server import ServerGenerator
from rewardlab.seeds import seed_for

GREEDY = Sampling(max_new_tokens=8)
KEY = "sk-tst-4711-secret"
SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}


@pytest.fixture
def server():
    with serving() as made:
        yield made


@pytest.fixture
def make(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    settings = {"concurrency": 4, "deadline": 30.0, "attempts": 3, "wait": 0.01}
    return partial(ServerGenerator, server.url, "tiny", **settings)


def ask(generator, prompts, **options):
    return generator.ask(prompts, GREEDY, seeds=range(len(prompts)), **options)


def chat(text):
    return [{"role": "user", "content": text}]


def swapped(handler, body):
    handler._send(200, completion("i am another") | {"model": "tiny-2"})


TWO_CHOICES = {"choices": [{"text": "a"}, {"text": "b"}], "usage": {"completion_tokens": 2}}
FAULTS = (
    status(500), hang, sends(b"<html>sign in</html>"), cut, reset, status(429, retry_after="1"),
    sends(TWO_CHOICES), partial(trickle, pause=1.0), swapped, sends({"choices": []}),
)  # fmt: skip


def test_under_every_fault_each_prompt_is_answered_or_explicitly_not(server, make):
    """Half of all requests go wrong, in one of ten ways."""
    seconds, asked = [], Counter()

    class Timed(ServerGenerator):
        async def _answer(self, *arguments, **options):
            start = time.monotonic()
            answer = await super()._answer(*arguments, **options)
            seconds.append(time.monotonic() - start)
            return answer

    def choose(body):
        asked[body["prompt"]] += 1
        number = seed_for(0, body["prompt"], asked[body["prompt"]]) % (2 * len(FAULTS))
        return FAULTS[number] if number < len(FAULTS) else good

    server.choose = choose
    settings = make().__dict__ | {"concurrency": 16, "deadline": 0.9, "total": 2.0}
    settings = {name: value for name, value in settings.items() if not name.startswith("_")}
    prompts = [f"prompt {number}" for number in range(240)]
    answers = ask(Timed(**settings), prompts)
    texts = {p: a.text for p, a in zip(prompts, answers, strict=True) if isinstance(a, Generated)}
    assert texts == {prompt: f"{prompt.upper()} -" for prompt in texts}, "none is another's"
    unanswered = [answer for answer in answers if isinstance(answer, Unanswered)]
    assert len(texts) + len(unanswered) == 240
    assert {answer.fault for answer in unanswered} == {"service"}
    assert all(answer.reason.startswith("gave no text ") for answer in unanswered)
    assert len(texts) > 180, "what passes is waited out"
    assert any(answer.reason == "gave no text within 2 seconds" for answer in unanswered)
    assert len(seconds) == 240
    assert max(seconds) < 30, "who hangs hangs for 60 seconds"
    assert max(asked.values()) <= 3
    assert server.most_at_once > 4


def test_a_server_that_hangs_is_given_up_soon(server, make):
    server.choose = lambda _: hang
    start = time.monotonic()
    answers = ask(make(total=0.5, breaker=6), [str(number) for number in range(100)])
    assert time.monotonic() - start < 30, "who hangs hangs for 60 seconds"
    assert len(answers) == 100
    assert {answer.fault for answer in answers} == {"service"}
    assert answers[0].reason == "gave no text within 0.5 seconds"
    assert answers[-1].reason == (
        "not waited for: 6 in a row had no answer: gave no text within 0.5 seconds"
    )
    assert len(server.seen) <= 12


def test_a_server_that_goes_down_later_keeps_what_it_has_answered(server, make):
    server.script = [good] * 20
    server.choose = lambda _: status(503, f"gone, {KEY}")
    answers = ask(make(breaker=5), [str(number) for number in range(60)])
    assert sum(isinstance(answer, Generated) for answer in answers) == 20
    assert "503 " in answers[-1].reason
    assert "[OPENAI_API_KEY]" in answers[-1].reason
    assert KEY not in str(answers)
    assert len(server.seen) <= 20 + 3 * (5 + 4)


def test_nobody_there_is_no_exception(make):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    generator = ServerGenerator(url, "tiny", attempts=2, wait=0.01, concurrency=8)
    answers = ask(generator, [str(number) for number in range(500)])
    assert {answer.fault for answer in answers} == {"service"}
    assert "it cannot be reached" in answers[0].reason


def test_few_failures_between_answers_break_nothing(server, make):
    server.choose = lambda body: status(500) if int(body["prompt"]) % 4 else good
    generator = make(breaker=4, concurrency=1, attempts=1)
    answers = ask(generator, [str(number) for number in range(32)])
    assert [isinstance(answer, Generated) for answer in answers] == [True, False, False, False] * 8


def test_it_waits_as_long_as_the_server_says(server, make):
    server.script = [status(429, retry_after="1")]
    start = time.monotonic()
    assert ask(make(), ["a"])[0].text == "A -"
    assert time.monotonic() - start >= 1.0
    server.choose = lambda body: good if body["prompt"] == "b" else status(429, retry_after="30")
    answers = ask(make(total=2.0), ["a", "b"])
    assert answers[0] == Unanswered("gave no text within 2 seconds")
    assert answers[1].text == "B -"


@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_prompt_that_is_refused_is_at_fault_itself(server, make, code):
    refuses = status(code, "maximum context length is 8 tokens")
    server.choose = lambda body: refuses if "long" in body["prompt"] else good
    answers = ask(make(breaker=2), ["a", "long", "long", "b"])
    assert [answers[0].text, answers[3].text] == ["A -", "B -"]
    for answer in answers[1:3]:
        assert answer.fault == "text"
        assert answer.reason.startswith(f"refused: {code} ")
        assert "maximum context length is 8 tokens" in answer.reason
    assert len(server.seen) == 4, "and is not sent again"


def test_where_none_is_taken_the_request_itself_is_wrong(server, make):
    server.choose = lambda _: status(400, "unknown field structured_outputs")
    with pytest.raises(UserError) as error:
        ask(make(breaker=3), ["a", "b", "c"], schema=SCHEMA)
    (problem,) = error.value.problems
    assert (error.value.exit_code, problem.code) == (4, "E087")
    assert "it refuses all of 3 prompts: refused: 400" in problem.what
    assert [one.fault for one in ask(make(breaker=3), ["a", "b"])] == ["text", "text"]
    assert ask(make(breaker=3), []) == []


@pytest.mark.parametrize("code", [401, 403, 404])
def test_what_concerns_every_prompt_ends_it_at_once(server, make, code):
    server.choose = lambda body: status(code, f"not with {KEY}") if body["prompt"] == "5" else good
    with pytest.raises(UserError) as error:
        ask(make(), [str(number) for number in range(100)])
    (problem,) = error.value.problems
    assert (error.value.exit_code, problem.code) == (4, "E087")
    assert KEY not in str(problem)
    assert len(server.seen) < 100


def test_half_a_surrogate_pair_fails_alone(server, make):
    answers = ask(make(), ["a", "\ud83d", "b"])
    assert [answers[0].text, answers[2].text] == ["A -", "B -"]
    assert (answers[1].fault, "surrogate" in answers[1].reason) == ("text", True)


def test_a_schema_goes_where_each_endpoint_has_a_place_for_it(server, make):
    generator = make(concurrency=1)
    ask(generator, ["a", chat("b")], schema=SCHEMA)
    ask(generator, ["a", chat("b")])
    bodies = [body for _, body, _ in server.seen]
    wanted = {"name": "answer", "schema": SCHEMA, "strict": True}
    assert bodies[0]["structured_outputs"] == {"json": SCHEMA}
    assert bodies[1]["response_format"] == {"type": "json_schema", "json_schema": wanted}
    assert "response_format" not in bodies[0]
    assert "structured_outputs" not in bodies[1]
    assert {"structured_outputs", "response_format"}.isdisjoint(bodies[2] | bodies[3])


def test_each_prompt_has_its_seed(server, make):
    sampled = Sampling(max_new_tokens=8, temperature=1.0, top_k=5)
    answers = make().ask(["a", "b"], sampled, seeds=[3, 4])
    assert [one.text for one in answers] == [
        f"{prompt} {seed_for(seed, 0) % 2**31}" for prompt, seed in (("A", 3), ("B", 4))
    ]
    with pytest.raises(UserError, match="beam search"):
        make().ask(["a"], Sampling(beams=2), seeds=[1])


def test_tokens_are_counted_where_the_server_counts_them(server, make):
    counted = completion("yes") | {"usage": {"prompt_tokens": 11, "completion_tokens": 5}}
    server.script = [sends(counted), sends({"choices": [{"text": "a", "finish_reason": "length"}]})]
    answers = ask(make(concurrency=1), ["a", "b"])
    assert answers == [
        Generated("yes", 5, finished=True, prompt_tokens=11),
        Generated("a", 0, finished=False, prompt_tokens=0),
    ]


def test_a_refusal_is_one_by_its_field_or_by_a_filter(server, make):
    field = completion("")
    field["choices"][0] = {"message": {"refusal": "I cannot"}, "finish_reason": "stop"}
    server.script = [sends(field), sends(completion("half", reason="content_filter"))]
    first, second = ask(make(concurrency=1), [chat("a"), chat("b")])
    assert (first.text, first.refused, first.finished) == ("I cannot", True, True)
    assert (second.text, second.refused, second.finished) == ("half", True, False)


@pytest.mark.parametrize(
    ("asked", "stated", "same"),
    [
        ("tiny", "tiny", True),
        ("tiny", None, True),
        ("tiny", "", True),
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("sonnet-latest", "sonnet-20241022", True),
        ("org/Qwen3", "org/Qwen3@2026", True),
        ("tiny", "tiny-2", False),
        ("gpt-4", "gpt-4.1", False),
        ("gpt-4o", "gpt-4o-mini", False),
        ("tiny", "large", False),
    ],
)
def test_another_model_is_no_answer(server, make, asked, stated, same):
    server.choose = lambda _: sends(completion("x") | {"model": stated})
    generator = ServerGenerator(server.url, asked, attempts=2, wait=0.01)
    (answer,) = ask(generator, ["a"])
    assert isinstance(answer, Generated) == same
    if not same:
        assert f"{stated!r} answers in place of {asked!r}" in answer.reason


def test_threads_and_a_running_loop_may_ask_at_once(make):
    generator = make()
    rows = [[f"t{thread} p{number}" for number in range(20)] for thread in range(4)]
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(partial(ask, generator), rows))
    assert [[one.text for one in answers] for answers in done] == [
        [f"{prompt.upper()} -" for prompt in prompts] for prompts in rows
    ]

    async def in_a_notebook():
        return ask(generator, ["a"])

    assert asyncio.run(in_a_notebook())[0].text == "A -"
