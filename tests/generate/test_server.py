"""Against a small server of our own in this process, which misbehaves as it is told."""

import asyncio
import socket
import time

import pytest
from misbehaving_server import completion, cut, hang, sends, serving, status, trickle

from rewardlab.errors import UserError
from rewardlab.generate import Sampling
from rewardlab.generate.server import ServerGenerator, url_problem
from rewardlab.seeds import seed_for

GREEDY = Sampling(max_new_tokens=8)
SAMPLED = Sampling(max_new_tokens=8, temperature=0.7, top_p=0.9, top_k=5, samples=2)
KEY = "sk-tst-4711-secret"


@pytest.fixture
def server():
    with serving() as made:
        yield made


@pytest.fixture
def generator(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return ServerGenerator(server.url, "tiny", concurrency=4, deadline=30, attempts=3, wait=0.01)


def refusal(call):
    with pytest.raises(UserError) as error:
        call()
    (problem,) = error.value.problems
    assert KEY not in str(problem)
    return error.value.exit_code, problem


def test_plain_prompts_are_completed_each_text_with_a_seed_of_its_own(server, generator):
    done = generator(["a", "b"], SAMPLED, seeds=[10, 11])
    expected = [
        [f"{prompt} {seed_for(seed, n) % 2**31}" for n in range(2)]
        for prompt, seed in (("A", 10), ("B", 11))
    ]
    assert [[one.text for one in texts] for texts in done] == expected
    assert {(one.tokens, one.finished) for texts in done for one in texts} == {(3, True)}
    path, body, headers = server.seen[0]
    assert path == "/v1/completions"
    assert body.keys() == {
        "model", "prompt", "max_tokens", "temperature", "top_p", "top_k", "seed"
    }  # fmt: skip
    assert (body["model"], body["max_tokens"], body["top_k"]) == ("tiny", 8, 5)
    assert headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in generator.signature + repr(generator)


def test_a_chat_is_sent_as_messages_and_a_greedy_request_has_no_seed(server, generator):
    chat = [{"role": "user", "content": "hej"}]
    assert generator([chat], GREEDY, seeds=[1])[0][0].text == "HEJ"
    path, body, _ = server.seen[0]
    assert path == "/v1/chat/completions"
    assert body["messages"] == chat
    assert {"seed", "top_k"}.isdisjoint(body)
    assert body["temperature"] == 0.0


def test_a_text_that_was_cut_is_not_finished_and_none_is_made_up(server, generator):
    server.script = [sends(completion("half", reason="length", tokens=8))]
    (cut_text,) = generator(["a"], GREEDY, seeds=[1])[0]
    assert (cut_text.text, cut_text.tokens, cut_text.finished) == ("half", 8, False)
    server.script = [sends(completion(None))]
    assert generator(["a"], GREEDY, seeds=[1])[0][0].text == ""


def test_no_more_requests_are_under_way_than_allowed(server, generator):
    prompts = [f"p{number}" for number in range(30)]
    done = generator(prompts, GREEDY, seeds=range(30))
    assert [texts[0].text for texts in done] == [f"P{number} -" for number in range(30)]
    assert 2 <= server.most_at_once <= 4
    assert generator.call_size == 32


@pytest.mark.parametrize(
    "trouble",
    [
        status(500),
        status(503),
        status(429),
        status(429, retry_after="0"),
        status(408),
        cut,
        sends(b"<html>it works!</html>"),
        sends({"choices": [], "usage": {"completion_tokens": 0}}),
        sends({"choices": [{"text": "a"}, {"text": "b"}], "usage": {"completion_tokens": 2}}),
        sends({"choices": [{"text": 7}], "usage": {"completion_tokens": 2}}),
        sends({"choices": [{"text": "a"}]}),
        sends(["a"]),
        sends(b'{"choices": [{"text": "\\ud83d"}], "usage": {"completion_tokens": 2}}'),
    ],
    ids=["500", "503", "429", "retry-after", "408", "cut", "html", "no choice",
         "two choices", "no text", "no usage", "list", "no Unicode"],
)  # fmt: skip
def test_trouble_that_passes_is_waited_out_and_trouble_that_stays_ends_the_run(
    server, generator, trouble
):
    server.script = [trouble, trouble]
    assert generator(["a"], GREEDY, seeds=[1])[0][0].text == "A -"
    assert len(server.seen) == 3
    server.script = [trouble] * 3
    code, problem = refusal(lambda: generator(["a"], GREEDY, seeds=[1]))
    assert (code, problem.code) == (4, "E088")
    assert len(server.seen) == 6
    assert "gave no text in 3 attempts, the last because" in problem.what
    assert problem.where == f"server {generator.url}"
    assert problem.fix.endswith("then run this again; it resumes")


@pytest.mark.parametrize("trouble", [hang, trickle])
def test_nothing_outlasts_its_deadline(server, trouble):
    generator = ServerGenerator(server.url, "tiny", deadline=1.0, attempts=2, wait=0.01)
    server.script = [trouble]
    start = time.monotonic()
    assert generator(["a"], GREEDY, seeds=[1])[0][0].text == "A -"
    server.choose = lambda _: trouble
    code, problem = refusal(lambda: generator(["a"], GREEDY, seeds=[1]))
    assert (code, problem.code) == (4, "E088")
    assert len(server.seen) == 4
    assert 3.0 <= time.monotonic() - start < 30, "who hangs hangs for 60 seconds"


def test_what_a_server_sends_instead_of_an_answer_is_shown(server, generator):
    server.script = [sends(b"<html>\x1b[31m login</html>")] * 3
    _, problem = refusal(lambda: generator(["a"], GREEDY, seeds=[1]))
    assert r"'<html>\x1b[31m login</html>'" in problem.what
    server.script = [status(500, "CUDA error: out of memory")] * 3
    _, problem = refusal(lambda: generator(["a"], GREEDY, seeds=[1]))
    assert "500" in problem.what
    assert "CUDA error: out of memory" in problem.what


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        (401, "put a key that the server takes into the environment variable OPENAI_API_KEY"),
        (403, "put a key that the server takes into the environment variable OPENAI_API_KEY"),
        (404, "check the server's url (most end in /v1) and the model's name there"),
        (400, "see what the server says"),
        (422, "see what the server says"),
    ],
)
def test_what_cannot_change_ends_the_run_at_once_and_tells_no_key(server, generator, code, fix):
    server.script = [status(code, f"not with {KEY}")]
    exit_code, problem = refusal(lambda: generator(["a"], GREEDY, seeds=[1]))
    assert (exit_code, problem.code, problem.fix) == (4, "E087", fix)
    assert f"refuses model 'tiny': {code}" in problem.what
    assert "[OPENAI_API_KEY]" in problem.what
    assert len(server.seen) == 1


