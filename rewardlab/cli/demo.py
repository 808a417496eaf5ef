"""``rewardlab demo``: the whole pipeline on the embedded miniature language, in a few minutes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rewardlab.cli.quiet import hush
from rewardlab.cli.run_directory import read_run
from rewardlab.cli.show import show
from rewardlab.config.checks import check_run_directory


def command(
    out: Annotated[
        Path | None, typer.Option(help="Run directory (default: runs/demo-SEED, numbered).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="RL steps.")] = 80,
    token_credit: Annotated[
        bool, typer.Option(help="Turn error spans into token-level advantages.")
    ] = True,
) -> None:
    """Teach a small translator from flawed text, then correct it with rewards."""
    out = out or _fresh(Path("runs"), f"demo-{seed}")
    check_run_directory(out)
    hush()
    from rewardlab.miniature.pipeline import DemoSettings, run_demo

    progress = Console(stderr=True)
    weight = DemoSettings.token_weight if token_credit else 0.0
    settings = DemoSettings(seed=seed, rl_steps=steps, token_weight=weight)
    say = partial(progress.print, markup=False)
    run_demo(out, settings, say=say, console=progress)
    show(read_run(out))


def _fresh(parent: Path, name: str) -> Path:
    """``parent/name``, or the first ``parent/name.N`` that does not exist."""
    path, number = parent / name, 1
    while path.exists():
        number += 1
        path = parent / f"{name}.{number}"
    return path
