"""Tiny random MetricX checkpoints in the published format: mT5's vocabulary, little else.

Random weights predict what they like, mostly beyond 0..25; so the head's one row is solved for the
errors that a test asks for.
"""

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import tiny_tokenizers
import torch
from safetensors.torch import save_file
from transformers import MT5Config, MT5ForConditionalGeneration, PreTrainedTokenizerBase

HEAD_ROW = 250_089
SHAPE = {
    "vocab_size": 250_112,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 24,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_heads": 4,
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "feed_forward_proj": "gated-gelu",
    "layer_norm_epsilon": 1e-6,
    "dropout_rate": 0.1,
    "decoder_start_token_id": 0,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "is_encoder_decoder": True,
    "model_type": "mt5",
    "architectures": ["MT5ForRegression"],
    "tokenizer_class": "T5Tokenizer",
}
EMBEDDINGS = ("shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
SAMPLES = {
    "source: Hallo. candidate: Hello.": 2.0,
    "source: Hallo. candidate: Goodbye.": 9.0,
    "source: Der Hund läuft. candidate: The dog runs across the old bridge.": 14.0,
}


def metricx(
    path: Path,
    *,
    errors: dict[str, float] = SAMPLES,
    tied: bool = False,
    seed: int = 0,
    form: str = "safetensors",
    dtype: torch.dtype = torch.float32,
    tokenizer: bool = True,
    **shape: object,
) -> Path:
    """Write a checkpoint whose logits for ``errors``'s texts are its numbers, and return it.

    ``form`` is "safetensors", "pickle" or "sharded pickle". At most as many texts as d_model.
    """
    config = {**SHAPE, **shape, "tie_word_embeddings": tied}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MT5ForConditionalGeneration(MT5Config(**config)).eval()
        head = torch.randn(config["vocab_size"], config["d_model"])
    with torch.no_grad():
        # The decoder then sees much of the text, and little of its start token, so that the row
        # solved for below stays small: a large one would magnify rounding.
        model.shared.weight[0] *= 0.01
        for block in model.decoder.block:
            block.layer[1].EncDecAttention.q.weight *= 4.0
    weights = {name: weight.detach() for name, weight in model.state_dict().items()}
    weights["lm_head.weight"] = weights["shared.weight"] if tied else head
    if errors:
        weights["lm_head.weight"][HEAD_ROW] = _solved(model, errors, tied=tied)
    path.mkdir(parents=True, exist_ok=True)
    saved_as = {"torch_dtype": str(dtype).removeprefix("torch.")}
    (path / "config.json").write_text(json.dumps({**config, **saved_as}))
    save(path, {name: weight.to(dtype) for name, weight in weights.items()}, form, tied=tied)
    if tokenizer:
        tiny_tokenizers.sentencepiece_unigram().save_pretrained(path)
    return path


def save(path: Path, weights: dict[str, torch.Tensor], form: str, *, tied: bool) -> None:
    """Pickles hold the embeddings under all of their names, safetensors under one."""
    if form == "safetensors":
        left_out = {*EMBEDDINGS[1:], *(["lm_head.weight"] if tied else [])}
        kept = {name: weight for name, weight in weights.items() if name not in left_out}
        save_file(kept, path / "model.safetensors", metadata={"format": "pt"})
    elif form == "pickle":
        torch.save(weights, path / "pytorch_model.bin")
    else:
        names = sorted(weights)
        halves = names[: len(names) // 2], names[len(names) // 2 :]
        placed = {}
        for number, half in enumerate(halves, 1):
            file = f"pytorch_model-0000{number}-of-00002.bin"
            torch.save({name: weights[name] for name in half}, path / file)
            placed |= dict.fromkeys(half, file)
        index = {"metadata": {}, "weight_map": placed}
        (path / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def input_ids(tokenizer: PreTrainedTokenizerBase, text: str, max_length: int) -> list[int]:
    """As published: truncated with the end-of-sequence token, which is then taken off."""
    return tokenizer(text, truncation=True, max_length=max_length)["input_ids"][:-1]


@cache
def for_the_contract(errors: tuple[tuple[str, float], ...], seed: int = 0) -> Path:
    """A checkpoint that stays until the process ends."""
    directory = Path(tempfile.mkdtemp(prefix="tiny_metricx_"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return metricx(directory / "model", errors=dict(errors), seed=seed)


@torch.no_grad()
def _solved(
    model: MT5ForConditionalGeneration, errors: dict[str, float], *, tied: bool
) -> torch.Tensor:
    """The least row whose product with each text's decoder state is its error."""
    tokenizer = tiny_tokenizers.sentencepiece_unigram()
    states = []
    for text in errors:
        ids = torch.tensor([input_ids(tokenizer, text, 1536)])
        read = model.encoder(input_ids=ids).last_hidden_state
        step = model.decoder(input_ids=torch.tensor([[0]]), encoder_hidden_states=read)
        states.append(step.last_hidden_state[0, 0])
    wanted = torch.tensor(list(errors.values()), dtype=torch.float64)
    scale = model.config.d_model ** (-0.5 if tied else 0.0)
    return torch.linalg.pinv(torch.stack(states).double() * scale).matmul(wanted).float()
