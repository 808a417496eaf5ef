"""A plain function as a reward."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, SupportsFloat, cast

import numpy as np

from rewardlab.arguments import BadArgument, Checked
from rewardlab.candidates import as_candidates
from rewardlab.errors import Problem, RewardFailed, finite, shown
from rewardlab.types import Candidate, RewardOutput

COLUMNS = ("source", "reference", "source_lang", "target_lang")
"""Fields of a candidate that a function of TRL's form receives as columns."""


@dataclass(frozen=True)
class FromFunction(metaclass=Checked):
    """Score with a plain function; higher must be better.

    The function has one of two forms, recognised by the names of its parameters. It may be
    ``async``: then it runs in its own event loop, in the thread that calls the reward.

    - Ours: ``function(candidates)`` with a list of `Candidate`.
    - TRL's: ``function(prompts, completions, **columns)``, if a parameter is called
      ``completions`` or ``prompts``. Completions are the hypotheses as plain texts; prompts are
      the candidates' prompts. Columns are `COLUMNS` and the keys of ``Candidate.extra``: all of
      them if the function takes ``**columns``, otherwise those that its parameters name. A value
      that a row lacks is None; `COLUMNS` win over a key of the same name.

    It returns a `RewardOutput`, or one score per candidate: a number, a bool (0 or 1), a
    0-dimensional array or tensor, or None for "not applicable". NaN, infinity and numbers beyond
    float32 have status ``NON_FINITE``. Rows are never deduplicated or cached, because it is not
    known what the function reads.

    Attributes:
        function: The function. To pickle the reward, it must be importable.
        name: Unique within an ensemble; if empty, the function's name.
        worst: The score of a gated row: the lowest score that the function can give. Required,
            because the library cannot know a function's range. If it is set too high, a gated row
            could score better than an honest one.
        needs_reference: The function reads references. For a row without a reference it gets None.

    Raises:
        ValueError: ``name`` is empty and the function has no name (a lambda, a partial), or
            ``worst`` is not finite.

    >>> def brevity(completions, **columns):
    ...     return [-len(text) for text in completions]
    >>> FromFunction(brevity, worst=-1000.0)([Candidate("Hallo", "Hello")]).scores
    array([-5.])
    """

    function: Callable[..., Any]
    _: dataclasses.KW_ONLY
    name: str = ""
    worst: float
    needs_reference: bool = False

    typed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        own_name = getattr(self.function, "__name__", "<lambda>")
        if not self.name:
            if own_name == "<lambda>":
                what = f"{shown(self.function)} has no name of its own"
                fix = f"FromFunction(function, name='brevity', worst={self.worst})"
                raise BadArgument([Problem("E103", "FromFunction.name", what, fix)])
            object.__setattr__(self, "name", own_name)
        if not finite(self.worst):
            raise ValueError(f"worst={self.worst} of {self.name} must be finite in float32")

    @property
    def bounds(self) -> tuple[float, float]:
        """From ``worst`` on; the highest score is the function's to know."""
        return self.worst, math.inf

    @property
    def signature(self) -> str:
        """The name, the function's module and name, and the options; not the function's code."""
        module = getattr(self.function, "__module__", "")
        function = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        return (
            f"{self.name}|FromFunction|function:{module}.{function}"
            f"|worst:{self.worst}|needs_reference:{self.needs_reference}"
        )

    def key(self, candidate: Candidate) -> Hashable | None:
        """None: no deduplication and no caching."""
        del candidate

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates in one call of the function.

        Raises:
            UserError: E108, these are no candidates.
            TypeError: The function returned a value that is not a score; the message names the row.
            RewardFailed: The number of scores differs from the number of candidates.
        """
        returned = self._call(as_candidates(candidates, self.name))
        if inspect.isawaitable(returned):
            import asyncio  # takes 25 ms, and most functions do not need it

            returned = asyncio.run(_awaited(returned))
        if isinstance(returned, RewardOutput):
            self._check_length(len(returned.status), len(candidates))
            return returned
        if isinstance(returned, str | Mapping) or not isinstance(returned, Iterable):
            raise TypeError(
                f"reward {self.name} returned {shown(returned)} ({type(returned).__name__}), "
                "not one score per candidate"
            )
        scores = list(cast("Iterable[object]", returned))
        self._check_length(len(scores), len(candidates))
        return RewardOutput.of([self._score(row, score) for row, score in enumerate(scores)])

    def _call(self, candidates: list[Candidate]) -> Any:
        parameters = inspect.signature(self.function).parameters
        if "completions" not in parameters and "prompts" not in parameters:
            return self.function(candidates)
        columns = _columns(candidates)
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
            columns = {name: values for name, values in columns.items() if name in parameters}
        return self.function(**columns)

    def _check_length(self, scores: int, candidates: int) -> None:
        if scores != candidates:
            raise RewardFailed(
                f"reward {self.name} returned {scores} scores for {candidates} candidates; it must "
                "return one for each, None where it does not apply"
            )

    def _score(self, row: int, score: object) -> float | None:
        """One returned value as a number; anything else is a bug in the function."""
        single = getattr(score, "ndim", 0) == 0
        if score is None:
            return None
        unfit = isinstance(score, (complex, np.complexfloating, np.character))
        if not single or unfit or not hasattr(score, "__float__"):
            raise TypeError(
                f"reward {self.name} returned {shown(score)} ({type(score).__name__}) "
                f"for row {row}; a score is a number, or None where the reward does not apply"
            )
        try:
            return float(cast("SupportsFloat", score))
        except OverflowError:  # an integer beyond floats
            return math.inf


async def _awaited(returned: Awaitable[object]) -> object:
    return await returned


def _columns(candidates: Sequence[Candidate]) -> dict[str, list[Any]]:
    """The arguments with which TRL calls a reward function, where candidates have them."""
    extra = dict.fromkeys(key for candidate in candidates for key in candidate.extra)
    return {
        **{key: [candidate.extra.get(key) for candidate in candidates] for key in extra},
        **{name: [getattr(candidate, name) for candidate in candidates] for name in COLUMNS},
        "prompts": [candidate.prompt for candidate in candidates],
        "completions": [candidate.hypothesis for candidate in candidates],
    }
