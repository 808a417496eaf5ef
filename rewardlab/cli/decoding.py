"""Shared by translate and rerank: rows, run directories that can be resumed, files, costs."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from rewardlab.cli.output import peak_memory_mb, say
from rewardlab.cli.quiet import hush
from rewardlab.cli.rows import prompts_of
from rewardlab.config.checks import check_run_directory, free_name
from rewardlab.config.evaluate import EvaluateConfig
from rewardlab.config.load import to_yaml
from rewardlab.config.rows import select_rows, source_lines
from rewardlab.config.translate import RerankConfig, TranslateConfig, build_sampling
from rewardlab.data.corpora import Corpus
from rewardlab.data.rows import Row
from rewardlab.decoding.files import (
    HYPOTHESES,
    TRANSLATIONS,
    write_hypotheses,
    write_translations,
)
from rewardlab.decoding.translate import Cost, Translated, Translation, translate_rows
from rewardlab.errors import UserError
from rewardlab.generate import Generator as TextGenerator
from rewardlab.store.files import disk_errors, replace_file
from rewardlab.store.journal import Journal, Json
from rewardlab.store.run_directory import versions

Config: TypeAlias = TranslateConfig | RerankConfig

JOURNAL = "journal.sqlite"
COST = "cost.json"
"""The file that is written last: a run directory with this file is finished."""


def rows_of(config: Config, *, with_references: bool) -> Corpus:
    """The rows to translate.

    Args:
        config: Configuration of the run.
        with_references: References are needed. If False, and with ``split: all``, lines without a
            reference are translated as well.

    Raises:
        UserError: E201..E208, exit code 3.
    """
    data = config.data
    if config.split == "all" and not with_references:
        data = [one.model_copy(update={"reference": None, "documents": None}) for one in data]
    return select_rows(data, config.split)


# ── the run directory ───────────────────────────────────────────────────────────────────────────


def check_directory(run: Path) -> None:
    """Refuse a directory that contains anything except a run that can be resumed.

    Raises:
        UserError: E030, exit code 2.
    """
    if not any(run.glob(f"{JOURNAL}*")):  # a killed run may have left only a lock file
        check_run_directory(run)


@contextmanager
def open_run(
    config: Config, depends_on: Mapping[str, Json], *, signatures: Sequence[str]
) -> Generator[Journal]:
    """Start a run directory, or resume the run that was started in it with the same settings.

    Args:
        config: Configuration of the run.
        depends_on: Name -> value that the outcome depends on besides the configuration.
        signatures: Lines of ``signature.txt``.

    Raises:
        UserError: E083 the directory belongs to other settings, E084 another process works in it
            (exit code 2); E210 the disk (75).
    """
    run = config.run
    plain = config.model_dump(mode="json", exclude={"run"})
    with disk_errors(run):
        run.mkdir(parents=True, exist_ok=True)
    try:
        journal = Journal.open(run / JOURNAL, {**_flat(plain), **depends_on}, note=say)
    except UserError as error:
        fix = f"write to another directory: run={free_name(run)}"
        error.problems = [
            replace(one, fix=fix) if one.code == "E083" else one for one in error.problems
        ]
        raise
    files = {
        "config.yaml": to_yaml(config),
        "signature.txt": "".join(f"{signature}\n" for signature in signatures),
        "versions.json": json.dumps(versions(), indent=2) + "\n",
    }
    with journal:
        for name, text in files.items():
            if not (run / name).exists():
                replace_file(run / name, text)
        yield journal


def _flat(value: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, item in value.items():
        here = f"{above}{key}"
        flat |= _flat(item, f"{here}.") if isinstance(item, dict) else {here: item}
    return flat


def is_finished(run: Path) -> bool:
    """Whether the run has written its result."""
    return (run / COST).is_file()


def earlier_report(run: Path) -> dict[str, Any]:
    """The report of a run that is already finished; prints a note that it is."""
    say(f"{run} is finished already; nothing is left to do")
    return {"run": str(run), **json.loads((run / COST).read_text(encoding="utf-8"))}


def finish(run: Path, cost: Mapping[str, Any]) -> dict[str, Any]:
    """Write the cost of the run, which marks the run as finished.

    Args:
        run: The run directory.
        cost: The cost as JSON.

    Returns:
        The report.
    """
    replace_file(run / COST, json.dumps(cost, indent=2) + "\n")
    return {"run": str(run), **cost}


# ── texts and costs ─────────────────────────────────────────────────────────────────────────────


def decode_rows(
    config: Config | EvaluateConfig,
    generator: TextGenerator,
    rows: Sequence[Row],
    journal: Journal,
    *,
    samples: int = 1,
) -> Translated:
    """Translate the rows that are not in the journal yet.

    Args:
        config: How prompts are written and texts are decoded.
        generator: The model.
        rows: The N rows.
        journal: The journal of finished translations.
        samples: Number of texts for each row.

    Raises:
        UserError: From the generator or the journal.
    """
    if config.generation.needs_checkpoint:
        hush()
    sampling = build_sampling(config.generation, samples=samples)
    prompts = prompts_of(rows, config.prompt, chat=config.chat)
    return translate_rows(prompts, generator, sampling, seed=config.seed, journal=journal, say=say)


def write_texts(
    config: Config, rows: Sequence[Row], translations: Sequence[Translation]
) -> dict[str, int]:
    """Write ``translations.jsonl`` and ``hypotheses.txt``; warn about changed texts.

    Args:
        config: Configuration of the run.
        rows: The N rows.
        translations: (N,) translations, of which the first text is used.

    Returns:
        Numbers of lines of ``hypotheses.txt``, of lines that are empty because they have no source,
        of truncated texts, and of texts whose line breaks became spaces.
    """
    sources = {row.id: row.source for row in rows}
    write_translations(config.run / TRANSLATIONS, translations, sources)
    texts = {row.id: row.texts[0] for row in translations}
    lines = _lines(config, rows)
    broken = write_hypotheses(
        config.run / HYPOTHESES, ["" if row_id is None else texts[row_id] for row_id in lines]
    )
    counts = {
        "lines": len(lines),
        "lines_without_source": lines.count(None),
        "texts_cut": sum(not done for row in translations for done in row.finished),
        "texts_with_line_breaks": broken,
    }
    if counts["texts_cut"]:
        most = config.generation.max_new_tokens
        ended = config.generation.backend != "apertium"
        why = f"were cut at max_new_tokens: {most}" if ended else "are failures, and empty"
        say(f"note: {counts['texts_cut']:,} texts {why}")
    if broken:
        say(f"note: {broken:,} texts had line breaks, which are spaces in {HYPOTHESES}")
    return counts


def _lines(config: Config, rows: Sequence[Row]) -> list[str | None]:
    """The row id for each line of ``hypotheses.txt``; None for a row that was left out.

    With ``split: all``, these are the segments of the source files one after another, so that
    translations stand beside them line by line; with ``heldout``, they are the rows.
    """
    if config.split != "all":
        return [row.id for row in rows]
    known = {(row.corpus, row.line): row.id for row in rows}
    return [known.get(place) for place in source_lines(config.data)]


def cost_report(cost: Cost) -> dict[str, float]:
    """The cost of translating, rounded."""
    rate = round(cost.tokens_per_second, 1)
    return cost._replace(seconds=round(cost.seconds, 3), tokens_per_second=rate)._asdict()


def peaks(backend: str) -> dict[str, float]:
    """Peak memory of this process, and of its tensors on the accelerator, in MiB."""
    found = {"peak_memory_mb": peak_memory_mb()}
    if backend == "transformers":
        from rewardlab.generate.local import accelerator_peak_mb

        peak = accelerator_peak_mb()
        found |= {} if peak is None else {"peak_accelerator_memory_mb": peak}
    return found
