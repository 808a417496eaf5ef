"""Each reward and gate scores one row separately, so that one failure does not hide another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rewardlab.config.checks import build_gates, build_terms
from rewardlab.config.sections import GateConfig, RewardConfig
from rewardlab.data.corpora import Row
from rewardlab.dry_run.findings import Findings, valid
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import EXIT_REWARD, Problem, RewardFailed, UserError
from rewardlab.types import Gate, Status, Term


def build_each(
    rewards: Sequence[RewardConfig], gates: Sequence[GateConfig]
) -> tuple[list[Term], list[Gate]]:
    """Terms and gates of an ensemble.

    Args:
        rewards: Entries of the file. An entry that cannot be built is left out, since its problem
            is reported with the configuration.
        gates: Entries of the file, treated in the same way.
    """
    terms = valid(lambda entry: build_terms([entry])[0], rewards)
    return list(terms), list(valid(lambda entry: build_gates([entry])[0], gates))


def check_rewards(
    terms: Sequence[Term], gates: Sequence[Gate], row: Row, found: Findings
) -> dict[str, Any]:
    """Load every reward and score one row with it: its reference, or its source without one.

    Args:
        terms: Terms of the ensemble.
        gates: Gates of the ensemble.
        row: One row of the data.
        found: Gets E401 for a reward that raised or broke its contract, E402 for one that is not
            available, and a note for a gate that closes on the reference itself.

    Returns:
        For each reward and gate that scored: its score, and the seconds it took, loading included.
    """
    candidate = row.candidate(row.reference or row.source)
    scored: dict[str, Any] = {}
    for term in (*terms, *(Term(gate.reward) for gate in gates)):
        name = term.reward.name
        began = time.perf_counter()
        try:
            scores = RewardEnsemble([term])([candidate])
        except (RewardFailed, UserError) as error:
            found.add(_problems(name, error), exit_code=EXIT_REWARD, cause=error)
            continue
        value, status = float(scores.values[0, 0]), scores.status[0][0]
        if status is Status.UNAVAILABLE:
            fix = "start what it needs, then run this again"
            problem = Problem("E402", f"reward {name}", "could not score one row", fix)
            found.add([problem], exit_code=EXIT_REWARD)
            continue
        score = round(value, 4) if status.scored else status.value
        scored[name] = {"score": score, "seconds": round(time.perf_counter() - began, 3)}
    for gate in gates:
        value = scored.get(gate.reward.name, {}).get("score")
        if row.reference is not None and isinstance(value, float) and value < gate.below:
            found.notes.append(
                f"the gate {gate.reward.name} closes on the reference of row {row.id}: it scores "
                f"{value:g}, below {gate.below:g}"
            )
    return scored


def _problems(name: str, error: RewardFailed | UserError) -> list[Problem]:
    """The problems that a reward reported, or a problem that says it has a bug."""
    if isinstance(error, UserError):
        return error.problems
    what = " ".join(str(error).split()).rstrip(".")
    fix = "it is a bug in that reward; --debug shows where"
    return [Problem("E401", f"reward {name}", what, fix)]
