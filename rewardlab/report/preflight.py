"""Tables of a preflight on a terminal: agreement with people, holes by probe, gates, verdicts.

A new column of the table of agreement is a line in `AGREEMENT` or `DISCRIMINATION`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.table import Table
from rich.text import Text

from rewardlab.metaeval.results import CONSTANT
from rewardlab.preflight.default_gates import gate_line
from rewardlab.preflight.discrimination import Discrimination
from rewardlab.preflight.preflight import Agreement, Preflight
from rewardlab.preflight.safety import ALL, OWN, Exposure, Judgement, Safety
from rewardlab.report.terminal import ends, new_table, number, printable
from rewardlab.statistics import Estimate

STYLE: dict[Judgement, str] = {"safe": "green", "hole": "yellow", "open": "red", "unknown": "dim"}
REWARDS_PER_TABLE = 6
LEGEND = (
    "fooled: the attacked text scores at or above the honest one; before → with all default gates",
    "hole: a default gate closes it; open: none does; unknown: too few sources to say",
)
AGREEMENT: tuple[tuple[str, Callable[[Agreement], str]], ...] = (
    ("acc_eq", lambda one: number(one.acc_eq)),
    ("ε", lambda one: number(one.epsilon, ".3g")),
    ("r", lambda one: number(one.pearson)),
    ("τ", lambda one: number(one.kendall)),
)
DISCRIMINATION: tuple[tuple[str, Callable[[Discrimination], str]], ...] = (
    ("right", lambda one: number(one.right.value, ".1%")),
    ("95%", lambda one: _ends(one.right)),
    ("tied", lambda one: number(one.tied.value, ".1%")),
    ("constant", lambda one: number(one.constant.value, ".1%")),
    ("95%", lambda one: _ends(one.constant)),
)


def agreement_table(result: Preflight) -> Table | None:
    """Agreement of rewards with people within sources; None with one translation per source."""
    if not result.discrimination:
        return None
    headings = ("reward", *(heading for heading, _ in (*AGREEMENT, *DISCRIMINATION)))
    table = new_table(headings, title="within the translations of one source")
    for name in {**result.discrimination, **result.agreement}:
        agreement, within = result.agreement.get(name), result.discrimination.get(name)
        table.add_row(
            Text(printable(name), style="dim" if name == CONSTANT else ""),
            *("" if agreement is None else cell(agreement) for _, cell in AGREEMENT),
            *("" if within is None else cell(within) for _, cell in DISCRIMINATION),
        )
    return table


def exposure_tables(safety: Safety) -> Iterator[Table]:
    """Probe by reward: how often the reward is fooled, without and with all default gates."""
    names = [*safety.honest]
    for start in range(0, len(names), REWARDS_PER_TABLE):
        some = names[start : start + REWARDS_PER_TABLE]
        table = new_table(("probe", "cases", *map(printable, some)), title="fooled, %")
        for one in safety.attacked:
            cells = [_exposure(one.exposures[name]) for name in some]
            table.add_row(one.probe.name, f"{one.cases:,}", *cells)
        yield table


def gate_table(safety: Safety) -> Table:
    """Probe by gate: share of attacks that the gate lets through, and its price on honest texts."""
    names = [gate.reward.name for gate in safety.gates]
    table = new_table(("probe", *names, "all"), title="let through by the default gates, %")
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
    """Per reward: probes it is safe from, holes with the gates that close them, open holes."""
    headings = ("reward", "safe from", "hole, and the gate that closes it", "open hole")
    table = new_table(headings, title="verdict", align="llll", wrap=4)
    for name in safety.honest:
        probes: dict[Judgement, list[str]] = {judgement: [] for judgement in STYLE}
        for one in safety.attacked:
            exposure = one.exposures[name]
            probes[exposure.judgement].append(_verdict(one.probe.name, exposure))
        safe = Text(", ".join([*probes["safe"], *probes["unknown"]]), style=STYLE["safe"])
        holes = (Text(", ".join(probes[key]), style=STYLE[key]) for key in ("hole", "open"))
        table.add_row(printable(name), safe, *holes)
    return table


def _verdict(probe: str, exposure: Exposure) -> str:
    if exposure.judgement == "hole":
        return f"{probe} ({' + '.join(_closing(exposure))})"
    if exposure.judgement == "open":
        return f"{probe} {exposure.with_all_gates.value:.1%}"
    return probe if exposure.judgement == "safe" else f"({probe}?)"


def _closing(exposure: Exposure) -> tuple[str, ...]:
    """Gates recommended for a hole: the first one that closes it alone, or all together."""
    return exposure.closed_by if exposure.together else exposure.closed_by[:1]


def advice(safety: Safety) -> Iterator[str]:
    """Notes on unscored texts, and the lines of YAML that close the holes, if there are any."""
    for name in safety.honest:
        exposures = [one.exposures[name] for one in safety.attacked]
        if unscored := sum(exposure.unscored for exposure in exposures):
            tried = unscored + sum(exposure.cases for exposure in exposures)
            what = "where the attacked or the honest text has no score"
            yield f"{printable(name)}: left out {unscored:,} of {tried:,} attacks, {what}"
    wanted = {
        name
        for one in safety.attacked
        for exposure in one.exposures.values()
        if exposure.judgement == "hole"
        for name in _closing(exposure)
    }
    lines = [gate_line(gate) for gate in safety.gates if gate.reward.name in wanted]
    if lines:
        yield "gates that close the holes:"
        yield "gates:"
        yield from (f"  {line}" for line in lines)
    if OWN in safety.closed:
        price = safety.closed[OWN]
        yield f"its own gates close on {price.value:.2%} of honest texts ({_ends(price)} %)"


def _exposure(exposure: Exposure) -> Text:
    if not exposure.cases:
        return Text("")
    before = exposure.with_own_gates or exposure.fooled
    shares = f"{100 * before.value:.1f} → {100 * exposure.with_all_gates.value:.1f}"
    return Text(shares, style=STYLE[exposure.judgement])


def _ends(share: Estimate) -> str:
    return ends(share, ".1%").replace("%", "")
