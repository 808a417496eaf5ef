"""Two runs as their users write them: what they have in common stands on the same lines."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rewardlab.config import RLConfig, SFTRunConfig, load_rl_config, load_sft_config

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


COMMANDS = {
    "sft": Command(load_sft_config, SFTRunConfig, SFT, "SFTConfig"),
    "rl": Command(load_rl_config, RLConfig, RL, "GRPOConfig"),
}
