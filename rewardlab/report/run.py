"""What a training run did: curves of its metrics, held-out measures, samples with advantages.

`rewardlab show` reads a run directory into a `RunView`, and `rendered_run` writes it for a
terminal. A new curve is a pattern in `CURVES`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from rewardlab.errors import quantity
from rewardlab.report import terminal
from rewardlab.report.table import Cell, Column, Table, table_of
from rewardlab.spans import once_each
from rewardlab.store.run_reader import Sampled, Steps
from rewardlab.types import ErrorSpan, Status

CURVES = (
    "rewards/.+/mean",
    "rewards/.+/status/.+",
    "rewards/gated",
    "token_credit/.+/std",
    "frac_reward_zero_std",
    "completions/mean_length",
    "completions/clipped_ratio",
    "entropy",
    "kl",
    "loss",
    "eval_loss",
    "grad_norm",
)
"""Metrics with a curve, in this order, as regular expressions."""
HELDOUT = re.compile(r"heldout/(?P<own>.+)|eval_(?P<trl>loss|reward|rewards/.+/mean)")
"""Measures of held-out rows: those of the demonstration, and those of TRL's evaluation."""
VALIDATION = "validation loss"
ERRORS = frozenset({"loss", "ter", VALIDATION})
"""Measures that are better when they are lower."""
BLOCKS = 60
"""The most blocks of a curve."""
FEWEST_BLOCKS = 10
LONGEST_TEXT = 1200
"""Longer texts of samples are cut in the middle of a screen; their length is told."""
LONGEST_WORDS = 40
MOST_TOKENS = 200
NO_SAMPLES = Sampled(0, [])
HEADINGS = ("held-out rows", "first", "last")
SCORED = {status.value for status in Status if status.scored}


class Measure(NamedTuple):
    """A measure of held-out rows at two steps.

    Attributes:
        name: Name of the measure.
        before: The first step at which it was measured, and the value.
        after: The last such step, or the best one if the run keeps the best model.
    """

    name: str
    before: tuple[int, float]
    after: tuple[int, float]


@dataclass(frozen=True)
class RunView:
    """A run as a person sees it.

    Attributes:
        facts: Labels and texts: what the run is, and what became of it.
        curves: Logged steps by name of a stage; a run without stages has one, without a name.
        heldout: Measures of held-out rows, or of the rows that decide when training stops.
        headings: Over the names of these measures, over their first and their last values.
        sampled: Completions of the latest logged step.
        tables: Results of a finished run.
        notes: What a reader must know, one line each.
        go_on: What can be done next, and the command or setting for it; None if nothing is known.
    """

    facts: tuple[tuple[str, str], ...]
    curves: Mapping[str, Steps]
    heldout: tuple[Measure, ...] = ()
    sampled: Sampled = NO_SAMPLES
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    go_on: tuple[str, str] | None = None
    headings: tuple[str, str, str] = HEADINGS


def heldout_measures(steps: Steps, *, keeps_best: bool = False) -> tuple[Measure, ...]:
    """The measures of held-out rows that were logged.

    Args:
        steps: The steps of a run.
        keeps_best: Whether the run keeps the model with the lowest loss, not the last one.
    """
    found: list[Measure] = []
    for name in dict.fromkeys(name for row in steps.rows for name in row):
        matched = HELDOUT.fullmatch(name)
        if matched is not None and (points := steps.points(name)):
            short = matched["own"] or matched["trl"]
            best = min(points, key=lambda point: point[1])
            after = best if keeps_best and short == "loss" else points[-1]
            found.append(Measure(short, points[0], after))
    # The loss of a policy with rewards is the size of its last update, not its quality.
    of_rewards = any(one.name.startswith("rewards/") for one in found)
    return tuple(one for one in found if not (of_rewards and one.name == "loss"))


def curve_names(steps: Steps) -> list[str]:
    """Names of the logged metrics with a curve, in the order of `CURVES`."""
    logged = dict.fromkeys(name for row in steps.rows for name in row)
    return [
        name
        for pattern in CURVES
        for name in logged
        if re.fullmatch(pattern, name) and steps.points(name)
    ]


def chosen_samples(sampled: Sampled, count: int) -> list[dict[str, Any]]:
    """Completions to show: of different sources, those with the most error spans first.

    Args:
        sampled: The completions of a step.
        count: The most completions to choose.
    """
    order = sorted(sampled.rows, key=lambda row: -len(row.get("spans") or ()))
    by_source: dict[Any, dict[str, Any]] = {}
    for row in order:
        by_source.setdefault(row.get("source"), row)
    return [*by_source.values()][:count]


# ── on a terminal ───────────────────────────────────────────────────────────────────────────────


def rendered_run(view: RunView, width: int, *, samples: int = 5) -> Iterator[RenderableType]:
    """A run for a terminal: facts, held-out measures, curves, samples, notes.

    Args:
        view: The run.
        width: The width of the terminal.
        samples: The most completions to show.
    """
    yield terminal.labelled(view.facts)
    if view.go_on is not None:
        label, words = view.go_on
        whole = Text(terminal.printable(words), no_wrap=True, overflow="ignore")
        yield Group(Text(f"to {label}:", style="dim"), whole)  # wider than the terminal if need be
    if view.heldout:
        yield ""
        yield from terminal.rendered(heldout_table(view.heldout, view.headings), width)
    for name, steps in view.curves.items():
        if steps.rows and curve_names(steps):
            yield ""
            yield from terminal.rendered(curve_table(steps, width, title=name), width)
    for table in view.tables:
        yield ""
        yield from terminal.rendered(table, width)
    chosen = chosen_samples(view.sampled, samples)
    if chosen:
        step = f"samples of step {view.sampled.step:,}"
        yield ""
        yield Text(f"{step}: error spans underlined, then token advantages", style="italic")
    for row in chosen:
        yield ""
        yield terminal.labelled(sample_lines(row))
    if view.notes:
        yield ""
    yield from (Text(terminal.printable(note)) for note in view.notes)


