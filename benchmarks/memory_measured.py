"""The dry run's estimate of memory on the CPU beside the peak of the run itself.

Two policies from random weights: one with the shape of SmolLM2-135M (its published config.json) and
a tiny one. Each trains two steps of 8 rows with `sft` and `rl`, whole and with LoRA, on the files
that `rewardlab example` writes. The peak is the largest resident memory of the process, which the
operating system reports at its end. About five minutes on an idle core, no download:

    python benchmarks/memory_measured.py [--json PATH] [--checkpoint DIR ...]

With ``--checkpoint``, these checkpoints are measured instead of the two.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from transformers import LlamaConfig, LlamaForCausalLM

from rewardlab.store.run_directory import versions
from rewardlab.trainers.from_scratch import train_tokenizer

COMMAND = [sys.executable, "-c", "from rewardlab.cli import main; main()"]
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "hidden_size": 96,
        "intermediate_size": 256,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 1000,
    },
    "SmolLM2-135M": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "vocab_size": 49_152,
    },
}
DATA = (
    "data: {source: news.en, reference: news.de, source_lang: en, target_lang: de}\nprompt: arrow\n"
)
TRAINER = "trainer: {max_steps: 2, per_device_train_batch_size: 8, learning_rate: 1e-5"
RECIPES = {
    "sft": f"validation: 0.01\n{DATA}{TRAINER}}}\n",
    "rl": (
        f"{DATA}rewards: [{{reward: chrf}}]\n{TRAINER}, num_generations: 4, "
        "max_completion_length: 64, save_strategy: 'no'}\n"
    ),
}
LORA = ", lora: {r: 16}"


def checkpoint(shape: dict[str, Any], directory: Path, lines: list[str]) -> None:
    """Save a policy from random weights in float32, with a tokenizer that knows the texts."""
    tokenizer = train_tokenizer(lines, vocab_size=800)
    special = {name: getattr(tokenizer, name) for name in ("eos_token_id", "pad_token_id")}
    config = LlamaConfig(**shape, **special, tie_word_embeddings=True, max_position_embeddings=2048)
    LlamaForCausalLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def checkpoints(given: list[Path] | None, folder: Path, lines: list[str]) -> list[str]:
    """Names of the checkpoints in a folder: those that are given, or new ones of our shapes."""
    for path in given or []:
        (folder / path.name).symlink_to(path.resolve())
    for shape, sizes in ({} if given else SHAPES).items():
        checkpoint(sizes, folder / shape, lines)
    return [path.name for path in given] if given else list(SHAPES)


def estimated(arguments: list[str], folder: Path) -> float:
    """GiB that the dry run expects at the peak."""
    done = subprocess.run(
        [*COMMAND, *arguments, "--dry-run"], cwd=folder, capture_output=True, check=True, text=True
    )
    return json.loads(done.stdout)["cpu_memory_gib"]["total"]


def measured(arguments: list[str], folder: Path) -> float:
    """GiB of resident memory at the peak of the run."""
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen([*COMMAND, *arguments], cwd=folder, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit((folder / "log.txt").read_text())
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * unit / 2**30


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    parser.add_argument("--checkpoint", type=Path, action="append")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    print("| policy | command | estimated GiB | measured GiB | estimated / measured |")
    print("|---|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "tour"
        subprocess.run([*COMMAND, "example", str(folder)], check=True, capture_output=True)
        lines = [(folder / name).read_text(encoding="utf-8") for name in ("news.en", "news.de")]
        for shape in checkpoints(arguments.checkpoint, folder, lines):
            for command, recipe in RECIPES.items():
                for lora in ("", LORA):
                    name = f"{command} with LoRA" if lora else command
                    run = f"runs/{shape} {name}".replace(" ", "-")
                    (folder / "run.yaml").write_text(
                        f"run: {run}\nseed: 0\npolicy: {{path: {shape}{lora}}}\n{recipe}"
                    )
                    guess = estimated([command, "run.yaml"], folder)
                    peak = round(measured([command, "run.yaml"], folder), 3)
                    rows.append({"policy": shape, "command": name, "gib": [guess, peak]})
                    line = f"| {shape} | {name} | {guess:.2f} | {peak:.2f} | {guess / peak:.2f} |"
                    print(line, flush=True)
    if arguments.json is not None:
        result = {"gib": "estimated, measured", "rows": rows, "versions": versions()}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
