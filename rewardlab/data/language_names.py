"""Which of several named files is that of a language."""

from __future__ import annotations

from collections.abc import Collection

from langcodes import Language

from rewardlab.errors import EXIT_DATA, Problem, UserError, nearest, shown
from rewardlab.text.languages import written_code


def name_of_language(language: str, names: Collection[str], where: str) -> str:
    """The name that means a language, such as ``spa_Latn`` or ``es-MX`` for ``es``.

    Args:
        language: A code, an English name, or one of the names.
        names: The names, which are codes with or without script and territory.
        where: What holds the names, for the message.

    Returns:
        The name itself, or the one with the same language and every part that is asked for. If
        there are several, the one that has no other part.

    Raises:
        UserError: E201, there is none, or several; exit code 3.
    """
    if language in names:
        return language
    wanted = _parts(written_code(language))
    known = {name: _parts(name) for name in names}
    found = [
        name
        for name, parts in known.items()
        if parts[0] == wanted[0]
        and all(part in (None, parts[at]) for at, part in enumerate(wanted[1:], start=1))
    ]
    plain = [name for name in found if known[name] == wanted]
    if len(plain or found) == 1:
        return (plain or found)[0]
    what = f"{shown(language)} has {len(found) or 'no'} files"
    near = nearest(language, names)
    fix = f"one of {', '.join(sorted(found))}" if found else near or ", ".join(sorted(names))
    raise UserError([Problem("E201", where, what, fix)], EXIT_DATA)


def _parts(name: str) -> tuple[str, str | None, str | None]:
    """Language, script and territory."""
    try:
        tag = Language.get(name.replace("_", "-"))
        return tag.to_alpha3(), tag.script, tag.territory
    except (LookupError, ValueError):
        return name, None, None
