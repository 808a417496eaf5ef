"""What a trimmed vocabulary saves: Gemma 3 270M whole and with the tokens of two languages.

LoRA training and sampling run in separate processes, the two models in turn, so that load on the
machine hits both. Training: `rows` translations of the kept text, prompt and answer, one step per
batch. Sampling: continuations of the same prompts. Peak memory is that of the process.

    rewardlab models get gemma-3-270m --accept-licence
    python benchmarks/trimmed_vocabulary.py SOURCES TARGETS [--json PATH]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from rewardlab.checkpoints.fetch import fetched
from rewardlab.checkpoints.published import published

WORK = """
import json, resource, sys, time
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from rewardlab.cli.quiet import hush
hush()
model_path, task, rows = sys.argv[1], sys.argv[2], json.loads(sys.stdin.read())
tokenizer = AutoTokenizer.from_pretrained(model_path)
model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
ROWS = 8
if task == "train":
    model = get_peft_model(model, LoraConfig(r=16, target_modules="all-linear"))
    optimizer = torch.optim.AdamW(p for p in model.parameters() if p.requires_grad)
tokens, start = 0, None
for step in range(0, len(rows), ROWS):
    if step == ROWS:
        start, tokens = time.perf_counter(), 0  # the first batch warms up
    if task == "train":
        batch = tokenizer([p + a for p, a in rows[step : step + ROWS]], return_tensors="pt",
                          padding=True, truncation=True, max_length=256)
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        tokens += int(batch["attention_mask"].sum())
    else:
        tokenizer.padding_side = "left"
        batch = tokenizer([p for p, _ in rows[step : step + ROWS]], return_tensors="pt",
                          padding=True, truncation=True, max_length=256)
        out = model.generate(**batch, do_sample=True, max_new_tokens=32, min_new_tokens=32)
        tokens += ROWS * 32
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"tokens_per_second": tokens / (time.perf_counter() - start), "peak_gib": peak}))
"""


def measure(model: Path, task: str, rows: list[tuple[str, str]]) -> dict[str, float]:
    """Tokens per second and peak memory in GiB of one process."""
    command = [sys.executable, "-c", WORK, str(model), task]
    printed = subprocess.run(
        command, input=json.dumps(rows), check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return json.loads(printed.splitlines()[-1])


def main() -> None:
    """Trim, measure both models by turns, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path)
    parser.add_argument("targets", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    whole = fetched(published("gemma-3-270m"))
    if whole is None:
        sys.exit("first run: rewardlab models get gemma-3-270m --accept-licence")
    with tempfile.TemporaryDirectory() as directory:
        small = Path(directory) / "trimmed"
        keep = ["--keep-text", str(arguments.sources), "--keep-text", str(arguments.targets)]
        trim = ["models", "trim", str(whole), str(small), *keep]
        trimmed = subprocess.run(
            [sys.executable, "-c", "from rewardlab.cli import main; main()", *trim],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        texts = [
            path.read_text("utf-8").split("\n") for path in (arguments.sources, arguments.targets)
        ]
        pairs = [pair for pair in zip(*texts, strict=True) if all(40 < len(t) < 200 for t in pair)]
        rows = [(f"{source}\n=>\n", target) for source, target in pairs[: arguments.rows]]
        result = {"trim": json.loads(trimmed)}
        for task in ("train", "sample"):
            found: dict[str, list[dict[str, float]]] = {"whole": [], "trimmed": []}
            for _ in range(arguments.rounds):
                found["whole"].append(measure(whole, task, rows))
                found["trimmed"].append(measure(small, task, rows))
            result[task] = {
                name: {key: median(one[key] for one in runs) for key in runs[0]}
                for name, runs in found.items()
            }
            show(task, result[task])
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


def show(task: str, result: dict[str, dict[str, float]]) -> None:
    """Print both models and their ratio."""
    whole, small = result["whole"], result["trimmed"]
    for key, form in (("tokens_per_second", ".1f"), ("peak_gib", ".2f")):
        numbers = f"whole {whole[key]:{form}}, trimmed {small[key]:{form}}"
        print(f"{task}, {key}: {numbers}: {small[key] / whole[key]:.2f}x")


if __name__ == "__main__":
    main()
