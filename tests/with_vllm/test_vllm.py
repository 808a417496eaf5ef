"""vLLM itself, in this process and behind its own server: plain texts and enforced answers."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

import jsonschema
import pytest
import tiny_checkpoint
import vllm

from rewardlab.errors import UserError
from rewardlab.generate import Generated, Sampling
from rewardlab.generate.backends import judge_backend
from rewardlab.generate.local import TransformersGenerator
from rewardlab.generate.server import ServerGenerator
from rewardlab.seeds import seed_for

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(900)]  # its own warnings

PROMPTS = ["the dog", "a much longer prompt about the old bridge", "x", "the old dog runs"] + [
    f"{number} dogs on the bridge" for number in range(12)
]
CHATS = [[{"role": "user", "content": prompt}] for prompt in PROMPTS]
SEEDS = [seed_for(0, prompt) for prompt in PROMPTS]
GREEDY = Sampling(max_new_tokens=16)
ROOM = Sampling(max_new_tokens=192)
SAMPLED = Sampling(max_new_tokens=192, temperature=1.0)
LONGEST = 512
SCHEMA = {
    "type": "object",
    "properties": {
        "errors": {
            "type": "array",
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {
                    "span": {"type": "string", "maxLength": 12},
                    "severity": {"enum": ["minor", "major", "critical"]},
                },
                "required": ["span", "severity"],
                "additionalProperties": False,
            },
        },
        "score": {"type": "integer", "minimum": 0, "maximum": 100},
    },
    "required": ["errors", "score"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Qwen3; no position beyond `LONGEST`."""
    path = tiny_checkpoint.save(tmp_path_factory.mktemp("vllm") / "model", seed=1, chat=True)
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"max_position_embeddings": LONGEST}))
    return path


@pytest.fixture(scope="module")
def transformers(checkpoint):
    return TransformersGenerator(checkpoint)


@pytest.fixture(scope="module")
def engine(checkpoint):
    """Not compiled, which takes minutes on two cores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vllm, "LLM", partial(vllm.LLM, enforce_eager=True))
        made = judge_backend(backend="vllm", model=str(checkpoint), url="", batch_size=8)
        made.ready()
    return made


@pytest.fixture(scope="module")
def server(checkpoint):
    with serving(checkpoint) as url:
        yield judge_backend(backend="server", model="tiny", url=url, batch_size=16)


@contextmanager
def serving(checkpoint):
    """vLLM's server on a free port, started as docs/translate.md says; and its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(checkpoint),
        "--served-model-name", "tiny", "--host", "127.0.0.1", "--port", str(port),
        "--dtype", "float32", "--enforce-eager", "--generation-config", "vllm",
        "--structured-outputs-config",
        '{"backend": "guidance", "disable_any_whitespace": true}',
    ]  # fmt: skip
    log = checkpoint.parent / "server.log"
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{port}/v1"
        until_it_answers(process, port, log)
        yield url
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its engine is a process of its own
        process.wait()


def until_it_answers(process, port, log):
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-4000:]
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    pytest.fail(log.read_text()[-4000:])


def fitting(answers, *, at_least):
    """The answers, parsed; every one that was not cut must fit the schema."""
    assert all(isinstance(answer, Generated) for answer in answers)
    ended = [json.loads(answer.text) for answer in answers if answer.finished]
    for answer in ended:
        jsonschema.validate(answer, SCHEMA)
    assert len(ended) >= at_least
    return ended


def test_greedy_texts_are_those_of_transformers_and_samples_follow_their_seeds(
    engine, transformers
):
    expected = transformers(PROMPTS, GREEDY, seeds=SEEDS)
    assert engine(PROMPTS, GREEDY, seeds=SEEDS) == expected
    assert engine.ask(CHATS, GREEDY, seeds=SEEDS) == transformers.ask(CHATS, GREEDY, seeds=SEEDS)
    sampled = Sampling(max_new_tokens=16, temperature=1.0, samples=3)
    texts = engine(PROMPTS, sampled, seeds=SEEDS)
    assert engine(PROMPTS[::-1], sampled, seeds=SEEDS[::-1])[::-1] == texts
    assert len({one.text for row in texts for one in row}) == 3 * len(PROMPTS)


def test_a_schema_is_kept_in_process(engine):
    fitting(engine.ask(PROMPTS, ROOM, seeds=SEEDS, schema=SCHEMA), at_least=12)
    sampled = engine.ask(CHATS, SAMPLED, seeds=SEEDS, schema=SCHEMA)
    answers = fitting(sampled, at_least=12)
    assert len({json.dumps(answer) for answer in answers}) > 6
    assert engine.ask(CHATS, SAMPLED, seeds=SEEDS, schema=SCHEMA) == sampled
    free = engine.ask(PROMPTS, GREEDY, seeds=SEEDS)
    assert not any(answer.text.startswith("{") for answer in free), "and only where it is asked for"


def test_a_prompt_without_room_is_refused_alone(engine, server):
    prompts = ["x", "dog " * 2 * LONGEST, "the old dog runs"]
    for backend in (engine, server):
        first, second, third = backend.ask(prompts, GREEDY, seeds=[0] * 3)
        assert second.fault == "text"
        assert str(LONGEST) in second.reason
        assert first.tokens > 0
        assert third.tokens > 0


@pytest.mark.parametrize("prompts", [PROMPTS, CHATS], ids=["plain", "chat"])
def test_a_server_writes_what_transformers_writes(server, transformers, prompts):
    """But for characters that are not whole: the server holds such bytes back, also at the end."""
    written = server.ask(prompts, GREEDY, seeds=SEEDS)
    expected = transformers.ask(prompts, GREEDY, seeds=SEEDS)
    for ours, theirs in zip(written, expected, strict=True):
        assert theirs.text.startswith(ours.text.rstrip("\N{REPLACEMENT CHARACTER}"))
        assert replace(ours, text="") == replace(theirs, text="")
        if "\N{REPLACEMENT CHARACTER}" not in theirs.text:
            assert ours.text == theirs.text
    assert len({one.text for one in written if one.text}) >= len(prompts) / 2


@pytest.mark.parametrize("prompts", [PROMPTS, CHATS], ids=["plain", "chat"])
@pytest.mark.parametrize("sampling", [ROOM, SAMPLED], ids=["greedy", "sampled"])
def test_a_schema_is_kept_by_the_server(server, prompts, sampling):
    fitting(server.ask(prompts, sampling, seeds=SEEDS, schema=SCHEMA), at_least=12)


def test_a_model_that_the_server_does_not_know_is_told(server):
    with pytest.raises(UserError) as error:
        ServerGenerator(server.url, "another").ask(PROMPTS, GREEDY, seeds=SEEDS)
    (problem,) = error.value.problems
    assert problem.code == "E087"
    assert "404" in problem.what
