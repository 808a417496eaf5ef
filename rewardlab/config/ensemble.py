"""The ensemble of an RL configuration, read without the rest of the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import create_model

from rewardlab.config import strict_yaml
from rewardlab.config.checks import build_gates, build_terms, command_of, reward_problems
from rewardlab.config.load import load
from rewardlab.config.rl import RLConfig
from rewardlab.config.sections import EnsembleConfig
from rewardlab.config.translate import RerankConfig
from rewardlab.errors import Problem, UserError
from rewardlab.types import Gate, Term

_OTHER_KEYS: dict[str, Any] = {
    field.alias or name: (Any, None)
    for schema in (RLConfig, RerankConfig)
    for name, field in schema.model_fields.items()
    if name not in EnsembleConfig.model_fields
}
_OF_A_RUN = {"run", "stages", "systems", "policy", "model"}
_InARun = create_model("_InARun", __base__=EnsembleConfig, **_OTHER_KEYS)
"""The ensemble in a file with the other keys of a run, which may have any value."""


def load_ensemble(path: str | Path, overrides: Sequence[str] = ()) -> tuple[list[Term], list[Gate]]:
    """Read ``rewards`` and ``gates`` of a YAML file; the other keys of a run are ignored.

    Models are not loaded, and policy and data need not exist.

    Args:
        path: The configuration of an RL or rerank run, or a file with these two keys.
        overrides: Arguments ``key=value`` that replace single values.

    Raises:
        UserError: E001..E012 the YAML; E024 the file of a run without rewards;
            E020..E036, E101..E104 the two keys; E023 a key that no run
            has. Exit code 2.
    """
    keys = strict_yaml.read(path).value
    given = {word.partition("=")[0].partition(".")[0] for word in overrides}
    if isinstance(keys, dict) and "rewards" not in keys.keys() | given and keys.keys() & _OF_A_RUN:
        command = command_of(keys.keys())
        what = f"is a configuration of rewardlab {command}, which has no rewards"
        fix = "give the file of an rl run, or a file with rewards: [chrf]"
        if command == "train-reward":
            fix += "; a trained reward is used with --reward, such as metricx:model=RUN"
        raise UserError([Problem("E024", str(path), what, fix)])
    config = load(
        _InARun, path, overrides, check=lambda read, file: reward_problems(read, (), file)
    )
    return build_terms(config.rewards), build_gates(config.gates)
