"""``rewardlab export-mqm``: the translations of a run as a file for human annotators."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from rewardlab.cli.evaluate import HYPOTHESES, RESULT
from rewardlab.cli.evaluated_systems import finished_translations
from rewardlab.cli.output import report, say
from rewardlab.config import strict_yaml
from rewardlab.config.evaluate import EvaluateConfig
from rewardlab.config.load import parse
from rewardlab.config.rows import select_rows
from rewardlab.config.translate import RerankConfig, TranslateConfig
from rewardlab.data.rows import Row
from rewardlab.decoding.files import TRANSLATIONS
from rewardlab.decoding.outputs import read_outputs
from rewardlab.errors import Problem, UserError, refuse, shown
from rewardlab.human.marot import write_marot

CONFIG = "config.yaml"


def command(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Directory of a translate, rerank or evaluate run."),
    ],
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Tab-separated file to write.")],
) -> None:
    """Write a run's translations as files for the annotation tool Marot.

    All systems of an evaluation, or the one of a translate or rerank run. Call it where the run
    was started: its data is read again, for sources and documents.

    For example: rewardlab export-mqm runs/evaluate --out annotate.tsv
    """
    _check_out(out)
    rows, systems = translations_of(run)
    replaced = write_marot(out, rows, systems, document=run.resolve().name)
    if replaced:
        say(f"note: {replaced:,} texts have signs for tabs, line breaks or <v> marks: ⇥ ↵ ‹v›")
    sizes = {"segments": len(rows), "texts_with_signs": replaced}
    report({"out": str(out), "systems": list(systems), **sizes})


def _check_out(out: Path) -> None:
    """Refuse a file that exists or cannot be written.

    Raises:
        UserError: E231, exit code 3.
    """
    if out.is_dir():
        what, fix = "is a directory", f"name a file: {out / 'annotate.tsv'}"
    elif out.exists():
        other = out.with_stem(f"{out.stem}-2")
        what, fix = "exists, perhaps with annotations", f"give another one: {other}"
    elif not out.parent.is_dir():
        what, fix = "has no directory", f"mkdir -p {out.parent}"
    else:
        return
    refuse(Problem("E231", f"--out {shown(str(out))}", what, fix))


def translations_of(directory: Path) -> tuple[Sequence[Row], dict[str, Sequence[str]]]:
    """The rows of a finished run, and each system's translations of them.

    Raises:
        UserError: E232, E201..E209; exit code 3. E001..E026 its configuration; 2.
    """
    is_evaluation = (directory / RESULT).is_file()
    if not is_evaluation and not (directory / TRANSLATIONS).is_file():
        _no_run(directory, f"it holds neither {TRANSLATIONS} nor {RESULT}")
    if not (directory / CONFIG).is_file():
        _no_run(directory, f"it holds no {CONFIG}")
    document = strict_yaml.read(directory / CONFIG)
    keys = document.value if isinstance(document.value, dict) else {}
    of_translation = RerankConfig if "rewards" in keys else TranslateConfig
    config, problems = parse(EvaluateConfig if is_evaluation else of_translation, document)
    if config is None:
        raise UserError(problems)
    if isinstance(config, EvaluateConfig):
        return _of_evaluation(directory, config)
    return _of_translation(directory, config)


def _of_evaluation(
    directory: Path, config: EvaluateConfig
) -> tuple[Sequence[Row], dict[str, Sequence[str]]]:
    """Translations of models are in the run; those of other systems are in their own files."""
    rows = select_rows(config.data, config.split).rows
    finished, _ = finished_translations(config, rows)
    texts: dict[str, Sequence[str]] = {}
    for system in config.systems:
        file = directory / HYPOTHESES / f"{system.name}.jsonl"
        of_model = system.model is not None
        texts[system.name] = read_outputs(file, rows)[0] if of_model else finished[system.name]
    return rows, texts


def _of_translation(
    directory: Path, config: TranslateConfig | RerankConfig
) -> tuple[Sequence[Row], dict[str, Sequence[str]]]:
    data = config.data
    reads_references = isinstance(config, RerankConfig) and config.references == "data"
    if config.split == "all" and not reads_references:
        # Lines without a reference were translated as well.
        data = [one.model_copy(update={"reference": None}) for one in data]
    rows = select_rows(data, config.split).rows
    return rows, {directory.resolve().name: read_outputs(directory, rows)[0]}


def _no_run(directory: Path, why: str) -> NoReturn:
    what = f"is no finished run of translate, rerank or evaluate: {why}"
    fix = "give the directory that such a run has written"
    refuse(Problem("E232", f"RUN {shown(str(directory))}", what, fix))
