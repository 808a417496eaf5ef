"""From rewards and error spans to token-level advantages: one equation, one function.

Shapes: ``N`` rows of the *global* batch, prompt-major, in groups of ``num_generations``; ``n`` rows
of this process; ``R`` rewards; ``T`` completion tokens. Row statistics are taken over the gathered
``(N, R)`` matrix. Token statistics are taken over ``(n, T)`` tensors that never leave their
process; the only distributed operation is the argument ``sum_ranks``, which adds a small tensor
over all processes.

A preset (`gdpo`, `translategemma`, ...) is a complete published method, composed of equations.
Masked places are 0, and so is every token of a row that was not scored because a reward was
unavailable. A new preset is one function in ``presets.py`` and one entry in `PRESETS`.

The files, in the order of the work:

- ``gathered_rows.py``: scores as tensors; `settle` decides what each failed status costs a row, and
  which rows are left out of their group's baseline.
- ``sequence_level.py``: equations over rows, such as z-scores within a group.
- ``token_level.py``: equations over tokens, with those of `rewardlab.token_credit` (re-exported).
- ``arguments.py``: arguments that cannot work are told by name.
- ``presets.py``: the methods, and `combination`, which chooses one by name.
"""

from __future__ import annotations

from rewardlab.advantages.arguments import check_result
from rewardlab.advantages.gathered_rows import RewardRows, group_problems, reward_rows, settle
from rewardlab.advantages.presets import (
    PRESETS,
    advantage_problems,
    combination,
    combination_problems,
    dr_grpo,
    gdpo,
    rloo,
    sum_then_normalize,
    translategemma,
)
from rewardlab.advantages.sequence_level import (
    EPSILON,
    group_centre,
    group_zscore,
    leave_one_out,
    mean_minus_variance,
    weighted_rewards,
    weighted_sum,
    whiten_rows,
    worst_case,
)
from rewardlab.advantages.token_level import SIGMA_FLOOR, TokenOptions, token_credit
from rewardlab.token_credit import (
    CREDIT,
    OMISSION,
    centre_tokens,
    credited_tokens,
    divided_credit,
    identity,
    omission_ignored,
    omission_on_last_token,
    omission_on_sequence,
    span_credit,
    to_go_credit,
    whiten_tokens,
)

__all__ = [
    "CREDIT",
    "EPSILON",
    "OMISSION",
    "PRESETS",
    "SIGMA_FLOOR",
    "RewardRows",
    "TokenOptions",
    "advantage_problems",
    "centre_tokens",
    "check_result",
    "combination",
    "combination_problems",
    "credited_tokens",
    "divided_credit",
    "dr_grpo",
    "gdpo",
    "group_centre",
    "group_problems",
    "group_zscore",
    "identity",
    "leave_one_out",
    "mean_minus_variance",
    "omission_ignored",
    "omission_on_last_token",
    "omission_on_sequence",
    "reward_rows",
    "rloo",
    "settle",
    "span_credit",
    "sum_then_normalize",
    "to_go_credit",
    "token_credit",
    "translategemma",
    "weighted_rewards",
    "weighted_sum",
    "whiten_rows",
    "whiten_tokens",
    "worst_case",
]
