"""A trained scorer's model card: what it is, what it learned from, what it can and cannot do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rewardlab.report.trained_reward import HEADINGS, unscored, verdict, with_interval

WHAT: Mapping[str, str] = {
    "metricx": (
        "A MetricX regressor (mT5; Juraska et al. 2023, 2024, arXiv 2410.03983). It predicts an "
        "MQM error from 0 to 25, lower is better; the reward is its negative."
    ),
    "automqm": (
        "A judge that lists the errors of a translation as JSON (AutoMQM, Fernandes et al. 2023, "
        "arXiv 2308.07286), fine-tuned on errors that people marked. The reward is minus their MQM "
        "total."
    ),
    "generalist": (
        "A Bradley-Terry reward model (a sequence classifier with one logit), trained on pairs of "
        "answers of which people liked one better. Higher is better; the scale is its own."
    ),
}
FROM_SCRATCH = (
    "Started from scratch, on the texts below and no others; what a new model of its family begins "
    "with stands in rewardlab's docs/training_scorers.md."
)
MOST_NAMED = 20
LIMITS = """\
- It has learned from the files above and from nothing else that is known here. For other languages,
  other kinds of text and systems of another make the figures do not hold; measure it there with
  `rewardlab metaeval`.
- Test documents share no text of 40 characters or more with those it learned from, but they come
  from the same files: the same systems, the same raters, the same kind of text.
- A reward that is trained against is exploited. Run `rewardlab preflight` before, and measure with
  a metric of another family after.\
"""


def model_card(results: Mapping[str, Any]) -> str:
    """Markdown, from what ``results.json`` holds."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Mapping[str, Any]) -> Iterator[str]:
    family = results["family"]
    yield f"# {family}, trained with rewardlab"
    yield ""
    yield WHAT[family]
    yield ""
    yield from ("```", results["signature"], "```", "")
    yield "## Data"
    yield ""
    began = results["start"]
    yield FROM_SCRATCH if began is None else f"Started from the checkpoint `{began}`."
    yield ""
    yield from (f"- `{line}`" for line in results["data"])
    yield from (f"- {note}" for note in results["notes"])
    yield ""
    yield from _table(("stage", "rows read", "validation loss"), _stages(results))
    yield ""
    yield f"Test documents: {_documents(results['split']['test'])}"
    yield ""
    yield "## Results"
    yield ""
    yield from _results(results)
    yield "## Limits"
    yield ""
    yield LIMITS


def _documents(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:MOST_NAMED]) or "none"
    more = len(names) - MOST_NAMED
    return f"{shown} and {more:,} more, which `results.json` names" if more > 0 else shown


def _stages(results: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for name, rows in results["rows"].items():
        yield name, f"{rows:,}", f"{results['validation_loss'][name]:.4f}"


def _results(results: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "With 95% intervals of bootstrap resamples. Correlations and preference accuracy are "
        "means over the files; span F1 is counted over all characters."
    )
    yield ""
    parts = {"all files": results["figures"], **results["by_file"]}
    for name, figures in parts.items():
        if figures:
            yield f"### {name}"
            yield ""
            yield from _figures(figures)
            yield ""
    yield from (f"- {line}" for line in unscored(results))
    if results["leads"]:
        yield "### Ahead of the baselines?"
        yield ""
        rows = [
            (
                one["baseline"],
                HEADINGS[one["statistic"]],
                with_interval([one["value"], one["low"], one["high"]], signed=True),
                verdict(one),
            )
            for one in results["leads"]
        ]
        yield from _table(("baseline", "statistic", "difference", ""), rows)
        yield ""
    if results["preferences"]:
        yield f"### {results['preference_pairs']:,} preferences"
        yield ""
        yield from _figures(results["preferences"])
        yield ""


def _figures(figures: Mapping[str, Mapping[str, Sequence[float]]]) -> Iterator[str]:
    known = {name for one in figures.values() for name in one}
    columns = [name for name in HEADINGS if name in known]
    rows = (
        (scorer, *(with_interval(own.get(name)) for name in columns))
        for scorer, own in figures.items()
    )
    yield from _table(("scorer", *(HEADINGS[name] for name in columns)), rows)


def _table(
    headings: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]
) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
