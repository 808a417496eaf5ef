"""What a model was trained to read, in ``reward.json`` beside its weights.

A reward with a model that ``train-reward`` has made takes the options from there that are not
given, and refuses others: a model of another format or mode gives scores without meaning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from rewardlab.errors import EXIT_USAGE, Problem, UserError, one_line, shown
from rewardlab.store.checkpoints import has_settings
from rewardlab.store.files import replace_file

FILE = "reward.json"
R = TypeVar("R")


class Trained(NamedTuple):
    """How a reward has to use a model.

    Attributes:
        reward: The name of the reward.
        fixed: Option -> values that the model was trained with, of which the first is taken. A
            value that names a file in the model's directory is a path there.
        defaults: Option -> value that is taken if none is given.
    """

    reward: str
    fixed: Mapping[str, Sequence[Any]] = {}
    defaults: Mapping[str, Any] = {}


def write_trained(directory: Path, trained: Trained) -> None:
    """Write ``reward.json``, unless there is nothing to say.

    Args:
        directory: The directory of the model.
        trained: How to use it.

    Raises:
        UserError: E210, the disk is full or gone; exit code 75.
    """
    if trained.fixed or trained.defaults:
        replace_file(directory / FILE, f"{json.dumps(trained._asdict(), indent=1)}\n")


def as_trained(cls: type[R]) -> type[R]:
    """Decorate a reward's dataclass: its options are those that its ``model`` was trained with.

    The constructor raises E310 for an option that contradicts them, and for a ``reward.json`` that
    cannot be read; exit code 2.

    Args:
        cls: The dataclass; has a default ``name`` and the option ``model``.
    """
    plain: Any = cls.__init__
    name = cast("Any", cls).name

    @wraps(plain)
    def init(self: R, *positional: Any, **given: Any) -> None:
        plain(self, *positional, **_fitted(name, given))

    cls.__init__ = init
    return cls


def _fitted(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """The options of a reward, with those that its model was trained with.

    Raises:
        UserError: E310, an option contradicts them.
    """
    found = _read(str(given.get("model") or ""))
    if found is None or found[1].reward != name:
        return given
    place, trained = found
    own = {
        option: [_in(place, value) for value in values] for option, values in trained.fixed.items()
    }
    problems = [
        Problem(
            "E310",
            f"{name}.{option}",
            f"{shown(given[option])} is given, and {place} was trained with "
            + " or ".join(map(_written, values)),
            f"{option}={_written(values[0])}, or leave {option} out",
        )
        for option, values in own.items()
        if option in given and not any(_same(given[option], value) for value in values)
    ]
    if problems:
        raise UserError(problems, EXIT_USAGE)
    return {**trained.defaults, **{option: values[0] for option, values in own.items()}, **given}


def _read(model: str) -> tuple[Path, Trained] | None:
    """The directory of a model and what its ``reward.json`` says; None if it has none."""
    places = (Path(model), Path(model) / "model") if model else ()
    place = next(filter(has_settings, places), None)
    if place is None or not (place / FILE).is_file():
        return None
    try:
        known = json.loads((place / FILE).read_text(encoding="utf-8"))
        fixed = {option: [values[0], *values[1:]] for option, values in known["fixed"].items()}
        trained = Trained(str(known["reward"]), fixed, dict(known["defaults"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        what = f"cannot be read: {one_line(error)}"
        fix = "train the model again, or remove the file and give its options"
        raise UserError([Problem("E310", str(place / FILE), what, fix)], EXIT_USAGE) from error
    return place, trained


def _in(place: Path, value: Any) -> Any:
    is_file = isinstance(value, str) and bool(value) and (place / value).is_file()
    return str(place / value) if is_file else value


def _same(given: Any, value: Any) -> bool:
    """Whether two values are equal, or name files with the same content."""
    if given == value:
        return True
    paths = [Path(one) for one in (given, value) if isinstance(one, (str, Path))]
    both = len(paths) == 2 and all(one.is_file() for one in paths)  # noqa: PLR2004
    return both and paths[0].read_bytes() == paths[1].read_bytes()


def _written(value: Any) -> str:
    """A value as the user writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value) or "''"
