"""Default gates, which close holes of lexical and learned rewards, with measured thresholds.

A new default gate is a line in `DEFAULT_GATES`; each probe names the gates that guard against it.
"""

from __future__ import annotations

import dataclasses

from rewardlab.rewards import (
    LengthRatio,
    NoRepetition,
    NotCopied,
    NotCutOff,
    NotEmpty,
    NumbersAgree,
    TargetScript,
)
from rewardlab.types import Gate

DEFAULT_GATES = (
    Gate(NotEmpty(), below=0.5),
    Gate(NotCopied(), below=0.5),
    Gate(TargetScript(), below=0.5),
    Gate(LengthRatio(), below=1.0),
    Gate(NotCutOff(), below=0.5),
    Gate(NoRepetition(n=8), below=0.99),
    Gate(NumbersAgree(), below=0.99),
)
"""Thresholds were chosen on the en-de TED set: each gate lets through at most 2% of the probe that
it guards against, and closes on as few honest texts as possible. See docs/preflight.md for the
figures."""


def gate_line(gate: Gate) -> str:
    """A gate as a line of YAML under ``gates:``.

    >>> gate_line(Gate(NoRepetition(n=8), below=0.99))
    '- {reward: no_repetition, n: 8, below: 0.99}'
    """
    reward = gate.reward
    registered = getattr(type(reward), "name", "") or reward.name
    fields = dataclasses.fields(reward) if dataclasses.is_dataclass(reward) else ()
    options = [
        f"{field.name}: {getattr(reward, field.name)}"
        for field in fields
        if getattr(reward, field.name) != field.default
    ]
    return f"- {{{', '.join([f'reward: {registered}', *options, f'below: {gate.below:g}'])}}}"
