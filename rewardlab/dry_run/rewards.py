"""Every reward and gate asked about one row, each by itself, so that one does not hide another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rewardlab.dry_run.findings import Findings
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import EXIT_REWARD, Problem, RewardFailed, UserError
from rewardlab.types import Gate, Status, Term

if TYPE_CHECKING:
    from rewardlab.config.sections import GateConfig, RewardConfig
    from rewardlab.data.corpora import Row


def build_each(
    rewards: Sequence[RewardConfig], gates: Sequence[GateConfig]
) -> tuple[list[Term], list[Gate]]:
    """Terms and gates of an ensemble; one that cannot be built is left out.

    What is wrong with it is told where the configuration is read.
    """
    from rewardlab.config.checks import build_gates, build_terms

    terms: list[Term] = []
    closing: list[Gate] = []
    for entry in rewards:
        with suppress(UserError):
            terms += build_terms([entry])
    for entry in gates:
        with suppress(UserError):
            closing += build_gates([entry])
    return terms, closing


def check_rewards(
    terms: Sequence[Term], gates: Sequence[Gate], row: Row, found: Findings
) -> dict[str, Any]:
    """Load every reward and score one row with it: its reference, or its source without one.

    Args:
        terms: Of the ensemble.
        gates: Of the ensemble.
        row: One of the data's.
        found: Gets E401 for a reward that raised or broke its contract, E402 for one that is not
            available, and a note for a gate that closes on the reference itself.

    Returns:
        For each reward and gate that scored: its score, and the seconds that took with loading.
    """
    candidate = row.candidate(row.reference or row.source)
    scored: dict[str, Any] = {}
    for term in (*terms, *(Term(gate.reward) for gate in gates)):
        name = term.reward.name
        began = time.perf_counter()
        try:
            scores = RewardEnsemble([term])([candidate])
        except (RewardFailed, UserError) as error:
            found.add(_failure(name, error), exit_code=EXIT_REWARD, cause=error)
            continue
        if scores.status[0][0] is Status.UNAVAILABLE:
            fix = "start what it needs, then run this again"
            found.add(
                [Problem("E402", f"reward {name}", "could not score one row", fix)],
                exit_code=EXIT_REWARD,
            )
            continue
        value, status = float(scores.values[0, 0]), scores.status[0][0]
        told = round(value, 4) if status.scored else status.value
        scored[name] = {"score": told, "seconds": round(time.perf_counter() - began, 3)}
    for gate in gates:
        value = scored.get(gate.reward.name, {}).get("score")
        if row.reference is not None and isinstance(value, float) and value < gate.below:
            found.notes.append(
                f"the gate {gate.reward.name} closes on the reference of row {row.id}: it scores "
                f"{value:g}, below {gate.below:g}"
            )
    return scored


def score_one_row(terms: Sequence[Term], gates: Sequence[Gate], row: Row) -> None:
    """Ask every reward about one row, so that a broken one is found before the work begins.

    Raises:
        UserError: E401, E402, with every reward that cannot score it; exit code 4.
    """
    found = Findings()
    check_rewards(terms, gates, row, found)
    found.raise_if_any()


def _failure(name: str, error: RewardFailed | UserError) -> list[Problem]:
    """What a reward said was wrong, or that it has a bug."""
    if isinstance(error, UserError):
        return error.problems
    what = " ".join(str(error).split()).rstrip(".")
    return [
        Problem("E401", f"reward {name}", what, "it is a bug in that reward; --debug shows where")
    ]
