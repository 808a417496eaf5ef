"""Loading, freezing, adapting and saving a policy: tokenizer, weights, LoRA adapters.

Checkpoints are read as data: safetensors only, no remote code, no missing weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from peft import LoraConfig, PeftModel
from torch import nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase, Trainer
from trl.trainer.utils import create_model_from_path

from rewardlab.errors import Problem, UserError, shown
from rewardlab.models.boundary import PROBE
from rewardlab.store.checkpoints import checkpoint_in, find_checkpoint
from rewardlab.text.prompts import chat_options


def load_tokenizer(path: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a local checkpoint or run, with the left padding that generation needs.

    Raises:
        UserError: E080, there is no such directory; nothing is downloaded.
    """
    tokenizer = AutoTokenizer.from_pretrained(
        str(_directory(path)), padding_side="left", local_files_only=True, trust_remote_code=False
    )
    return cast("PreTrainedTokenizerBase", tokenizer)


def load_policy(path: str | Path, **model_init_kwargs: Any) -> PreTrainedModel:
    """The model of a checkpoint; a vision tower is frozen.

    Args:
        path: A directory that ``save_pretrained`` wrote, or a run directory.
        **model_init_kwargs: Passed to ``from_pretrained``, as in TRL; the default ``dtype`` is
            float32.

    Raises:
        UserError: E028, the directory has no safetensors weights, lacks some of them, or needs
            remote code; E080, there is no such directory.
    """
    place = _directory(path)
    own = {"use_safetensors": True, "trust_remote_code": False, "output_loading_info": True}
    options: dict[str, Any] = {"device_map": None, **model_init_kwargs, **own}
    try:
        loaded: Any = create_model_from_path(str(place), **options)
    except (OSError, ValueError) as error:
        raise _no_checkpoint(path, " ".join(str(error).split()).rstrip(".")) from error
    policy, found = cast("tuple[PreTrainedModel, dict[str, Any]]", loaded)
    if missing := sorted(found["missing_keys"]):
        some = ", ".join(missing[:3])
        raise _no_checkpoint(path, f"{len(missing)} weights are missing, first {some}")
    freeze_vision_tower(policy)
    return policy


def _directory(path: str | Path) -> Path:
    """The directory to load from.

    Raises:
        UserError: E080, it does not exist.
    """
    place = checkpoint_in(path)
    return place if place.is_dir() else find_checkpoint(path)


