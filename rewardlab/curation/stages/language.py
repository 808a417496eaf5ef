"""Rows that are in the languages they claim to be in (LMT, arXiv 2511.07003)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from rewardlab.curation.items import Item
from rewardlab.curation.stage import Filter, Job
from rewardlab.errors import EXIT_DATA, Problem, refuse, shown
from rewardlab.text.language_sets import language_sets
from rewardlab.text.languages import language_code

HIGH_RESOURCE = frozenset(language_sets()["lmt_high"])
"""LMT's languages with much data."""
LABELS: Mapping[str, str] = MappingProxyType({"nb": "no", "fil": "tl"})
"""Languages that the identifier has under another code."""
Side = Literal["source", "translation", "both"]


@dataclass(frozen=True, kw_only=True)
class Language(Filter):
    """Drop rows in another language, by py3langid.

    As in LMT, a high-resource language needs a probability; any other one has to be the most likely
    one. On 3,000 sentences of news in 20 languages, it is right in 99% (docs/curation.md). Short
    texts have low probabilities.

    Attributes:
        minimum: Least probability of a high-resource language, in [0, 1]; None asks for the most
            likely language here, too. Short texts in languages with close relatives need that.
        side: The texts that are looked at.
    """

    minimum: Annotated[float, Field(ge=0, le=1)] | None = 0.5
    side: Side = "both"

    name: ClassVar[str] = "language"

    @property
    def signature(self) -> str:
        """The options and the version of the identifier."""
        from importlib.metadata import version

        return f"{super().signature}|py3langid:{version('py3langid')}"

    def run(self, job: Job, place: int) -> None:
        """Drop the rows for which there is a reason.

        Raises:
            UserError: E261, the identifier does not know a language of the rows; exit code 3.
        """
        known = identifier().nb_classes
        rows = (item for items in job.work.chunks() for item in items)
        languages = {language for item in rows for _, language, _ in self._texts(item)}
        for language in sorted(languages):
            if _label(language) not in known:
                what = f"{shown(language)} is not among the {len(known)} that py3langid knows"
                fix = "filter the other pairs in a job of their own"
                refuse(Problem("E261", "stage language", what, fix), exit_code=EXIT_DATA)
        super().run(job, place)

    def reason(self, item: Item) -> str | None:
        """Identify the languages of a row's texts."""
        for side, language, text in self._texts(item):
            label = _label(language)
            ranked: list[tuple[str, float]] = identifier().rank(text)
            if self.minimum is None or language_code(language) not in HIGH_RESOURCE:
                if ranked[0][0] != label:
                    return f"whose {side} is more likely in another language"
            elif dict(ranked)[label] < self.minimum:
                return f"whose {side} is in its language with a probability below {self.minimum:g}"
        return None

    def _texts(self, item: Item) -> Iterator[tuple[str, str, str]]:
        if self.side != "translation":
            yield "source", item.source_lang, item.source
        if self.side != "source" and item.text is not None:
            yield "translation", item.target_lang, item.text


@cache
def identifier() -> Any:
    """The identifier, with probabilities; loaded once."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _label(language: str) -> str:
    code = language_code(language)
    return LABELS.get(code, code)
