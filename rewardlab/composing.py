"""What can be composed: the checks of terms, gates and ensembles, for Python and YAML alike.

Python raises these problems where an object is made. A configuration makes the same objects and
reports the same problems at their place in the file.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from typing import cast

from rewardlab.arguments import written
from rewardlab.errors import Problem, UserError, finite, kind_of, shown

PROTOCOL = ("name", "signature", "needs_reference", "worst", "key", "__call__")
"""What a reward has, see `rewardlab.types.Reward`."""


def raise_if_any(problems: Iterable[Problem]) -> None:
    """Raise all problems together; nothing if there are none.

    Raises:
        UserError: There is a problem.
    """
    if found := list(problems):
        raise UserError(found)


# ── one term or gate ────────────────────────────────────────────────────────────────────────────


def reward_problems(given: object, place: str) -> Iterator[Problem]:
    """E107: what was given as a reward is none.

    Args:
        given: What was given.
        place: ``Term``, ``Gate`` or ``Cached``.
    """
    if (found := _other_than_reward(given, place)) is not None:
        yield Problem("E107", place, *found)


def _other_than_reward(given: object, place: str) -> tuple[str, str] | None:
    """Why something is no reward, and the fix; None for a reward."""
    if kind := _kind(given):
        return f"a {kind} is not a reward", _FIXES[kind]
    missing = [name for name in PROTOCOL if not _has(given, name)]
    function = callable(given) and "worst" in missing
    if isinstance(given, (str, type, Mapping)) or function:
        return _specification(given, place)
    if given is None or isinstance(given, (bool, int, float, list, tuple)):
        return f"{_named(given)} is not a reward", f"a reward object: {_example('ChrF()', place)}"
    if missing:
        return (
            f"{_named(given)} is not a reward: it has no {', '.join(missing)}",
            "make it a subclass of RowReward, or wrap a function in FromFunction",
        )
    return None


def _specification(given: object, place: str) -> tuple[str, str]:
    """What names or makes a reward and is none yet: a text, a class, a function, a mapping."""
    rest = {"Gate": ", below=0.5)", "Cached": ", path)"}.get(place, ")")
    if isinstance(given, str):
        parsed = f"{place}(parse_reward({given!r}){rest}"
        return (
            f"the text {shown(given)} is not a reward",
            f"{parsed}, with parse_reward from rewardlab.rewards.registry",
        )
    if isinstance(given, type):
        return f"{given.__name__} is a class, not a reward", f"{place}({given.__name__}(...){rest}"
    if isinstance(given, Mapping):
        return "a mapping is not a reward", f"{place}(build_reward(name, options){rest}"
    name = getattr(given, "__name__", type(given).__name__)
    named = "" if hasattr(given, "__name__") and name != "<lambda>" else ", name='my_reward'"
    wrapped = f"FromFunction({name}, worst=...{named})"
    return f"the function {name} is not a reward", f"{place}({wrapped}{rest}"


_FIXES = {
    "Term": "give its reward: Term(term.reward, ...)",
    "Gate": "gates have their own list: RewardEnsemble(terms, gates=[gate])",
    "RewardEnsemble": "join the lists of terms: RewardEnsemble([*ensemble.terms, ...])",
}


def _kind(given: object) -> str:
    """The name of one of this library's classes that are no reward; else empty."""
    classes = (cls for cls in type(given).__mro__ if cls.__module__.startswith("rewardlab."))
    return next((cls.__name__ for cls in classes if cls.__name__ in _FIXES), "")


def _has(given: object, name: str) -> bool:
    """Whether an attribute exists; a property is not evaluated, since it may read a checkpoint."""
    if hasattr(type(given), "__getattr__"):
        return True
    missing = object()
    return inspect.getattr_static(given, name, missing) is not missing


def weight_problems(reward: str, **weights: object) -> Iterator[Problem]:
    """E025, E026: weights that are no numbers, negative, or not finite in float32.

    Args:
        reward: The name of the reward.
        **weights: ``weight`` and ``token_weight``.
    """
    for name, weight in weights.items():
        where = f"{reward}.{name}"
        if isinstance(weight, bool) or not isinstance(weight, Real):
            yield Problem("E025", where, f"{kind_of(weight)} is not a number", f"{name}=1.0")
        elif not finite(float(weight)):
            what = f"{kind_of(weight)} is out of range: it must be finite in float32"
            yield Problem("E026", where, what, "write a finite weight, such as 1.0")
        elif float(weight) < 0:
            what = f"{kind_of(weight)} is out of range: it would reward what is worse"
            yield Problem("E026", where, what, "write a weight of at least 0; 0 only measures")


def spans_problems(reward: str, token_weight: object, *, marks: bool | None) -> Iterator[Problem]:
    """E105: a token weight on a reward that marks no error spans.

    Args:
        reward: The name of the reward.
        token_weight: The weight.
        marks: Whether the reward marks spans; None if that is unknown.
    """
    if token_weight and marks is False:
        what = f"{reward} marks no error spans, so a token_weight would have no effect"
        fix = "remove token_weight, or take a reward with spans, such as lexical_spans or automqm"
        yield Problem("E105", f"{reward}.token_weight", what, fix)


