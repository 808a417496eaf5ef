"""What the commands that translate share: rows, run directories that go on, files, costs."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from rewardlab.cli.training import answer_of, peak_memory_mb, prompt_of, report, say

if TYPE_CHECKING:
    from rewardlab.config.translate import RerankConfig, TranslateConfig
    from rewardlab.data.corpora import Corpus, Row
    from rewardlab.decoding.translate import Cost, Translation
    from rewardlab.store.journal import Journal, Json
    from rewardlab.text.prompts import Prompt

Config: TypeAlias = "TranslateConfig | RerankConfig"

JOURNAL = "journal.sqlite"
COST = "cost.json"


def rows_of(config: Config, *, with_references: bool) -> Corpus:
    """The rows to translate.

    Where all rows are asked for and no reference is read, lines without a reference count as well.

    Raises:
        UserError: E201..E208, exit code 3.
    """
    from rewardlab.config.rows import select_rows

    data = config.data
    if config.split == "all" and not with_references:
        data = [one.model_copy(update={"reference": None, "documents": None}) for one in data]
    return select_rows(data, config.split)


def prompts_of(config: Config, rows: Sequence[Row]) -> dict[str, Prompt]:
    """Row id -> prompt in the configured style."""
    return {row.id: prompt_of(config, row) for row in rows}


def pairs_of(config: Config, rows: Sequence[Row]) -> list[tuple[Prompt, Prompt | None]]:
    """Prompts and references of rows; none where the configured prompt cannot be written."""
    from rewardlab.config.checks import NOWHERE, prompt_problems

    if any(prompt_problems(config.prompt, config.data, NOWHERE)):
        return []
    return [(prompt_of(config, row), answer_of(row, chat=config.chat)) for row in rows]


def settings_of(config: Config, **others: Json) -> dict[str, Json]:
    """What the outcome of a run depends on, by dotted key: its configuration, and ``others``."""
    plain = config.model_dump(mode="json")
    del plain["run"]
    return {**_flat(plain), **others}


def check_directory(run: Path) -> None:
    """Refuse a directory that holds anything but a run that may go on.

    Raises:
        UserError: E030, exit code 2.
    """
    from rewardlab.config.checks import check_run_directory

    if not any(run.glob(f"{JOURNAL}*")):  # a lock file may be all that a killed run left
        check_run_directory(run)


@contextmanager
def begin(run: Path, settings: Mapping[str, Json], files: Mapping[str, str]) -> Generator[Journal]:
    """Start a run directory, or go on in one that was started with the same settings.

    Args:
        run: The directory; new, empty, or of this very run.
        settings: What its journal belongs to.
        files: What a new run writes down, by name.

    Raises:
        UserError: E030 the directory holds something else, E083 it belongs to other settings, E084
            another process works in it (exit code 2); E210 the disk (75).
    """
    from rewardlab.errors import UserError
    from rewardlab.store.files import disk_errors, replace_file
    from rewardlab.store.journal import Journal

    check_directory(run)
    with disk_errors(run):
        run.mkdir(parents=True, exist_ok=True)
    try:
        journal = Journal.open(run / JOURNAL, settings, note=say)
    except UserError as error:
        fix = f"write to another directory: run={run}-2"
        error.problems = [
            replace(one, fix=fix) if one.code == "E083" else one for one in error.problems
        ]
        raise
    with journal:
        for name, text in files.items():
            if not (run / name).exists():
                replace_file(run / name, text)
        yield journal


def notes_of(config: Config, *signatures: str) -> dict[str, str]:
    """The files that say what a run is."""
    from rewardlab.config.load import to_yaml
    from rewardlab.store.run_directory import versions

    return {
        "config.yaml": to_yaml(config),
        "signature.txt": "".join(f"{signature}\n" for signature in signatures),
        "versions.json": json.dumps(versions(), indent=2) + "\n",
    }


def finished_before(run: Path) -> bool:
    """Whether the run is finished; says so, and prints its summary once more."""
    if not (run / COST).is_file():
        return False
    say(f"{run} is finished already; nothing is left to do")
    report({"run": str(run), **json.loads((run / COST).read_text(encoding="utf-8"))})
    return True


def finish(run: Path, cost: Mapping[str, Any]) -> None:
    """Write what the run cost, which marks it as finished, and print the summary."""
    from rewardlab.store.files import replace_file

    replace_file(run / COST, json.dumps(cost, indent=2) + "\n")
    report({"run": str(run), **cost})


def hush_libraries(backend: str) -> None:
    """Keep what transformers prints out of the way, where it is used at all."""
    if backend != "server":
        from rewardlab.cli.quiet import hush

        hush()


def write_texts(
    config: Config, rows: Sequence[Row], translations: Sequence[Translation]
) -> dict[str, int]:
    """Write ``translations.jsonl`` and ``hypotheses.txt``; say what a reader should know.

    Returns:
        Lines of ``hypotheses.txt``, those of them that are empty for want of a source, texts that
        were cut, and texts whose line breaks became spaces.
    """
    from rewardlab.decoding.files import (
        HYPOTHESES,
        TRANSLATIONS,
        write_hypotheses,
        write_translations,
    )

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
        say(f"note: {counts['texts_cut']:,} texts were cut at max_new_tokens: {most}")
    if broken:
        say(f"note: {broken:,} texts had line breaks, which are spaces in {HYPOTHESES}")
    return counts


def cost_report(cost: Cost) -> dict[str, float]:
    """What translating cost, rounded for people."""
    return {
        "prompts": cost.prompts,
        "tokens": cost.tokens,
        "seconds": round(cost.seconds, 3),
        "tokens_per_second": round(cost.tokens_per_second, 1),
    }


def peaks(backend: str) -> dict[str, float]:
    """The most memory this process took, and on the accelerator its tensors."""
    told = {"peak_memory_mb": peak_memory_mb()}
    if backend == "transformers":
        from rewardlab.generate.local import accelerator_peak_mb

        peak = accelerator_peak_mb()
        told |= {} if peak is None else {"peak_accelerator_memory_mb": peak}
    return told


def _lines(config: Config, rows: Sequence[Row]) -> list[str | None]:
    """For each line that a reader expects the id of its row; None where the row was left out.

    Of all rows these are the lines of the source files one after another, so that the translation
    of a file stands beside it line by line; of the held-out side, its rows.
    """
    from rewardlab.config.rows import source_lines

    if config.split != "all":
        return [row.id for row in rows]
    ids = {(row.corpus, row.line): row.id for row in rows}
    return [ids.get(place) for place in source_lines(config.data)]


def _flat(value: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, item in value.items():
        here = f"{above}{key}"
        flat |= _flat(item, f"{here}.") if isinstance(item, dict) else {here: item}
    return flat
