import pytest
from config_files import COMMANDS, RL
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.config import RLConfig, parse, to_yaml
from rewardlab.config.checks import build_gates, build_terms
from rewardlab.config.rl import check_rl_options, rl_options
from rewardlab.config.strict_yaml import load as load_yaml
from rewardlab.errors import UserError

RESERVED = ("reward", "weight", "token_weight", "applies", "cache", "options")


@pytest.fixture
def command():
    return COMMANDS["rl"]


def test_terms_and_gates_are_built_from_names_and_options(load):
    config = load(overrides=["rewards.1={reward: no_repetition, n: 3, token_weight: 0.5}"])
    assert config.advantage.omission == "ignore"
    terms = build_terms(config.rewards)
    assert [term.reward.name for term in terms] == ["chrf", "no_repetition"]
    assert [(term.weight, term.token_weight) for term in terms] == [(2.0, 0.0), (1.0, 0.5)]
    assert config.rewards[1].options == {"n": 3}
    gates = build_gates(config.gates)
    assert [(gate.reward.name, gate.below) for gate in gates] == [("not_empty", 0.5)]


@settings(deadline=None)
@given(
    weight=st.floats(allow_nan=False, allow_infinity=False),
    options=st.dictionaries(
        st.text(min_size=1).filter(lambda key: key not in RESERVED),
        st.booleans() | st.integers(-9, 9) | st.sampled_from(["no", "1e-5", "~", "a: b"]),
    ),
)
def test_any_reward_reads_back_equal(weight, options):
    data = {"source": "s", "source_lang": "no", "target_lang": "da"}
    values = {"run": "r", "data": data, "prompt": "lmt", "policy": {"path": "p"}}
    entry = {"reward": "chrf", "weight": weight, **options}
    gates = [{"reward": "not_empty", "below": weight, **options}]
    config = RLConfig.model_validate({**values, "rewards": [entry], "gates": gates})
    again, problems = parse(RLConfig, load_yaml(to_yaml(config), "out.yaml"))
    assert (again, problems) == (config, [])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "weight: 2.0",
            "weight: 1_000",
            (
                "error[E025] run.yaml:16:5 rewards.0.weight: the text '1_000' is not a number. "
                "fix: weight: 1000"
            ),
        ),
        (
            "preset: gdpo",
            "preset: gdp",
            "error[E026] run.yaml:20:13 advantage.preset: 'gdp' is not a preset. fix: preset: gdpo",
        ),
        (
            "preset: gdpo",
            "preset: grpo",
            (
                "error[E026] run.yaml:20:13 advantage.preset: 'grpo' is not a preset. fix: one of "
                "gdpo, translategemma, sum_then_normalize, dr_grpo, rloo; sum_then_normalize is "
                "GRPO's"
            ),
        ),
        (
            "weight: 2.0",
            "weight: -1",
            (
                "error[E026] run.yaml:16:5 rewards.0.weight: the number -1.0 is out of range: it "
                "would reward what is worse. fix: write a weight of at least 0; 0 only measures"
            ),
        ),
        (
            "weight: 2.0",
            "token_weight: 0.5",
            (
                "error[E105] run.yaml:16:5 rewards.0.token_weight: chrf marks no error spans, so a "
                "token_weight would have no effect. fix: remove token_weight, or take a reward "
                "with spans, such as lexical_spans or automqm"
            ),
        ),
        (
            "below: 0.5",
            "below: 50",
            (
                "error[E106] run.yaml:19:25 gates.0.below: the gate closes on every row: scores of "
                "not_empty are 0 to 1, and below is 50. "
                "fix: write a threshold above 0 and at most 1"
            ),
        ),
        (
            "reward: chrf",
            "reward: bleurt",
            (
                "error[E101] run.yaml:15:5 rewards.0: unknown reward 'bleurt'. "
                "fix: rewardlab rewards lists all"
            ),
        ),
        (
            "  path: start",
            "  path: start\n  from_scratch: {layers: 2}",
            (
                "error[E023] run.yaml:10:3 policy.from_scratch: unknown key. policy has none like "
                "it. fix: remove it, or write one of path, lora"
            ),
        ),
        (
            'reward: "no_repetition:n=4"',
            'reward: "no_repetition:n=4", n: 3',
            (
                "error[E029] run.yaml:17:5 rewards.1: options stand both in 'no_repetition:n=4' "
                "and beside it: n. fix: write all of them as keys"
            ),
        ),
        (
            "num_generations: 4",
            "num_generations: 5\n  per_device_train_batch_size: 12",
            (
                "error[E031] run.yaml:14:3 trainer.per_device_train_batch_size: 12 rows is not a "
                "multiple of num_generations=5; rows must be prompt-major. "
                "fix: per_device_train_batch_size: 15"
            ),
        ),
        (
            "num_generations: 4",
            "num_generations: 5\n  generation_batch_size: 24",
            (
                "error[E031] run.yaml:14:3 trainer.generation_batch_size: 24 rows is not a "
                "multiple of num_generations=5; rows must be prompt-major. "
                "fix: generation_batch_size: 25"
            ),
        ),
        (
            "  reference: ref.txt\n",
            "",
            (
                "error[E032] run.yaml:14:5 rewards.0: chrf reads references, and data has none. "
                "fix: add reference: to the data, or remove the reward"
            ),
        ),
        (
            "learning_rate: 1e-4",
            "reward_weights: [1.0]",
            (
                "error[E034] run.yaml:11:3 trainer.reward_weights: reward_weights is decided by "
                "the advantage and the ensemble's weights; remove it. fix: remove reward_weights"
            ),
        ),
        (
            "num_generations: 4",
            "num_generations: 1",
            (
                "error[E035] run.yaml:13:3 trainer.num_generations: num_generations=1: a group "
                "baseline needs at least 2 completions. fix: num_generations: 8"
            ),
        ),
        (
            '{reward: "no_repetition:n=4", weight: 0.0}',
            "{reward: chrf}",
            (
                "error[E036] run.yaml:17:5 rewards.1: chrf is listed twice, first as rewards.0. "
                "fix: remove one, or give it a name of its own, name: chrf_2"
            ),
        ),
        (
            "weight: 2.0",
            "weight: 0",
            (
                "error[E038] run.yaml:14:1 rewards: every weight and token_weight is 0, so there "
                "is nothing to learn. fix: give one a weight"
            ),
        ),
        (
            "reward: chrf",
            "reward: chrff",
            (
                "error[E101] run.yaml:15:5 rewards.0: unknown reward 'chrff'. "
                "fix: chrf (rewardlab rewards lists all)"
            ),
        ),
        (
            "weight: 2.0",
            "char_ordr: 2",
            "error[E102] run.yaml:16:5 rewards.0.char_ordr: no such option. fix: char_order: 2",
        ),
        (
            "weight: 2.0",
            "wieght: 2.0",
            "error[E102] run.yaml:16:5 rewards.0.wieght: no such option. fix: weight: 2.0",
        ),
        (
            "weight: 2.0",
            "char_order: many",
            (
                "error[E103] run.yaml:16:5 rewards.0.char_order: 'many' is not an integer. "
                "fix: char_order: 6"
            ),
        ),
        (
            "no_repetition:n=4",
            "no_repetition:4",
            (
                "error[E104] run.yaml:17:5 rewards.1: 'no_repetition:4': '4' is not a new "
                "option=value. fix: no_repetition:n=4"
            ),
        ),
    ],
)
def test_what_is_refused_says_where_and_how_to_fix_it(refused, old, new, message):
    assert RL.count(old) == 1
    assert refused(RL.replace(old, new)) == [message]


