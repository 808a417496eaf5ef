import dataclasses
from importlib.metadata import EntryPoint

import pytest

from rewardlab.errors import UserError
from rewardlab.rewards import (
    BLEU,
    TER,
    ChrF,
    LengthRatio,
    LexicalSpans,
    NoRepetition,
    NotCopied,
    NotEmpty,
    NumbersKept,
    TargetScript,
    registry,
)
from rewardlab.rewards.registry import build_reward, parse_reward, rewards_without_options

NAMES = {
    "bleu": BLEU,
    "chrf": ChrF,
    "length_ratio": LengthRatio,
    "lexical_spans": LexicalSpans,
    "no_repetition": NoRepetition,
    "not_copied": NotCopied,
    "not_empty": NotEmpty,
    "numbers_kept": NumbersKept,
    "target_script": TargetScript,
    "ter": TER,
}


def problems(call, *args, **options):
    with pytest.raises(UserError) as caught:
        call(*args, **options)
    return [(p.code, p.where, p.what, p.fix) for p in caught.value.problems]


@pytest.mark.parametrize(("name", "cls"), NAMES.items())
def test_every_name_builds_its_class(name, cls):
    assert build_reward(name) == parse_reward(name) == cls()
    assert build_reward(name).name == name


def test_names_are_sorted_and_complete():
    assert set(NAMES) <= set(registry.reward_names())
    assert registry.reward_names() == sorted(registry.reward_names())
    assert "from_function" not in registry.reward_names()


@pytest.mark.parametrize(
    ("spec", "reward"),
    [
        ("no_repetition:n=4", NoRepetition(n=4)),
        (
            "chrf:word_order=2,lowercase=true,name=chrf++",
            ChrF(word_order=2, lowercase=True, name="chrf++"),
        ),
        ("length_ratio:max_ratio=2,slack=0", LengthRatio(max_ratio=2.0, slack=0)),
        ("bleu: tokenize=zh, smooth_value=1e-1", BLEU(tokenize="zh", smooth_value=0.1)),
        (r"chrf:name=a\,b=c:d", ChrF(name="a,b=c:d")),
    ],
)
def test_specs(spec, reward):
    assert parse_reward(spec) == reward


def test_options_of_yaml():
    assert build_reward("ter", {"worst": -200, "no_punct": True}) == TER(
        worst=-200.0, no_punct=True
    )


def test_unknown_reward():
    assert problems(parse_reward, "chrff", where="--reward") == [
        ("E101", "--reward", "unknown reward 'chrff'", "chrf")
    ]
    [(_, _, _, fix)] = problems(parse_reward, "os.system")
    assert fix.startswith("one of automqm, bleu, chrf, ")


def test_unknown_option():
    assert problems(parse_reward, "chrf:word_ordr=2") == [
        ("E102", "reward: chrf.word_ordr", "no such option", "word_order")
    ]


@pytest.mark.parametrize(
    ("name", "options", "what"),
    [
        ("chrf", {"word_order": "x"}, "'x': input should be a valid integer"),
        ("chrf", {"word_order": 1.5}, "1.5: input should be a valid integer"),
        ("chrf", {"word_order": True}, "True: a number is wanted, not true or false"),
        ("chrf", {"lowercase": "perhaps"}, "'perhaps': input should be a valid boolean"),
        ("chrf", {"name": 7}, "7: input should be a valid string"),
        ("bleu", {"tokenize": "12a"}, "'12a': input should be '13a', 'intl', 'zh'"),
        ("chrf", {"char_order": 0}, "char_order=0 and beta=2 must be at least 1"),
        ("no_repetition", {"n": [1]}, "[1]: input should be a valid integer"),
    ],
)
def test_bad_values(name, options, what):
    [(code, where, found, _)] = problems(build_reward, name, options)
    assert code == "E103"
    assert where.startswith(f"reward: {name}")
    assert found.startswith(what)


def test_every_problem_at_once():
    found = problems(parse_reward, "chrf:word_order=x,beta=y,bta=2")
    assert [code for code, *_ in found] == ["E103", "E103", "E102"]


@pytest.mark.parametrize(
    "spec", ["", ":n=1", "chrf:", "chrf:beta", "chrf:=2", "chrf:beta=1,beta=2", "chrf:beta=1,"]
)
def test_malformed_specs(spec):
    [(code, _, what, fix)] = problems(parse_reward, spec)
    assert code == "E104"
    assert repr(spec) in what
    assert fix == "name:option=value,option=value"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plugin(NotEmpty):
    """A reward of another package, with a required option."""

    name: str = "plugin"
    model: str


def test_plugins_come_by_entry_point(monkeypatch):
    point = EntryPoint("plugin", "somewhere:Plugin", registry.GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda _: Plugin)
    monkeypatch.setattr("rewardlab.registry.entry_points", lambda group: [point])
    assert "plugin" in registry.reward_names()
    assert parse_reward("plugin:model=m") == Plugin(model="m")
    assert problems(parse_reward, "plugin") == [
        ("E103", "reward: plugin.model", "is required", "model: ...")
    ]


def test_a_plugin_is_imported_only_when_asked_for(monkeypatch):
    point = EntryPoint("plugin", "no_such_module_anywhere:Plugin", registry.GROUP)
    monkeypatch.setattr("rewardlab.registry.entry_points", lambda group: [point])
    assert parse_reward("chrf") == ChrF()


def test_rewards_without_options_are_those_without_a_model():
    names = [reward.name for reward in rewards_without_options()]
    assert names == sorted(names)
    assert set(NAMES) < set(names)
    assert not {"metricx", "comet", "automqm", "generalist", "remote"} & set(names)
