"""``rewardlab show``: what a run did, is doing, or did before it was killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rewardlab.cli.output import console
from rewardlab.cli.run_directory import Found, read_run
from rewardlab.json_values import json_value
from rewardlab.report.run import chosen_samples, curve_names, rendered_run

SAMPLES = 5


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run.")],
    *,
    samples: Annotated[
        int, typer.Option(metavar="N", min=0, help="Show at most N sampled translations.")
    ] = SAMPLES,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Show a run, finished or not: state, curves, held-out measures, samples with advantages.

    For example: rewardlab show runs/rl
    """
    found = read_run(run)
    if as_json:
        typer.echo(json.dumps(summary(found, samples=samples), ensure_ascii=False))
    else:
        show(found, samples=samples)


def show(found: Found, *, samples: int = SAMPLES) -> None:
    """Print a run on stdout, as wide as the terminal.

    Args:
        found: The run.
        samples: The most sampled translations to print.
    """
    stdout = console(stderr=False)
    for part in rendered_run(found.view, stdout.width, samples=samples):
        stdout.print(part, crop=False)  # only a command to paste is wider than the terminal


def summary(found: Found, *, samples: int = SAMPLES) -> dict[str, Any]:
    """A run for programs: its state, the series behind the curves, held-out measures, samples.

    Args:
        found: The run.
        samples: The most sampled translations.
    """
    view = found.view
    stages = {
        name: {metric: steps.points(metric) for metric in curve_names(steps)}
        for name, steps in found.steps.items()
        if name
    }
    only = found.steps.get("")
    document = {
        "run": str(found.path),
        "command": found.kind.command,
        "state": found.state,
        "step": max(one.last for one in found.steps.values()),
        "facts": dict(view.facts),
        "go_on": None if view.go_on is None else view.go_on[1],
        "metrics": {} if only is None else {name: only.points(name) for name in curve_names(only)},
        "stages": stages,
        "heldout": {one.name: {"before": one.before, "after": one.after} for one in found.heldout},
        "samples": chosen_samples(found.sampled, samples),
        "notes": list(found.notes),
    }
    return json_value(document)
