"""The stages by name; another package adds one under ``rewardlab.curation_stages``."""

from rewardlab.curation.stage import Stage
from rewardlab.registry import Registry

STAGES: Registry[type[Stage]] = Registry(
    "rewardlab.curation_stages",
    {
        "best_of": "rewardlab.curation.stages.best_of:BestOf",
        "decontaminate": "rewardlab.curation.stages.decontaminate:Decontaminate",
        "gain": "rewardlab.curation.stages.gain:Gain",
        "gate": "rewardlab.curation.stages.gate:GateStage",
        "language": "rewardlab.curation.stages.language:Language",
        "length": "rewardlab.curation.stages.length:Length",
        "length_buckets": "rewardlab.curation.stages.length_buckets:LengthBuckets",
        "near_duplicates": "rewardlab.curation.stages.near_duplicates:NearDuplicates",
        "quota": "rewardlab.curation.stages.quota:Quota",
    },
)
