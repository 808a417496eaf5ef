"""Reading a configuration: strict YAML, arguments that replace single values, schema, checks.

A file is read once, as a whole: `load` reports everything that is wrong with it, each problem
with its line and column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from rewardlab.config import strict_yaml
from rewardlab.config.overrides import with_overrides
from rewardlab.config.problems import kind_of, problems_of
from rewardlab.config.sections import Options, Section
from rewardlab.config.strict_yaml import Document
from rewardlab.errors import Problem, UserError

Schema = TypeVar("Schema", bound=Section)


def no_problems(*_: object) -> Iterable[Problem]:
    """The check of a configuration that has none."""
    return ()


def load(
    schema: type[Schema],
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    check: Callable[[Schema, Document], Iterable[Problem]],
    check_trainer: Callable[[Options, Document], Iterable[Problem]] = no_problems,
) -> Schema:
    """Read and check a configuration.

    Args:
        schema: What the file must be.
        path: A YAML file.
        overrides: Arguments ``key=value``: dotted keys, list positions as numbers, values in
            strict YAML (``trainer.learning_rate=1e-4``, ``rewards.0.weight=2``).
        check: What is wrong between the parts of a configuration whose schema holds.
        check_trainer: What is wrong with the ``trainer`` section; asked even where the schema
            does not hold, since the schema leaves it open.

    Raises:
        UserError: E001..E012 the YAML; E020..E039 its content, and what the checks find. Exit
            code 2.
    """
    config, problems = examine(schema, path, overrides, check=check, check_trainer=check_trainer)
    if problems or config is None:
        raise UserError(problems)
    return config


def examine(
    schema: type[Schema],
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    check: Callable[[Schema, Document], Iterable[Problem]],
    check_trainer: Callable[[Options, Document], Iterable[Problem]] = no_problems,
) -> tuple[Schema | None, list[Problem]]:
    """As `load`, for whoever looks on: the configuration where its schema holds, and all problems.

    Raises:
        UserError: E001..E012, E021, E022: there is nothing to look at. Exit code 2.
    """
    document = with_overrides(strict_yaml.read(path), overrides)
    config, problems = parse(schema, document)
    block = document.value.get("trainer") if isinstance(document.value, dict) else None
    if isinstance(block, dict):
        problems += check_trainer(block, document)
    if config is not None:
        problems += check(config, document)
    return config, problems


def parse(schema: type[Schema], document: Document) -> tuple[Schema | None, list[Problem]]:
    """Hold a document against a schema; None where it does not fit."""
    if not isinstance(document.value, dict):
        what = f"the file must be a mapping, found {kind_of(document.value)}"
        return None, [Problem("E020", document.where(()), what, "write key: value lines")]
    try:
        return schema.model_validate(document.value), []
    except ValidationError as error:
        return None, problems_of(error, schema, document)


def to_yaml(config: Section) -> str:
    """Write a configuration with every default filled in, as a run directory records it.

    Reading the text back gives an equal configuration.
    """
    return strict_yaml.dump(config.model_dump(mode="json"))
