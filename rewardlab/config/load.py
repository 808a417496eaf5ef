"""Reading a configuration: strict YAML, command-line overrides, schema, checks.

`examine` reports all problems of a file at once, each with its line and column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from rewardlab.config import strict_yaml
from rewardlab.config.overrides import with_overrides
from rewardlab.config.problems import problems_of
from rewardlab.config.sections import Options, Section
from rewardlab.config.strict_yaml import Document
from rewardlab.errors import Problem, UserError, kind_of

Schema = TypeVar("Schema", bound=Section)


def load(
    schema: type[Schema],
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    check: Callable[[Schema, Document], Iterable[Problem]],
    check_trainer: Callable[[Options, Document], Iterable[Problem]] | None = None,
) -> Schema:
    """A configuration that passed all checks; the arguments are those of `examine`.

    Args:
        schema: The configuration's class.
        path: A YAML file.
        overrides: Arguments ``key=value``.
        check: Finds problems between the parts of a configuration.
        check_trainer: Finds problems of the ``trainer`` section.

    Raises:
        UserError: All problems of the file. Exit code 2.
    """
    config, problems, _ = examine(schema, path, overrides, check=check, check_trainer=check_trainer)
    if problems or config is None:
        raise UserError(problems)
    return config


def examine(
    schema: type[Schema],
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    check: Callable[[Schema, Document], Iterable[Problem]],
    check_trainer: Callable[[Options, Document], Iterable[Problem]] | None = None,
) -> tuple[Schema | None, list[Problem], Document]:
    """Read and check a configuration.

    Args:
        schema: The configuration's class.
        path: A YAML file.
        overrides: Arguments ``key=value``: dotted keys, list positions as numbers, values in
            strict YAML (``trainer.learning_rate=1e-4``, ``rewards.0.weight=2``).
        check: Finds problems between the parts of a configuration that fits its schema.
        check_trainer: Finds problems of the ``trainer`` section, which the schema leaves open;
            called even if the rest does not fit the schema.

    Returns:
        The configuration, None if it does not fit its schema; all problems: E020..E039, and those
        of the checks; and the file.

    Raises:
        UserError: E001..E012, E021, E022: the file cannot be read, so nothing is checked. Exit
            code 2.
    """
    document = with_overrides(strict_yaml.read(path), overrides)
    config, problems = parse(schema, document)
    block = document.value.get("trainer") if isinstance(document.value, dict) else None
    if check_trainer is not None and isinstance(block, dict):
        problems += check_trainer(block, document)
    if config is not None:
        problems += check(config, document)
    return config, problems, document


def parse(schema: type[Schema], document: Document) -> tuple[Schema | None, list[Problem]]:
    """Validate a document against a schema.

    Args:
        schema: The configuration's class.
        document: The file.

    Returns:
        The configuration, None if it does not fit; and E020 or E023..E027.
    """
    if not isinstance(document.value, dict):
        what = f"the file must be a mapping, found {kind_of(document.value)}"
        return None, [document.problem("E020", (), what, "write key: value lines")]
    try:
        return schema.model_validate(document.value), []
    except ValidationError as error:
        return None, problems_of(error, schema, document)


def file_places(document: Document) -> dict[str, str]:
    """File name -> the place of the document that names it, for all texts of the document.

    Args:
        document: The configuration.
    """
    return {str(Path(text)): document.where(keys) for keys, text in document.texts()}


def to_yaml(config: Section) -> str:
    """A configuration with every default filled in, as a run directory records it.

    Reading the text back gives an equal configuration.
    """
    return strict_yaml.dump(config.model_dump(mode="json", by_alias=True))
