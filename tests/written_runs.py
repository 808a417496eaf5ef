"""Run directories written by hand, as the trainers write them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

RL = """\
run: {run}
algorithm: grpo
data:
- source: news.da
  reference: news.nb
  source_lang: da
  target_lang: nb
policy:
  path: checkpoints/start
  lora: null
rewards:
- reward: chrf
  name: null
  weight: 1.0
  token_weight: 0.0
- reward: lexical_spans
  name: spans
  weight: 0.0
  token_weight: 0.5
gates:
- reward: not_empty
  below: 0.5
trainer:
  max_steps: 40
"""
SPAN = {
    "reward": "spans", "start": 4, "end": 8, "severity": "major", "category": None,
    "side": "hypothesis", "confidence": 1.0, "explanation": None,
}  # fmt: skip


def line(step, **metrics):
    """One line of ``metrics.jsonl``; ``chrf`` and the like are the means of rewards."""
    return json.dumps({"step": step, **metrics}) + "\n"


def sample(source="ein dog", hypothesis="ein Haus", **fields):
    """One row of ``tokens/``: two tokens and the end of the sequence."""
    return {
        "step": 20, "row": 0, "id": "1", "source": source, "hypothesis": hypothesis,
        "reference": "ein Hund", "source_lang": "en", "target_lang": "de", "gated": None,
        "rewards": ["chrf", "spans"], "scores": [40.5, -5.0], "statuses": ["ok", "ok"],
        "spans": [SPAN], "token_starts": [0, 3, 8], "token_ends": [3, 8, 8],
        "token_advantages": [0.5, -2.0, 0.0], **fields,
    }  # fmt: skip


def write_tokens(run, step, rows, rank=0):
    """A file of ``tokens/``."""
    (run / "tokens").mkdir(exist_ok=True)
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, run / "tokens" / f"tokens_{step:05d}-{rank:02d}.parquet")


def write_rl(run, *, steps=(10, 20, 30, 40)):
    """An RL run that logged these steps; its rewards rise."""
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(RL.format(run=run), encoding="utf-8")
    (run / "versions.json").write_text("{}")
    with (run / "metrics.jsonl").open("w", encoding="utf-8") as file:
        for step in steps:
            rewards = {"rewards/chrf/mean": 50.0 + step, "rewards/spans/mean": -10.0 + step / 10}
            file.write(line(step, loss=0.5, **rewards, step_time=1.0))
    return run
