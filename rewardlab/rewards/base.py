"""The base classes of rewards: signature, key, and the loop over rows.

A reward is a frozen dataclass with keyword-only fields. Its fields are its options; the signature,
the YAML schema and the command-line form are read from them.
"""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from rewardlab.arguments import Checked
from rewardlab.candidates import as_candidates
from rewardlab.store.checkpoints import find_checkpoint, loaded_digest
from rewardlab.types import Candidate, ErrorSpan, Reward, RewardOutput

Precision = Literal["auto", "float32", "bfloat16", "float16"]
FIELDS = ("source", "hypothesis", "reference", "source_lang", "target_lang", "prompt")
"""The fields of a candidate that a reward may read, in the order in which they are shown."""


@dataclass(frozen=True, kw_only=True)
class BaseReward(metaclass=Checked):
    """A reward whose key and signature follow from its declared fields.

    A subclass gives ``name`` a default in snake case, under which it is registered, and defines
    ``worst``. It states ``bounds`` where its scores have limits.

    Attributes:
        name: Unique within an ensemble; used in metric names and tables.
    """

    name: str

    typed: ClassVar[bool] = True
    """Options must have the types of their fields (`rewardlab.arguments.Checked`)."""
    reads: ClassVar[tuple[str, ...]] = ("source", "hypothesis")
    """Exactly the fields of a candidate that the score depends on."""
    packages: ClassVar[tuple[str, ...]] = ("rewardlab",)
    """Installed packages whose versions the scores depend on."""
    family: ClassVar[str] = ""
    """The name of a group of related rewards (`family_of`); empty if there is none."""
    learned: ClassVar[bool] = False
    """A model gives the scores, so planted texts must show that it sees what it scores
    (`rewardlab.preflight.planted`)."""
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    """The lowest and the highest score, infinite where there is no limit."""
    finds_spans: ClassVar[bool | None] = None
    """Whether the reward marks error spans; None if only its output shows it."""

    @property
    def needs_reference(self) -> bool:
        """The reward reads ``Candidate.reference``."""
        return "reference" in self.reads

    def key(self, candidate: Candidate) -> Hashable | None:
        """The values of the fields in `reads`."""
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

    def applicable(self, candidates: Sequence[Candidate]) -> list[int]:
        """The rows that can be scored: all, or those with a reference if the reward needs one.

        Raises:
            UserError: E108, these are no candidates.
        """
        return [
            row
            for row, candidate in enumerate(as_candidates(candidates, self.name))
            if not self.needs_reference or candidate.reference is not None
        ]


def with_weights(signature: str, model: Path, device: str) -> str:
    """A signature with the digest of a checkpoint and the kind of device.

    Args:
        signature: Name, options and package versions.
        model: The checkpoint or run directory.
        device: As in `rewardlab.models.device.pick_device`.

    Raises:
        UserError: E080, the checkpoint is missing; exit code 2.
    """
    from rewardlab.models.device import pick_device

    digest = loaded_digest(find_checkpoint(model).resolve())
    return "|".join([signature, f"weights:{digest}", f"on:{pick_device(device).type}"])


class Verdict(NamedTuple):
    """The result of one row.

    Attributes:
        score: Higher is better; None if the reward does not apply.
        spans: The errors found.
    """

    score: float | None
    spans: list[ErrorSpan]


NOT_APPLICABLE = Verdict(None, [])


@dataclass(frozen=True, kw_only=True)
class RowReward(BaseReward):
    """A reward that judges each row by itself; not applicable if a needed reference is missing."""

    finds_spans: ClassVar[bool | None] = True

    @abstractmethod
    def judge(self, candidate: Candidate) -> Verdict:
        """Judge one candidate, which has a reference if the reward needs one."""

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates."""
        verdicts = [NOT_APPLICABLE] * len(candidates)
        for row in self.applicable(candidates):
            verdicts[row] = self.judge(candidates[row])
        return RewardOutput.of(
            [verdict.score for verdict in verdicts],
            spans=[verdict.spans for verdict in verdicts] if self.finds_spans else None,
        )


def reads_of(reward: Reward) -> tuple[str, ...]:
    """The fields of a candidate that a reward reads.

    A reward that does not declare them (`BaseReward.reads`), such as a plain
    function, is taken to read all fields but the reference; ``needs_reference`` tells about that.

    >>> from rewardlab.rewards import ChrF, NotCopied
    >>> reads_of(ChrF()), reads_of(NotCopied())
    (('hypothesis', 'reference'), ('source', 'hypothesis'))
    """
    declared = getattr(reward, "reads", None)
    if declared is not None:
        return tuple(declared)
    return tuple(one for one in FIELDS if one != "reference" or reward.needs_reference)


@cache
def _version(package: str) -> str:
    return metadata.version(package)


def _shown(value: object) -> str:
    """An option as the command line takes it; quotes keep a text from faking another field."""
    return repr(value) if isinstance(value, str) else str(value)
