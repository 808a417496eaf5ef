"""Memory of one process for the published sizes, computed from shapes without weights or GPU.

The shapes are those of the published ``config.json`` files; the parameters counted from them equal
the published numbers. Rows, lengths and optimizers are those of ``recipes/translategemma`` and
``recipes/lmt``. Prompts of RL are assumed to have 512 tokens. It takes seconds:

    python benchmarks/memory.py [--json PATH]
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from rewardlab.config import strict_yaml
from rewardlab.dry_run.memory import as_gib, training_memory
from rewardlab.dry_run.policy import prepare
from rewardlab.store.run_directory import versions

RECIPES = Path(__file__).parents[1] / "recipes"
PROMPT = 512
VISION = {
    "model_type": "siglip_vision_model",
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "image_size": 896,
    "patch_size": 14,
    "vision_use_head": False,
}
WIDTHS = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
GEMMA = (*WIDTHS, "num_key_value_heads", "head_dim")
QWEN = (*WIDTHS, "tie_word_embeddings")
SHAPES: dict[str, dict[str, Any]] = {
    "Gemma 3 4B": dict(zip(GEMMA, (2560, 10_240, 34, 8, 4, 256), strict=True)),
    "Gemma 3 12B": dict(zip(GEMMA, (3840, 15_360, 48, 16, 8, 256), strict=True)),
    "Gemma 3 27B": dict(zip(GEMMA, (5376, 21_504, 62, 32, 16, 128), strict=True)),
    "Qwen3 0.6B": dict(zip(QWEN, (1024, 3072, 28, 16, True), strict=True)),
    "Qwen3 1.7B": dict(zip(QWEN, (2048, 6144, 28, 16, True), strict=True)),
    "Qwen3 4B": dict(zip(QWEN, (2560, 9728, 36, 32, True), strict=True)),
    "Qwen3 8B": dict(zip(QWEN, (4096, 12_288, 36, 32, False), strict=True)),
}
STAGES = {
    "Gemma": ("translategemma/sft.yaml", "translategemma/rl.yaml"),
    "Qwen3": ("lmt/sft.yaml", "lmt/grpo.yaml"),
}
COLUMNS = ("weights", "gradients", "optimizer", "reference", "a pass", "1 process")


def policy(name: str) -> PreTrainedModel:
    shape = SHAPES[name]
    with torch.device("meta"):
        if name.startswith("Qwen3"):
            others = {"vocab_size": 151_936, "num_key_value_heads": 8, "head_dim": 128}
            return Qwen3ForCausalLM(Qwen3Config(**shape, **others))
        text = {**shape, "vocab_size": 262_208, "sliding_window": 1024}
        return Gemma3ForConditionalGeneration(Gemma3Config(text_config=text, vision_config=VISION))


def estimate(name: str, recipe: str) -> dict[str, Any]:
    told: Any = strict_yaml.read(RECIPES / recipe).value
    trainer = told["trainer"]
    completion = trainer.get("max_completion_length")
    options = {
        "rows": trainer["per_device_train_batch_size"],
        "tokens": trainer["max_length"] if completion is None else PROMPT + completion,
        "optimizer": trainer.get("optim", "adamw_torch_fused"),
        "reference": trainer.get("beta", 0) > 0,
    }
    frozen = told["policy"].get("freeze_embeddings", False)
    model = prepare(policy(name), freeze_embeddings=frozen)
    parameters = sum(weight.numel() for weight in model.parameters())
    gib = as_gib(training_memory(model, **options))
    return {"model": name, "parameters": parameters, "recipe": recipe, **options, "gib": gib}


def line(found: dict[str, Any]) -> str:
    gib = found["gib"]
    held = [gib[part] for part in ("weights", "gradients", "optimizer", "reference")]
    passing = gib["copies"] + gib["activations"] + gib["logits"] + gib["head"]
    cells = [*held, passing, gib["total"], *gib["sharded_total"].values()]
    numbers = " | ".join(f"{cell:.3g}" for cell in cells)
    return f"| {found['model']} | {found['parameters']:,} | {found['recipe']} | {numbers} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = [estimate(name, recipe) for name in SHAPES for recipe in STAGES[name.partition(" ")[0]]]
    shards = [f"of {count}" for count in found[0]["gib"]["sharded_total"]]
    print("| model | parameters | recipe | " + " | ".join((*COLUMNS, *shards)) + " |")
    print("|---|---:|---|" + "---:|" * (len(COLUMNS) + len(shards)))
    for one in found:
        print(line(one))
    if arguments.json is not None:
        result = {"estimates": found, "prompt_tokens": PROMPT, "versions": versions()}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
