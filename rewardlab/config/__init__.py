"""Configuration: strict YAML -> schema -> checks against TRL, the rewards and the data."""

from rewardlab.config.load import parse, to_yaml
from rewardlab.config.rl import RLConfig, load_rl_config
from rewardlab.config.rows import read_data, select_rows
from rewardlab.config.sections import DataConfig
from rewardlab.config.sft import SFTRunConfig, load_sft_config

__all__ = [
    "DataConfig",
    "RLConfig",
    "SFTRunConfig",
    "load_rl_config",
    "load_sft_config",
    "parse",
    "read_data",
    "select_rows",
    "to_yaml",
]