def freeze_vision_tower(policy: PreTrainedModel) -> None:
    """Freeze all parameters that do not process text.

    Text gives them no gradient, and DDP fails on parameters without a gradient.
    """
    text = _text_modules(policy)
    for name, parameter in policy.named_parameters():
        if not name.startswith(text):
            parameter.requires_grad_(False)


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that ends the assistant's turn in the tokenizer's chat template.

    Raises:
        UserError: E044, the template is missing, or its turns do not end with a special token.
    """
    if tokenizer.chat_template is None:
        what = "the checkpoint's tokenizer has no chat template"
        raise UserError([Problem("E044", "chat", what, "chat: false")])
    turns = [{"role": role, "content": PROBE} for role in ("user", "assistant")]
    render: Any = tokenizer.apply_chat_template
    options = chat_options(str(tokenizer.chat_template))
    end = str(render(turns, tokenize=False, **options)).rpartition(PROBE)[2]
    ids = cast("list[int]", tokenizer(end, add_special_tokens=False)["input_ids"])
    special = [token for token in ids if _is_special(tokenizer, token)]
    if not special:
        what = f"the chat template ends an answer with {shown(end)}, which is no special token"
        raise UserError([Problem("E044", "chat", what, "chat: false, or mend the template")])
    return special[0]


def stop_at(policy: PreTrainedModel, token: int) -> None:
    """Add an end-of-sequence token to the policy's generation settings, which are saved with it.

    Args:
        policy: The policy, whose ``generation_config`` is changed.
        token: The token's id.
    """
    generation: Any = policy.generation_config
    ends = generation.eos_token_id
    ends = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
    if token not in ends:
        generation.eos_token_id = [*ends, token]


def freeze_embeddings(policy: PreTrainedModel) -> bool:
    """Freeze the input embeddings.

    Returns:
        True if the output head shares their weights and is therefore frozen too.
    """
    embeddings = policy.get_input_embeddings().weight
    embeddings.requires_grad_(False)
    return head_of(policy).weight is embeddings


def untie_embeddings(policy: PreTrainedModel) -> None:
    """Give the output head its own copy of the embedding weights, also when saved."""
    head = head_of(policy)
    head.weight = nn.Parameter(head.weight.detach().clone())
    for config in (policy.config, policy.config.get_text_config()):
        config.tie_word_embeddings = False
    tied: Any = policy
    tied.all_tied_weights_keys = {}  # what save_pretrained reads


def head_of(policy: PreTrainedModel) -> nn.Linear:
    """The output head."""
    return cast("nn.Linear", policy.get_output_embeddings())


def low_rank(
    policy: PreTrainedModel,
    *,
    r: int = 16,
    alpha: int = 32,
    dropout: float = 0.0,
    target_modules: str | Sequence[str] = "all-linear",
) -> LoraConfig:
    """PEFT's configuration of low-rank adapters (arXiv 2106.09685) on the language model.

    Args:
        policy: The policy; linear layers outside its language model get no adapter.
        r: Rank.
        alpha: The adapter's output is scaled by ``alpha / r``.
        dropout: Dropout probability on the adapter's input.
        target_modules: ``all-linear``, or module names.
    """
    text = _text_modules(policy)
    blind = [
        name
        for name, module in policy.named_modules()
        if isinstance(module, nn.Linear) and not f"{name}.".startswith(text)
    ]
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=target_modules if isinstance(target_modules, str) else [*target_modules],
        exclude_modules=blind or None,
    )


def save_trained(
    trainer: Trainer,
    tokenizer: PreTrainedTokenizerBase,
    run: Path,
    *,
    start: str | Path,
    **model_init_kwargs: Any,
) -> Path:
    """Save the trained policy and its tokenizer. Call it on every process.

    The policy is saved in ``model/``. LoRA adapters are saved in ``adapter/``; ``model/`` then has
    the base checkpoint with the adapters merged into it.

    Args:
        trainer: The trainer, after training.
        tokenizer: The policy's tokenizer.
        run: The run directory.
        start: The checkpoint that training started from.
        **model_init_kwargs: The options with which the checkpoint was loaded.

    Returns:
        ``model/``.
    """
    policy: Any = trainer.accelerator.unwrap_model(trainer.model)
    model = run / "model"
    low_rank = isinstance(policy, PeftModel)
    trained = run / "adapter" if low_rank else model
    trainer.save_model(str(trained))
    if trainer.is_world_process_zero():
        for name in ("training_args.bin", "README.md"):  # a pickle, and PEFT's empty form
            (trained / name).unlink(missing_ok=True)
        if low_rank:
            merged = merge(load_policy(start, **model_init_kwargs), trained)
            merged.generation_config = policy.generation_config
            merged.save_pretrained(model)
        tokenizer.save_pretrained(str(model))
    trainer.accelerator.wait_for_everyone()
    return model


def merge(policy: PreTrainedModel, adapter: Path) -> PreTrainedModel:
    """Merge LoRA adapters into the checkpoint that they were trained on.

    Args:
        policy: The loaded checkpoint; changed in place.
        adapter: A directory written by PEFT.
    """
    adapted: Any = PeftModel.from_pretrained(policy, str(adapter))
    return cast("PreTrainedModel", adapted.merge_and_unload())


def _text_modules(policy: PreTrainedModel) -> tuple[str, ...]:
    """Name prefixes of all modules that read text."""
    parts = (policy.get_decoder(), policy.get_input_embeddings(), policy.get_output_embeddings())
    return tuple(
        f"{name}."
        for name, module in policy.named_modules()
        if name and any(module is part for part in parts)
    )


def _is_special(tokenizer: PreTrainedTokenizerBase, token: int) -> bool:
    """Whether decoding leaves the token out of the text."""
    added = tokenizer.added_tokens_decoder.get(token)
    return added is not None and added.special


def _no_checkpoint(path: str | Path, what: str) -> UserError:
    fix = "give the directory that save_pretrained wrote"
    return UserError([Problem("E028", shown(str(path)), what, fix)])
