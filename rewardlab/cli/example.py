"""``rewardlab example``: write small files to try every command with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rewardlab.cli.output import say
from rewardlab.errors import Problem, refuse


def command(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Directory to write; must be empty or new.")
    ],
    seed: Annotated[int, typer.Option(help="Seed of the sentences.")] = 0,
) -> None:
    """Write example texts, judgements and recipes to try every command with.

    For example: rewardlab example tour
    """
    _check(directory)
    from rewardlab.miniature.example_files import write_example

    for path in write_example(directory, seed=seed):
        typer.echo(path)
    say(f"Next: cd {directory} && rewardlab sft sft.yaml")


def _check(directory: Path) -> None:
    """Refuse a file, and a directory with files.

    Raises:
        UserError: E030, exit code 2.
    """
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        what = "exists and is not an empty directory"
        refuse(Problem("E030", str(directory), what, f"rewardlab example {directory}-2"))
