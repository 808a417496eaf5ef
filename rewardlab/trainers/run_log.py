"""Files that a training run writes: metrics, and the spans and advantages of logged completions.

``metrics.jsonl``: one JSON object per logging step; non-finite values are null.
``tokens/tokens_STEP-RANK.parquet``: one row per completion of this process. Column ``row`` is the
row number in TRL's ``completions/completions_STEP.parquet``. All of these files are in the
trainer's ``output_dir``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor
from transformers import (
    PrinterCallback,
    ProgressCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from rewardlab.json_values import json_value
from rewardlab.trainers.rollout import Rollout

TEXT_COLUMNS = ("id", "source", "hypothesis", "reference", "source_lang", "target_lang")
SPAN_SCHEMA = pa.struct(
    {
        "reward": pa.string(),
        "start": pa.int64(),
        "end": pa.int64(),
        "severity": pa.string(),
        "category": pa.string(),
        "side": pa.string(),
        "confidence": pa.float64(),
        "explanation": pa.string(),
    }
)
# Explicit, because a batch without spans or references would otherwise get null-typed columns.
TOKEN_SCHEMA = pa.schema(
    {
        "step": pa.int64(),
        "row": pa.int64(),
        **dict.fromkeys(TEXT_COLUMNS, pa.string()),
        "gated": pa.string(),
        "rewards": pa.list_(pa.string()),
        "scores": pa.list_(pa.float64()),
        "statuses": pa.list_(pa.string()),
        "spans": pa.list_(SPAN_SCHEMA),
        "token_starts": pa.list_(pa.int64()),
        "token_ends": pa.list_(pa.int64()),
        "token_advantages": pa.list_(pa.float64()),
    }
)


class MetricsLog(TrainerCallback):
    """Appends logged metrics to ``metrics.jsonl``."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the callback's signature
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Write one line."""
        if state.is_world_process_zero and args.output_dir and logs:
            append_metrics(Path(args.output_dir), state.global_step, logs)


def append_metrics(directory: Path, step: int, metrics: Mapping[str, Any]) -> None:
    """Append one line to ``metrics.jsonl``.

    Args:
        directory: The run directory; made if it does not exist.
        step: The step that the metrics belong to.
        metrics: Values by name; those that are not finite are written as null.
    """
    directory.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"step": step, **json_value(metrics)}, ensure_ascii=False, allow_nan=False)
    with (directory / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


class TokenLog(TrainerCallback):
    """Writes the latest completions of this process with their spans and token advantages.

    Args:
        latest: Returns the latest rollout, or None before the first one.
        rank: Rank of this process; part of the file names.
    """

    def __init__(self, latest: Callable[[], Rollout | None], *, rank: int) -> None:
        self._latest = latest
        self._rank = rank

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the callback's signature
        **_: Any,
    ) -> None:
        """Write one file."""
        rollout = self._latest()
        if rollout is None or rollout.advantages is None or not args.output_dir:
            return
        if not rollout.training:  # TRL's table is of the training batch as well
            return
        directory = Path(args.output_dir) / "tokens"
        directory.mkdir(parents=True, exist_ok=True)
        rows = token_rows(rollout, rollout.advantages, step=state.global_step)
        name = f"tokens_{state.global_step:05d}-{self._rank:02d}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema=TOKEN_SCHEMA), directory / name)


def token_rows(rollout: Rollout, advantages: Tensor, *, step: int) -> list[dict[str, Any]]:
    """One record per completion: texts, scores, spans, and each token with its advantage.

    Args:
        rollout: n completions.
        advantages: (n, T).
        step: The trainer's global step.
    """
    first = rollout.rows.local.start or 0
    return [
        {
            "step": step,
            "row": first + row,
            **{name: getattr(candidate, name) for name in TEXT_COLUMNS},
            "gated": rollout.scores.gated[row],
            "scores": rollout.scores.values[row].tolist(),
            "statuses": [status.value for status in rollout.scores.status[row]],
            "rewards": list(rollout.scores.names),
            "spans": [
                {"reward": name, **dataclasses.asdict(span)}
                for name, spans in zip(rollout.scores.names, rollout.scores.spans[row], strict=True)
                for span in spans
            ],
            "token_starts": decoded.starts.tolist(),
            "token_ends": decoded.ends.tolist(),
            "token_advantages": advantages[row, : len(decoded.starts)].tolist(),
        }
        for row, (decoded, candidate) in enumerate(
            zip(rollout.decoded, rollout.candidates, strict=True)
        )
    ]


def no_printing(trainer: Any) -> None:
    """Remove the callbacks of transformers that print metrics or draw a bar on stdout.

    Args:
        trainer: A trainer of transformers or TRL.
    """
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)


class NoModelCard:
    """For a trainer of TRL: writes no README.md, which would know neither data nor rewards."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write nothing; ``training.json`` says how the model was trained."""
