"""The estimate's parts by hand, and against what really is allocated."""

import pytest
import tiny_checkpoints
import torch
from torch.autograd.graph import saved_tensors_hooks
from transformers import (
    AutoModelForCausalLM,
    Gemma3Config,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    Qwen3Config,
    Qwen3ForCausalLM,
    Trainer,
    TrainingArguments,
)

from rewardlab.dry_run.memory import (
    GIB,
    Generation,
    Memory,
    activation_bytes,
    decoding_memory,
    on_cpu,
    training_memory,
)
from rewardlab.trainers.policy import freeze_embeddings

SHAPE = {
    "vocab_size": 200,
    "hidden_size": 64,
    "intermediate_size": 320,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
}


def qwen3():
    return Qwen3ForCausalLM(Qwen3Config(**SHAPE, tie_word_embeddings=True))


def gemma3():
    return Gemma3ForCausalLM(Gemma3TextConfig(**SHAPE, query_pre_attn_scalar=32, sliding_window=16))


def test_the_parts_of_a_tiny_model_by_hand():
    # 200 x 64 embeddings; per layer q 128x64, k and v 64x64, o 64x128, MLP 3 x 320x64, norms
    # 2 x 64 and 2 x 32; a last norm of 64
    linear = 3 * (2 * 128 * 64 + 2 * 64 * 64 + 3 * 320 * 64)
    parameters = 200 * 64 + linear + 3 * (2 * 64 + 2 * 32) + 64
    memory = training_memory(qwen3(), rows=2, tokens=100, reference=True)
    assert memory.weights == 4 * parameters
    assert memory.copies == 2 * linear
    assert memory.gradients == 4 * parameters
    assert memory.optimizer == 8 * parameters
    assert memory.reference == 4 * parameters
    # 200 tokens by 200 logits of two bytes; float32 gradients of the tokens' states and the head
    assert memory.logits == 200 * 200 * 2
    assert memory.head == 4 * 64 * (200 + 200)
    assert memory.generation == memory.saving == memory.process == 0
    held = memory.weights + memory.gradients + memory.optimizer + memory.reference
    passing = memory.copies + memory.activations + memory.logits + memory.head
    assert memory.total == held + passing


def test_on_a_cpu_everything_is_in_one_process():
    """Of a run of SmolLM2-135M whose peak was 4.34 GiB, this estimate was 4.45."""
    gpu = Memory(weights=100, gradients=50, optimizer=70, activations=30, logits=5, head=10)
    cpu = on_cpu(gpu, low_rank=False)
    assert cpu.logits == 4 * 5
    assert cpu.saving == 100
    assert cpu.process > 50 * 2**20, "Python with torch"
    assert cpu.total == cpu.process + 220 + 100, "saving comes after the activations are freed"
    assert on_cpu(gpu, low_rank=True).saving == 200


def test_frozen_embeddings_have_no_gradient_and_no_state():
    policy = qwen3()
    everything = training_memory(policy, rows=1, tokens=10)
    freeze_embeddings(policy)
    frozen = training_memory(policy, rows=1, tokens=10)
    assert everything.gradients - frozen.gradients == 4 * 200 * 64
    assert everything.optimizer - frozen.optimizer == 8 * 200 * 64
    assert everything.head - frozen.head == 4 * 200 * 64, "the tied head is frozen as well"
    assert frozen.weights == everything.weights


def test_a_training_pass_and_generation_take_turns():
    memory = Memory(weights=100, gradients=50, activations=30, head=10, generation=60, largest=7)
    assert memory.total == 150 + 60
    assert memory._replace(generation=20).total == 150 + 40
    # 150 over four, rounded up, two units gathered, the longer of the two turns
    assert memory.sharded(4) == 38 + 14 + 60
    assert memory.sharded(1) == memory.total


