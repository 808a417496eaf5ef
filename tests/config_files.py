"""Two runs as their users write them: what they have in common stands on the same lines."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from rewardlab.config import RLConfig, SFTRunConfig
from rewardlab.config.load import load
from rewardlab.config.rl import check_rl, check_rl_options
from rewardlab.config.sft import check_sft, check_sft_options

COMMON = """\
run: runs/dan-nob
data:
  source: src.txt
  reference: ref.txt
  source_lang: dan
  target_lang: no
prompt: lmt
policy:
  path: start
trainer:
  learning_rate: 1e-4
  max_steps: 40
"""
SFT = COMMON + "patience: 2\n"
RL = (
    COMMON
    + """\
  num_generations: 4
rewards:
  - reward: chrf
    weight: 2.0
  - {reward: "no_repetition:n=4", weight: 0.0}
gates:
  - {reward: not_empty, below: 0.5}
advantage: {preset: gdpo}
"""
)


class Command(NamedTuple):
    """The configuration of a training command: how it is read, an example, TRL's class."""

    load: Callable[..., Any]
    schema: type[Any]
    text: str
    trl: str


load_sft = partial(load, SFTRunConfig, check=check_sft, check_trainer=check_sft_options)
load_rl = partial(load, RLConfig, check=check_rl, check_trainer=check_rl_options)
COMMANDS = {
    "sft": Command(load_sft, SFTRunConfig, SFT, "SFTConfig"),
    "rl": Command(load_rl, RLConfig, RL, "GRPOConfig"),
}
