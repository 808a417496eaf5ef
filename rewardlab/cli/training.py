"""What the commands with a model share: prompts, processes, what suits the machine and is told."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

if TYPE_CHECKING:
    from trl import GRPOConfig, SFTConfig

    from rewardlab.config import RLConfig, SFTRunConfig
    from rewardlab.config.evaluate import EvaluateConfig
    from rewardlab.config.translate import RerankConfig, TranslateConfig
    from rewardlab.data.corpora import Row
    from rewardlab.dry_run import Findings
    from rewardlab.store.lineage import Training
    from rewardlab.text.prompts import Prompt


def prompt_of(
    config: RLConfig | SFTRunConfig | TranslateConfig | RerankConfig | EvaluateConfig, row: Row
) -> Prompt:
    """The row's prompt in the configured style.

    Raises:
        KeyError: No such style; an evaluation that decodes nothing may have none.
    """
    from rewardlab.text.prompts import write_prompt

    return write_prompt(
        config.prompt or "",
        row.source,
        source_lang=row.source_lang,
        target_lang=row.target_lang,
        chat=config.chat,
    )


def answer_of(row: Row, *, chat: bool) -> Prompt | None:
    """The row's reference, as a text or as the assistant's turn; None where it has none."""
    if row.reference is None or not chat:
        return row.reference
    return [{"role": "assistant", "content": row.reference}]


def plain_data(config: RLConfig | SFTRunConfig) -> tuple[dict[str, Any], ...]:
    """The ``data`` sections as a model's lineage records them."""
    return tuple(data.model_dump(mode="json") for data in config.data)


def training_before(path: Path | None) -> Training | None:
    """What is known of the training of the checkpoint that a run starts from.

    Raises:
        UserError: E047, it cannot be read.
    """
    from rewardlab.store.lineage import read_training

    return None if path is None else read_training(path)


def begin(run: Path, *, config: str, signature: str | None = None) -> None:
    """Start the run directory on the first process, and wait for it on the others."""
    from accelerate import PartialState

    from rewardlab.cli.quiet import hush
    from rewardlab.store.run_directory import start_run

    hush()
    process = PartialState()
    if process.is_main_process:
        start_run(run, config=config, signature=signature)
    process.wait_for_everyone()


def is_first_process() -> bool:
    """Whether this is the only process, or the first that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


def quiet_defaults() -> dict[str, Any]:
    """TRL options for a command: stdout kept for data, and full precision on a CPU."""
    import torch

    quiet: dict[str, Any] = {"report_to": [], "disable_tqdm": True, "log_level_replica": "error"}
    cpu = {} if torch.accelerator.is_available() else {"use_cpu": True, "bf16": False}
    return quiet | cpu


def loading(options: GRPOConfig | SFTConfig) -> dict[str, Any]:
    """How the policy is loaded: TRL's ``model_init_kwargs``, which it has parsed by now."""
    return cast("dict[str, Any]", options.model_init_kwargs or {})


def say(*lines: str) -> None:
    """Tell people on stderr, once."""
    for line in lines if is_first_process() else ():
        typer.echo(line, err=True)


def conclude(found: Findings, summary: Mapping[str, Any], *notes: str) -> None:
    """Go on if nothing is wrong, and tell what was found out.

    Args:
        found: By all checks.
        summary: What is known of the run.
        notes: What there is to tell about its rows.

    Raises:
        UserError: With everything that is wrong.
    """
    from rewardlab.dry_run import tell

    found.raise_if_any()
    say(*notes, *tell(summary), *(f"note: {note}" for note in dict.fromkeys(found.notes)))


def report(summary: dict[str, Any]) -> None:
    """Print the command's result on stdout, once."""
    if is_first_process():
        typer.echo(json.dumps(summary, ensure_ascii=False))


def peak_memory_mb() -> float:
    """The most memory this process ever held, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
