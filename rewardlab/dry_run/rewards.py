"""Each reward and gate scores planted texts by itself, so that no failure hides another."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rewardlab.config.checks import build_gates, build_terms
from rewardlab.config.sections import GateConfig, RewardConfig
from rewardlab.dry_run.findings import Findings, valid
from rewardlab.errors import EXIT_REWARD, Problem, RewardFailed, UserError
from rewardlab.preflight.planted import (
    KINDS,
    PlantedRow,
    PlantedScores,
    ask_planted,
    consequences,
    planted_rows,
)
from rewardlab.types import Candidate, Gate, Term

DIGITS = 4


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
    terms: Sequence[Term],
    gates: Sequence[Gate],
    candidates: Sequence[Candidate],
    found: Findings,
    *,
    refuse: bool = False,
) -> dict[str, Any]:
    """Load every reward, and score planted texts with it (`rewardlab.preflight.planted`).

    Args:
        terms: Terms of the ensemble.
        gates: Gates of the ensemble.
        candidates: Rows of the data, at least one; their hypotheses are not read.
        found: Gets E401 for a reward that raised or broke its contract, E402 for one that is not
            available, E130 and E131 for one that planted texts refuse, and notes.
        refuse: Whether planted texts may refuse a reward; otherwise this is a note.

    Returns:
        For each reward and gate that answered: its mean score of each kind of text, the number of
        ``rows``, the ``status`` of texts that have no score, and the ``seconds`` it took, loading
        included.
    """
    told: dict[str, Any] = {}
    for entry in (*terms, *gates):
        name = entry.reward.name
        rows = planted_rows(candidates, applies=entry.applies) or _stand_in(candidates[0])
        try:
            scores = ask_planted(entry.reward, rows)
        except (RewardFailed, UserError) as error:
            found.add(_problems(name, error), exit_code=EXIT_REWARD, cause=error)
            continue
        if scores.verdict == "unavailable":
            fix = "start what it needs, then run this again"
            problem = Problem("E402", f"reward {name}", "could not score planted texts", fix)
            found.add([problem], exit_code=EXIT_REWARD)
            continue
        told[name] = _summary(scores)
        problems, notes = consequences(entry, scores, refuse=refuse)
        found.add(problems, exit_code=EXIT_REWARD)
        found.notes += notes
        if isinstance(entry, Gate):
            found.notes += _closing(entry, rows, scores)
    return told


def _stand_in(candidate: Candidate) -> list[PlantedRow]:
    """A copy of the source, for data without references: it shows that every reward loads."""
    reference = candidate.reference or candidate.source
    fields = {"hypothesis": candidate.source, "reference": reference}
    return [{"copy": dataclasses.replace(candidate, **fields)}]


def _summary(scores: PlantedScores) -> dict[str, Any]:
    means = {kind: round(mean, DIGITS) for kind, mean in scores.means.items()}
    unscored = {str(status): n for status, n in scores.status.items() if not status.scored}
    status = {"status": unscored} if unscored else {}
    return {**means, "rows": len(scores.values), **status, "seconds": round(scores.seconds, 3)}


def _closing(gate: Gate, rows: Sequence[PlantedRow], scores: PlantedScores) -> Iterator[str]:
    """A note on a gate that closes on references."""
    references = scores.values[:, [*KINDS].index("reference")]
    closed = [at for at in range(len(rows)) if references[at] < gate.below]
    if closed:
        first = rows[closed[0]]["reference"].id
        yield (
            f"the gate {scores.reward} closes on the reference of row {first}: it scores "
            f"{references[closed[0]]:g}, below {gate.below:g} ({len(closed)} of {len(rows):,} rows)"
        )


def _problems(name: str, error: RewardFailed | UserError) -> list[Problem]:
    """The problems that a reward reported, or a problem that says it has a bug."""
    if isinstance(error, UserError):
        return error.problems
    what = " ".join(str(error).split()).rstrip(".")
    fix = "it is a bug in that reward; --debug shows where"
    return [Problem("E401", f"reward {name}", what, fix)]


# ── the table ───────────────────────────────────────────────────────────────────────────────────


def reward_table(rewards: Mapping[str, Any]) -> str:
    """The result of `check_rewards` as a table of at most 80 columns.

    >>> print(reward_table({"chrf": {"reference": 100.0, "copy": 1.5, "rows": 4, "seconds": 0.01}}))
    mean scores of planted texts, made from 4 rows
      reward           reference     half     copy unrelated gibberish  seconds
      chrf                   100        -      1.5         -         -     0.01
    """
    rows = max(one["rows"] for one in rewards.values())
    lines = [f"mean scores of planted texts, made from {rows} {'rows' if rows > 1 else 'row'}"]
    lines.append(_line("reward", [*KINDS], "seconds"))
    for name, one in rewards.items():
        scores = [f"{one[kind]:.4g}" if kind in one else "-" for kind in KINDS]
        lines.append(_line(name, scores, f"{one['seconds']:.2f}"))
        if "status" in one:
            counts = ", ".join(f"{status} {count}" for status, count in one["status"].items())
            lines.append(f"    not scored: {counts}")
    return "\n".join(lines)


def _line(name: str, scores: Sequence[str], seconds: str) -> str:
    """A line of the table; a name that is too long has a line to itself."""
    head = f"  {name:<17}" if len(name) <= 17 else f"  {name}\n{'':<19}"  # noqa: PLR2004
    widths = (9, 9, 9, 10, 10)
    cells = "".join(f"{score:>{width}}" for score, width in zip(scores, widths, strict=True))
    return f"{head}{cells}{seconds:>9}"
