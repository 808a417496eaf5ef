"""Rewards, which score translations. A new reward is one file here and one export.

`rewardlab.rewards.registry` builds every exported reward from YAML or the command line, except two:
`FromFunction` wraps a function, which a configuration cannot name; `Cached` wraps another reward,
for which configurations use ``cache:``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rewardlab.rewards.cached import Cached
from rewardlab.rewards.comet import Comet, CometKiwi, XComet
from rewardlab.rewards.embedding import Embedding
from rewardlab.rewards.exact_match import ExactMatch
from rewardlab.rewards.fluency import Fluency
from rewardlab.rewards.generalist import Generalist
from rewardlab.rewards.guards import (
    LengthRatio,
    NoRepetition,
    NotCopied,
    NotEmpty,
    TargetScript,
)
from rewardlab.rewards.lexical import BLEU, TER, ChrF
from rewardlab.rewards.lexical_spans import LexicalSpans
from rewardlab.rewards.metricx import MetricX
from rewardlab.rewards.not_cut_off import NotCutOff
from rewardlab.rewards.numbers_agree import NumbersAgree
from rewardlab.rewards.numbers_kept import NumbersKept
from rewardlab.rewards.wrap import FromFunction

if TYPE_CHECKING:
    from rewardlab.rewards.automqm import AutoMQM
    from rewardlab.rewards.naturalness import Naturalness
    from rewardlab.rewards.remote import Remote
    from rewardlab.rewards.rubric import Rubric

__all__ = [
    "BLEU",
    "TER",
    "AutoMQM",
    "Cached",
    "ChrF",
    "Comet",
    "CometKiwi",
    "Embedding",
    "ExactMatch",
    "Fluency",
    "FromFunction",
    "Generalist",
    "LengthRatio",
    "LexicalSpans",
    "MetricX",
    "Naturalness",
    "NoRepetition",
    "NotCopied",
    "NotCutOff",
    "NotEmpty",
    "NumbersAgree",
    "NumbersKept",
    "Remote",
    "Rubric",
    "TargetScript",
    "XComet",
]

# Imported on first use, because pydantic takes as long to load as everything else together.
_LAZY = {
    "AutoMQM": "rewardlab.rewards.automqm",
    "Naturalness": "rewardlab.rewards.naturalness",
    "Remote": "rewardlab.rewards.remote",
    "Rubric": "rewardlab.rewards.rubric",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'rewardlab.rewards' has no attribute {name!r}")
