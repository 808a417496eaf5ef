"""``rewardlab rewards``: which rewards there are, and how each is used."""

from __future__ import annotations

import json
import shutil
from typing import Annotated

import typer

from rewardlab.report.rewards import reward_list, reward_page
from rewardlab.rewards.descriptions import describe, descriptions

WIDEST = 100
"""Longer lines are hard to read."""


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show the options of this reward.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the rewards, or show the options of one.

    For example: rewardlab rewards metricx
    """
    width = min(shutil.get_terminal_size((80, 24)).columns, WIDEST)
    if name is None:
        known = descriptions()
        plain, lines = [one.as_json() for one in known], reward_list(known, width=width)
    else:
        one = describe(name, where="rewardlab rewards")
        plain, lines = one.as_json(), reward_page(one, width=width)
    typer.echo(json.dumps(plain, ensure_ascii=False) if as_json else "\n".join(lines))
