"""``rewardlab export-mqm``: the translations of a run, for people to mark errors in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rewardlab.errors import EXIT_DATA, Problem, UserError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rewardlab.config.evaluate import EvaluateConfig
    from rewardlab.config.translate import RerankConfig, TranslateConfig
    from rewardlab.data.corpora import Row

CONFIG = "config.yaml"


@dataclass(frozen=True)
class ExportConfig:
    """What to export, and where to.

    Attributes:
        run: The directory of a finished translate, rerank or evaluate run.
        out: The file to write.
    """

    run: Path
    out: Path


def command(
    run_directory: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Directory of a translate, rerank or evaluate run."),
    ],
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Tab-separated file to write.")],
) -> None:
    """Write a run's translations in Marot's form, for annotators to mark errors in.

    All systems of an evaluation, or the one of a translate or rerank run. Call it where the run
    was started: its data is read again, for sources and documents.

    For example: rewardlab export-mqm runs/evaluate --out annotate.tsv
    """
    run(ExportConfig(run_directory, out))


def run(config: ExportConfig) -> None:
    """Read the run, write the file, print a JSON summary on stdout.

    Raises:
        UserError: E231 the file exists or its directory does not; E232 no finished run; E201..E209
            its data is gone or has changed (exit code 3); E210 the disk is full (75).
    """
    from rewardlab.cli.training import report, say
    from rewardlab.human.marot import write_marot

    if config.out.exists() or not config.out.parent.is_dir():
        what, fix = "has no directory", f"mkdir -p {config.out.parent}"
        if config.out.is_dir():
            what, fix = "is a directory", f"name a file: {config.out / 'annotate.tsv'}"
        elif config.out.exists():
            other = config.out.with_stem(f"{config.out.stem}-2")
            what, fix = "exists, perhaps with annotations", f"give another one: {other}"
        raise UserError([Problem("E231", f"--out {shown(str(config.out))}", what, fix)], EXIT_DATA)
    rows, systems = translations_of(config.run)
    replaced = write_marot(config.out, rows, systems, document=config.run.resolve().name)
    if replaced:
        say(f"note: {replaced:,} texts have signs for tabs, line breaks or <v> marks: ⇥ ↵ ‹v›")
    report(
        {
            "out": str(config.out),
            "systems": list(systems),
            "segments": len(rows),
            "texts_with_signs": replaced,
        }
    )


def translations_of(directory: Path) -> tuple[Sequence[Row], dict[str, Sequence[str]]]:
    """The rows of a finished run, and each system's translations of them.

    Raises:
        UserError: E232, E201..E209; exit code 3. E001..E026 its configuration; 2.
    """
    from rewardlab.cli.evaluate import RESULT
    from rewardlab.config import strict_yaml
    from rewardlab.config.evaluate import EvaluateConfig
    from rewardlab.config.load import parse
    from rewardlab.config.translate import RerankConfig, TranslateConfig
    from rewardlab.decoding.files import TRANSLATIONS

    is_evaluation = (directory / RESULT).is_file()
    if not is_evaluation and not (directory / TRANSLATIONS).is_file():
        raise _no_run(directory, f"it holds neither {TRANSLATIONS} nor {RESULT}")
    if not (directory / CONFIG).is_file():
        raise _no_run(directory, f"it holds no {CONFIG}")
    document = strict_yaml.read(directory / CONFIG)
    if is_evaluation:
        config, problems = parse(EvaluateConfig, document)
    else:
        keys = document.value if isinstance(document.value, dict) else {}
        schema = RerankConfig if "rewards" in keys else TranslateConfig
        config, problems = parse(schema, document)
    if config is None:
        raise UserError(problems)
    if isinstance(config, EvaluateConfig):
        return _of_evaluation(directory, config)
    return _of_translation(directory, config)


def _of_evaluation(
    directory: Path, config: EvaluateConfig
) -> tuple[Sequence[Row], dict[str, Sequence[str]]]:
    """What the models wrote lies in the run; other systems' translations where they were."""
    from rewardlab.cli.evaluate import HYPOTHESES, finished_translations
    from rewardlab.config.rows import select_rows
    from rewardlab.decoding.outputs import read_outputs

    rows = select_rows(config.data, config.split).rows
    texts: dict[str, Sequence[str]] = dict(finished_translations(config, rows))
    for system in config.systems:
        if system.model is not None:
            file = directory / HYPOTHESES / f"{system.name}.jsonl"
            texts[system.name], _ = read_outputs(file, rows)
    return rows, {system.name: texts[system.name] for system in config.systems}


def _of_translation(
    directory: Path, config: TranslateConfig | RerankConfig
) -> tuple[Sequence[Row], dict[str, Sequence[str]]]:
    from rewardlab.config.rows import select_rows
    from rewardlab.config.translate import RerankConfig
    from rewardlab.decoding.outputs import read_outputs

    read_references = isinstance(config, RerankConfig) and config.references == "data"
    data = config.data
    if config.split == "all" and not read_references:
        # Lines without a reference were translated as well.
        data = [one.model_copy(update={"reference": None}) for one in data]
    rows = select_rows(data, config.split).rows
    texts, _ = read_outputs(directory, rows)
    return rows, {directory.resolve().name: texts}


def _no_run(directory: Path, why: str) -> UserError:
    what = f"is no finished run of translate, rerank or evaluate: {why}"
    fix = "give the directory that such a run has written"
    return UserError([Problem("E232", f"RUN {shown(str(directory))}", what, fix)], EXIT_DATA)
