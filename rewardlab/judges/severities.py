"""Severity tables for the errors that judges find."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rewardlab.types import WMT_MQM, XCOMET, SeverityTable

WORST_ERROR = 25.0
"""The cap on the errors of one translation, as in MQM and MetricX."""

WMT_JUDGE = SeverityTable(
    name="wmt-judge",
    weights=MappingProxyType({**WMT_MQM.weights, "critical": WORST_ERROR}),
    cap=WORST_ERROR,
)
"""The WMT weights, with a weight for ``critical``: annotators at WMT do not use this severity;
judges are instructed to use it only for translations that must not be used at all."""

JUDGE_TABLES: Mapping[str, SeverityTable] = MappingProxyType({"wmt": WMT_JUDGE, "xcomet": XCOMET})
"""Option value -> severity table."""
