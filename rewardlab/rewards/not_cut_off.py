"""Translations that stop in the middle of a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from rewardlab.rewards.base import NOT_APPLICABLE, Verdict
from rewardlab.rewards.guards import Guard, omission
from rewardlab.text.languages import scripts
from rewardlab.text.sentences import is_finished
from rewardlab.types import Candidate

UNPUNCTUATED = frozenset({"Thai", "Lao", "Tibetan"})
"""Scripts without marks at the end of sentences."""


@dataclass(frozen=True, kw_only=True)
class NotCutOff(Guard):
    """0 if the source ends like a sentence and the hypothesis does not, else 1.

    The length of a translation says little about a missing part: half of a wordy translation is as
    long as a terse one. A missing final mark (`is_finished`) says more, in every language with
    final marks. The span is an omission of the whole source, since the missing part is not known.

    Invisible characters behind the mark do not count, and ``|`` stands for a danda.

    A hypothesis that translates half of the source and ends with a full stop is not detected. Not
    applicable if the source itself has no final mark (headlines), or the target language needs
    none.
    """

    name: str = "not_cut_off"
    reads = ("source", "hypothesis", "target_lang")

    def judge(self, candidate: Candidate) -> Verdict:
        """Compare how the texts end."""
        written = scripts(candidate.target_lang or "")
        unmarked = written and UNPUNCTUATED.issuperset(written)
        if unmarked or not is_finished(candidate.source):
            return NOT_APPLICABLE
        if is_finished(candidate.hypothesis):
            return Verdict(1.0, [])
        return Verdict(0.0, [omission(candidate.source)])
