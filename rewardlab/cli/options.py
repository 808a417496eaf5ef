"""Options that several commands share, and checks of the rewards and files that they name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from rewardlab.cli.judgements import output_problems
from rewardlab.dry_run.findings import Findings
from rewardlab.errors import EXIT_USAGE, Problem, refuse, shown
from rewardlab.rewards.base import reads_of
from rewardlab.rewards.registry import parse_reward, with_another_name
from rewardlab.text.languages import UnknownLanguage, language_notes, written_code
from rewardlab.types import Reward

ConfigFile: TypeAlias = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="YAML file of the run.")
]
Overrides: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Replace single values.")
]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Check everything that can be checked, then stop.")
]
REWARD = typer.Option(
    "--reward",
    metavar="NAME[:OPTION=VALUE,...]",
    help="A reward (list them: rewardlab rewards); may be repeated.",
)
Rewards: TypeAlias = Annotated[list[str] | None, REWARD]
SourceFile: TypeAlias = Annotated[
    str | None, typer.Option("--source", "-s", metavar="FILE", help="Source texts.")
]
ReferenceFile: TypeAlias = Annotated[
    str | None, typer.Option("--reference", "-r", metavar="FILE", help="Reference texts.")
]
MarkdownFile: TypeAlias = Annotated[
    Path | None, typer.Option("--markdown", metavar="OUT", help="Write the tables as Markdown.")
]
HtmlFile: TypeAlias = Annotated[
    Path | None, typer.Option("--html", metavar="OUT", help="Write the tables as an HTML page.")
]


def _language(param: typer.CallbackParam, value: str | None) -> str | None:
    """A language as its code.

    Raises:
        UserError: E260, the spelling names no language; exit code 2.
    """
    if value is None:
        return None
    try:
        return written_code(value)
    except UnknownLanguage as error:
        where = param.opts[0]
        refuse(Problem("E260", where, error.what, error.fix_at(where)), exit_code=EXIT_USAGE)


Language: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="LANGUAGE", callback=_language, help="A code or an English name."),
]


LANGUAGE_OPTIONS = "--source-lang LANGUAGE --target-lang LANGUAGE"


def pair_notes(source_lang: str | None, target_lang: str | None) -> list[str]:
    """Lines that tell a user what is unusual about a pair of languages.

    Args:
        source_lang: Language of the sources, or None.
        target_lang: Language of the translations, or None.
    """
    return [f"note: {note}" for note in language_notes(source_lang, target_lang)]


def parse_rewards(
    specifications: Iterable[str],
    found: Findings,
    *,
    where: str = "--reward",
    names: Iterable[str] = (),
    columns: Collection[str] = (),
) -> list[Reward]:
    """Build the rewards that can be built.

    Args:
        specifications: Specifications such as ``chrf`` and ``no_repetition:n=4``.
        found: Receives E101..E104 of the rewards that cannot be built, E036 of names that an
            earlier reward has, E116 of names that the output uses for something else.
        where: The option with the specifications.
        names: Names of rewards that are given elsewhere.
        columns: Names that the output uses for something else.
    """
    rewards: list[Reward] = []
    taken, proposed = {*names}, {*columns}
    for one in specifications:
        reward = found.attempt(parse_reward, one, where=where)
        if reward is None:
            continue
        free, renamed = with_another_name(one, reward.name, taken | proposed)
        fix = f"{where} {renamed}"
        if reward.name in columns:
            what = f"{shown(reward.name)} is the name of a column or row of the output"
            found.add([Problem("E116", where, what, fix)])
        elif reward.name in taken:
            found.add([Problem("E036", where, f"{reward.name} is asked for twice", fix)])
            proposed.add(free)
        taken.add(reward.name)
        rewards.append(reward)
    return rewards


def without_references(
    rewards: Sequence[Reward], where: str = "--reward", fix: str = "give them with -r FILE"
) -> Iterator[Problem]:
    """E042 for every reward that reads references, when no references are given.

    Args:
        rewards: The requested rewards.
        where: The option with the rewards.
        fix: How to give references.
    """
    for reward in rewards:
        if reward.needs_reference:
            what = f"{reward.name} reads references, and there are none"
            yield Problem("E042", where, what, fix)


def without_sources(
    rewards: Sequence[Reward], where: str = "--reward", fix: str = "give them with -s FILE"
) -> Iterator[Problem]:
    """E074 for every reward that reads sources, when no sources are given.

    Args:
        rewards: The requested rewards.
        where: The option with the rewards.
        fix: How to give sources.
    """
    for reward in rewards:
        if "source" in reads_of(reward):
            what = f"{reward.name} reads sources, and there are none"
            yield Problem("E074", where, what, fix)


def output_file_problems(
    option: str, path: Path | None, *, read: Iterable[str | Path | None], like: str
) -> Iterator[Problem]:
    """E117 and E118: an output file that is also an input, or cannot be written.

    Args:
        option: The option that names the file.
        path: The file; None if nothing is written.
        read: The input files; None for a file that is not given.
        like: A file name to propose.
    """
    inputs = {Path(one).resolve() for one in read if one is not None}
    if path is not None and path.resolve() in inputs:
        what = f"{shown(str(path))} is read, and would be overwritten"
        yield Problem("E118", option, what, f"name another file: {like}")
    else:
        yield from output_problems(option, path, like=like)