def applies_problems(reward: str, applies: object) -> Iterator[Problem]:
    """E025: ``applies`` is not a function.

    Args:
        reward: The name of the reward.
        applies: What was given.
    """
    if not callable(applies):
        fix = "a function of a candidate: applies=is_translation, from rewardlab.types"
        what = f"{kind_of(applies)} is not a function"
        yield Problem("E025", f"{reward}.applies", what, fix)


def threshold_problems(guard: str, below: object, bounds: tuple[float, float]) -> Iterator[Problem]:
    """E025, E026, E106: a threshold that is no number, or that no score or every score is below.

    Args:
        guard: The name of the guard.
        below: The threshold.
        bounds: The guard's lowest and highest score, infinite if unknown.
    """
    where, (low, high) = f"{guard}.below", bounds
    if isinstance(below, bool) or not isinstance(below, Real):
        yield Problem("E025", where, f"{kind_of(below)} is not a number", "below=0.5")
    elif not finite(threshold := float(below)):
        what = f"{kind_of(below)} is out of range: it must be finite in float32"
        yield Problem("E026", where, what, "below=0.5")
    elif threshold > high or threshold <= low:
        closes = "closes on every row" if threshold > high else "never closes"
        scale = f"{low:g} to {high:g}"
        scale = f"at most {high:g}" if math.isinf(low) else scale
        scale = f"at least {low:g}" if math.isinf(high) else scale
        limits = [f"above {low:g}"] * (not math.isinf(low))
        limits += [f"at most {high:g}"] * (not math.isinf(high))
        what = f"the gate {closes}: scores of {guard} are {scale}, and below is {threshold:g}"
        yield Problem("E106", where, what, f"write a threshold {' and '.join(limits)}")


# ── the lists of an ensemble ────────────────────────────────────────────────────────────────────


def members(given: object, wanted: str, argument: str) -> list[object]:
    """The terms or gates that were given, as a list.

    Args:
        given: What was given.
        wanted: ``Term`` or ``Gate``.
        argument: The name of the argument.

    Raises:
        UserError: E107, it is not a list, or something in it is not of the wanted class.
    """
    where, example = "RewardEnsemble", f"{argument}=[{_example('ChrF()', wanted)}]"
    if isinstance(given, Mapping):
        what = f"{argument} is a mapping, not a list"
        raise UserError([Problem("E107", where, what, example)])
    single = isinstance(given, (str, bytes, type)) or _kind(given) != ""
    if single or not isinstance(given, Iterable):
        what = f"{argument} is {_named(given)}, not a list"
        raise UserError([Problem("E107", where, what, example)])
    found = list(cast("Iterable[object]", given))
    raise_if_any(
        Problem("E107", f"{where} {argument}[{at}]", *_not_wanted(one, wanted))
        for at, one in enumerate(found)
        if _kind(one) != wanted
    )
    return found


def _not_wanted(given: object, wanted: str) -> tuple[str, str]:
    what = f"{_named(given)} is not a {wanted}"
    if (kind := _kind(given)) == "Gate":
        return what, _FIXES["Gate"]
    if kind == "Term":
        return what, "Gate(term.reward, below=0.5)"
    wrong = _other_than_reward(given, wanted)
    return (what, wrong[1]) if wrong else (what, f"write {_example(written(given), wanted)}")


def _example(reward: str, wanted: str) -> str:
    return f"{wanted}({reward}, {'weight=1.0' if wanted == 'Term' else 'below=0.5'})"


def _named(given: object) -> str:
    """The class of an object, or a plain value with its type."""
    if given is None or isinstance(given, (bool, int, float, str, list, Mapping)):
        return kind_of(cast("object", given))
    return given.__name__ if isinstance(given, type) else type(given).__name__


def ensemble_problems(given: object, where: str) -> Iterator[Problem]:
    """E107: what was given as an ensemble is none.

    Args:
        given: What was given.
        where: What it was given to.
    """
    if _kind(given) != "RewardEnsemble":
        what = f"{_named(given)} is not a RewardEnsemble"
        yield Problem("E107", where, what, "RewardEnsemble([Term(reward), ...])")


def limit_problems(name: str, value: object, *, share: bool) -> Iterator[Problem]:
    """E025, E026: a limit of an ensemble that is no number or out of range.

    Args:
        name: The name of the limit.
        value: The limit.
        share: Whether it is a share; else a number of seconds.
    """
    where = f"RewardEnsemble.{name}"
    if isinstance(value, bool) or not isinstance(value, Real):
        yield Problem("E025", where, f"{kind_of(value)} is not a number", f"{name}=0.5")
    elif not (0 <= float(value) <= 1 if share else float(value) > 0):
        fix = "write a share from 0 to 1" if share else "write seconds above 0"
        yield Problem("E026", where, f"{kind_of(value)} is out of range", fix)


def repeated_names(names: Iterable[str]) -> Iterator[Problem]:
    """E036: two terms whose rewards have the same name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            what = f"two rewards are named {name!r}"
            fix = f"give one of them another name: name={name + '_2'!r}"
            yield Problem("E036", "RewardEnsemble", what, fix)
        seen.add(name)


def nothing_to_learn(weights: Iterable[float], where: str) -> Iterator[Problem]:
    """E038: every weight and token weight is 0.

    Args:
        weights: All weights and token weights of an ensemble.
        where: What the ensemble was given to.
    """
    if not any(weights):
        what = "every weight and token_weight is 0, so there is nothing to learn"
        yield Problem("E038", where, what, "give one a weight")
