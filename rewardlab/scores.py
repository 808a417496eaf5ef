"""The scores of an ensemble, and how they are shown: one row, a table, a data frame, HTML."""

from __future__ import annotations

import html
import importlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from rewardlab.candidates import Candidate, Status
from rewardlab.errors import shown
from rewardlab.json_values import json_value
from rewardlab.spans import ErrorSpan, SeverityTable, folded, marked_html, marked_text, printable

WIDTH = 80
"""Columns of a row on a terminal."""
LONGEST = 60
"""Longest explanation of an error beside its place."""
INDENT = 4
"""Indent of a text below a label that takes more than half of the columns."""
HTML_ROWS = 100
"""Rows that a notebook shows of `Scores`."""


@dataclass(frozen=True, repr=False)
class ScoredRow:
    """One row of `Scores`.

    ``row["chrf"]`` is the score of one reward. ``print(row)`` shows the texts, the scores and the
    error spans.

    Attributes:
        candidate: The candidate that was scored.
        values: Score by reward, NaN where not scored.
        status: Status by reward.
        spans: Errors by reward.
        gated: The name of the gate that the row failed, or None.
        total: See `Scores.totals`.
    """

    candidate: Candidate
    values: Mapping[str, float]
    status: Mapping[str, Status]
    spans: Mapping[str, Sequence[ErrorSpan]]
    gated: str | None
    total: float

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def __repr__(self) -> str:
        """The start of the hypothesis, the scores and the total."""
        parts = [shown(self.candidate.hypothesis, 40)]
        parts += [f"{name}={_brief(self, name)}" for name in self.values]
        parts += [f"total={self.total:z.4g}"] + ([f"gated={self.gated!r}"] if self.gated else [])
        return f"ScoredRow({', '.join(parts)})"

    def __str__(self) -> str:
        """The texts, the scores, and the error spans with their text, in `WIDTH` columns."""
        found = [span for spans in self.spans.values() for span in spans]
        texts = {
            "source": printable(self.candidate.source),
            "hypothesis": marked_text(self.candidate.hypothesis, found),
            "reference": printable(self.candidate.reference or ""),
        }
        if self.candidate.reference is None:
            del texts["reference"]
        lines = [_labelled(f"{name:<12}", text) for name, text in texts.items()]
        width = max(len("total"), *map(len, self.values))
        for name in self.values:
            told = ", ".join(span_with_text(self.candidate, span) for span in self.spans[name])
            lines.append(_labelled(f"{name:<{width}}  {_brief(self, name):>8}  ", told))
        lines.append(f"{'total':<{width}}  {self.total:>z8.4g}")
        return "\n".join(lines + ([f"gated by {self.gated}"] if self.gated else []))

    def record(self) -> dict[str, Any]:
        """The row for JSON: null for a number that is NaN, and each span with its text."""
        by_name = {
            name: [self.candidate.span_record(span) for span in spans]
            for name, spans in self.spans.items()
        }
        return {
            "id": self.candidate.id,
            "source": self.candidate.source,
            "hypothesis": self.candidate.hypothesis,
            "reference": self.candidate.reference,
            "scores": json_value(dict(self.values)),
            "status": {name: status.value for name, status in self.status.items()},
            "spans": by_name,
            "total": json_value(self.total),
            "gated": self.gated,
        }


def _labelled(label: str, text: str) -> str:
    """A label, and a text beside it that continues below."""
    below = INDENT if len(label) > WIDTH // 2 else len(label)
    first = label if below == len(label) else f"{label.rstrip()}\n{' ' * below}"
    return (first + f"\n{' ' * below}".join(folded(text, WIDTH - below))).rstrip()


def _brief(row: ScoredRow, name: str) -> str:
    """The score, or the status of a row without one."""
    return f"{row.values[name]:z.4g}" if row.status[name].scored else row.status[name].value


def span_with_text(candidate: Candidate, span: ErrorSpan) -> str:
    """An error span as a reader sees it: its text, its place and its severity.

    Args:
        candidate: The candidate that the span is an error of.
        span: The span.

    >>> span_with_text(Candidate("the dog", "der Hund"), ErrorSpan(4, 8, "minor"))
    "'Hund' [4, 8) minor"
    """
    side = " (source)" if span.side == "source" else ""
    if side and span.explanation:  # the words that are missing are not in the span
        words = printable(span.explanation)
        side = f" (source, {words if len(words) <= LONGEST else words[: LONGEST - 1] + '…'})"
    text = shown(printable(candidate.text_of(span)), 40)
    return f"{text} [{span.start}, {span.end}) {span.severity}{side}"


