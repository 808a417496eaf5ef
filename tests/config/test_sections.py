import pytest

from rewardlab.config import parse
from rewardlab.config.sections import GenerationConfig
from rewardlab.config.strict_yaml import load


def generation(text):
    return parse(GenerationConfig, load(text, "g.yaml"))


def test_generation_is_greedy_in_this_process_by_default():
    config, problems = generation("{}")
    assert problems == []
    assert config == GenerationConfig()
    assert (config.backend, config.beams, config.temperature) == ("transformers", 1, 0.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "backend: server\nserver_model: m",
            (
                "error[E024] g.yaml:1:1 url: is missing: backend: server needs it. "
                "fix: add url: to the file"
            ),
        ),
        (
            "backend: server\nurl: http://localhost:8000/v1",
            (
                "error[E024] g.yaml:1:1 server_model: is missing: backend: server needs it. "
                "fix: add server_model: to the file"
            ),
        ),
        (
            "backend: vlm",
            "error[E026] g.yaml:1:1 backend: 'vlm' is not a choice. fix: backend: vllm",
        ),
        (
            "beams: 4\ntemperature: 0.5",
            (
                "error[E026] g.yaml:1:1 beams: the integer 4 is out of range. "
                "fix: beams: 1; beam search is greedy, and only the transformers backend has it"
            ),
        ),
        (
            "backend: vllm\nbeams: 4",
            (
                "error[E026] g.yaml:2:1 beams: the integer 4 is out of range. "
                "fix: beams: 1; beam search is greedy, and only the transformers backend has it"
            ),
        ),
        (
            "temperature: -0.1",
            (
                "error[E026] g.yaml:1:1 temperature: the number -0.1 is out of range. "
                "fix: write a number of at least 0.0"
            ),
        ),
        (
            "top_p: 0",
            (
                "error[E026] g.yaml:1:1 top_p: the integer 0 is out of range. "
                "fix: write a number above 0.0"
            ),
        ),
        (
            "max_new_tokens: 100_000",
            (
                "error[E025] g.yaml:1:1 max_new_tokens: the text '100_000' is not an integer. "
                "fix: max_new_tokens: 100000"
            ),
        ),
        (
            "max_new_tokens: 100000",
            (
                "error[E026] g.yaml:1:1 max_new_tokens: the integer 100000 is out of range. "
                "fix: write a number of at most 32768"
            ),
        ),
    ],
)
def test_what_cannot_be_generated_is_refused(text, message):
    config, problems = generation(text)
    assert config is None
    assert [str(problem) for problem in problems] == [message]
