"""Configuration: strict YAML -> schema -> checks against TRL, the rewards and the data."""

from rewardlab.config.load import parse, to_yaml
from rewardlab.config.rl import RLConfig
from rewardlab.config.rows import read_data, select_rows
from rewardlab.config.sections import DataConfig
from rewardlab.config.sft import SFTRunConfig

__all__ = [
    "DataConfig",
    "RLConfig",
    "SFTRunConfig",
    "parse",
    "read_data",
    "select_rows",
    "to_yaml",
]
