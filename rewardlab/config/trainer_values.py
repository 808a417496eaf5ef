"""Values of a ``trainer`` section that its class accepts and that stop the run later.

`value_problems` looks at the section alone. `machine_problems` makes what the trainer would make of
the options (optimizer, schedule, reporters), on a single number instead of the model, and reports
what refuses.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from rewardlab.config.problems import not_a_choice, unknown_key
from rewardlab.config.strict_yaml import Document, Keys
from rewardlab.errors import Problem, one_line, shown


class Range(NamedTuple):
    """Values that an option may have: a number of at least ``least``, or above it if ``open``."""

    least: float
    open: bool = False
    fix: str = ""

    def holds(self, value: float) -> bool:
        """Whether a value is in the range."""
        return value > self.least if self.open else value >= self.least

    def __str__(self) -> str:
        return self.fix or f"write a number {'above' if self.open else 'of at least'} {self.least}"


AT_LEAST_ONE, NOT_NEGATIVE, ABOVE_ZERO = Range(1), Range(0), Range(0, open=True)
RANGES: Mapping[str, Range] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "per_device_train_batch_size",
                "per_device_eval_batch_size",
                "gradient_accumulation_steps",
                "max_completion_length",
                "max_length",
                "num_iterations",
                "steps_per_generation",
                "generation_batch_size",
                "save_total_limit",
            ),
            AT_LEAST_ONE,
        ),
        **dict.fromkeys(
            (
                "learning_rate",
                "weight_decay",
                "warmup_steps",
                "max_grad_norm",
                "beta",
                "epsilon_high",
                "dataloader_num_workers",
                "seed",
            ),
            NOT_NEGATIVE,
        ),
        **dict.fromkeys(
            (
                "num_train_epochs",
                "logging_steps",
                "eval_steps",
                "save_steps",
                "epsilon",
                "temperature",
                "top_p",
                "repetition_penalty",
            ),
            ABOVE_ZERO,
        ),
        "top_k": Range(0, fix="write 0 to turn it off, or a number above 1"),
        "min_p": NOT_NEGATIVE,
    }
)
"""Options whose range no class checks, or only once the run is under way."""
CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "loss_type": ("grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"),
        "importance_sampling_level": ("token", "sequence"),
        "vllm_mode": ("server", "colocate"),
    }
)
"""Options of TRL's ``GRPOConfig`` that are compared when the loss is computed."""
OF_TORCH: Mapping[str, str] = MappingProxyType(
    {
        "parameter at index 0": "adam_beta1",
        "parameter at index 1": "adam_beta2",
        "epsilon value": "adam_epsilon",
    }
)
"""Words of torch's messages, and the option that they are about."""


