"""What can be checked before a GPU is spent, everything that is wrong told at once.

Small functions over plain values, one file for each thing that is looked at; `examine_sft`,
`examine_rl`, `examine_scorer` and `examine_decoding` put them together for the commands.
"""

from rewardlab.dry_run.decoding import examine_decoding
from rewardlab.dry_run.findings import Findings
from rewardlab.dry_run.rewards import build_each, check_rewards, score_one_row
from rewardlab.dry_run.scorer import examine_scorer, examine_stages
from rewardlab.dry_run.telling import tell
from rewardlab.dry_run.training import examine_rl, examine_sft

__all__ = [
    "Findings",
    "build_each",
    "check_rewards",
    "examine_decoding",
    "examine_rl",
    "examine_scorer",
    "examine_sft",
    "examine_stages",
    "score_one_row",
    "tell",
]
