"""Source, reference and the translations of one or more systems, aligned line by line.

One order of reading for every command, so that a file that does not fit is named alike by all.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rewardlab.cli.texts import numbered_rows, read_texts
from rewardlab.data.rows import Row
from rewardlab.errors import Problem, shown

STDIN = "-"
SUFFIXES = (".gz",)
"""Suffixes that say how a file is packed, and not what is in it."""


@dataclass(frozen=True)
class AlignedTexts:
    """Texts of M lines each.

    Attributes:
        rows: M segments; the source of a row is empty if no sources were given.
        systems: System -> M translations.
        notes: What was changed on reading.
    """

    rows: list[Row]
    systems: dict[str, list[str]]
    notes: tuple[str, ...]


def read_aligned_texts(
    systems: Mapping[str, str],
    *,
    source: str | None,
    reference: str | None,
    source_lang: str | None,
    target_lang: str | None,
    stdin: bool = False,
) -> AlignedTexts:
    """Read the files of a command that takes line-aligned text.

    Args:
        systems: System -> file; at least one.
        source: File of the sources, or None.
        reference: File of the references, or None.
        source_lang: Language of the sources, or None.
        target_lang: Language of the translations, or None.
        stdin: A file named ``-`` is standard input.

    Raises:
        UserError: E201..E206; exit code 3. E204 compares with the sources, or else with the
            references, or else with the first system.
    """
    shared = [path for path in (source, reference) if path is not None]
    files = read_texts([*shared, *systems.values()], stdin=sys.stdin.buffer if stdin else None)
    texts = [file.lines for file in files]
    sources = texts[0] if source is not None else [""] * len(texts[0])
    references = texts[len(shared) - 1] if reference is not None else None
    return AlignedTexts(
        numbered_rows(sources, references, source_lang, target_lang),
        dict(zip(systems, texts[len(shared) :], strict=True)),
        tuple(note for file in files for note in file.notes),
    )


def named_files(given: Sequence[str], *, option: str) -> tuple[dict[str, str], list[Problem]]:
    """System -> file, from arguments of the form ``FILE`` or ``NAME=FILE``.

    A system without a name has that of its file, without suffix. A path that exists, or has a
    directory before its first ``=``, is not taken apart.

    Args:
        given: The arguments.
        option: The option that takes them.

    Returns:
        The files, and the problems: E072 two systems with one name, E073 a name that no table can
        show, E115 a name or a file that is empty.
    """
    files: dict[str, str] = {}
    problems: list[Problem] = []
    for one in given:
        name, path = _name_and_file(one)
        if not name or not path:
            fix = f"{option} {name or 'NAME'}={path or 'FILE'}"
            problems.append(Problem("E115", option, f"{shown(one)} is not NAME=FILE", fix))
        elif not name.isprintable():
            what = f"{shown(name)} cannot be the name of a system: it has characters without form"
            problems.append(Problem("E073", option, what, f"{option} NAME={path}"))
        elif name in files:
            what = f"two systems are named {shown(name)}: {files[name]} and {path}"
            fix = f"{option} {_another_name(name, path, files)}={path}"
            problems.append(Problem("E072", option, what, fix))
        else:
            files[name] = path
    return files, problems


def stem(path: str) -> str:
    """The name of a file without directory and suffix; packing does not count.

    >>> stem("runs/online.de.txt"), stem("news.de.gz"), stem("-")
    ('online.de', 'news', 'stdin')
    """
    if path == STDIN:
        return "stdin"
    name = Path(path)
    return name.with_suffix("").stem if name.suffix in SUFFIXES else name.stem


def stdin_problems(option_files: Mapping[str, Sequence[str | None]]) -> Iterator[Problem]:
    """E041: several files are standard input.

    Args:
        option_files: Option -> its files.
    """
    used = [option for option, files in option_files.items() for one in files if one == STDIN]
    if len(used) > 1:
        what = f"standard input (-) can be read only once, and {' and '.join(used)} read it"
        yield Problem("E041", ", ".join(dict.fromkeys(used)), what, "write one to a file")


def _name_and_file(given: str) -> tuple[str, str]:
    name, equals, path = given.partition("=")
    if not equals or "/" in name or Path(given).exists():
        return stem(given) or given, given
    return name.strip(), path.strip()


def _another_name(name: str, path: str, taken: Mapping[str, str]) -> str:
    """A name for a system whose file is named like another one."""
    parent = Path(path).parent.name
    return parent if parent and parent not in taken else f"{name}_{len(taken) + 1}"