def value_problems(
    block: Mapping[str, Any], config_class: type[Any], document: Document, *, at: Keys
) -> Iterator[Problem]:
    """Values out of range, and values that cannot sample different completions.

    Args:
        block: The section; keys and types are right.
        config_class: TRL's class, or transformers'.
        document: The file.
        at: The section's place in the document.

    Yields:
        E026.
    """
    samples = hasattr(config_class, "num_generations")
    inner = block.get("generation_kwargs") if samples else None
    blocks = [(at, block)]
    if isinstance(inner, dict):
        blocks.append(((*at, "generation_kwargs"), cast("Mapping[str, Any]", inner)))
    for keys, values in blocks:
        for name, value in values.items():
            place = (*keys, name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                yield from _range_problems(place, name, value, document)
            if samples and isinstance(value, str) and value not in CHOICES.get(name, (value,)):
                yield not_a_choice(place, value, CHOICES[name], document)
            if samples and (why := _one_text(name, value)):
                what = f"{name}={value}: {why}, so all samples of a prompt are the same text"
                fix = "remove it; sampling needs different texts to compare"
                yield document.problem("E026", place, what, fix)
    if block.get("max_steps") is not None and block["max_steps"] < 1 and block["max_steps"] != -1:
        what = f"max_steps={block['max_steps']} is no number of steps"
        fix = "write at least 1, or remove it and set num_train_epochs"
        yield document.problem("E026", (*at, "max_steps"), what, fix)


def _range_problems(place: Keys, name: str, value: float, document: Document) -> Iterator[Problem]:
    allowed = RANGES.get(name)
    if math.isnan(value) or (name == "learning_rate" and math.isinf(value)):
        yield document.problem("E026", place, f"{name}={value} is no number", "write a number")
    elif allowed is not None and not allowed.holds(value):
        yield document.problem("E026", place, f"{name}={value} is out of range", str(allowed))
    elif name in ("top_p", "min_p") and value > 1:
        yield document.problem(
            "E026", place, f"{name}={value} is out of range", "write a share of at most 1"
        )


def _one_text(name: str, value: object) -> str:
    """Why an option leaves a single token to sample; empty if it does not."""
    if name == "top_k" and value == 1:
        return "only the likeliest token is left"
    if name == "min_p" and value == 1:
        return "only the likeliest token is left"
    if name == "do_sample" and value is False:
        return "it decodes greedily"
    return ""


def package_problem(block: Mapping[str, Any], document: Document, *, at: Keys) -> Problem | None:
    """E064: DeepSpeed is not installed. Its options cannot even be constructed then.

    Args:
        block: The section.
        document: The file.
        at: The section's place in the document.
    """
    if block.get("deepspeed") is None or find_spec("deepspeed") is not None:
        return None
    what = "deepspeed needs the package deepspeed, which is not installed"
    return document.problem("E064", (*at, "deepspeed"), what, "pip install deepspeed")


# ── what the trainer would make of them ─────────────────────────────────────────────────────────


def machine_problems(options: Any, document: Document, *, at: Keys) -> Iterator[Problem]:
    """What the options need and this machine does not have, and what refuses their values.

    Args:
        options: An instance of the configuration class.
        document: The file.
        at: The section's place in the document.

    Yields:
        E026 an unknown reporter; E037 a value that torch, transformers or TRL refuses; E064 a
        package that is not installed.
    """
    yield from _reporter_problems(options, document, at)
    yield from _precision_problems(options, document, at)
    yield from _optimizer_problems(options, document, at)
    yield from _loading_problems(options, document, at)
    yield from _generation_problems(options, document, at)
    if options.torch_compile:
        yield from _compiler_problems(options, document, at)
    if options.fsdp and int(os.environ.get("WORLD_SIZE", "1")) == 1:
        what = "fsdp shards over several processes, and this is one"
        fix = "remove it; start with accelerate launch --use_fsdp --num_processes 8"
        yield document.problem("E037", (*at, "fsdp"), what, fix)
    if options.push_to_hub:
        yield from _hub_problems(document, at)


def _reporter_problems(options: Any, document: Document, at: Keys) -> Iterator[Problem]:
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    keys = (*at, "report_to")
    for name in options.report_to:
        if name not in INTEGRATION_TO_CALLBACK:
            yield not_a_choice(keys, str(name), INTEGRATION_TO_CALLBACK, document)
            continue
        try:
            INTEGRATION_TO_CALLBACK[name]()
        except Exception as error:  # noqa: BLE001 - each integration refuses in its own way
            what, fix = f"{shown(name)} cannot be used: {one_line(error, 160)}", "remove report_to"
            if "install" in str(error):  # transformers also proposes other packages and versions
                what = f"{shown(name)} cannot be used: its package is not installed"
                fix = f"pip install {name}, or remove report_to"
            yield document.problem("E064", keys, what, fix)


def _precision_problems(options: Any, document: Document, at: Keys) -> Iterator[Problem]:
    from transformers.utils import is_torch_bf16_gpu_available

    device = options.device.type
    if options.fp16 and device == "cpu":
        what = "fp16 needs a GPU, and this run is on the CPU"
        yield document.problem("E037", (*at, "fp16"), what, "bf16: true, or remove it")
    if options.bf16 and device == "cuda" and not is_torch_bf16_gpu_available():
        what = "this GPU cannot compute in bfloat16"
        fix = "bf16: false, and fp16: true if memory is short"
        yield document.problem("E037", (*at, "bf16"), what, fix)


def _optimizer_problems(options: Any, document: Document, at: Keys) -> Iterator[Problem]:
    """Make the optimizer and its schedule for one number."""
    import torch
    from transformers import Trainer, get_scheduler

    weight = torch.nn.Parameter(torch.zeros(2, 2))
    name = str(getattr(options.optim, "value", options.optim))
    try:
        make, arguments = Trainer.get_optimizer_cls_and_kwargs(options)
    except Exception as error:  # noqa: BLE001 - transformers raises several kinds
        if "model" in str(error):  # optimizers that look for their layers in the model
            return
        missing = isinstance(error, ImportError) or "installed" in str(error)
        what = f"optim: {name} cannot be used: {one_line(error, 160)}"
        fix = "optim: adamw_torch, or install what it needs"
        key = "optim_args" if options.optim_args and not missing else "optim"
        yield document.problem("E064" if missing else "E037", (*at, key), what, fix)
        return
    try:
        optimizer = make([weight], **arguments)
    except Exception as error:  # noqa: BLE001 - torch refuses values in several ways
        what = f"{name} refuses its values: {one_line(error, 160)}"
        named = next((key for words, key in OF_TORCH.items() if words in str(error)), "optim")
        yield document.problem("E037", (*at, named), what, "remove it, or see torch.optim")
        return
    steps = options.max_steps if options.max_steps > 0 else 1000
    try:
        get_scheduler(
            options.lr_scheduler_type,
            optimizer=optimizer,
            num_warmup_steps=options.get_warmup_steps(steps),
            num_training_steps=steps,
            scheduler_specific_kwargs=options.lr_scheduler_kwargs,
        )
    except Exception as error:  # noqa: BLE001 - torch and transformers refuse in several ways
        kind = str(getattr(options.lr_scheduler_type, "value", options.lr_scheduler_type))
        what = f"the schedule {kind} refuses its values: {one_line(error, 160)}"
        fix = "lr_scheduler_type: linear, or give what it needs in lr_scheduler_kwargs"
        key = "lr_scheduler_kwargs" if options.lr_scheduler_kwargs else "lr_scheduler_type"
        yield document.problem("E037", (*at, key), what, fix)


def _loading_problems(options: Any, document: Document, at: Keys) -> Iterator[Problem]:
    """Make a model of one layer without weights, as the policy will be loaded."""
    import torch
    from transformers import AutoModelForCausalLM, Qwen3Config

    loading: dict[str, Any] = getattr(options, "model_init_kwargs", None) or {}
    dtype = loading.get("dtype", loading.get("torch_dtype"))
    keys: Keys = (*at, "model_init_kwargs")
    named = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else None
    if isinstance(dtype, str) and dtype != "auto" and not isinstance(named, torch.dtype):
        what = f"{shown(dtype)} is no data type of torch"
        yield document.problem("E026", keys, what, "dtype: float32, bfloat16 or auto")
    attention = loading.get("attn_implementation")
    if not isinstance(attention, str) or "/" in attention:  # a kernel that will be downloaded
        return
    small = Qwen3Config(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1)
    try:
        with torch.device("meta"):
            AutoModelForCausalLM.from_config(small, attn_implementation=attention)
    except Exception as error:  # noqa: BLE001 - transformers raises several kinds
        what = f"attn_implementation {shown(attention)} cannot be used: {one_line(error, 160)}"
        code = "E064" if isinstance(error, ImportError) else "E037"
        yield document.problem(code, keys, what, "attn_implementation: sdpa")


def _generation_problems(options: Any, document: Document, at: Keys) -> Iterator[Problem]:
    """Make the settings of generation, of a trainer that generates."""
    from transformers import GenerationConfig

    if not hasattr(options, "generation_kwargs"):
        return
    keys: Keys = (*at, "generation_kwargs")
    given: dict[str, Any] = options.generation_kwargs or {}
    known = vars(GenerationConfig()).keys()
    for name in () if options.use_vllm else given.keys() - known:
        named = "transformers' GenerationConfig"
        yield unknown_key((*keys, name), given[name], known, known=named, document=document)
    own = {"do_sample": True, "cache_implementation": options.cache_implementation}
    try:
        GenerationConfig(**{**own, **given})
    except Exception as error:  # noqa: BLE001 - transformers raises several kinds
        what = f"transformers refuses the settings of generation: {one_line(error, 160)}"
        yield document.problem("E037", place_in(str(error), document, at=at) or keys, what, "")


def _compiler_problems(options: Any, document: Document, at: Keys) -> Iterator[Problem]:
    from torch._dynamo import list_backends

    backends = [str(name) for name in list_backends(exclude_tags=())]
    if options.torch_compile_backend not in backends:
        name = str(options.torch_compile_backend)
        yield not_a_choice((*at, "torch_compile_backend"), name, backends, document)


def _hub_problems(document: Document, at: Keys) -> Iterator[Problem]:
    from huggingface_hub import constants, get_token

    if get_token() is None or constants.HF_HUB_OFFLINE:
        what = "push_to_hub needs a token and the network, and there is none"
        fix = "set HF_TOKEN in the environment; or remove it and upload model/ when it is finished"
        yield document.problem("E037", (*at, "push_to_hub"), what, fix)


def place_in(message: str, document: Document, *, at: Keys) -> Keys | None:
    """The place of the option that a library's message names first, or whose text it quotes.

    Args:
        message: The message; it may write ``--eval_steps`` or ``learning rate``.
        document: The file.
        at: The section's place in the document.

    Returns:
        The place; None if the message names no option of the section.
    """
    section: Any = document.value
    for key in at:
        section = section[key] if key in _keys(section) else {}
    words = message.lower().replace(" ", "_")
    found = [(words.find(str(key).lower()), key) for key in _keys(section)]
    named = [(start, -len(str(key)), key) for start, key in found if start >= 0]
    if named:
        return (*at, min(named)[2])
    quoted = [key for key in _keys(section) if f"'{section[key]}'" in message]
    return (*at, quoted[0]) if quoted else None


def _keys(section: object) -> list[Any]:
    if isinstance(section, dict):
        return [*cast("dict[str, object]", section)]
    return [*range(len(cast("list[object]", section)))] if isinstance(section, list) else []
