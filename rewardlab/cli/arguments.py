"""What every command that takes a configuration is called with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

ConfigFile: TypeAlias = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="YAML file of the run.")
]
Overrides: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Replace single values.")
]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Check everything that can be checked, then stop.")
]


@dataclass(frozen=True)
class Arguments:
    """What to run.

    Attributes:
        config: The YAML file.
        overrides: ``key=value`` arguments.
        dry_run: Check everything that can be checked, and stop before the work.
    """

    config: Path
    overrides: tuple[str, ...] = ()
    dry_run: bool = False
