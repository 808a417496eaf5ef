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
"""The WMT weights, with a weight for ``critical``: annotators at WMT have no such severity, and
judges are told to use it only for translations that must not be used at all."""

JUDGE_TABLES: Mapping[str, SeverityTable] = MappingProxyType({"wmt": WMT_JUDGE, "xcomet": XCOMET})
"""By option value."""
