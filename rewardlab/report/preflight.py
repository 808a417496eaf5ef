"""What a preflight found, as tables on a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from rewardlab.preflight.default_gates import gate_line
from rewardlab.preflight.preflight import CONSTANT, Preflight
from rewardlab.preflight.safety import ALL, OWN, Exposure, Safety
from rewardlab.preflight.shares import Share
from rewardlab.report.terminal import printable

STYLE = {"safe": "green", "hole": "yellow", "open": "red", "unknown": "dim"}
REWARDS_PER_TABLE = 6
LEGEND = (
    "fooled: the attacked text scores at or above the honest one; before → with all default gates",
    "hole: a default gate closes it; open: none does; unknown: too few sources to say",
)


def agreement_table(found: Preflight) -> Table | None:
    """How far rewards agree with people within sources; None where one text stands per source."""
    if not found.discrimination:
        return None
    table = Table(
        title="within the translations of one source",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for heading in ("reward", "acc_eq", "ε", "r", "τ", "right", "95%", "tied", "constant", "95%"):
        left = heading == "reward"
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for name in {**found.discrimination, **found.agreement}:
        agrees, tells = found.agreement.get(name), found.discrimination.get(name)
        numbers = (
            ["", "", "", ""]
            if agrees is None
            else [
                _number(agrees.acc_eq),
                "" if math.isnan(agrees.epsilon) else f"{agrees.epsilon:.3g}",
                _number(agrees.pearson),
                _number(agrees.kendall),
            ]
        )
        shares = (
            ["", "", "", "", ""]
            if tells is None
            else [
                _percent(tells.right.value),
                _interval(tells.right),
                _percent(tells.tied.value),
                _percent(tells.constant.value),
                _interval(tells.constant),
            ]
        )
        table.add_row(
            Text(printable(name), style="dim" if name == CONSTANT else ""), *numbers, *shares
        )
    return table


def exposure_tables(safety: Safety) -> Iterator[Table]:
    """Probe by reward: how often it is fooled, before and with all default gates."""
    names = [*safety.honest]
    for start in range(0, len(names), REWARDS_PER_TABLE):
        some = names[start : start + REWARDS_PER_TABLE]
        table = Table(title="fooled, %", title_justify="left", box=None, pad_edge=False)
        table.add_column("probe", no_wrap=True)
        table.add_column("cases", justify="right")
        for name in some:
            table.add_column(printable(name), justify="right", no_wrap=True)
        for one in safety.attacked:
            cells = [_exposure(one.exposures[name]) for name in some]
            table.add_row(one.probe.name, f"{one.cases:,}", *cells)
        yield table


def gate_table(safety: Safety) -> Table:
    """Probe by gate: how much of an attack it lets through, and its price on honest texts."""
    table = Table(
        title="let through by the default gates, %", title_justify="left", box=None, pad_edge=False
    )
    names = [gate.reward.name for gate in safety.gates]
    for heading in ("probe", *names, "all"):
        left = heading == "probe"
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for one in safety.attacked:
        cells = [
            Text(
                f"{one.passed[name].value:.1%}".rstrip("%") if one.cases else "",
                style="bold" if name in one.probe.guards else "",
            )
            for name in (*names, ALL)
        ]
        table.add_row(one.probe.name, *cells)
    prices = [f"{safety.closed[name].value:.2%}".rstrip("%") for name in (*names, ALL)]
    table.add_row("closes on honest", *prices, style="italic")
    return table


def verdicts(safety: Safety) -> Table:
    """What every reward is safe from, which gates close its holes, and which holes stay open."""
    table = Table(title="verdict", title_justify="left", box=None, pad_edge=False)
    for heading in ("reward", "safe from", "hole, and the gate that closes it", "open hole"):
        table.add_column(heading, overflow="fold")
    for name in safety.honest:
        found = {one.probe.name: one.exposures[name] for one in safety.attacked}
        safe = [probe for probe, exposure in found.items() if exposure.judgement == "safe"]
        unknown = [f"({probe}?)" for probe, one in found.items() if one.judgement == "unknown"]
        holes = [
            f"{probe} ({_closing(exposure)})"
            for probe, exposure in found.items()
            if exposure.judgement == "hole"
        ]
        open_ = [
            f"{probe} {exposure.gated.value:.1%}"
            for probe, exposure in found.items()
            if exposure.judgement == "open"
        ]
        table.add_row(
            printable(name),
            Text(", ".join([*safe, *unknown]), style=STYLE["safe"]),
            Text(", ".join(holes), style=STYLE["hole"]),
            Text(", ".join(open_), style=STYLE["open"]),
        )
    return table


def advice(safety: Safety) -> Iterator[str]:
    """What a reward did not score, and the lines of YAML that close the holes, if there are any."""
    for name in safety.honest:
        found = [one.exposures[name] for one in safety.attacked]
        if unscored := sum(exposure.unscored for exposure in found):
            tried = unscored + sum(exposure.cases for exposure in found)
            what = "where the attacked or the honest text has no score"
            yield f"{printable(name)}: left out {unscored:,} of {tried:,} attacks, {what}"
    wanted = dict.fromkeys(
        name
        for one in safety.attacked
        for exposure in one.exposures.values()
        if exposure.judgement == "hole"
        for name in (exposure.closed_by if exposure.together else exposure.closed_by[:1])
    )
    lines = [gate_line(gate) for gate in safety.gates if gate.reward.name in wanted]
    if lines:
        yield "gates that close the holes:"
        yield "gates:"
        yield from (f"  {line}" for line in lines)
    if OWN in safety.closed:
        price = safety.closed[OWN]
        yield f"its own gates close on {price.value:.2%} of honest texts ({_interval(price)} %)"


def _closing(exposure: Exposure) -> str:
    return " + ".join(exposure.closed_by) if exposure.together else exposure.closed_by[0]


def _exposure(found: Exposure) -> Text:
    if not found.cases:
        return Text("")
    before = found.own or found.bare
    return Text(
        f"{100 * before.value:.1f} → {100 * found.gated.value:.1f}", style=STYLE[found.judgement]
    )


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.1%}"


def _interval(found: Share) -> str:
    return "" if math.isnan(found.low) else f"{100 * found.low:.1f} … {100 * found.high:.1f}"
