"""What an error costs when a judge found it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rewardlab.types import WMT_MQM, XCOMET, SeverityTable

WORST_ERROR = 25.0
"""The most that one translation's errors add up to, as in MQM and MetricX."""

WMT_JUDGE = SeverityTable(
    name="wmt-judge",
    weights=MappingProxyType({**WMT_MQM.weights, "critical": WORST_ERROR}),
    cap=WORST_ERROR,
)
"""The WMT weights, with a weight for ``critical``: annotators at WMT have no such severity, judges
are told to keep it for what must not be used at all."""

JUDGE_TABLES: Mapping[str, SeverityTable] = MappingProxyType({"wmt": WMT_JUDGE, "xcomet": XCOMET})
"""By the name of the option."""
