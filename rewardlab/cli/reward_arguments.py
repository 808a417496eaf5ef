"""What every command that judges by rewards is called with, and the first look at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from rewardlab.errors import Problem, UserError

if TYPE_CHECKING:
    from rewardlab.types import Reward

REWARD = typer.Option("--reward", metavar="NAME[:OPTION=VALUE,...]", help="May be repeated.")
Rewards: TypeAlias = Annotated[list[str] | None, REWARD]
Language: TypeAlias = Annotated[str | None, typer.Option(metavar="CODE")]


def parse_rewards(
    specifications: Sequence[str], *, where: str = "--reward"
) -> tuple[list[Reward], list[Problem]]:
    """Build the rewards that can be built.

    Args:
        specifications: Such as ``chrf`` and ``no_repetition:n=4``.
        where: The option that gave them.

    Returns:
        The rewards, and what is wrong with the other specifications.
    """
    from rewardlab.rewards.registry import parse_reward

    rewards: list[Reward] = []
    problems: list[Problem] = []
    for specification in specifications:
        try:
            rewards.append(parse_reward(specification, where=where))
        except UserError as error:
            problems += error.problems
    return rewards, problems


def repeated(names: Sequence[str], where: str = "--reward") -> Iterator[Problem]:
    """E036 for every name that an earlier reward has."""
    for at, name in enumerate(names):
        if name in names[:at]:
            yield Problem("E036", where, f"{name} is asked for twice", f"{name}:name={name}_2")


def without_references(
    rewards: Sequence[Reward], where: str = "--reward", fix: str = "give them with -r FILE"
) -> Iterator[Problem]:
    """E042 for every reward that reads references, where there are none."""
    for reward in rewards:
        if reward.needs_reference:
            what = f"{reward.name} reads references, and there are none"
            yield Problem("E042", where, what, fix)
