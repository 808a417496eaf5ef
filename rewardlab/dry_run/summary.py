"""The summary of a dry run as lines for people; the summary itself is the JSON on stdout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rewardlab.dry_run.rewards import reward_table


def summary_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """One line for each part of the summary that has one; systems of an evaluation come last.

    >>> list(summary_lines({"parameters": {"total": 39392, "trained": 16864}}))
    ['parameters: 39,392, of which 16,864 are trained']
    """
    for name, line in LINES.items():
        if summary.get(name):
            yield f"{name.removesuffix('_gib')}: {line(summary[name])}"
    for system, known in summary.get("decoding", {}).items():
        yield from (f"{system}: {line}" for line in summary_lines(known))


def _tokens(tokens: Mapping[str, Any]) -> str:
    parts = [
        f"{side}s median {tokens[side]['median']:,}, p95 {tokens[side]['p95']:,}, longest "
        f"{tokens[side]['max']:,}"
        for side in ("prompt", "completion")
        if tokens.get(side)
    ]
    limits = [f"{key} {value}" for key, value in tokens.items() if key.startswith("max_")]
    cut = f"{', '.join(limits)} cuts {tokens['cut']:,} of {tokens['measured']:,} rows"
    return "; ".join([*parts, cut])


def _batches(batches: Mapping[str, Any]) -> str:
    return (
        f"{batches['rows_per_process']:,} rows x {batches['accumulation']:,} passes x "
        f"{batches['processes']:,} processes = {batches['rows_per_step']:,} a step; "
        f"{batches['steps_per_epoch']:,} steps an epoch, {batches['steps']:,} steps in all, "
        f"{batches['epochs']:g} epochs"
    )


def _rollouts(rollouts: Mapping[str, Any]) -> str:
    return (
        f"{rollouts['per_generation']:,} completions at a time, {rollouts['per_prompt']:,} for "
        f"each of {rollouts['prompts_per_generation']:,} prompts; {rollouts['total']:,} in all"
    )


def _parameters(parameters: Mapping[str, Any]) -> str:
    trained = parameters.get("trained")
    return f"{parameters['total']:,}" + (f", of which {trained:,} are trained" if trained else "")


def _memory(memory: Mapping[str, Any]) -> str:
    known = ("total", "sharded_total")
    parts = [f"{name} {size:g}" for name, size in memory.items() if name not in known and size]
    line = f"{memory['total']:g} GiB for one process ({', '.join(parts)})"
    if sharded := memory.get("sharded_total"):
        counts = ", ".join(f"{size:g} of {count}" for count, size in sharded.items())
        line += f"; each, fully sharded: {counts}"
    return line


LINES = {
    "tokens": _tokens,
    "batches": _batches,
    "rollouts": _rollouts,
    "parameters": _parameters,
    "memory_gib": _memory,
    "rewards": reward_table,
}
