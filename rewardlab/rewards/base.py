"""What every reward shares: its signature, its key, and the walk over the rows.

A reward is a frozen dataclass with keyword-only fields. Its fields are its options, and the
signature, the YAML schema and the command-line form are read from them.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import ClassVar, NamedTuple

from rewardlab.types import Candidate, ErrorSpan, RewardOutput


@dataclass(frozen=True, kw_only=True)
class BaseReward(ABC):
    """A reward whose key and signature follow from what it declares.

    A subclass gives ``name`` a default in snake case, which is also the name it is registered
    under, and states ``worst``.

    Attributes:
        name: Unique within an ensemble; stands in metric names and tables.
    """

    name: str

    packages: ClassVar[tuple[str, ...]] = ("rewardlab",)
    """Installed packages whose versions the scores depend on."""
    family: ClassVar[str] = ""
    """What it shares with its relatives (`family_of`); empty for a reward that has none."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields of a candidate that the score depends on, and no others."""
        return ("source", "hypothesis")

    @property
    def needs_reference(self) -> bool:
        """The reward reads ``Candidate.reference``."""
        return "reference" in self.reads

    def key(self, candidate: Candidate) -> Hashable | None:
        """The values of the fields it reads."""
        return tuple(getattr(candidate, name) for name in self.reads)

    @property
    def signature(self) -> str:
        """Name, class, options and package versions.

        >>> from rewardlab.rewards import NotCopied
        >>> NotCopied(n=3).signature.split("|")[:3]
        ['not_copied', 'NotCopied', 'n:3']
        """
        options = [
            f"{field.name}:{_shown(getattr(self, field.name))}"
            for field in dataclasses.fields(self)
            if field.init and field.name != "name"
        ]
        versions = [f"{package}:{_version(package)}" for package in self.packages]
        return "|".join([self.name, type(self).__name__, *options, *versions])

    @abstractmethod
    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates."""


class Verdict(NamedTuple):
    """What a reward that looks at one row at a time says about it.

    Attributes:
        score: Higher is better; None where the reward does not apply.
        spans: The errors found.
    """

    score: float | None
    spans: list[ErrorSpan]


NOT_APPLICABLE = Verdict(None, [])


@dataclass(frozen=True, kw_only=True)
class RowReward(BaseReward):
    """A reward that judges each row by itself; a missing reference is not applicable."""

    @abstractmethod
    def judge(self, candidate: Candidate) -> Verdict:
        """Judge one candidate; it has a reference if the reward needs one."""

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates."""
        verdicts = [
            NOT_APPLICABLE
            if self.needs_reference and candidate.reference is None
            else self.judge(candidate)
            for candidate in candidates
        ]
        return RewardOutput.of(
            [verdict.score for verdict in verdicts], spans=[verdict.spans for verdict in verdicts]
        )


@cache
def _version(package: str) -> str:
    return metadata.version(package)


def _shown(value: object) -> str:
    """An option as the command line would take it; a text is quoted, so that none fakes a field."""
    return repr(value) if isinstance(value, str) else str(value)
