"""The card of a data set: what it is made of and how, for people who will train on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rewardlab.curation.job import Curated
from rewardlab.curation.stage import Stage


def write_card(
    curated: Curated,
    stages: Sequence[Stage],
    *,
    sources: Sequence[Mapping[str, str]],
    sampler: str | None,
    seed: int,
) -> str:
    """The text of README.md.

    Args:
        curated: What became of the rows.
        stages: The stages, in order.
        sources: For each corpus its facts by name: path, languages, licence.
        sampler: The signature of the sampler; None if nothing was sampled.
        seed: The seed of all draws.
    """
    lines = ["# Curated translations", "", "Made by `rewardlab curate`.", "", "## Sources", ""]
    lines += [f"- {', '.join(f'{key}: {value}' for key, value in one.items())}" for one in sources]
    lines += ["", "## Rows", "", "| pair | rows |", "|---|---|"]
    lines += [f"| {pair} | {rows:,} |" for pair, rows in curated.pairs.items()]
    lines += ["", f"{curated.funnel.start:,} rows were read, {curated.funnel.kept:,} are left."]
    lines += ["", "| left out | rows |", "|---|---|"]
    lines += [f"| {reason} | {rows:,} |" for reason, rows in curated.funnel.steps]
    lines += ["", "## Stages", ""]
    lines += [f"{place + 1}. `{_one_line(stage.signature)}`" for place, stage in enumerate(stages)]
    if sampler is not None:
        lines += ["", f"Translations are by `{_one_line(sampler)}`, seed {seed}."]
    return "\n".join(lines) + "\n"


def _one_line(signature: str) -> str:
    return signature.replace("\n", " + ").replace("`", "'")
