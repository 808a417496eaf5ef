from typing import get_args

import pytest
from config_files import COMMANDS, SFT

from rewardlab.config import sft
from rewardlab.config.sft import sft_config
from rewardlab.errors import UserError
from rewardlab.trainers import from_scratch

SCRATCH = SFT.replace("  path: start", "  from_scratch: {layers: 2}")


@pytest.fixture
def command():
    return COMMANDS["sft"]


def test_a_policy_from_scratch_has_a_shape(load):
    config = load(SCRATCH)
    assert config.policy.path is None
    assert config.policy.from_scratch.model_dump() == {
        "architecture": "qwen3",
        "vocab_size": 2000,
        "hidden_size": 128,
        "layers": 2,
        "heads": 4,
    }
    assert (config.validation, config.patience) == (0.05, 2)


def test_the_schema_offers_the_architectures_that_can_be_trained():
    assert get_args(sft.Architecture) == get_args(from_scratch.Architecture)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "layers: 2",
            "layers: 2.0",
            (
                "error[E025] run.yaml:9:18 policy.from_scratch.layers: the number 2.0 is not an "
                "integer. fix: layers: 2"
            ),
        ),
        (
            "layers: 2",
            "layers: 0",
            (
                "error[E026] run.yaml:9:18 policy.from_scratch.layers: the integer 0 is out of "
                "range. fix: write a number of at least 1"
            ),
        ),
        (
            "layers: 2",
            "heads: 3",
            (
                "error[E026] run.yaml:9:3 policy.from_scratch.hidden_size: the integer 128 is out "
                "of range. fix: write a multiple of heads: 3"
            ),
        ),
        (
            "layers: 2",
            "architecture: qwen",
            (
                "error[E026] run.yaml:9:18 policy.from_scratch.architecture: 'qwen' is not a "
                "choice. fix: architecture: qwen3"
            ),
        ),
        (
            "patience: 2",
            "patience: 0",
            (
                "error[E026] run.yaml:13:1 patience: the integer 0 is out of range. "
                "fix: write a number of at least 1"
            ),
        ),
        (
            "patience: 2",
            "validation: 1.0",
            (
                "error[E026] run.yaml:13:1 validation: the number 1.0 is out of range. "
                "fix: write a share below 1.0"
            ),
        ),
        (
            "patience: 2",
            "validation: 0",
            (
                "error[E026] run.yaml:13:1 validation: the integer 0 is out of range. "
                "fix: write a number above 0"
            ),
        ),
        (
            "patience: 2",
            "patience: 2\nsynthetic: {copies: 0, word_for_word: 0, passes: 0}",
            (
                "error[E026] run.yaml:14:42 synthetic.passes: the integer 0 is out of range. "
                "fix: write at least 1 for one of copies, word_for_word and passes"
            ),
        ),
        (
            "  from_scratch: {layers: 2}",
            "  from_scratch: {layers: 2}\n  path: start",
            (
                "error[E027] run.yaml:8:1 policy: needs exactly one of path and from_scratch. "
                "fix: keep one, remove the other"
            ),
        ),
        (
            "  reference: ref.txt\n",
            "",
            (
                "error[E032] run.yaml:2:1 data: fine-tuning learns from references, and data has "
                "none. fix: add reference: to the data"
            ),
        ),
        (
            "max_steps: 40",
            "eval_strategy: epoch",
            (
                "error[E033] run.yaml:12:3 trainer.eval_strategy: 'epoch' cannot be set here. "
                "fix: a run is measured every eval_steps, and patience: decides what is kept; "
                "remove it"
            ),
        ),
        (
            "max_steps: 40",
            "completion_only_loss: false",
            (
                "error[E033] run.yaml:12:3 trainer.completion_only_loss: False cannot be set here. "
                "fix: the loss is on the answer only; remove it"
            ),
        ),
        (
            "  from_scratch: {layers: 2}",
            "  from_scratch: {layers: 2}\n  freeze_embeddings: true",
            (
                "error[E043] run.yaml:10:3 policy.freeze_embeddings: freeze_embeddings keeps "
                "weights as they are, and those of a policy from scratch are random. "
                "fix: remove it, or give path"
            ),
        ),
        (
            "  from_scratch: {layers: 2}",
            "  path: start\n  lora: {r: 4}\n  untie_embeddings: true",
            (
                "error[E043] run.yaml:11:3 policy.untie_embeddings: lora trains adapters only, so "
                "that an output head of its own would never learn. fix: remove one of the two"
            ),
        ),
        (
            "patience: 2",
            "chat: true",
            (
                "error[E044] run.yaml:13:1 chat: a policy from scratch has no chat template. "
                "fix: chat: false"
            ),
        ),
        (
            "max_steps: 40",
            "max_steps: 40\n  eval_steps: 50",
            (
                "error[E046] run.yaml:13:3 trainer.eval_steps: eval_steps=50 is above "
                "max_steps=40: nothing would ever be measured. fix: eval_steps: 4"
            ),
        ),
    ],
)
def test_what_is_refused_says_where_and_how_to_fix_it(refused, old, new, message):
    assert SCRATCH.count(old) == 1
    assert refused(SCRATCH.replace(old, new)) == [message]


@pytest.mark.parametrize(
    ("steps", "options", "every"),
    [(40, {}, 4), (5, {}, 1), (-1, {}, 0.1), (40, {"eval_steps": 20}, 20)],
)
def test_a_run_is_measured_ten_times_unless_it_says(load, steps, options, every):
    config = load(overrides=["seed=3", "trainer.use_cpu=true", "trainer.bf16=false"])
    config = config.model_copy(update={"trainer": config.trainer | {"max_steps": steps} | options})
    arguments = sft_config(config, learning_rate=1.0, warmup_steps=7)
    assert arguments.eval_steps == every
    assert arguments.output_dir == "runs/dan-nob"
    assert arguments.seed == 3
    assert arguments.learning_rate == 1e-4
    assert arguments.warmup_steps == 7
    assert arguments.load_best_model_at_end
    assert arguments.completion_only_loss


@pytest.mark.parametrize(("options", "epochs"), [({}, 1), ({"num_train_epochs": 2}, 2)])
def test_synthetic_rows_are_learned_from_in_order_and_once(load, options, epochs):
    config = load(f"{SCRATCH}\nsynthetic: {{}}\n", ["trainer.use_cpu=true", "trainer.bf16=false"])
    config = config.model_copy(update={"trainer": config.trainer | options})
    arguments = sft_config(config)
    assert (arguments.num_train_epochs, arguments.train_sampling_strategy) == (epochs, "sequential")


def test_what_trl_refuses_when_values_meet_is_an_error_of_the_file(load):
    config = load(overrides=["trainer.fp16=true", "trainer.bf16=true", "trainer.use_cpu=true"])
    with pytest.raises(
        UserError, match=r"error\[E037\] the configuration trainer: TRL's SFTConfig refuses"
    ):
        sft_config(config)
