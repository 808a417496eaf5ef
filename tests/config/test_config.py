from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.config import DataConfig, RLConfig, load_rl_config, to_yaml
from rewardlab.config.checks import (
    build_gates,
    build_terms,
    check_run_directory,
    check_trainer_block,
    grpo_config,
)
from rewardlab.errors import UserError

RL = """\
run: runs/dan-nob
data:
  source: src.txt
  reference: ref.txt
  source_lang: dan
  target_lang: no
prompt: lmt
policy:
  from_scratch: {layers: 2}
rewards:
  - reward: chrf
    weight: 2.0
  - {reward: "no_repetition:n=4", weight: 0.0}
gates:
  - {reward: not_empty, below: 0.5}
advantage: {preset: gdpo}
trainer:
  num_generations: 4
  learning_rate: 1e-4
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORLD_SIZE", raising=False)

    def from_text(text=RL, overrides=()):
        Path("rl.yaml").write_text(text, encoding="utf-8")
        return load_rl_config("rl.yaml", overrides)

    return from_text


@pytest.fixture
def refused(load):
    def messages(text=RL, overrides=()):
        with pytest.raises(UserError) as caught:
            load(text, overrides)
        assert caught.value.exit_code == 2
        return [str(problem) for problem in caught.value.problems]

    return messages


def test_a_run_is_read_with_its_defaults(load):
    config = load()
    assert config.run == Path("runs/dan-nob")
    assert config.seed == 0
    assert config.data == (
        DataConfig(
            source=Path("src.txt"),
            reference=Path("ref.txt"),
            source_lang="dan",
            target_lang="no",
            heldout=0.1,
        ),
    )
    assert config.policy.from_scratch is not None
    assert config.policy.from_scratch.layers == 2
    assert config.policy.from_scratch.sft.learning_rate == 3e-3
    assert config.rewards[0].weight == 2.0
    assert config.advantage.omission == "last_token"
    assert config.trainer == {"num_generations": 4, "learning_rate": 1e-4}


def test_terms_and_gates_are_built_from_names_and_options(load):
    config = load(overrides=["rewards.1={reward: no_repetition, n: 3, token_weight: 0.5}"])
    terms = build_terms(config)
    assert [term.reward.name for term in terms] == ["chrf", "no_repetition"]
    assert [(term.weight, term.token_weight) for term in terms] == [(2.0, 0.0), (1.0, 0.5)]
    assert config.rewards[1].options == {"n": 3}
    gates = build_gates(config)
    assert [(gate.reward.name, gate.below) for gate in gates] == [("not_empty", 0.5)]


def test_data_may_be_a_list(load):
    config = load(overrides=["data=[{source: a, reference: b, source_lang: da, target_lang: nb}]"])
    assert [data.source for data in config.data] == [Path("a")]


def test_the_written_configuration_reads_back_equal(load):
    config = load(overrides=["gates.0.below=1", "trainer.report_to=[none]", "data.heldout=20"])
    assert load(to_yaml(config)) == config


@settings(deadline=None)
@given(
    run=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(
        lambda text: text == str(Path(text)) and text != "."
    ),
    weight=st.floats(allow_nan=False, allow_infinity=False),
    heldout=st.floats(0, 0.99) | st.integers(0, 10**6),
    options=st.dictionaries(
        st.text(min_size=1).filter(lambda key: key not in RESERVED),
        st.booleans() | st.integers(-9, 9) | st.sampled_from(["no", "1e-5", "~", "a: b"]),
    ),
)
def test_any_configuration_reads_back_equal(run, weight, heldout, options):
    from rewardlab.config import parse
    from rewardlab.config.strict_yaml import load

    data = {"source": "s", "source_lang": "no", "target_lang": "da", "heldout": heldout}
    rewards = [{"reward": "chrf", "weight": weight, **options}]
    values = {"run": run, "data": data, "prompt": "lmt", "policy": {"path": "p"}}
    config = RLConfig.model_validate({**values, "rewards": rewards})
    again, problems = parse(load(to_yaml(config), "out.yaml"))
    assert (again, problems) == (config, [])


RESERVED = ("reward", "weight", "token_weight", "options")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            RL,
            "[1, 2]",
            (
                "error[E020] rl.yaml:1:1: the file must be a mapping, found a list. "
                "fix: write key: value lines"
            ),
        ),
        (
            "prompt: lmt",
            "promt: lmt\nprompt: lmt",
            "error[E023] rl.yaml:7:1 promt: unknown key. a run has prompt. fix: prompt: lmt",
        ),
        (
            "  source_lang: dan",
            "  source_lang: dan\n  zzz: 1",
            (
                "error[E023] rl.yaml:6:3 data.zzz: unknown key. data has none like it. fix: "
                "remove it, or write one of source, reference, source_lang, target_lang, "
                "documents, heldout, max_characters"
            ),
        ),
        (
            "num_generations: 4",
            "num_generation: 8",
            (
                "error[E023] rl.yaml:18:3 trainer.num_generation: unknown key. "
                "TRL's GRPOConfig has num_generations. fix: num_generations: 8"
            ),
        ),
        (
            "prompt: lmt\n",
            "",
            "error[E024] rl.yaml:1:1 prompt: is missing. fix: add prompt: to the file",
        ),
        (
            "  source: src.txt\n",
            "",
            "error[E024] rl.yaml:2:1 data.source: is missing. fix: add source: to the file",
        ),
        (
            "weight: 2.0",
            "weight: 1_000",
            (
                "error[E025] rl.yaml:12:5 rewards.0.weight: the text '1_000' is not a number. "
                "fix: weight: 1000"
            ),
        ),
        (
            "layers: 2",
            "layers: 2.0",
            (
                "error[E025] rl.yaml:9:18 policy.from_scratch.layers: the number 2.0 is not an "
                "integer. fix: layers: 2"
            ),
        ),
        (
            "source: src.txt",
            "source: 1",
            "error[E025] rl.yaml:3:3 data.source: the integer 1 is not a path. fix: write a path",
        ),
        (
            "target_lang: no",
            "target_lang: true",
            (
                "error[E025] rl.yaml:6:3 data.target_lang: the boolean true is not text. "
                "fix: write text"
            ),
        ),
        (
            "learning_rate: 1e-4",
            "bf16: no",
            (
                "error[E025] rl.yaml:19:3 trainer.bf16: the text 'no' is not true or false. "
                "fix: bf16: false"
            ),
        ),
        (
            "learning_rate: 1e-4",
            "learning_rate: fast",
            (
                "error[E025] rl.yaml:19:3 trainer.learning_rate: the text 'fast' is not a number. "
                "fix: write a number"
            ),
        ),
        (
            "layers: 2",
            "layers: 0",
            (
                "error[E026] rl.yaml:9:18 policy.from_scratch.layers: the integer 0 is out of "
                "range. fix: write a number of at least 1"
            ),
        ),
        (
            "layers: 2",
            "heads: 3",
            (
                "error[E026] rl.yaml:9:3 policy.from_scratch.hidden_size: the integer 128 is out "
                "of range. fix: write a multiple of heads: 3"
            ),
        ),
        (
            "layers: 2",
            "architecture: qwen",
            (
                "error[E026] rl.yaml:9:18 policy.from_scratch.architecture: 'qwen' is not a "
                "choice. fix: architecture: qwen3"
            ),
        ),
        (
            "target_lang: no",
            "target_lang: no\n  heldout: 1.5",
            (
                "error[E026] rl.yaml:7:3 data.heldout: the number 1.5 is out of range. "
                "fix: write a share below 1.0"
            ),
        ),
        (
            "run: runs/dan-nob",
            "run: ''",
            "error[E025] rl.yaml:1:1 run: the text '' is not a path. fix: write a path",
        ),
        (
            "prompt: lmt",
            "prompt: lmtt",
            "error[E026] rl.yaml:7:1 prompt: 'lmtt' is not a prompt style. fix: prompt: lmt",
        ),
        (
            "preset: gdpo",
            "preset: gdp",
            "error[E026] rl.yaml:16:13 advantage.preset: 'gdp' is not a preset. fix: preset: gdpo",
        ),
        (
            "learning_rate: 1e-4",
            "optim: adam_torch",
            (
                "error[E026] rl.yaml:19:3 trainer.optim: 'adam_torch' is not a choice. "
                "fix: optim: adamw_torch"
            ),
        ),
        (
            "  from_scratch: {layers: 2}",
            "  from_scratch: {layers: 2}\n  path: sft",
            (
                "error[E027] rl.yaml:8:1 policy: needs exactly one of path and from_scratch. "
                "fix: keep one, remove the other"
            ),
        ),
        (
            "  from_scratch: {layers: 2}",
            "  path: sft",
            (
                "error[E028] rl.yaml:9:3 policy.path: 'sft' is no saved checkpoint: it holds no "
                "config.json. fix: give the directory that save_pretrained wrote"
            ),
        ),
        (
            'reward: "no_repetition:n=4"',
            'reward: "no_repetition:n=4", n: 3',
            (
                "error[E029] rl.yaml:13:5 rewards.1: options stand both in 'no_repetition:n=4' and "
                "beside it: n. fix: write all of them as keys"
            ),
        ),
        (
            "num_generations: 4",
            "num_generations: 5\n  per_device_train_batch_size: 12",
            (
                "error[E031] rl.yaml:19:3 trainer.per_device_train_batch_size: 12 rows is not a "
                "multiple of num_generations=5; rows must be prompt-major. "
                "fix: per_device_train_batch_size: 15"
            ),
        ),
        (
            "num_generations: 4",
            "num_generations: 5\n  generation_batch_size: 24",
            (
                "error[E031] rl.yaml:19:3 trainer.generation_batch_size: 24 rows is not a "
                "multiple of num_generations=5; rows must be prompt-major. "
                "fix: generation_batch_size: 25"
            ),
        ),
        (
            "learning_rate: 1e-4",
            "output_dir: out",
            (
                "error[E033] rl.yaml:19:3 trainer.output_dir: 'out' cannot be set here. "
                "fix: set run: at the top of the file"
            ),
        ),
        (
            "learning_rate: 1e-4",
            "seed: 3",
            (
                "error[E033] rl.yaml:19:3 trainer.seed: 3 cannot be set here. "
                "fix: set seed: at the top of the file"
            ),
        ),
        (
            "learning_rate: 1e-4",
            "model_init_kwargs: {trust_remote_code: true}",
            (
                "error[E033] rl.yaml:19:23 trainer.model_init_kwargs.trust_remote_code: "
                "trust_remote_code cannot be set here. "
                "fix: no code runs from a checkpoint; remove it"
            ),
        ),
        (
            "learning_rate: 1e-4",
            "reward_weights: [1.0]",
            (
                "error[E034] rl.yaml:19:3 trainer.reward_weights: reward_weights is decided by the "
                "advantage and the ensemble's weights; remove it. fix: remove reward_weights"
            ),
        ),
        (
            "num_generations: 4",
            "num_generations: 1",
            (
                "error[E035] rl.yaml:18:3 trainer.num_generations: num_generations=1: a group "
                "baseline needs at least 2 completions. fix: num_generations: 8"
            ),
        ),
        (
            '{reward: "no_repetition:n=4", weight: 0.0}',
            "{reward: chrf}",
            (
                "error[E036] rl.yaml:13:5 rewards.1: chrf stands here and in rewards.0. "
                "fix: remove one, or give it a name of its own, name: chrf_2"
            ),
        ),
        (
            "source_lang: dan",
            "source_lang: xx",
            (
                "error[E039] rl.yaml:2:1 data: the prompt style lmt cannot be written: unknown "
                "language 'xx'; codes are ISO 639-1 or 639-3 with an optional script or region, "
                "such as de, deu_Latn or pt-BR. "
                "fix: correct the code, or take a style that names no language: prompt: arrow"
            ),
        ),
        (
            "weight: 2.0",
            "weight: 0",
            (
                "error[E038] rl.yaml:10:1 rewards: every weight and token_weight is 0, so there is "
                "nothing to learn. fix: give one a weight"
            ),
        ),
    ],
)
def test_what_is_refused_says_where_and_how_to_fix_it(refused, old, new, message):
    assert RL.count(old) == 1
    assert refused(RL.replace(old, new)) == [message]


def test_all_problems_of_a_file_are_reported_at_once(refused):
    text = RL.replace("lmt", "1").replace("layers: 2", "layer: 2").replace("1e-4", "x")
    assert [message[6:10] for message in refused(text)] == ["E025", "E023", "E025"]


def test_a_run_without_references_says_who_needs_them(refused):
    assert refused(RL.replace("  reference: ref.txt\n", "")) == [
        (
            "error[E032] rl.yaml:8:3 policy.from_scratch: a policy from scratch learns from "
            "references, and data has none. fix: add reference: to the data"
        ),
        (
            "error[E032] rl.yaml:10:5 rewards.0: chrf reads references, and data has none. "
            "fix: add reference: to the data, or remove the reward"
        ),
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "reward: chrf",
            "reward: chrff",
            "error[E101] rl.yaml:11:5 rewards.0: unknown reward 'chrff'. fix: chrf",
        ),
        (
            "weight: 2.0",
            "char_ordr: 2",
            "error[E102] rl.yaml:12:5 rewards.0.char_ordr: no such option. fix: char_order",
        ),
        (
            "weight: 2.0",
            "wieght: 2.0",
            "error[E102] rl.yaml:12:5 rewards.0.wieght: no such option. fix: weight: 2.0",
        ),
        (
            "weight: 2.0",
            "char_order: many",
            (
                "error[E103] rl.yaml:12:5 rewards.0.char_order: 'many': input should be a valid "
                "integer, unable to parse string as an integer."
            ),
        ),
        (
            "no_repetition:n=4",
            "no_repetition:4",
            (
                "error[E104] rl.yaml:13:5 rewards.1: 'no_repetition:4': '4' is not a new "
                "option=value. fix: name:option=value,option=value"
            ),
        ),
    ],
)
def test_what_is_wrong_with_a_reward_is_placed_in_the_file(refused, old, new, message):
    assert refused(RL.replace(old, new)) == [message]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "seed",
            "error[E021] argument seed: is not key=value. fix: for example trainer.max_steps=100",
        ),
        (
            "a..b=1",
            (
                "error[E021] argument a..b=1: is not key=value. "
                "fix: for example trainer.max_steps=100"
            ),
        ),
        (
            "rewards.7.weight=1",
            (
                "error[E022] argument rewards.7.weight=1: rewards is a list of 2; '7' is not a "
                "position in it. fix: check the key"
            ),
        ),
        (
            "run.x=1",
            (
                "error[E022] argument run.x=1: run is 'runs/dan-nob', which has no 'x' in it. "
                "fix: check the key"
            ),
        ),
        (
            "seed=!!int 3",
            (
                "error[E007] argument seed=!!int 3: tags are refused, found "
                "'tag:yaml.org,2002:int'. fix: write the plain value"
            ),
        ),
        (
            "seed=-1",
            (
                "error[E026] argument seed=-1: the integer -1 is out of range. "
                "fix: write a number of at least 0"
            ),
        ),
        (
            "trainer.learning_rates=1e-5",
            (
                "error[E023] argument trainer.learning_rates=1e-5: unknown key. "
                "TRL's GRPOConfig has learning_rate. fix: learning_rate: 1e-05"
            ),
        ),
        (
            "prompt=",
            "error[E025] argument prompt=: nothing is not text. fix: write text",
        ),
    ],
)
def test_what_is_wrong_with_an_argument_names_the_argument(refused, argument, message):
    assert refused(overrides=[argument]) == [message]


def test_arguments_replace_single_values_and_the_later_wins(load):
    config = load(
        overrides=[
            "trainer.learning_rate=1e-5",
            "trainer.max_steps=7",
            "rewards.0.weight=3",
            "rewards.0.weight=4",
            "data.target_lang=no",
            "policy={from_scratch: {architecture: gemma3}}",
            "advantage.credit=to_go",
        ]
    )
    assert config.trainer == {"num_generations": 4, "learning_rate": 1e-5, "max_steps": 7}
    assert config.rewards[0].weight == 4
    assert config.data[0].target_lang == "no"
    assert config.policy.from_scratch is not None
    assert config.policy.from_scratch.architecture == "gemma3"
    assert config.advantage.credit == "to_go"


def test_groups_are_counted_over_all_ranks(monkeypatch):
    block = {"num_generations": 8, "per_device_train_batch_size": 4}
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert check_trainer_block(block) == []
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert [problem.code for problem in check_trainer_block(block)] == ["E031"]
    assert check_trainer_block({**block, "gradient_accumulation_steps": 2}) == []


def test_trl_gets_the_options_by_its_own_names(load):
    config = load(overrides=["seed=3", "trainer.use_cpu=true", "trainer.bf16=false"])
    arguments = grpo_config(config, report_to="none", learning_rate=1.0, max_steps=2)
    assert arguments.output_dir == "runs/dan-nob"
    assert arguments.seed == 3
    assert arguments.learning_rate == 1e-4
    assert arguments.max_steps == 2


def test_what_trl_refuses_when_values_meet_is_an_error_of_the_file(load):
    options = ["generation_batch_size=8", "steps_per_generation=1", "use_cpu=true", "bf16=false"]
    config = load(overrides=[f"trainer.{option}" for option in options])
    with pytest.raises(UserError, match=r"error\[E037\] trainer: TRL's GRPOConfig refuses"):
        grpo_config(config)


def test_a_run_directory_must_be_empty(tmp_path):
    check_run_directory(tmp_path / "new")
    check_run_directory(tmp_path)
    (tmp_path / "log").touch()
    for taken in (tmp_path, tmp_path / "log"):
        with pytest.raises(UserError) as caught:
            check_run_directory(taken)
        assert str(caught.value) == (
            f"error[E030] run '{taken}': exists and is not an empty directory. "
            f"fix: give another one: run={taken}-2"
        )


def test_the_schema_offers_the_architectures_that_can_be_trained():
    from typing import get_args

    from rewardlab.config import schema
    from rewardlab.trainers import from_scratch

    assert get_args(schema.Architecture) == get_args(from_scratch.Architecture)


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab:-[]{}. \n1e'\"=#"), max_size=30))
def test_arbitrary_overrides_raise_nothing_but_a_user_error(argument):
    from rewardlab.config.overrides import with_overrides
    from rewardlab.config.strict_yaml import load

    document = load(RL, "rl.yaml")
    try:
        with_overrides(document, [argument, "data." + argument, "rewards.0." + argument])
    except UserError as error:
        assert error.exit_code == 2  # noqa: PT017
