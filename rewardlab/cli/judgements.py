"""Options and output shared by the commands that read human judgements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from rewardlab.errors import EXIT_USAGE, Problem, nearest, refuse, shown
from rewardlab.human.formats import AUTO, FORMATS, format_names


def registered(name: str) -> str:
    """The name of a format.

    Raises:
        UserError: E040, there is no such format; exit code 2.
    """
    if name not in (names := format_names()):
        near = nearest(name, names)
        fix = f"--format {near}" if near else f"one of {', '.join(names)}"
        refuse(Problem("E040", "--format", f"no format {shown(name)}", fix), exit_code=EXIT_USAGE)
    return name


GoldFormat: TypeAlias = Annotated[
    str,
    typer.Option(
        "--format",
        metavar=f"[{'|'.join([AUTO, *FORMATS.built_in])}]",
        callback=registered,
        help="Format of the human judgements.",
    ),
]
Severity: TypeAlias = Annotated[
    str, typer.Option(metavar="NAME|FILE", help="wmt, wmt-no-source, xcomet, or a file.")
]
ReferenceSystem: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="System whose texts are the references; left out itself."),
]
ExcludeSystems: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="A,B", help="Leave these systems out.")
]
JsonFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--json", metavar="OUT", help="Write the JSON there, not on stdout; - is stdout."),
]


def split_names(lists: Sequence[str] | None) -> tuple[str, ...]:
    """The names in ``A,B``, from every use of the option."""
    names = [name.strip() for names in lists or () for name in names.split(",")]
    return tuple(name for name in names if name)


def output_problems(option: str, path: Path | None, *, like: str) -> Iterator[Problem]:
    """E117 and E118: an output file that cannot be written.

    Args:
        option: The option that names the file.
        path: The file, or None.
        like: A file name to propose in place of a directory.
    """
    if path is None:
        return
    if not path.absolute().parent.is_dir():
        what = f"{shown(str(path))} is to be written into a directory that is not there"
        yield Problem("E117", option, what, f"mkdir -p {path.parent}")
    elif path.is_dir():
        what = f"{shown(str(path))} is a directory"
        yield Problem("E118", option, what, f"name a file: {path / like}")
