"""``rewardlab demo``: the whole loop on the embedded miniature language, in a few minutes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from rewardlab.miniature.pipeline import DemoResult
    from rewardlab.trainers.grpo import GRPOTrainer


@dataclass(frozen=True)
class DemoConfig:
    """What to run and where.

    Attributes:
        out: Run directory, new or empty.
        seed: Of everything.
        steps: RL steps.
        token_credit: Whether error spans become token-level advantages.
    """

    out: Path
    seed: int
    steps: int
    token_credit: bool


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
    run(DemoConfig(out or _fresh(Path("runs"), f"demo-{seed}"), seed, steps, token_credit))


def run(config: DemoConfig) -> None:
    """Run the demonstration and show what changed.

    Raises:
        UserError: E030, the run directory holds something.
    """
    from rich.console import Console

    from rewardlab.cli.quiet import hush
    from rewardlab.config.checks import check_run_directory

    check_run_directory(config.out)
    hush()
    from rewardlab.miniature.pipeline import DemoSettings, run_demo

    progress = Console(stderr=True)
    settings = DemoSettings(
        seed=config.seed,
        rl_steps=config.steps,
        token_weight=DemoSettings.token_weight if config.token_credit else 0.0,
    )
    result = run_demo(config.out, settings, say=lambda text: progress.print(text, markup=False))
    show(Console(), config, result)


def show(console: Console, config: DemoConfig, result: DemoResult) -> None:
    """Before and after, reward curves, and five translations with their token advantages."""
    from rewardlab.report import terminal

    console.print(
        terminal.quality_table(
            "300 held-out sentences; neither exact match nor TER is a reward",
            [("after SFT", result.before), ("after RL", result.after)],
        )
    )
    history = result.trainer.state.log_history
    for metric in (
        "rewards/chrf/mean",
        "rewards/lexical_spans/mean",
        "token_credit/lexical_spans/std",
    ):
        values = [entry[metric] for entry in history if entry.get(metric) is not None]
        if values:
            curve = terminal.sparkline(values)
            console.print(f"{metric:<32} {values[0]:>8.2f} {curve} {values[-1]:.2f}")
    console.print("\nFive sampled translations: error spans underlined, then token advantages")
    _show_translations(console, result.trainer)
    console.print(f"\nEverything is in {config.out}")


def _show_translations(console: Console, trainer: GRPOTrainer) -> None:
    """Five rows of the last rollout, those with errors and of different sources first."""
    from rewardlab.report import terminal

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
        console.print(
            "  advantages  ",
            terminal.advantages(
                decoded.text, decoded.starts.tolist(), decoded.ends.tolist(), values
            ),
        )


def _fresh(parent: Path, name: str) -> Path:
    """``parent/name``, or the first ``parent/name.N`` that does not exist."""
    path, number = parent / name, 1
    while path.exists():
        number += 1
        path = parent / f"{name}.{number}"
    return path
