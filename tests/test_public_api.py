"""The names a user may rely on, written out: a change here is a change of the public interface."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import rewardlab

PUBLIC = {
    "rewardlab": [
        "WMT_MQM",
        "XCOMET",
        "Candidate",
        "ErrorSpan",
        "GRPOTrainer",
        "Gate",
        "Reward",
        "RewardEnsemble",
        "RewardOutput",
        "Scores",
        "SeverityTable",
        "Status",
        "Term",
        "token_advantages",
    ],
    "rewardlab.rewards": [
        "BLEU",
        "TER",
        "AutoMQM",
        "Cached",
        "ChrF",
        "Comet",
        "CometKiwi",
        "Embedding",
        "ExactMatch",
        "Fluency",
        "FromFunction",
        "Generalist",
        "LengthRatio",
        "LexicalSpans",
        "MetricX",
        "Naturalness",
        "NoRepetition",
        "NotCopied",
        "NotCutOff",
        "NotEmpty",
        "NumbersAgree",
        "NumbersKept",
        "Remote",
        "Rubric",
        "TargetScript",
        "XComet",
    ],
}


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names(module):
    found = importlib.import_module(module)
    assert sorted(found.__all__) == sorted(PUBLIC[module])
    for name in found.__all__:
        value = getattr(found, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f"{module}.{name} has no docstring"


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'PPOTrainer'"):
        rewardlab.PPOTrainer  # noqa: B018


BENCHMARKS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda script: script.stem)
def test_what_a_benchmark_imports_exists(script):
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rewardlab"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                named = hasattr(module, alias.name)
                assert named or importlib.import_module(f"{node.module}.{alias.name}"), alias.name
