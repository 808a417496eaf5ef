"""A translation that stops in the middle of a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from rewardlab.rewards.base import NOT_APPLICABLE, Verdict
from rewardlab.rewards.guards import Guard
from rewardlab.text.languages import scripts
from rewardlab.text.sentences import is_finished
from rewardlab.types import Candidate, ErrorSpan

UNPUNCTUATED = frozenset({"Thai", "Lao", "Tibetan"})
"""Scripts that need no mark at the end of a sentence."""


@dataclass(frozen=True, kw_only=True)
class NotCutOff(Guard):
    """0 when the source ends as a sentence does and the hypothesis does not, else 1.

    The length of a translation says little about a part that is missing: half of a wordy
    translation is as long as a terse one. That it stops without a final mark (`is_finished`) says
    much, in every language that writes them. The span is an omission of the whole source, since
    nothing says which part is missing.

    What ends with a full stop after half of the source is not seen. Not applicable where the source
    has no final mark itself (headlines), nor where the target language needs none.
    """

    name: str = "not_cut_off"

    @property
    def reads(self) -> tuple[str, ...]:
        """Source, hypothesis and target language."""
        return ("source", "hypothesis", "target_lang")

    def judge(self, candidate: Candidate) -> Verdict:
        """Compare how the texts end."""
        unmarked = UNPUNCTUATED.issuperset(found := scripts(candidate.target_lang or "")) and found
        if unmarked or not is_finished(candidate.source):
            return NOT_APPLICABLE
        if is_finished(candidate.hypothesis):
            return Verdict(1.0, [])
        span = ErrorSpan(0, len(candidate.source), "major", "Accuracy/Omission", side="source")
        return Verdict(0.0, [span])
