"""A tiny GGUF in the layout of llama.cpp: a Llama with 8-bit weights and a byte-level tokenizer."""

import gguf
import numpy as np
import tiny_tokenizers
from gguf.quants import quantize

WIDTH, INNER, HEADS, LAYERS = 32, 64, 2, 1
CHAT = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
Q8 = gguf.GGMLQuantizationType.Q8_0


def write(path, *, architecture="llama"):
    """Write the file; returns the dequantised weights by their GGUF names."""
    import json

    tokenizer = tiny_tokenizers.byte_level_bpe()
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    vocabulary = sorted(model["vocab"], key=model["vocab"].get)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(vocabulary)
    specials = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}
    writer.add_token_types([3 if token in specials else 1 for token in vocabulary])
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    writer.add_bos_token_id(vocabulary.index("<|im_start|>"))
    writer.add_eos_token_id(vocabulary.index("<|im_end|>"))
    writer.add_pad_token_id(vocabulary.index("<|endoftext|>"))
    writer.add_unk_token_id(vocabulary.index("<|endoftext|>"))
    writer.add_chat_template(CHAT)
    weights = _add_tensors(writer, len(vocabulary))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return weights


def _add_tensors(writer, entries):
    rng = np.random.default_rng(0)
    shapes = {"token_embd": (entries, WIDTH), "blk.0.ffn_down": (WIDTH, INNER)}
    shapes |= {f"blk.0.attn_{part}": (WIDTH, WIDTH) for part in ("q", "k", "v", "output")}
    shapes |= {f"blk.0.ffn_{part}": (INNER, WIDTH) for part in ("gate", "up")}
    weights = {}
    for name, shape in shapes.items():
        stored = quantize(rng.normal(0, 0.1, shape).astype(np.float32), Q8)
        writer.add_tensor(f"{name}.weight", stored, raw_dtype=Q8)
        weights[name] = gguf.quants.dequantize(stored, Q8)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    return weights
