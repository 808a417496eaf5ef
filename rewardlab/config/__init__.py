"""Configuration: strict YAML -> schema -> checks against TRL, the rewards and the data."""

from rewardlab.config.schema import (
    DataConfig,
    FromScratchConfig,
    RLConfig,
    load_rl_config,
    parse,
    to_yaml,
)

__all__ = [
    "DataConfig",
    "FromScratchConfig",
    "RLConfig",
    "load_rl_config",
    "parse",
    "to_yaml",
]
