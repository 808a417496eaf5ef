"""``rewardlab demo``: the whole pipeline on the embedded miniature language, in a few minutes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from rewardlab.cli.quiet import hush
from rewardlab.config.checks import check_run_directory
from rewardlab.report import terminal

if TYPE_CHECKING:
    from rewardlab.miniature.pipeline import DemoResult
    from rewardlab.trainers.grpo import GRPOTrainer

CURVES = ("rewards/chrf/mean", "rewards/lexical_spans/mean", "token_credit/lexical_spans/std")


def command(
    out: Annotated[
        Path | None, typer.Option(help="Run directory (default: runs/demo-SEED, numbered).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="RL steps.")] = 80,
    token_credit: Annotated[
        bool, typer.Option(help="Turn error spans into token-level advantages.")
    ] = True,
) -> None:
    """Teach a small translator from flawed text, then correct it with rewards."""
    out = out or _fresh(Path("runs"), f"demo-{seed}")
    check_run_directory(out)
    hush()
    from rewardlab.miniature.pipeline import DemoSettings, run_demo

    progress = Console(stderr=True)
    weight = DemoSettings.token_weight if token_credit else 0.0
    settings = DemoSettings(seed=seed, rl_steps=steps, token_weight=weight)
    result = run_demo(out, settings, say=lambda text: progress.print(text, markup=False))
    console = Console()
    show(console, result)
    console.print(f"\nEverything is in {out}")


def show(console: Console, result: DemoResult) -> None:
    """Print quality before and after, reward curves, and five translations with their advantages.

    Args:
        console: Where to print.
        result: The result of the demo.
    """
    console.print(
        terminal.quality_table(
            "300 held-out sentences; neither exact match nor TER is a reward",
            [("after SFT", result.before), ("after RL", result.after)],
        )
    )
    history = result.trainer.state.log_history
    for metric in CURVES:
        values = [entry[metric] for entry in history if entry.get(metric) is not None]
        if values:
            curve = terminal.sparkline(values)
            console.print(f"{metric:<32} {values[0]:>8.2f} {curve} {values[-1]:.2f}")
    console.print("\nFive sampled translations: error spans underlined, then token advantages")
    _show_translations(console, result.trainer)


def _show_translations(console: Console, trainer: GRPOTrainer) -> None:
    """Show five rows of the last rollout, first those with errors and with different sources."""
    rollout = trainer.rollout
    if rollout is None or rollout.advantages is None:
        return
    column = rollout.scores.names.index("lexical_spans")
    spans = [row[column] for row in rollout.scores.spans]
    order = sorted(range(len(spans)), key=lambda row: -len(spans[row]))
    first_of_source = {rollout.candidates[row].source: row for row in reversed(order)}
    for row in sorted(first_of_source.values(), key=order.index)[:5]:
        candidate, decoded = rollout.candidates[row], rollout.decoded[row]
        values = rollout.advantages[row, : len(decoded.starts)].tolist()
        console.print(f"\n  source      {candidate.source}", markup=False)
        console.print(f"  reference   {candidate.reference}", markup=False)
        console.print("  translation ", terminal.marked(candidate.hypothesis, spans[row]))
        starts, ends = decoded.starts.tolist(), decoded.ends.tolist()
        console.print("  advantages  ", terminal.advantages(decoded.text, starts, ends, values))


def _fresh(parent: Path, name: str) -> Path:
    """``parent/name``, or the first ``parent/name.N`` that does not exist."""
    path, number = parent / name, 1
    while path.exists():
        number += 1
        path = parent / f"{name}.{number}"
    return path