@dataclass(frozen=True, repr=False)
class Scores:
    """An ensemble's output for N candidates, without groups and tokens.

    ``scores[3]`` is one row (`ScoredRow`), ``scores[:3]`` are the first three, and
    ``scores["chrf"]`` is the column of one reward.

    Attributes:
        names: R reward names.
        values: float64 (N, R), NaN if a row was not scored.
        status: N lists of R statuses.
        spans: N lists of R lists of errors.
        gated: For each row the name of the gate that it failed, or None.
        weights: float64 (R,) sequence-level weights.
        token_weights: float64 (R,) token-level weights.
        severities: R severity tables.
        signature: One line per term and gate.
        components: float64 (N,) by ``reward/part``: numbers for the logs, such as
            ``metricx/truncated``; NaN for rows that the reward was not asked about.
        candidates: The N candidates that were scored; empty if the scores were made without them.
        notes: What a reader should know: languages that are missing or that guards do not know.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    status: list[list[Status]]
    spans: list[list[list[ErrorSpan]]]
    gated: list[str | None]
    weights: NDArray[np.float64]
    token_weights: NDArray[np.float64]
    severities: tuple[SeverityTable, ...]
    signature: str
    components: Mapping[str, NDArray[np.float64]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    candidates: Sequence[Candidate] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.status)

    def __iter__(self) -> Iterator[ScoredRow]:
        return (self[row] for row in range(len(self)))

    @overload
    def __getitem__(self, row: int) -> ScoredRow: ...
    @overload
    def __getitem__(self, row: slice) -> Scores: ...
    @overload
    def __getitem__(self, row: str) -> NDArray[np.float64]: ...
    def __getitem__(self, row: int | slice | str) -> ScoredRow | Scores | NDArray[np.float64]:
        if isinstance(row, str):
            if row not in self.names:
                raise KeyError(f"no reward {row!r}; there are {', '.join(self.names)}")
            return self.values[:, self.names.index(row)]
        if isinstance(row, slice):
            return replace(
                self,
                values=self.values[row],
                status=self.status[row],
                spans=self.spans[row],
                gated=self.gated[row],
                components={part: values[row] for part, values in self.components.items()},
                candidates=self.candidates[row],
            )
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} rows")
        return ScoredRow(
            candidate=self.candidates[row] if self.candidates else Candidate("", ""),
            values=dict(zip(self.names, self.values[row].tolist(), strict=True)),
            status=dict(zip(self.names, self.status[row], strict=True)),
            spans=dict(zip(self.names, self.spans[row], strict=True)),
            gated=self.gated[row],
            total=_total(self.values[row], self.status[row], self.weights),
        )

    @property
    def totals(self) -> NDArray[np.float64]:
        """float64 (N,) ``Σ_r w_r s_r``: the weighted sum of each row's scores.

        A term that does not apply to a row adds nothing. NaN if a term with a weight failed or was
        unavailable, or if none scored the row. The scores are raw: a term with a larger scale
        counts more, unlike in presets that normalise each reward first.
        """
        return np.array(
            [
                _total(values, status, self.weights)
                for values, status in zip(self.values, self.status, strict=True)
            ]
        )

    def untold(self, told: set[str]) -> list[str]:
        """The notes that are not in ``told``, which afterwards has them: for a log of many calls.

        Args:
            told: The notes of earlier calls.
        """
        new = [note for note in self.notes if note not in told]
        told.update(new)
        return new

    def records(self) -> list[dict[str, Any]]:
        """N rows for JSON, see `ScoredRow.record`."""
        return [row.record() for row in self]

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with one row per candidate.

        Columns: ``id``, ``source``, ``hypothesis``, ``reference``; for each reward its score,
        ``NAME.status`` and ``NAME.spans`` (a list of mappings with the text of each span);
        ``total`` and ``gated``.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            pandas: Any = importlib.import_module("pandas")
        except ImportError as error:
            raise ImportError("Scores.to_pandas needs pandas. fix: pip install pandas") from error
        columns: dict[str, list[Any]] = {
            "id": [one.id for one in self.candidates],
            "source": [one.source for one in self.candidates],
            "hypothesis": [one.hypothesis for one in self.candidates],
            "reference": [one.reference for one in self.candidates],
        }
        columns = columns if self.candidates else {}
        records = self.records()
        for at, name in enumerate(self.names):
            columns[name] = self.values[:, at].tolist()
            columns[f"{name}.status"] = [record["status"][name] for record in records]
            columns[f"{name}.spans"] = [record["spans"][name] for record in records]
        return pandas.DataFrame({**columns, "total": self.totals, "gated": self.gated})

    def __repr__(self) -> str:
        """The number of rows, the mean of each reward, and the notes."""
        means = [f"{name} {_mean(self.values[:, at])}" for at, name in enumerate(self.names)]
        gated = sum(gate is not None for gate in self.gated)
        rows = f"{len(self):,} row{'' if len(self) == 1 else 's'}"
        told = [rows, f"means: {', '.join(means)}"] + ([f"{gated:,} gated"] if gated else [])
        told += [f"note: {note}" for note in self.notes]
        return f"<Scores: {'; '.join(told)}>"

    def _repr_html_(self) -> str:
        """A table for notebooks: texts with coloured error spans, scores, totals."""
        headings = ["", "hypothesis", *self.names, "total"]
        lines = ["<table><thead><tr>"]
        lines += [f"<th>{html.escape(heading)}</th>" for heading in headings]
        lines.append("</tr></thead><tbody>")
        for at, row in enumerate(self[:HTML_ROWS]):
            found = [span for spans in row.spans.values() for span in spans]
            numbers = [*(_brief(row, name) for name in self.names), f"{row.total:z.4g}"]
            gate = f"<br><i>gated by {html.escape(row.gated)}</i>" if row.gated else ""
            text = f"{marked_html(row.candidate.hypothesis, found)}{gate}"
            lines.append(f'<tr><td>{at}</td><td style="text-align:left">{text}</td>')
            lines += [f"<td>{html.escape(number)}</td>" for number in numbers]
            lines.append("</tr>")
        lines.append("</tbody></table>")
        if len(self) > HTML_ROWS:
            lines.append(f"<p>{len(self) - HTML_ROWS:,} more rows</p>")
        return "".join(lines)

    def table(self) -> str:
        """Mean, standard deviation, statuses and share of the total's variance per reward."""
        from rewardlab.statistics import variance_share, zscore

        if not len(self):
            return "no rows"
        shares = variance_share(self.weights * np.nan_to_num(zscore(self.values)))
        lines = [f"{'reward':<20}{'weight':>8}{'mean':>10}{'std':>10}{'share':>8}  status"]
        for column, name in enumerate(self.names):
            scored = self.values[~np.isnan(self.values[:, column]), column]
            mean, std = (scored.mean(), scored.std()) if len(scored) else (math.nan, math.nan)
            seen = Counter(row[column] for row in self.status)
            lines.append(
                f"{name:<20}{self.weights[column]:>8g}{mean:>z10.3f}{std:>z10.3f}"
                f"{shares[column]:>z8.0%}  "
                + ", ".join(f"{status} {seen[status]}" for status in Status if status in seen)
            )
        if closed := Counter(gate for gate in self.gated if gate is not None):
            lines.append("gated: " + ", ".join(f"{gate} {n}" for gate, n in closed.items()))
        for part, values in self.components.items():
            if part.endswith("/truncated") and (cut := int(np.nansum(values))):
                lines.append(f"truncated: {part.rpartition('/')[0]} read {cut} texts in part")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


def _mean(values: NDArray[np.float64]) -> str:
    """The mean of the known values, for a short text."""
    known = values[~np.isnan(values)]
    return f"{known.mean():z.4g}" if len(known) else "none"


def _total(
    values: NDArray[np.float64], status: Sequence[Status], weights: NDArray[np.float64]
) -> float:
    """The weighted sum of one row's scores, see `Scores.totals`."""
    counting = [at for at in range(len(weights)) if weights[at] != 0.0]
    lost = any(not status[at].scored and status[at] is not Status.NOT_APPLICABLE for at in counting)
    known = [at for at in counting if status[at].scored]
    if lost or not known:
        return math.nan
    return math.fsum(float(weights[at] * values[at]) for at in known)
