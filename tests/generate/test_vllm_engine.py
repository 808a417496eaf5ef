from importlib.util import find_spec

import pytest
import tiny_checkpoint

from rewardlab.errors import UserError
from rewardlab.generate import Sampling, seed_for
from rewardlab.generate.local import TransformersGenerator
from rewardlab.generate.vllm_engine import VLLMGenerator

PROMPTS = ["the dog", "a much longer prompt about the old bridge", "x", "the old dog runs"]
needs_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed")


def refusal(call):
    with pytest.raises(UserError) as error:
        call()
    (problem,) = error.value.problems
    return error.value.exit_code, problem


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vllm is installed")
def test_without_vllm_the_message_says_how_to_get_it(tmp_path):
    generator = VLLMGenerator(tiny_checkpoint.save(tmp_path / "model"))
    for call in (generator.ready, lambda: generator.signature):
        code, problem = refusal(call)
        assert (code, problem.code) == (2, "E086")
        assert problem.what == "backend: vllm needs vllm, which is not installed"
        assert problem.fix.startswith("pip install 'rewardlab[vllm]'")


def test_beam_search_is_refused(tmp_path):
    code, problem = refusal(lambda: VLLMGenerator(tmp_path)(["a"], Sampling(beams=4), seeds=[1]))
    assert (code, problem.code) == (2, "E086")
    assert problem.fix == "beams: 1, or backend: transformers"


@needs_vllm
@pytest.mark.filterwarnings("ignore")  # its own
def test_greedy_texts_are_those_of_transformers_and_samples_follow_their_seeds(tmp_path):
    checkpoint = tiny_checkpoint.save(tmp_path / "model")
    generator = VLLMGenerator(checkpoint, 8)
    greedy = Sampling(max_new_tokens=16)
    assert generator(PROMPTS, greedy, seeds=[0] * 4) == TransformersGenerator(checkpoint)(
        PROMPTS, greedy, seeds=[0] * 4
    )
    sampled = Sampling(max_new_tokens=16, temperature=1.0, samples=3)
    seeds = [seed_for(0, prompt) for prompt in PROMPTS]
    texts = generator(PROMPTS, sampled, seeds=seeds)
    assert generator(PROMPTS[::-1], sampled, seeds=seeds[::-1])[::-1] == texts
    assert len({one.text for row in texts for one in row}) == 12
