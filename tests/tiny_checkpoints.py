# ruff: noqa: S105 - tokens of a vocabulary, not passwords
"""Tiny random checkpoints of the published architectures, saved in the published format.

Each function writes a directory and returns it: configuration, safetensors, generation settings,
a tokenizer of the right family and, where the family has one, a chat template in its shape. What
runs on them runs on the real ones, but for size.
"""

import atexit
import copy
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import tiny_tokenizers
import torch
import transformers
from tokenizers import AddedToken, processors
from transformers import (
    AutoConfig,
    Gemma3Config,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    GenerationConfig,
    MT5Config,
    MT5ForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen3Config,
    Qwen3ForCausalLM,
    XLMRobertaConfig,
    XLMRobertaModel,
)

GEMMA_CHAT = """\
{{ bos_token }}
{%- for message in messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception('roles must alternate user/assistant/user/assistant/...') }}
    {%- endif -%}
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}
    {{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ '<start_of_turn>model\n' }}
{%- endif -%}
"""
QWEN_CHAT = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}
"""
TURNS = ("<start_of_turn>", "<end_of_turn>")
IMAGES = ("<start_of_image>", "<end_of_image>", "<image_soft_token>")
WIDTH, LAYERS, HEADS, HEAD_WIDTH = 32, 2, 2, 16
VOCABULARY = 704
"""Above the number of tokens, as published embeddings are padded."""


def gemma3(path: Path) -> Path:
    """Gemma 3 1B, instruction-tuned: text only, embeddings tied, local and global attention."""
    tokenizer = gemma_tokenizer()
    config = Gemma3TextConfig(**_gemma_text(tokenizer))
    return _save(path, Gemma3ForCausalLM, config, tokenizer, _gemma_generation(tokenizer))


def gemma3_vision(path: Path) -> Path:
    """Gemma 3 4B and larger, instruction-tuned: the text model inside one that also sees."""
    tokenizer = gemma_tokenizer()
    start, end, soft = tokenizer.convert_tokens_to_ids(list(IMAGES))
    config = Gemma3Config(
        text_config=_gemma_text(tokenizer),
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": WIDTH,
            "intermediate_size": 2 * WIDTH,
            "num_hidden_layers": 1,
            "num_attention_heads": HEADS,
            "image_size": 28,
            "patch_size": 14,
            "vision_use_head": False,
        },
        mm_tokens_per_image=1,
        boi_token_index=start,
        eoi_token_index=end,
        image_token_index=soft,
    )
    generation = _gemma_generation(tokenizer)
    return _save(path, Gemma3ForConditionalGeneration, config, tokenizer, generation)


def qwen3(path: Path, *, base: bool = False) -> Path:
    """Qwen3 0.6B to 4B: embeddings tied; ``base`` ends a text as the pre-trained ones do."""
    tokenizer = copy.deepcopy(tiny_tokenizers.byte_level_bpe())
    tokenizer.chat_template = QWEN_CHAT
    text, turn = tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|im_end|>"])
    if base:
        tokenizer.eos_token = "<|endoftext|>"
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=1,
        head_dim=HEAD_WIDTH,
        tie_word_embeddings=True,
        bos_token_id=text,
        eos_token_id=text if base else turn,
    )
    generation = GenerationConfig(
        bos_token_id=text,
        eos_token_id=text if base else [turn, text],
        pad_token_id=text,
        **({} if base else {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95}),
    )
    return _save(path, Qwen3ForCausalLM, config, tokenizer, generation)


def mt5(path: Path) -> Path:
    """MetricX's family: an encoder and a decoder."""
    tokenizer = tiny_tokenizers.sentencepiece_unigram()
    config = MT5Config(
        vocab_size=len(tokenizer),
        d_model=WIDTH,
        d_kv=HEAD_WIDTH,
        d_ff=2 * WIDTH,
        num_layers=LAYERS,
        num_heads=HEADS,
    )
    return _save(path, MT5ForConditionalGeneration, config, tokenizer)


def xlm_r(path: Path) -> Path:
    """COMET's family: an encoder alone."""
    tokenizer = tiny_tokenizers.unigram()
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
    )
    return _save(path, XLMRobertaModel, config, tokenizer)


@cache
def for_the_contract(maker: Callable[[Path], Path], seed: int = 0, spread: float = 0.3) -> Path:
    """A checkpoint with weights of this standard deviation, until the process ends.

    The checkpoints above have weights of the usual size, with which all texts look alike.
    """
    directory = Path(tempfile.mkdtemp(prefix="tiny_checkpoint_"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    path = maker(directory / "model")
    config = AutoConfig.from_pretrained(str(path))
    config.initializer_range = spread
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        getattr(transformers, config.architectures[0])(config).eval().save_pretrained(str(path))
    return path


def gemma_tokenizer() -> PreTrainedTokenizerBase:
    """Byte-fallback BPE that begins every text with ``<bos>`` and knows turns and images."""
    tokenizer = copy.deepcopy(tiny_tokenizers.byte_fallback_bpe())
    tokens = [AddedToken(token, special=True, normalized=False) for token in (*TURNS, *IMAGES)]
    tokenizer.add_tokens(tokens, special_tokens=True)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", tokenizer.bos_token_id)]
    )
    tokenizer.chat_template = GEMMA_CHAT
    return tokenizer


def _gemma_text(tokenizer: PreTrainedTokenizerBase) -> dict[str, object]:
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 1,
        "head_dim": HEAD_WIDTH,
        "query_pre_attn_scalar": HEAD_WIDTH,
        "layer_types": ["sliding_attention", "full_attention"],
        "sliding_window": 32,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
    }


def _gemma_generation(tokenizer: PreTrainedTokenizerBase) -> GenerationConfig:
    ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<end_of_turn>")]
    return GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=True,
        top_k=64,
        top_p=0.95,
    )


def _save(
    path: Path,
    architecture: type[PreTrainedModel],
    config: object,
    tokenizer: PreTrainedTokenizerBase,
    generation: GenerationConfig | None = None,
) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = architecture(config)
    if generation is not None:
        model.generation_config = generation
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path