def heldout_table(measures: Sequence[Measure], headings: tuple[str, str, str] = HEADINGS) -> Table:
    """The first and the last value of each measure, green where it became better.

    Args:
        measures: The measures.
        headings: Over their names, the first and the last values.
    """
    rows: list[list[Cell | str]] = []
    for measure in measures:
        (first, before), (last, after) = measure.before, measure.after
        lower = measure.name.rpartition("/")[2] in ERRORS
        better = (after < before) if lower else (after > before)
        style = "" if after == before else "green" if better else "red"
        changed = Cell(f"{after - before:+z.4g}", style)
        name = f"{measure.name} {'↓' if lower else '↑'}"
        steps = f"{first:,} → {last:,}"
        rows.append([name, f"{before:z.4g}", f"{after:z.4g}", changed, steps])
    rows_of, first, last = headings
    columns = [Column(rows_of, "name")]
    columns += [Column(heading) for heading in (first, last, "change", "steps")]
    return table_of(columns, rows)


def curve_table(steps: Steps, width: int, *, title: str = "") -> Table:
    """A curve of each metric, with its first and last value.

    Args:
        steps: The logged steps.
        width: The width of the terminal.
        title: The title, or nothing.
    """
    names = curve_names(steps)
    longest = min(max(map(len, names), default=0), width // 3)
    size = max(FEWEST_BLOCKS, min(BLOCKS, width - longest - 28))
    rows: list[list[Cell | str]] = []
    for name in names:
        points = [value for _, value in steps.points(name)]
        failing = "/status/" in name or name == "rewards/gated"
        curve = terminal.sparkline(steps.series(name), size)
        shown = Cell(curve, "yellow" if failing else "")
        rows.append([name, f"{points[0]:z.4g}", shown, f"{points[-1]:z.4g}"])
    start = steps.rows[0]["step"]
    over = f"step {start:,}" if start == steps.last else f"steps {start:,} to {steps.last:,}"
    columns = [Column("metric", "name"), Column("first"), Column(over), Column("last")]
    return table_of(columns, rows, title=title)


def sample_lines(row: Mapping[str, Any]) -> Iterator[tuple[str, str | Text]]:
    """A completion: its texts, scores, error spans and token advantages.

    Args:
        row: A row of ``tokens/``.
    """
    hypothesis = str(row.get("hypothesis") or "")
    spans = [(str(one["reward"]), _span(one)) for one in row.get("spans") or ()]
    yield "source", _cut(str(row.get("source") or ""))
    if row.get("reference") is not None:
        yield "reference", _cut(str(row["reference"]))
    shown = terminal.marked(hypothesis[:LONGEST_TEXT], [span for _, span in spans])
    shown.append(_more(hypothesis), style="dim")
    yield "translation", shown if hypothesis else Text("(empty)", style="dim")
    if spans and row.get("gated") is None:  # a closed gate gives each reward the same error
        yield "errors", _cut("; ".join(_errors(row, spans)))
    yield "scores", ", ".join(_scores(row))
    values = list(row.get("token_advantages") or ())
    if values:
        starts, ends = row["token_starts"][:MOST_TOKENS], row["token_ends"][:MOST_TOKENS]
        tokens = terminal.advantages(hypothesis, starts, ends, values[:MOST_TOKENS])
        if len(values) > MOST_TOKENS:
            tokens.append(f"… {len(values) - MOST_TOKENS:,} more tokens", style="dim")
        yield "advantages", tokens


def _scores(row: Mapping[str, Any]) -> Iterator[str]:
    names, values = row.get("rewards") or (), row.get("scores") or ()
    for name, value, status in zip(names, values, row.get("statuses") or (), strict=False):
        scored = status in SCORED and value is not None
        yield f"{name} {value:z.4g}" if scored else f"{name} {status}"
    if row.get("gated") is not None:
        yield f"rejected by the gate {row['gated']}"


def _errors(row: Mapping[str, Any], spans: Sequence[tuple[str, ErrorSpan]]) -> Iterator[str]:
    """The errors of each reward: their words and severities."""
    for reward, own in groupby(spans, key=lambda pair: pair[0]):
        yield f"{reward}: {', '.join(once_each(_words(row, span) for _, span in own))}"


def _words(row: Mapping[str, Any], span: ErrorSpan) -> str:
    of_source = span.side == "source"
    words = str(row.get("source" if of_source else "hypothesis") or "")[span.start : span.end]
    short = words if len(words) <= LONGEST_WORDS else f"{words[:LONGEST_WORDS]}…"
    return f"“{short}” {span.severity}{' (in the source)' if of_source else ''}"


def _span(stored: Mapping[str, Any]) -> ErrorSpan:
    start, end, severity = stored["start"], stored["end"], stored["severity"]
    return ErrorSpan(start, end, severity, category=stored["category"], side=stored["side"])


def _cut(text: str) -> str:
    return text[:LONGEST_TEXT] + _more(text)


def _more(text: str) -> str:
    return f" … ({quantity(len(text), 'character')})" if len(text) > LONGEST_TEXT else ""
