"""Severity tables by name, or from a file.

A file is a mapping from ``severity[/category[/subcategory]]`` to a weight. The optional ``cap`` is
the largest total of one text's errors::

    minor: 1
    major: 5
    minor/Fluency/Punctuation: 0.1
    cap: 25
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from rewardlab.config import strict_yaml
from rewardlab.config.problems import wrong_type
from rewardlab.config.strict_yaml import Document
from rewardlab.errors import Problem, UserError, finite, kind_of, nearest, shown
from rewardlab.types import SEVERITY_TABLES, SeverityTable

CAP = "cap"


def load_severities(name: str, *, where: str = "--severity") -> SeverityTable:
    """A severity table by its name, or from a file.

    Args:
        name: One of `rewardlab.types.SEVERITY_TABLES`, or the path of a YAML file.
        where: The option that names the table, for the message about a name that is neither.

    Returns:
        The table. The name of a file's table depends on the file's name and on its weights.

    Raises:
        UserError: E026 neither a table's name nor a file; E001..E012 the file; E020, E025, E026 its
            content. Exit code 2.
    """
    if name in SEVERITY_TABLES:
        return SEVERITY_TABLES[name]
    if not Path(name).exists():
        close = nearest(name, SEVERITY_TABLES)
        what = f"{shown(name)} is neither a severity table nor a file"
        fix = close if close is not None else f"one of {', '.join(SEVERITY_TABLES)}, or a YAML file"
        raise UserError([Problem("E026", where, what, fix)])
    document = strict_yaml.read(name)
    if not isinstance(document.value, dict):
        what = f"the file must be a mapping, found {kind_of(document.value)}"
        raise UserError([document.problem("E020", (), what, "write severity: weight lines")])
    if problems := list(_problems(document.value, document)):
        raise UserError(problems)
    weights = {str(key).lower(): float(str(value)) for key, value in document.value.items()}
    cap = weights.pop(CAP, None)
    content = json.dumps([cap, weights], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return SeverityTable(f"{Path(name).stem}@{digest}", weights, cap)


def _problems(table: dict[str, strict_yaml.Value], document: Document) -> Iterator[Problem]:
    """Weights that are negative or not numbers, and severities that appear twice."""
    seen: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield wrong_type((key,), value, "a number", document)
        elif value < 0 or not finite(value):
            what, fix = f"{kind_of(value)} is out of range", "write a weight of at least 0"
            yield document.problem("E026", (key,), what, fix)
        if seen.setdefault(key.lower(), key) != key:
            what = f"the same as {shown(seen[key.lower()])}: case does not matter"
            yield document.problem("E026", (key,), what, "keep one of the two")
    if not set(table) - {CAP}:
        yield document.problem("E026", (), "no severity has a weight", "write minor: 1")
