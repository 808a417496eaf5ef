"""What can be checked before a GPU is spent, everything that is wrong told at once.

Small functions over plain values, one file for each thing that is looked at; `preflight_sft`,
`preflight_rl` and `preflight_decoding` put them together for the commands.
"""

from rewardlab.preflight.decoding import preflight_decoding
from rewardlab.preflight.findings import Findings
from rewardlab.preflight.rewards import build_each, check_rewards, score_one_row
from rewardlab.preflight.telling import tell
from rewardlab.preflight.training import preflight_rl, preflight_sft

__all__ = [
    "Findings",
    "build_each",
    "check_rewards",
    "preflight_decoding",
    "preflight_rl",
    "preflight_sft",
    "score_one_row",
    "tell",
]