def test_one_request_that_fails_ends_the_others(server, generator):
    server.script = [status(401)]
    refusal(lambda: generator([str(n) for n in range(50)], GREEDY, seeds=range(50)))
    assert len(server.seen) < 50


def test_ready_finds_a_wrong_key_or_address_before_any_prompt(server, generator):
    generator.ready()
    generator.ready()
    assert [path for path, _, _ in server.seen] == ["/v1/models"]
    server.models = (404, {"error": {"message": "no list"}})
    ServerGenerator(generator.url, "tiny").ready()
    server.models = (401, {"error": {"message": "who are you"}})
    code, problem = refusal(ServerGenerator(generator.url, "tiny").ready)
    assert (code, problem.code) == (4, "E087")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    gone = ServerGenerator(f"http://127.0.0.1:{port}/v1", "tiny", attempts=2, wait=0.01)
    code, problem = refusal(gone.ready)
    assert (code, problem.code) == (4, "E088")
    assert f"http://127.0.0.1:{port}/v1" in problem.where
    assert "it cannot be reached" in problem.what


def test_no_key_in_the_environment_is_no_error_of_ours(server, generator, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    assert generator(["a"], GREEDY, seeds=[1])[0][0].text == "A -"


def test_a_running_event_loop_is_no_obstacle(server, generator):
    async def in_a_notebook():
        return generator(["a"], GREEDY, seeds=[1])

    assert asyncio.run(in_a_notebook())[0][0].text == "A -"


def test_beam_search_is_refused(generator):
    code, problem = refusal(lambda: generator(["a"], Sampling(beams=4), seeds=[1]))
    assert (code, problem.code, problem.fix) == (2, "E086", "beams: 1, or backend: transformers")


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://host/v1", "http:///v1", "http://host/v1?key=1"]
)
def test_an_address_that_is_none_is_refused(url):
    problem = url_problem(url)
    assert problem.code == "E086"
    assert repr(url) in problem.what


def test_an_address_with_a_password_is_refused_and_not_repeated():
    problem = url_problem("https://me:hunter2@host/v1")
    assert problem.code == "E086"
    assert "hunter2" not in str(problem)
    assert url_problem("http://127.0.0.1:8000/v1") is None
    assert url_problem("https://host.example/openai/v1/") is None
