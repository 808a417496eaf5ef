"""Parallel text of a ``train-reward`` stage, with the machine translations of its sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rewardlab.config.rows import read_corpora, source_lines
from rewardlab.config.train_reward import FreeTextsConfig, StageConfig
from rewardlab.data.corpora import Corpus
from rewardlab.data.funnel import Funnel
from rewardlab.data.lines import read_aligned, read_lines
from rewardlab.data.rows import Row
from rewardlab.decoding.files import TRANSLATIONS
from rewardlab.decoding.outputs import read_outputs
from rewardlab.errors import Problem, quantity, refuse
from rewardlab.scorers.free_supervision import FreeExamples
from rewardlab.text.reasoning import answer_start

JSONL = (".jsonl", ".jsonl.gz")


class FreeTexts(NamedTuple):
    """The parallel text of a stage.

    Attributes:
        rows: The rows of all corpora.
        machine: Name of a machine -> id of a row -> its translation; empty if the machine failed.
    """

    rows: Sequence[Row]
    machine: Mapping[str, Mapping[str, str]]


def read_free_texts(stage: StageConfig) -> FreeTexts:
    """Read the corpora of a stage with their machine translations.

    Raises:
        UserError: E201..E208 as for other corpora; E204 or E209, a file of machine translations
            does not belong to its sources; exit code 3.
    """
    rows: list[Row] = []
    machine: dict[str, dict[str, str]] = defaultdict(dict)
    for entry, corpus in zip(stage.texts, read_corpora(stage.texts), strict=True):
        rows += corpus.rows
        for system, path in entry.systems:
            machine[system] |= _translations(path, entry, corpus)
    return FreeTexts(rows, machine)


def _translations(path: Path, entry: FreeTextsConfig, corpus: Corpus) -> dict[str, str]:
    """Id of a row -> its machine translation."""
    if path.is_dir() or path.name.endswith(JSONL):
        texts, _ = read_outputs(path, corpus.rows)
        return {row.id: text for row, text in zip(corpus.rows, texts, strict=True)}
    if entry.format == "lines":
        file = read_aligned([entry.source, path])[1]
        places = range(1, len(file.lines) + 1)
    else:
        file = read_lines(path)
        places = [line for _, line in source_lines([entry])]
        if len(file.lines) != len(places):
            have, want = quantity(len(file.lines), "line"), quantity(len(places), "text")
            what, fix = f"{have}, but {entry.source} has {want}", "translate exactly these texts"
            refuse(Problem("E204", str(path), what, fix))
    by_place = dict(zip(places, file.lines, strict=True))
    return {
        row.id: line[answer_start(line) :] for row in corpus.rows for line in [by_place[row.line]]
    }


def machine_notes(stage: StageConfig, sides: Iterable[FreeExamples]) -> tuple[str, ...]:
    """How many translations of each machine are used, and why the others are left out.

    Args:
        stage: The stage.
        sides: Its examples: those for training, validation and test.
    """
    funnels: dict[str, list[Funnel]] = defaultdict(list)
    for side in sides:
        for system, funnel in side.machine.items():
            funnels[system].append(funnel)
    return tuple(
        f"stage {stage.name}, {system}: {Funnel.added(some)}" for system, some in funnels.items()
    )


def files_of(stage: StageConfig) -> Iterator[Path]:
    """Every file that `read_free_texts` reads; the file of translations for a run's directory."""
    for entry in stage.texts:
        yield entry.source
        yield from filter(None, (entry.reference, entry.documents))
        yield from (path / TRANSLATIONS if path.is_dir() else path for path in entry.machine)
