"""Arguments of a meta-evaluation that cannot work: told before anything is scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from typing import cast

from rewardlab.errors import EXIT_USAGE, Problem, UserError, kind_of, nearest, refuse, shown
from rewardlab.human.gold import Gold


def check_gold(given: object) -> None:
    """Refuse what is no `Gold`.

    Args:
        given: What was given as human scores.

    Raises:
        UserError: E025, with the function that reads a file.
    """
    if not isinstance(given, Gold):
        fix = "read_gold(path), with read_gold from rewardlab.human.formats"
        what = f"{kind_of(given)} is not Gold, which read_gold returns"
        refuse(Problem("E025", "gold", what, fix), exit_code=EXIT_USAGE)


def listed(given: object, name: str, example: str) -> list[object]:
    """The entries of a list.

    Args:
        given: What was given.
        name: The name of the argument.
        example: A list of the right kind, as it is written.

    Raises:
        UserError: E025, it is one entry, a text or a mapping.
    """
    single = isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable)
    if single:
        problem = Problem("E025", name, f"{kind_of(given)} is not a list", f"{name}={example}")
        raise UserError([problem])
    return list(cast("Iterable[object]", given))


def check_systems(gold: Gold, systems: Sequence[str], reference_system: str | None) -> None:
    """Refuse systems that the human judgements do not have.

    Args:
        gold: Human scores.
        systems: Systems to be compared; they have human scores.
        reference_system: System whose texts are the references; texts are enough.

    Raises:
        UserError: E025 ``systems`` is no list; E250 an unknown system.
    """
    check_gold(gold)
    names = listed(systems, "systems", "compared_systems(gold)")
    judged = gold.scores.systems
    problems = [unknown("systems", name, judged) for name in names if name not in judged]
    if reference_system is not None and reference_system not in (known := named_systems(gold)):
        problems.append(unknown("reference_system", reference_system, known))
    if problems:
        refuse(*problems)


def named_systems(gold: Gold) -> list[str]:
    """All systems of the human judgements: a reference may be there as a text without scores."""
    texts = (system for system, _ in gold.hypotheses)
    return sorted({*gold.scores.systems, *gold.unscored, *texts})


def unknown(where: str, name: object, known: Sequence[str]) -> Problem:
    """E250: a system that is not in the human judgements, with the nearest.

    Args:
        where: The argument or option that names it.
        name: The name.
        known: The names that exist.
    """
    fix = nearest(name, known) if isinstance(name, str) else None
    fix = fix or f"one of {', '.join(known)}"
    return Problem("E250", where, f"no system {shown(name)} in the human judgements", fix)


def resamples_problems(resamples: object) -> Iterator[Problem]:
    """E025, E026: a number of resamples that is no integer or negative.

    Args:
        resamples: What was given.
    """
    if isinstance(resamples, bool) or not isinstance(resamples, Integral):
        what = f"{kind_of(resamples)} is not an integer"
        yield Problem("E025", "resamples", what, "resamples=1000; 0 for no intervals")
    elif int(resamples) < 0:
        what = f"{kind_of(resamples)} is out of range"
        yield Problem("E026", "resamples", what, "resamples=1000; 0 for no intervals")
