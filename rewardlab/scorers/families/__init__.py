"""Families of scorers that ``train-reward`` trains from human judgements.

A new family is one file with a frozen dataclass derived from `protocol.Family`, and one line here;
another package adds one by an entry point of the group ``rewardlab.scorer_families``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rewardlab.registry import Registry

if TYPE_CHECKING:
    from rewardlab.scorers.families.protocol import Family

FAMILIES: Registry[type[Family]] = Registry(
    "rewardlab.scorer_families",
    {
        "metricx": "rewardlab.scorers.families.metricx:MetricXFamily",
        "automqm": "rewardlab.scorers.families.automqm:AutoMQMFamily",
        "xcomet": "rewardlab.scorers.families.xcomet:XCometFamily",
        "generalist": "rewardlab.scorers.families.generalist:GeneralistFamily",
    },
)
"""Families by the name of the reward that is trained; importing a family imports torch."""
