"""Estimates the memory of one process, part by part, from shapes.

The model is on the meta device with ``requires_grad`` as training will set it, so parameters are
counted, not estimated. Activations are a formula over the shapes, which a test compares with what
autograd keeps. Not counted on a GPU: fragmentation in the allocator, CUDA's own context (about half
a GiB) and the buffers of collective operations. On a CPU, everything is in one process: Python, the
libraries and the rewards are measured, and copies made while saving count (`on_cpu`).
"""

from __future__ import annotations

import math
import resource
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

GIB = 2**30
SHARDS = (8, 16, 32, 64)
"""Numbers of processes for which the sharded estimate is reported."""
FLOAT32 = 4
HEAD_TILE = (4096, 32768)
"""Tokens and vocabulary entries that TRL 1.16's output head computes at once."""
CPU_TILES = 4
"""Tiles of logits that exist at once where the head has no kernel for the device: logits,
exponentials, probabilities and their gradient."""


class Generation(NamedTuple):
    """Decoding in this process.

    Attributes:
        rows: Number of sequences decoded at once.
        tokens: Tokens in a sequence, prompt included.
    """

    rows: int
    tokens: int


class Memory(NamedTuple):
    """Bytes of one process by part.

    Attributes:
        process: On a CPU: what the process uses before training, for libraries, data and rewards.
        weights: The model's weights.
        copies: Copies of weights in the compute type, which autocast keeps during a pass.
        gradients: Gradients of the trained weights.
        optimizer: The optimizer's states.
        reference: A second model, for the KL term.
        activations: Activations of one forward pass that the backward pass needs.
        logits: The tile of logits that the output head computes at once.
        head: The gradient of the output head and of its input, in float32.
        generation: The cache of keys and values, and the logits of one position.
        saving: On a CPU: copies of the weights while the model is saved.
        largest: Weights of the embeddings and a layer, which sharding gathers whole.
    """

    weights: int
    copies: int = 0
    gradients: int = 0
    optimizer: int = 0
    reference: int = 0
    activations: int = 0
    logits: int = 0
    head: int = 0
    generation: int = 0
    saving: int = 0
    process: int = 0
    largest: int = 0

    @property
    def total(self) -> int:
        """Peak memory: a training pass, generation and saving take turns."""
        held = self.process + self.weights + self.gradients + self.optimizer + self.reference
        passing = self.copies + self.activations + self.logits + self.head
        return held + max(passing, self.generation, self.saving)

    def sharded(self, processes: int) -> int:
        """`total` of each process if weights, gradients and optimizer states are sharded.

        As in FSDP's full sharding and ZeRO-3; the gathered weights of two units are added.

        Args:
            processes: Number of processes, at least 1; 1 shards nothing.
        """
        if processes == 1:
            return self.total
        held = self.weights + self.gradients + self.optimizer + self.reference
        passing = max(self.activations + self.logits + self.head, self.generation)
        return -(-held // processes) + 2 * self.largest + passing


def training_memory(
    model: PreTrainedModel,
    *,
    rows: int,
    tokens: int,
    optimizer: str = "adamw_torch_fused",
    weight_bytes: int = FLOAT32,
    compute_bytes: int = 2,
    checkpointing: bool = True,
    reference: bool = False,
    generation: Generation | None = None,
) -> Memory:
    """Estimate the memory that training takes.

    Args:
        model: The model, on any device; ``requires_grad`` marks the trained weights.
        rows: Rows in one forward and backward pass of one process.
        tokens: Tokens in the longest row, prompt and completion together.
        optimizer: The optimizer's name in transformers; see `STATES`.
        weight_bytes: Bytes of a loaded weight; TRL loads float32 by default.
        compute_bytes: Bytes of an activation: 2 under autocast.
        checkpointing: Only the input of each layer is kept; layers are computed again, one by one.
        reference: True if there is a second, frozen model (GRPO with ``beta`` above 0).
        generation: Decoding in this process; None for none.
    """
    parameters = list(model.parameters())
    trained = [weight for weight in parameters if weight.requires_grad]
    head = cast("Any", model.get_output_embeddings()).weight
    vocabulary, width = cast("tuple[int, int]", tuple(head.shape))
    tile = min(rows * tokens, HEAD_TILE[0]) * min(vocabulary, HEAD_TILE[1]) * compute_bytes
    learns_head = any(weight is head for weight in trained)
    return Memory(
        weights=_numel(parameters) * weight_bytes,
        copies=_linear(model) * compute_bytes if compute_bytes < weight_bytes else 0,
        gradients=_numel(trained) * weight_bytes,
        optimizer=sum(_state_bytes(weight, optimizer, weight_bytes) for weight in trained),
        reference=_numel(parameters) * weight_bytes if reference else 0,
        activations=activation_bytes(
            model,
            rows * tokens,
            residual_bytes=weight_bytes,
            compute_bytes=compute_bytes,
            checkpointing=checkpointing,
        ),
        logits=tile,
        head=FLOAT32 * width * (rows * tokens + vocabulary * learns_head),
        generation=_generation_bytes(model, generation, compute_bytes),
        largest=_largest(model) * compute_bytes,
    )


def on_cpu(memory: Memory, *, low_rank: bool) -> Memory:
    """The estimate of a training on the CPU.

    Without a GPU, TRL's output head holds several float32 tiles of logits at once. Saving makes a
    copy of the weights, and merging adapters loads the checkpoint again.

    Args:
        memory: The estimate for a GPU, in the precision of this run.
        low_rank: True if adapters are trained, which are merged at the end.
    """
    copies = 2 if low_rank else 1
    return memory._replace(
        logits=CPU_TILES * memory.logits, saving=copies * memory.weights, process=in_use()
    )


def in_use() -> int:
    """The largest memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def decoding_memory(model: PreTrainedModel, generation: Generation, *, bytes_each: int) -> Memory:
    """Estimate the memory that decoding takes: weights and cache.

    Args:
        model: The model, on any device.
        generation: The sequences decoded at once.
        bytes_each: Bytes of a weight, and of an entry in the cache.
    """
    weights = _numel(model.parameters()) * bytes_each
    return Memory(weights, generation=_generation_bytes(model, generation, bytes_each))


# ── optimizers ──────────────────────────────────────────────────────────────────────────────────

STATES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("adamw_torch", "adamw_torch_fused", "adamw_apex_fused", "adamw_torch_xla"), "two"
        ),
        "adamw_anyprecision": "two",
        "lion_32bit": "one",
        "rmsprop": "one",
        "adagrad": "one",
        "sgd": "none",
        "adafactor": "factored",
        **dict.fromkeys(("adamw_bnb_8bit", "adamw_8bit", "paged_adamw_8bit"), "two bytes"),
        **dict.fromkeys(("lion_8bit", "paged_lion_8bit"), "one byte"),
    }
)
"""What transformers' optimizers keep for each trained weight: tensors of the weight's type, or a
number of bytes (and a little more per block). Adafactor keeps a mean per row and per column."""


def is_known(optimizer: str) -> bool:
    """Whether the states of this optimizer are known; others are counted as AdamW's."""
    return optimizer in STATES


def _state_bytes(weight: Tensor, optimizer: str, weight_bytes: int) -> int:
    kept = STATES.get(optimizer, "two")
    if kept == "factored" and weight.ndim > 1:
        *outer, rows, columns = weight.shape
        return FLOAT32 * math.prod(outer) * (rows + columns)
    each = {"none": 0, "one": weight_bytes, "two": 2 * weight_bytes, "one byte": 1, "two bytes": 2}
    return weight.numel() * each.get(kept, FLOAT32)


# ── activations ─────────────────────────────────────────────────────────────────────────────────


def activation_bytes(
    model: PreTrainedModel,
    tokens: int,
    *,
    residual_bytes: int = FLOAT32,
    compute_bytes: int = 2,
    checkpointing: bool = True,
) -> int:
    r"""Bytes of the decoder's layers that autograd keeps for the backward pass.

    A layer keeps, for each token, with H the width, A that of all queries, K that of all keys, I
    the inner width of the MLP, n its norms of width H, r and c the bytes of the residual stream
    and of what is computed: ``2·4·n·H + 5·c·H + 6·c·(A + K) + 4·c·I``. Norms are computed in
    float32. With checkpointing: r·H of each layer, and all of one layer.

    Attention is assumed not to store its matrix (SDPA, flash).

    Args:
        model: The policy; only its decoder counts.
        tokens: Tokens in one pass: rows times tokens per row.
        residual_bytes: Bytes of a number in the hidden states between layers: the weights' type.
        compute_bytes: Bytes of a number in linear layers and attention.
        checkpointing: TRL's default.
    """
    config: Any = model.config.get_text_config()
    width = config.hidden_size
    queries, keys = _attention_widths(config)
    inner = getattr(config, "intermediate_size", None) or 4 * width
    layer = (
        2 * FLOAT32 * _norms(model, width) * width
        + 5 * compute_bytes * width
        + 6 * compute_bytes * (queries + keys)
        + 4 * compute_bytes * inner
    )
    layers = config.num_hidden_layers
    if not checkpointing:
        return tokens * layer * layers
    return tokens * (layer + residual_bytes * width * layers)


def _attention_widths(config: Any) -> tuple[int, int]:
    """Width of all queries and of all keys of a layer."""
    heads = config.num_attention_heads
    each = getattr(config, "head_dim", None) or config.hidden_size // heads
    return heads * each, (getattr(config, "num_key_value_heads", None) or heads) * each


def _norms(model: PreTrainedModel, width: int) -> int:
    """Number of full-width norms in one layer; 2 if the model's layers are unknown."""
    layers: Any = getattr(model.get_decoder(), "layers", None)
    if not layers:
        return 2
    return sum(1 for weight in layers[0].parameters() if tuple(weight.shape) == (width,))


def _generation_bytes(
    model: PreTrainedModel, generation: Generation | None, compute_bytes: int
) -> int:
    """Keys and values of every layer, and one position's logits in float32, twice."""
    if generation is None:
        return 0
    config: Any = model.config.get_text_config()
    _, keys = _attention_widths(config)
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * config.num_hidden_layers
    window = getattr(config, "sliding_window", None) or generation.tokens
    kept = sum(
        min(generation.tokens, window) if kind == "sliding_attention" else generation.tokens
        for kind in kinds
    )
    cache = 2 * keys * kept * compute_bytes
    return generation.rows * (cache + 2 * FLOAT32 * config.vocab_size)


# ── counting ────────────────────────────────────────────────────────────────────────────────────


def _numel(weights: Iterable[Tensor]) -> int:
    return sum(weight.numel() for weight in weights)


def _linear(model: PreTrainedModel) -> int:
    """Weights of the decoder's linear layers, which autocast casts."""
    from torch import nn

    modules = cast("nn.Module", model.get_decoder()).modules()
    return sum(one.weight.numel() for one in modules if isinstance(one, nn.Linear))


def _largest(model: PreTrainedModel) -> int:
    """Weights of the embeddings (with an untied output head) and of one layer."""
    ends: list[Any] = [model.get_input_embeddings(), model.get_output_embeddings()]
    layers: Any = getattr(model.get_decoder(), "layers", None)
    parts = [*ends, *(layers[:1] if layers else ())]
    unique = {id(weight): weight for part in parts for weight in part.parameters()}
    return _numel(unique.values())


# ── report ──────────────────────────────────────────────────────────────────────────────────────


def as_gib(memory: Memory) -> dict[str, Any]:
    """Every part in GiB, the peak, and for training the peak with everything sharded."""
    parts = {name: _gib(size) for name, size in memory._asdict().items() if name != "largest"}
    parts["total"] = _gib(memory.total)
    if not memory.gradients or memory.process:
        return {name: size for name, size in parts.items() if size}
    return parts | {"sharded_total": {str(n): _gib(memory.sharded(n)) for n in SHARDS}}


def _gib(size: int) -> float:
    """To three digits."""
    return float(f"{size / GIB:.3g}")


def memory_notes(memory: Memory) -> list[str]:
    """What the estimate leaves out, in one line, and how it compares with this machine's device."""
    import torch

    estimate = "memory leaves out: reward models, fragmentation, CUDA itself (about 0.5 GiB)"
    if not torch.cuda.is_available():
        return [estimate]
    have = torch.cuda.get_device_properties(0).total_memory
    fits = "fits" if memory.total < have else "does not fit; shard it (FSDP, ZeRO-3)"
    name = torch.cuda.get_device_name(0)
    return [estimate, f"memory: {name} has {have / GIB:.1f} GiB; one process alone {fits}"]
