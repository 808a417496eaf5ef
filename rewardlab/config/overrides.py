"""Command-line arguments that override single values of a YAML document.

``trainer.learning_rate=1e-4`` names a place by dotted keys, with list positions as numbers, and its
new value in strict YAML. The document records the argument of each overridden value, so that a
message about the value names the argument and not a line of the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rewardlab.config import strict_yaml
from rewardlab.config.strict_yaml import Document, Keys, Value, dotted
from rewardlab.errors import Problem, UserError, shown

LONGEST = 80


def with_overrides(document: Document, arguments: Sequence[str]) -> Document:
    """Override values; of two arguments for the same place, the later one wins.

    A missing key is added to its mapping; the schema decides whether it is allowed.

    Args:
        document: The file.
        arguments: Each ``key=value``.

    Raises:
        UserError: E021 an argument that is not ``key=value``; E022 a place that cannot exist;
            E002..E012 a value that is not strict YAML. With the problems of all arguments.
    """
    problems: list[Problem] = []
    for argument in arguments:
        try:
            document = _with_override(document, argument)
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return document


def _with_override(document: Document, argument: str) -> Document:
    # As it was typed, unless that would break the line.
    typed = argument if argument.isprintable() and len(argument) <= LONGEST else shown(argument)
    where = f"argument {typed}"
    name, equals, text = argument.partition("=")
    words = name.split(".")
    if not equals or not all(words):
        fix = "for example trainer.max_steps=100"
        raise UserError([Problem("E021", where, "is not key=value", fix)])
    try:
        value = strict_yaml.load(text, where).value if text.strip() else None
    except UserError as error:
        # The argument is one line: its line and column say nothing.
        raise UserError([replace(problem, where=where) for problem in error.problems]) from None
    try:
        root, keys = _replaced(document.value, words, value, ())
    except LookupError as error:
        raise UserError([Problem("E022", where, str(error), "check the key")]) from None
    return _remember(replace(document, value=root), keys, typed)


def _replaced(holder: Value, words: Sequence[str], value: Value, path: Keys) -> tuple[Value, Keys]:
    """A copy of ``holder`` with ``value`` at ``words``, and the keys of that place.

    Raises:
        LookupError: A list has no such item, or a scalar has keys.
    """
    if not words:
        return value, path
    word, rest = words[0], words[1:]
    if isinstance(holder, list):
        if not (word.isdecimal() and int(word) < len(holder)):
            raise LookupError(
                f"{dotted(path)} is a list of {len(holder)}; {shown(word)} is not a position in it"
            )
        at = int(word)
        item, keys = _replaced(holder[at], rest, value, (*path, at))
        return [*holder[:at], item, *holder[at + 1 :]], keys
    if isinstance(holder, dict) or holder is None:
        mapping = holder or {}
        item, keys = _replaced(mapping.get(word), rest, value, (*path, word))
        return {**mapping, word: item}, keys
    raise LookupError(f"{dotted(path)} is {shown(holder)}, which has no {shown(word)} in it")


def _remember(document: Document, keys: Keys, argument: str) -> Document:
    """Record the argument at ``keys``, and at the mappings that had to be created for it."""
    below = len(keys)
    positions = {place: at for place, at in document.positions.items() if place[:below] != keys}
    arguments = {place: by for place, by in document.arguments.items() if place[:below] != keys}
    for length in range(1, below + 1):
        if keys[:length] not in positions:
            arguments.setdefault(keys[:length], argument)
    return replace(document, positions=positions, arguments=arguments)
