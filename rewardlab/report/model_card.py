"""Model card of a trained scorer: description, training data, results and limits.

The description of a new family of scorers is an entry in `WHAT`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rewardlab.report.markdown import table_markdown
from rewardlab.report.table import Column, table_of
from rewardlab.report.trained_reward import (
    control,
    figure_table,
    free_tables,
    lead_table,
    unscored,
)

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
    "xcomet": (
        "An xCOMET model (Guerreiro et al. 2024, arXiv 2310.10482) on an XLM-R or BERT encoder. It "
        "predicts a score, about 0 to 1, and labels the error of every piece of the translation."
    ),
    "generalist": (
        "A Bradley-Terry reward model (a sequence classifier with one logit), trained on pairs of "
        "answers of which people liked one better. Higher is better; the scale is its own."
    ),
}
FROM_SCRATCH = (
    "Started from scratch, on the texts below and no others; rewardlab's docs/training_scorers.md "
    "says how a new model of this family is initialised."
)
MOST_NAMED = 20
LIMITS = """\
- It was trained on the files above and, as far as is known, on nothing else. The figures do not
  hold for other languages, kinds of text or kinds of systems: measure it there with
  `rewardlab metaeval`.
- Test documents share no text of 40 characters or more with the training documents, but they come
  from the same files: the same systems, the same raters, the same kind of text.
- A policy exploits the reward it is trained against. Run `rewardlab preflight` before training, and
  evaluate with a metric of another family after it.\
"""


def model_card(results: Mapping[str, Any]) -> str:
    """A model card in Markdown, from the content of ``results.json``."""
    return "\n\n".join(_blocks(results)) + "\n"


def _blocks(results: Mapping[str, Any]) -> Iterator[str]:
    """Headings, paragraphs, lists and tables of the card, in order."""
    family, start = results["family"], results["start"]
    yield f"# {family}, trained with rewardlab"
    yield WHAT[family]
    yield f"```\n{results['signature']}\n```"
    yield "## Data"
    yield FROM_SCRATCH if start is None else f"Started from the checkpoint `{start}`."
    yield _list([*(f"`{line}`" for line in results["data"]), *results["notes"]])
    losses = results["validation_loss"]
    stages = [[name, f"{rows:,}", f"{losses[name]:.4f}"] for name, rows in results["rows"].items()]
    columns = (Column("stage", "name"), Column("rows read"), Column("validation loss"))
    yield table_markdown(table_of(columns, stages))
    yield f"Test documents: {_documents(results['split']['test'])}"
    yield "## Results"
    yield (
        "With 95% intervals of bootstrap resamples. Correlations and preference accuracy are "
        "means over the files; span F1 is counted over all characters."
    )
    for name, figures in {"all files": results["figures"], **results["by_file"]}.items():
        if figures:
            yield f"### {name}"
            yield table_markdown(figure_table(figures))
    if lines := list(unscored(results)):
        yield _list(lines)
    if results["leads"]:
        yield "### Ahead of the baselines?"
        yield table_markdown(lead_table(results["leads"]))
    if results["preferences"]:
        yield f"### {results['preference_pairs']:,} preferences"
        yield table_markdown(figure_table(results["preferences"]))
    if results.get("free"):
        for table in free_tables(results["free"], family):
            yield f"### {table.title}"
            yield table_markdown(table)
    if (sentence := control(results)) is not None:
        yield sentence
    yield "## Limits"
    yield LIMITS


def _documents(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:MOST_NAMED]) or "none"
    more = len(names) - MOST_NAMED
    return f"{shown} and {more:,} more, which `results.json` names" if more > 0 else shown


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
