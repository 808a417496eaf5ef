"""The summary of a dry run as lines for people; the summary itself is the JSON on stdout."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from rewardlab.dry_run.rewards import reward_table
from rewardlab.errors import quantity

WIDTH = 80
SHOWN_SHARE = 0.01
"""Parts of the memory below this share are left out."""


def summary_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """The summary in lines of at most 80 columns; systems of an evaluation come last.

    >>> list(summary_lines({"parameters": {"total": 39392, "trained": 16864}}))
    ['parameters: 39,392, of which 16,864 are trained']
    """
    for name, write in PARTS.items():
        for line in write(summary[name]) if summary.get(name) else ():
            yield from textwrap.wrap(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    for system, known in summary.get("decoding", {}).items():
        yield f"{system}:"
        yield from (f"  {line}" for line in summary_lines(known))


def _tokens(tokens: Mapping[str, Any]) -> Iterator[str]:
    for side in ("prompt", "completion"):
        if counts := tokens.get(side):
            yield (
                f"{side} tokens: median {counts['median']:,}, 95% up to {counts['p95']:,}, "
                f"longest {counts['max']:,}"
            )
    limits = [f"{key}={value}" for key, value in tokens.items() if key.startswith("max_")]
    yield f"{', '.join(limits)} cuts {tokens['cut']:,} of {quantity(tokens['measured'], 'row')}"


def _batches(batches: Mapping[str, Any]) -> Iterator[str]:
    factors = [quantity(batches["rows_per_process"], "row")]
    if batches["accumulation"] > 1:
        factors.append(f"{batches['accumulation']:,} accumulated")
    if batches["processes"] > 1:
        factors.append(quantity(batches["processes"], "process"))
    rows = " x ".join(factors)
    if len(factors) > 1:
        rows += f" = {quantity(batches['rows_per_step'], 'row')}"
    yield f"each step: {rows}"
    yield (
        f"steps: {batches['steps']:,}, which is {batches['epochs']:g} epochs of "
        f"{quantity(batches['steps_per_epoch'], 'step')}"
    )


def _rollouts(rollouts: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"sampling: {quantity(rollouts['per_generation'], 'completion')} at a time, "
        f"{rollouts['per_prompt']:,} for each of {rollouts['prompts_per_generation']:,} prompts; "
        f"{rollouts['total']:,} in all"
    )


def _parameters(parameters: Mapping[str, Any]) -> Iterator[str]:
    total, trained = parameters["total"], parameters.get("trained")
    told = {None: "", total: ", all trained"}.get(
        trained, f", of which {trained or 0:,} are trained"
    )
    yield f"parameters: {total:,}{told}"


def _memory(memory: Mapping[str, Any], name: str = "memory") -> Iterator[str]:
    parts = {part: size for part, size in memory.items() if part not in ("total", "sharded_total")}
    large = [
        f"{part} {_size(size)}"
        for part, size in parts.items()
        if size >= SHOWN_SHARE * memory["total"]
    ]
    yield f"{name}: {_size(memory['total'])} at its peak: {', '.join(large)}"
    if sharded := memory.get("sharded_total"):
        sizes = ", ".join(f"{_size(size)} on {count}" for count, size in sharded.items())
        yield f"memory of each GPU if sharded (FSDP, ZeRO-3): {sizes} GPUs"


def _memory_on_cpu(memory: Mapping[str, Any]) -> Iterator[str]:
    yield from _memory(memory, "memory on this CPU")


def _memory_on_gpu(memory: Mapping[str, Any]) -> Iterator[str]:
    yield from _memory(memory, "memory on one GPU")


def _rewards(rewards: Mapping[str, Any]) -> Iterator[str]:
    yield from reward_table(rewards).splitlines()


def _size(gib: float) -> str:
    """A size with two or three digits, in the unit that suits it."""
    return f"{gib:.3g} GiB" if gib >= 1 else f"{max(1, round(gib * 1024))} MiB"


PARTS = {
    "tokens": _tokens,
    "batches": _batches,
    "rollouts": _rollouts,
    "parameters": _parameters,
    "cpu_memory_gib": _memory_on_cpu,
    "memory_gib": _memory_on_gpu,
    "rewards": _rewards,
}
