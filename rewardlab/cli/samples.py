"""Samples of an earlier translate or rerank run, for ``rewardlab rerank`` with ``samples_from``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from rewardlab.cli.decoding import COST
from rewardlab.config import strict_yaml
from rewardlab.config.translate import RerankConfig
from rewardlab.data.rows import Row
from rewardlab.decoding.files import TRANSLATIONS, read_translations
from rewardlab.decoding.translate import Translation, cost_of
from rewardlab.errors import Problem, refuse, shown

SAMPLES = "samples.jsonl"
SHORT = 40


def taken_samples(
    config: RerankConfig, run: Path, rows: Sequence[Row]
) -> tuple[RerankConfig, list[Translation]]:
    """Take the first samples of each source from an earlier run.

    Args:
        config: The configuration, with the number of samples for each source.
        run: The directory of the earlier run.
        rows: The N rows.

    Returns:
        The configuration with the model of that run, which records the origin of the texts; and N
        translations, each with its share of the sampling time.

    Raises:
        UserError: E085, the run is not finished, has another model, or lacks samples of these
            sources; exit code 3.
    """
    if not (run / COST).is_file():
        what = "is no finished translate or rerank run"
        _refuse(run, what, "give its directory, or finish it: rewardlab translate CONFIG")
    written = strict_yaml.read(run / "config.yaml").value
    model = written.get("model") if isinstance(written, dict) else None
    if config.model is not None and str(config.model) != model:
        what = f"used model {shown(model)}, and this run names {shown(str(config.model))}"
        _refuse(run, what, "remove model: it follows from samples_from")
    config = config.model_copy(update={"model": None if model is None else Path(str(model))})
    known = _samples_of(run, rows, config.samples)
    rate = _seconds(run) / max(1, cost_of([*known.values()]).tokens)
    first = [keep(known[row.id], slice(config.samples)) for row in rows]
    return config, [replace(row, seconds=sum(row.tokens) * rate) for row in first]


def _samples_of(run: Path, rows: Sequence[Row], samples: int) -> dict[str, Translation]:
    """Row id -> its samples in the run, checked: enough for each row, and of the same source."""
    name = SAMPLES if (run / SAMPLES).is_file() else TRANSLATIONS
    written = read_translations(run / name)
    if lacking := [row.id for row in rows if row.id not in written]:
        what = f"lacks {len(lacking):,} of {len(rows):,} rows, first {shown(lacking[0])}"
        _refuse(run, what, "rerank the data that was translated there")
    for row in rows:
        source, translation = written[row.id]
        if source != row.source:
            here, there = shown(row.source, SHORT), shown(source, SHORT)
            what = f"translated another text: row {row.id} is {here} here and {there} there"
            _refuse(run, what, "rerank the data that was translated there")
        if len(translation.texts) < samples:
            have = len(translation.texts)
            fix = f"samples={have}" if have > 1 else "translate with more samples"
            _refuse(run, f"has {have} of the {samples} samples asked for", fix)
    return {row_id: translation for row_id, (_, translation) in written.items()}


def _seconds(run: Path) -> float:
    """The time that sampling took in a translate or rerank run."""
    cost: dict[str, Any] = json.loads((run / COST).read_text(encoding="utf-8"))
    return float(cost.get("sampling", cost)["seconds"])


def keep(row: Translation, part: slice) -> Translation:
    """The row with some of its samples.

    Args:
        row: A row with any number of samples.
        part: The samples to keep.
    """
    texts, tokens, finished = row.texts[part], row.tokens[part], row.finished[part]
    return replace(row, texts=texts, tokens=tokens, finished=finished)


def _refuse(run: Path, what: str, fix: str) -> NoReturn:
    refuse(Problem("E085", f"samples_from {shown(str(run))}", what, fix))