def test_a_position_that_a_list_lacks_is_named(refused):
    assert refused(overrides=["rewards.7.weight=1"]) == [
        (
            "error[E022] argument rewards.7.weight=1: rewards is a list of 2; '7' is not a "
            "position in it. fix: check the key"
        )
    ]


def test_groups_are_counted_over_all_ranks(monkeypatch):
    block = {"num_generations": 8, "per_device_train_batch_size": 4}
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert check_rl_options(block) == []
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert [problem.code for problem in check_rl_options(block)] == ["E031"]
    assert check_rl_options({**block, "gradient_accumulation_steps": 2}) == []


def test_trl_gets_the_options_by_its_own_names(load):
    config = load(overrides=["seed=3", "trainer.use_cpu=true", "trainer.bf16=false"])
    arguments = rl_options(config, report_to="none", learning_rate=1.0, max_completion_length=7)
    assert arguments.output_dir == "runs/dan-nob"
    assert arguments.seed == 3
    assert arguments.learning_rate == 1e-4
    assert arguments.max_completion_length == 7


def test_what_trl_refuses_when_values_meet_is_an_error_of_the_file(load):
    options = ["generation_batch_size=8", "steps_per_generation=1", "use_cpu=true", "bf16=false"]
    config = load(overrides=[f"trainer.{option}" for option in options])
    with pytest.raises(
        UserError, match=r"error\[E037\] the configuration trainer: TRL's GRPOConfig refuses"
    ):
        rl_options(config)
