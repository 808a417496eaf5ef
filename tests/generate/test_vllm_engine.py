from importlib.util import find_spec

import pytest
import tiny_checkpoint

from rewardlab.errors import UserError
from rewardlab.generate import Sampling
from rewardlab.generate.vllm_engine import VLLMGenerator


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
    generator = VLLMGenerator(tmp_path)
    for call in (generator, generator.ask):
        code, problem = refusal(lambda call=call: call(["a"], Sampling(beams=4), seeds=[1]))
        assert (code, problem.code) == (2, "E086")
        assert problem.fix == "beams: 1, or backend: transformers"