@pytest.mark.parametrize("optimizer", ["adamw_torch_fused", "adamw_torch", "adafactor", "sgd"])
def test_optimizer_states_are_what_the_optimizer_allocates(tmp_path, optimizer):
    policy = gemma3()
    freeze_embeddings(policy)
    args = TrainingArguments(str(tmp_path), optim=optimizer, use_cpu=True, report_to=[])
    states = Trainer(policy, args).create_optimizer()
    policy(input_ids=torch.ones(1, 4, dtype=torch.long)).logits.sum().backward()
    states.step()
    allocated = sum(
        value.numel() * value.element_size()
        for state in states.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor) and value.ndim  # step counters have no dimension
    )
    assert training_memory(policy, rows=1, tokens=4, optimizer=optimizer).optimizer == allocated


def kept_by_autograd(policy, rows, tokens):
    """Bytes that the layers of a forward pass under autocast keep, copies of weights aside."""
    inside = [False]
    weights = {tuple(w.shape) for w in policy.parameters() if w.ndim > 1}
    weights |= {shape[::-1] for shape in weights}
    seen, alive = {}, []

    def pack(tensor):
        storage = tensor.untyped_storage()
        if inside[0] and tuple(tensor.shape) not in weights and tensor.ndim > 1:
            alive.append(tensor)  # so that no address is used twice
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    for layer in policy.get_decoder().layers:
        layer.register_forward_pre_hook(lambda *_: inside.__setitem__(0, True))
        layer.register_forward_hook(lambda *_: inside.__setitem__(0, False))
    ids = torch.ones(rows, tokens, dtype=torch.long)
    with saved_tensors_hooks(pack, lambda t: t), torch.autocast("cpu", torch.bfloat16):
        policy.get_decoder()(input_ids=ids, use_cache=False)
    return sum(seen.values())


@pytest.mark.parametrize("architecture", [qwen3, gemma3])
def test_activations_are_what_autograd_keeps(architecture):
    policy = architecture()
    kept = kept_by_autograd(policy, 2, 150)
    assert activation_bytes(policy, 300, checkpointing=False) == pytest.approx(kept, rel=0.08)


def test_checkpointing_keeps_one_layer_and_the_inputs_of_all():
    policy = qwen3()
    whole = activation_bytes(policy, 10, checkpointing=False)
    assert activation_bytes(policy, 10) == whole // 3 + 10 * 4 * 64 * 3


def test_the_cache_of_local_attention_stops_growing():
    layers = ["sliding_attention", "sliding_attention", "full_attention"]
    shape = {**SHAPE, "layer_types": layers, "sliding_window": 16}
    policy = Gemma3ForCausalLM(Gemma3TextConfig(**shape, query_pre_attn_scalar=32))
    memory = decoding_memory(policy, Generation(rows=5, tokens=100), bytes_each=2)
    # keys and values of 2 heads of 32: 16 tokens in two layers, 100 in one; 200 logits twice
    assert memory.generation == 5 * (2 * 64 * (16 + 16 + 100) * 2 + 2 * 4 * 200)
    assert memory.total == memory.weights + memory.generation
    assert memory.weights == 2 * sum(weight.numel() for weight in policy.parameters())


def test_a_model_that_also_sees_is_counted_whole(tmp_path):
    policy = AutoModelForCausalLM.from_pretrained(tiny_checkpoints.gemma3_vision(tmp_path))
    assert type(policy) is Gemma3ForConditionalGeneration
    memory = training_memory(policy, rows=1, tokens=8)
    assert memory.weights == 4 * sum(weight.numel() for weight in policy.parameters())
    assert memory.activations > 0


def test_the_published_gemma_3_4b():
    """4,300,079,472 parameters, as its card says, and 16 bytes each with AdamW in float32."""
    text = {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "num_hidden_layers": 34,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "sliding_window": 1024,
        "vocab_size": 262_208,
    }
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "image_size": 896,
        "patch_size": 14,
        "vision_use_head": False,
    }
    with torch.device("meta"):
        policy = Gemma3ForConditionalGeneration(
            Gemma3Config(text_config=text, vision_config=vision)
        )
    assert sum(weight.numel() for weight in policy.parameters()) == 4_300_079_472
    memory = training_memory(policy, rows=1, tokens=512)
    held = memory.weights + memory.gradients + memory.optimizer
    assert held / GIB == pytest.approx(16 * 4.300079472e9 / 2**30)
