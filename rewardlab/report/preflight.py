"""Tables of a preflight: agreement with people, holes by attack, gates, verdicts.

A new column of the table of agreement is a line in `AGREEMENT` or `DISCRIMINATION`; a new judgement
is a line in `STYLE` and in `VERDICT`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from rewardlab.metaeval.results import CONSTANT
from rewardlab.preflight.default_gates import gate_line
from rewardlab.preflight.discrimination import Discrimination
from rewardlab.preflight.on_samples import OnSamples
from rewardlab.preflight.preflight import Agreement, Preflight
from rewardlab.preflight.safety import (
    ALL,
    FEWEST_SOURCES,
    LIMIT,
    OWN,
    Exposure,
    Judgement,
    Safety,
)
from rewardlab.report.table import Cell, Column, Page, Table, filled, table_of
from rewardlab.report.terminal import ends, number
from rewardlab.statistics import Estimate

STYLE: dict[Judgement, str] = {"safe": "green", "hole": "yellow", "open": "red", "unknown": "dim"}
VERDICT: dict[Judgement, str] = {
    "safe": "safe from",
    "hole": "hole (and its gate)",
    "open": "open hole",
    "unknown": "undecided",
}
LEGEND = (
    "fooled: the attacked text scores at or above the honest one; before → with all default gates",
    f"safe: fooled in at most {LIMIT:.0%} of the cases",
    f"hole: fooled more often, and a default gate lowers the share to at most {LIMIT:.0%}",
    "open hole: no default gate does; the share is with all of them",
    f"undecided: too few sources to say, fewer than {FEWEST_SOURCES}",
)
MOSTLY = 0.5
LANGUAGES = "; are the languages right?"
"""Asked about a gate that closes on more than `MOSTLY` of the honest texts."""
AGREEMENT: tuple[tuple[Column, Callable[[Agreement], str]], ...] = (
    (Column("acc_eq", part="agreement"), lambda one: number(one.acc_eq)),
    (Column("ε", part="agreement"), lambda one: number(one.epsilon, ".3g")),
    (Column("r", part="agreement"), lambda one: number(one.pearson)),
    (Column("τ", part="agreement"), lambda one: number(one.kendall)),
)
DISCRIMINATION: tuple[tuple[Column, Callable[[Discrimination], str]], ...] = (
    (Column("right", part="pairs"), lambda one: number(one.right.value, ".1%")),
    (Column("95%", part="pairs"), lambda one: _ends(one.right)),
    (Column("tied", part="pairs"), lambda one: number(one.tied.value, ".1%")),
    (Column("constant", part="sources"), lambda one: number(one.constant.value, ".1%")),
    (Column("95%", part="sources"), lambda one: _ends(one.constant)),
)


SAMPLES: tuple[tuple[Column, Callable[[OnSamples], str]], ...] = (
    (Column("within"), lambda one: number(one.within, ".1%")),
    (Column("repeatable"), lambda one: number(one.repeatable, ".1%")),
    (Column("right"), lambda one: number(one.pairs.right.value, ".1%")),
    (Column("95%"), lambda one: _ends(one.pairs.right)),
    (Column("tied"), lambda one: number(one.pairs.tied.value, ".1%")),
    (Column("constant"), lambda one: number(one.pairs.constant.value, ".1%")),
    (Column("best"), lambda one: number(one.best.value, "+.2f")),
    (Column("95%"), lambda one: ends(one.best, "+.2f")),
    (Column("of chrf's"), lambda one: number(one.share, ".0%")),
)
SAMPLES_LEGEND = (
    "each reward alone, behind the gates of an ensemble; weights are not used",
    "within: share of the reward's variance that lies between samples of a source",
    "repeatable: correlation of two answers about these differences",
    "right, tied: share of pairs of samples that are ordered as by chrF, or scored the same",
    "constant: share of sources whose samples all score the same",
    "best: mean chrF of the samples with the highest score, minus that of all samples",
)


def samples_page(result: Mapping[str, OnSamples]) -> Page:
    """The table of a preflight on samples, with its legend."""
    columns = [Column("reward", "name"), *(column for column, _ in SAMPLES)]
    rows = [[name, *(cell(one) for _, cell in SAMPLES)] for name, one in result.items()]
    table = table_of(columns, rows, title="between the samples of one source, against chrF")
    return Page("Preflight on samples", (table,), SAMPLES_LEGEND)


def preflight_page(result: Preflight) -> Page:
    """All tables, their legend, notes, and the gates that close the holes as YAML."""
    safety = result.safety
    tables = (
        agreement_table(result),
        exposure_table(safety),
        gate_table(safety),
        verdicts(safety),
    )
    shown = tuple(table for table in tables if table is not None)
    signature = tuple(safety.signature.splitlines())
    notes = (*LEGEND, *advice(safety))
    return Page("Preflight", shown, notes, tuple(recommended(safety)), signature)


def agreement_table(result: Preflight) -> Table | None:
    """Agreement of rewards with people within sources; None with one translation per source."""
    if not result.discrimination:
        return None
    measured = [column for column, _ in (*AGREEMENT, *DISCRIMINATION)]
    rows: list[list[Cell | str]] = []
    names = {**result.discrimination, **result.agreement}
    for name in names if result.agreement else [one for one in names if one != CONSTANT]:
        agreement, within = result.agreement.get(name), result.discrimination.get(name)
        rows.append(
            [
                Cell(name, "dim" if name == CONSTANT else ""),
                *("" if agreement is None else cell(agreement) for _, cell in AGREEMENT),
                *("" if within is None else cell(within) for _, cell in DISCRIMINATION),
            ]
        )
    columns = [Column("reward", "name"), *measured]
    return filled(table_of(columns, rows, title="within the translations of one source"))


def exposure_table(safety: Safety) -> Table:
    """Attack by reward: how often the reward is fooled, without and with all default gates."""
    columns = [Column("attack", "name"), Column("cases"), *map(Column, safety.honest)]
    rows = [
        [one.probe.name, f"{one.cases:,}", *(_exposure(one.exposures[r]) for r in safety.honest)]
        for one in safety.attacked
    ]
    return table_of(columns, rows, title="fooled, %", keys=2)


def gate_table(safety: Safety) -> Table:
    """Attack by gate: share of attacks that it lets through, and its price on honest texts."""
    names = [*(gate.reward.name for gate in safety.gates), ALL]
    rows = [
        [
            one.probe.name,
            *(
                Cell(
                    f"{100 * one.passed[name].value:.1f}" if one.cases else "",
                    "bold" if name in one.probe.guards else "",
                )
                for name in names
            ),
        ]
        for one in safety.attacked
    ]
    prices = [Cell(f"{100 * safety.closed[name].value:.2f}", "italic") for name in names]
    rows.append([Cell("closes on honest", "italic"), *prices])
    columns = [Column("attack", "name"), *map(Column, names)]
    return table_of(columns, rows, title="let through by the default gates, %")


def verdicts(safety: Safety) -> Table:
    """Per reward: attacks it is safe from, holes with their gates, open holes, undecided ones."""
    rows: list[list[Cell | str]] = []
    for name in safety.honest:
        attacks: dict[Judgement, list[str]] = {}
        for one in safety.attacked:
            exposure = one.exposures[name]
            attacks.setdefault(exposure.judgement, []).append(_verdict(one.probe.name, exposure))
        label = name
        for judgement, words in VERDICT.items():
            if judgement in attacks:
                cells = (Cell(words, STYLE[judgement]), ", ".join(attacks[judgement]))
                rows.append([label, *cells])
                label = ""
    columns = (Column("reward", "name"), Column("verdict", "name"), Column("attacks", "prose"))
    return table_of(columns, rows, title="verdict", keys=2)


def _verdict(attack: str, exposure: Exposure) -> str:
    if exposure.judgement == "hole":
        return f"{attack} ({' + '.join(_closing(exposure))})"
    if exposure.judgement == "open":
        return f"{attack} {exposure.with_all_gates.value:.1%}"
    return attack


def _closing(exposure: Exposure) -> tuple[str, ...]:
    """Gates recommended for a hole: the first one that closes it alone, or all together."""
    return exposure.closed_by if exposure.together else exposure.closed_by[:1]


def advice(safety: Safety) -> Iterator[str]:
    """Notes on unscored texts, on gates that honest texts fail, and on the ensemble's own gates."""
    for name in safety.honest:
        exposures = [one.exposures[name] for one in safety.attacked]
        if unscored := sum(exposure.unscored for exposure in exposures):
            tried = unscored + sum(exposure.cases for exposure in exposures)
            what = "where the attacked or the honest text has no score"
            yield f"{name}: left out {unscored:,} of {tried:,} attacks, {what}"
    for name, price in safety.dear.items():
        what = f"{name} closes on {price:.1%} of the honest texts: not recommended, and not counted"
        yield what + (LANGUAGES if price > MOSTLY else "")
    if OWN in safety.closed:
        price = safety.closed[OWN]
        what = f"its own gates close on {price.value:.2%} of honest texts ({_ends(price)} %)"
        yield what + (LANGUAGES if price.value > MOSTLY else "")


def recommended(safety: Safety) -> Iterator[str]:
    """Lines of YAML with the gates that close the holes, if there are any."""
    wanted = {
        name
        for one in safety.attacked
        for exposure in one.exposures.values()
        if exposure.judgement == "hole"
        for name in _closing(exposure)
    }
    lines = [gate_line(gate) for gate in safety.gates if gate.reward.name in wanted]
    if lines:
        yield "# gates that close the holes"
        yield "gates:"
        yield from (f"  {line}" for line in lines)


def _exposure(exposure: Exposure) -> Cell:
    if not exposure.cases:
        return Cell("")
    before = exposure.with_own_gates or exposure.fooled
    shares = f"{100 * before.value:.1f} → {100 * exposure.with_all_gates.value:.1f}"
    return Cell(shares, STYLE[exposure.judgement])


def _ends(share: Estimate) -> str:
    return ends(share, ".1%").replace("%", "")
