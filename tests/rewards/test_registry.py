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
        ("E101", "--reward", "unknown reward 'chrff'", "chrf (rewardlab rewards lists all)")
    ]
    [(_, _, _, fix)] = problems(parse_reward, "os.system")
    assert fix == "rewardlab rewards lists all"


def test_unknown_option():
    assert problems(parse_reward, "chrf:word_ordr=2") == [
        ("E102", "reward: chrf.word_ordr", "no such option", "chrf:word_order=2")
    ]
    [(_, _, _, fix)] = problems(parse_reward, "not_empty:chars=2", where="--reward")
    assert fix == "one of name; see rewardlab rewards not_empty"


@pytest.mark.parametrize(
    ("name", "options", "what"),
    [
        ("chrf", {"word_order": "x"}, "'x' is not an integer"),
        ("chrf", {"word_order": 1.5}, "1.5 is not an integer"),
        ("chrf", {"word_order": True}, "True is not a number"),
        ("chrf", {"lowercase": "perhaps"}, "'perhaps' is not true or false"),
        ("chrf", {"name": 7}, "7 is not text"),
        ("bleu", {"tokenize": "12a"}, "'12a' is not one of auto, 13a, intl, zh"),
        ("chrf", {"char_order": 0}, "char_order=0 and beta=2 must be at least 1"),
        ("no_repetition", {"n": [1]}, "[1] is not an integer"),
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
    known = "chrf:char_order=6" if spec.startswith("chrf") else "name:option=value,option=value"
    assert fix == known


@pytest.mark.parametrize("spec", ["chrf,bleu", "chrf, bleu", "chrf bleu"])
def test_two_rewards_in_one_specification(spec):
    assert problems(parse_reward, spec, where="--reward") == [
        ("E104", "--reward", f"{spec!r} is more than one reward", "--reward chrf --reward bleu")
    ]


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
        ("E103", "reward: plugin.model", "is required", "plugin:model=MODEL")
    ]


def test_a_plugin_is_imported_only_when_asked_for(monkeypatch):
    points = [
        EntryPoint("plugin", "no_such_module_anywhere:Plugin", registry.GROUP),
        EntryPoint("joined", "os.path:join", registry.GROUP),
    ]
    monkeypatch.setattr("rewardlab.registry.entry_points", lambda group: points)
    assert parse_reward("chrf") == ChrF()
    assert "plugin" not in [reward.name for reward in rewards_without_options()]
    [(code, where, what, fix)] = problems(parse_reward, "plugin", where="--reward")
    assert (code, where) == ("E331", "--reward")
    assert what.startswith("the package of plugin cannot be imported: ModuleNotFoundError")
    assert fix == "pip install the package with the module no_such_module_anywhere"
    [(code, _, what, _)] = problems(parse_reward, "joined")
    assert code == "E331"
    assert what.endswith("not a dataclass")


def test_fixes_are_in_the_form_in_which_the_reward_was_written():
    required = "error[E103] --reward: metricx.model: is required. "
    with pytest.raises(UserError) as caught:
        parse_reward("metricx", where="--reward")
    assert str(caught.value) == required + "fix: --reward metricx:model=PATH"
    with pytest.raises(UserError, match="fix: model: PATH"):
        build_reward("metricx")
    with pytest.raises(UserError, match="fix: --metric no_repetition:n=4"):
        parse_reward("no_repetition:n=four", where="--metric")
    with pytest.raises(UserError, match="fix: n: 4"):
        build_reward("no_repetition", {"n": "four"})


def test_rewards_without_options_are_those_without_a_model():
    names = [reward.name for reward in rewards_without_options()]
    assert names == sorted(names)
    assert set(NAMES) < set(names)
    assert not {"metricx", "comet", "automqm", "generalist", "remote"} & set(names)
