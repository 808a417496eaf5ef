"""What is scored, and what became of it: `Candidate` and `Status`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, cast

from rewardlab.arguments import Checked
from rewardlab.errors import Problem, UserError, kind_of
from rewardlab.spans import ErrorSpan

FORM = "Candidate(source, hypothesis, reference)"
"""How a candidate is written, for messages."""


class Status(StrEnum):
    """The outcome of one row on one reward."""

    OK = "ok"
    REPAIRED = "repaired"
    NOT_APPLICABLE = "not_applicable"
    UNPARSEABLE = "unparseable"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    NON_FINITE = "non_finite"
    UNAVAILABLE = "unavailable"

    @property
    def scored(self) -> bool:
        """The row has a finite score."""
        return self in (Status.OK, Status.REPAIRED)

    @property
    def failed(self) -> bool:
        """The text caused the failure: the row gets the worst valid score of its group."""
        return not self.scored and self not in (Status.NOT_APPLICABLE, Status.UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Candidate(metaclass=Checked):
    """One translation to be scored.

    Attributes:
        source: The text that was translated.
        hypothesis: The translation to be scored, exactly as it was sampled.
        reference: A translation to compare with, or None.
        source_lang: Language of the source, or None: a code (``en``, ``eng_Latn``, ``pt-BR``) or an
            English name. All spellings of a language mean the same to rewards.
        target_lang: Language of the hypothesis, likewise.
        prompt: The text the policy was given, or None.
        images: Images that belong to the source.
        id: Name of the source segment in logs and reports.
        extra: Other columns of the data set; this library's rewards never read them.

    Raises:
        UserError: E108, a field is not text.
    """

    source: str
    hypothesis: str
    reference: str | None = None
    source_lang: str | None = None
    target_lang: str | None = None
    prompt: str | None = None
    images: tuple[Any, ...] = ()
    id: str = ""
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), compare=False)

    def __post_init__(self) -> None:
        problems = list(_field_problems(self))
        if problems:
            raise UserError(problems)

    def text_of(self, span: ErrorSpan) -> str:
        """The characters of an error span: of the hypothesis, or of the source for an omission.

        >>> Candidate("the dog", "der Hund").text_of(ErrorSpan(4, 8, "minor"))
        'Hund'
        """
        text = self.hypothesis if span.side == "hypothesis" else self.source
        return text[span.start : span.end]

    def span_record(self, span: ErrorSpan) -> dict[str, Any]:
        """An error span for JSON: its fields, and its characters as ``text``."""
        return {**asdict(span), "text": self.text_of(span)}


def _field_problems(candidate: Candidate) -> Iterator[Problem]:
    """E108 for every field of a candidate that is not text."""
    for name in ("source", "hypothesis", "reference", "source_lang", "target_lang", "prompt", "id"):
        value: object = getattr(candidate, name)
        optional = name not in ("source", "hypothesis", "id")
        if isinstance(value, str) or (optional and value is None):
            continue
        yield Problem(
            "E108", f"Candidate.{name}", f"{kind_of(value)} is not text", _fix(name, value)
        )


def _fix(name: str, value: object) -> str:
    if name == "prompt":
        return "the text of the last message: prompt=messages[-1]['content']"
    if isinstance(value, (list, tuple)):
        if name == "reference":
            return "a candidate has one reference: reference=references[0]"
        return "one candidate per text: [Candidate(s, h) for s, h in zip(sources, hypotheses)]"
    if isinstance(value, bytes):
        return f"{name}=value.decode()"
    missing = value is None or value != value  # noqa: PLR0124 - NaN, as pandas writes "missing"
    if missing and name in ("source", "hypothesis"):
        return "leave the row out, or give it a text; an empty text is ''"
    return f"{name}={'None' if missing and name != 'id' else 'str(value)'}, in the form {FORM}"


def as_candidates(given: Iterable[Candidate], where: str) -> list[Candidate]:
    """The candidates as a list.

    Args:
        given: What a user passed as candidates.
        where: What they were passed to.

    Raises:
        UserError: E108, it is not a list of `Candidate` objects.
    """
    passed = cast("object", given)
    if isinstance(passed, Candidate):
        fix = f"a list with one candidate: [{FORM}]"
        raise UserError([Problem("E108", where, "one Candidate is not a list of candidates", fix)])
    if isinstance(passed, (str, bytes, Mapping)) or not isinstance(passed, Iterable):
        fix = f"a list of candidates: [{FORM}, ...]"
        raise UserError([Problem("E108", where, f"{kind_of(passed)} is not a list", fix)])
    rows = list(cast("Iterable[object]", passed))
    wrong = [(row, one) for row, one in enumerate(rows) if not isinstance(one, Candidate)]
    if wrong:
        row, first = wrong[0]
        fix = "[Candidate(source, hypothesis) for source, hypothesis in zip(sources, hypotheses)]"
        if isinstance(first, Mapping):
            fix = f"[Candidate(**row) for row in rows], with the fields of {FORM}"
        what = (
            f"{len(wrong):,} of {len(rows):,} rows are no Candidate; row {row} is {kind_of(first)}"
        )
        raise UserError([Problem("E108", where, what, fix)])
    return cast("list[Candidate]", rows)
