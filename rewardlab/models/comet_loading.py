"""A COMET model from its files: every tensor has its place, or the checkpoint is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn
from transformers import (
    PreTrainedModel,
    XLMRobertaConfig,
    XLMRobertaModel,
    XLMRobertaXLConfig,
    XLMRobertaXLModel,
)

from rewardlab.errors import shown
from rewardlab.models.comet import Comet
from rewardlab.models.comet_checkpoint import (
    ENCODERS,
    CometSettings,
    find_files,
    read_settings,
    read_weights,
    unfit,
)
from rewardlab.models.comet_inputs import CometTokenizer, unusable
from rewardlab.models.comet_spans import SEVERITIES
from rewardlab.models.device import pick_device, pick_dtype
from rewardlab.store.checkpoints import LOADING

PARTS = {
    "encoder": "encoder.model.",
    "mix": "layerwise_attention.",
    "estimator": "estimator.ff.",
    "tagger": "hidden2tag.",
}
"""Parts of a model and how the names of their tensors begin."""
VECTORS = {"regression": 6, "referenceless": 4, "unified": 1, "xcomet": 1}
"""How many vectors of the encoder's width an estimator reads at once."""
IGNORED = re.compile(
    r"wordloss\.|.*\.position_ids$|encoder\.model\.pooler\."
    r"|layerwise_attention\.dropout_(mask|fill)$"
)
"""Tensors that only training reads."""


def load_comet(
    model: Path, *, encoder: str = "", device: str, dtype: str, pickle_sha256: str = ""
) -> Comet:
    """The model of a checkpoint; the same one for the same arguments, in all of the process.

    Args:
        model: The checkpoint's directory.
        encoder: See `rewardlab.models.comet_checkpoint.find_files`.
        device: See `rewardlab.models.device.pick_device`.
        dtype: Precision of the encoder, see `rewardlab.models.device.pick_dtype`; what reads
            its hidden states is computed in float32.
        pickle_sha256: Digest of ``checkpoints/model.ckpt``, without which it is not read.

    Raises:
        UserError: E301 to E304 its weights or the device, E320 no such checkpoint, E321 settings
            that are not supported, E323 no encoder, E324 weights that do not fit; exit code 2.
    """
    with LOADING:
        return _load(model, encoder, device, dtype, pickle_sha256)


@cache
def _load(model: Path, encoder: str, device: str, dtype: str, pickle_sha256: str) -> Comet:
    place = pick_device(device)
    files = find_files(str(model), encoder)
    read_settings(files.hparams)  # what is not supported shows before gigabytes are read
    tensors, trained = read_weights(files.weights, pickle_sha256=pickle_sha256)
    settings = read_settings(files.hparams, trained)
    parts = _parts(files.weights, tensors, settings)
    config = _read_config(files.encoder / "config.json", settings)
    tokenizer = CometTokenizer(
        files.tokenizer,
        positions=config.max_position_embeddings - 2,
        pad_token_id=cast("int", config.pad_token_id),
    )
    if tokenizer.vocabulary > config.vocab_size:
        what = f"it has {tokenizer.vocabulary} pieces and the encoder {config.vocab_size}"
        raise unusable(files.tokenizer, what)
    saved = next(iter(parts["encoder"].values())).dtype
    kept = {"device": place, "dtype": pick_dtype(dtype, saved)}
    network = _encoder(files.weights, config, parts["encoder"], kept)
    layers = config.num_hidden_layers + 1
    mix = _mix(files.weights, parts["mix"], settings, layers)
    width = config.hidden_size
    estimator = _estimator(files.weights, parts["estimator"], settings, width)
    tagger = _tagger(files.weights, parts["tagger"], settings, width, layers)
    return Comet(
        settings, tokenizer, network, mix, estimator.to(place), tagger.to(place) if tagger else None
    )


def _parts(
    path: Path, tensors: Mapping[str, Tensor], settings: CometSettings
) -> dict[str, dict[str, Tensor]]:
    """The tensors of each part by their names in it.

    Raises:
        UserError: E324, a tensor that belongs to none, or a part without tensors; exit code 2.
    """
    parts: dict[str, dict[str, Tensor]] = {name: {} for name in PARTS}
    unknown: list[str] = []
    for name, tensor in tensors.items():
        if IGNORED.match(name):
            continue
        part = next((part for part, prefix in PARTS.items() if name.startswith(prefix)), None)
        if part is None:
            unknown.append(name)
        else:
            parts[part][name.removeprefix(PARTS[part])] = tensor
    if unknown:
        raise unfit(path, f"{len(unknown)} tensors are unknown, first {shown(min(unknown))}")
    wanted = ["encoder", "estimator", *(["mix"] if settings.layer is None else [])]
    wanted += ["tagger"] if settings.kind == "xcomet" else []
    for part in wanted:
        if not parts[part]:
            raise unfit(path, f"no tensor is called {PARTS[part]}*")
    return parts


def _read_config(path: Path, settings: CometSettings) -> XLMRobertaConfig | XLMRobertaXLConfig:
    """The encoder's configuration.

    Raises:
        UserError: E323, it cannot be read, or is that of another architecture; exit code 2.
    """
    wanted = ENCODERS[settings.encoder_model]
    try:
        told: Any = json.loads(path.read_text(encoding="utf-8"))
        found = told["model_type"]
        kind = XLMRobertaXLConfig if wanted == "xlm-roberta-xl" else XLMRobertaConfig
        config: Any = kind.from_dict(told)
    except (OSError, ValueError, KeyError, TypeError, StrictDataclassError) as error:
        raise unusable(path, f"it cannot be read: {error}") from error
    if found != wanted:
        raise unusable(path, f"its model_type is {shown(found)}, and the model needs {wanted}")
    return config


def _encoder(
    path: Path,
    config: XLMRobertaConfig | XLMRobertaXLConfig,
    tensors: Mapping[str, Tensor],
    kept: Mapping[str, Any],
) -> PreTrainedModel:
    """The encoder made of these very tensors, on its device in its precision.

    Raises:
        UserError: E324, tensors are missing, left over, or of another shape; exit code 2.
    """
    build: Any = XLMRobertaXLModel if isinstance(config, XLMRobertaXLConfig) else XLMRobertaModel
    with torch.device("meta"):
        network = build(config, add_pooling_layer=False)
    placed = {name: tensor.to(**kept) for name, tensor in tensors.items()}
    _fill(path, network, placed, PARTS["encoder"])
    for name, buffer in list(network.named_buffers()):  # not saved: counted up, or zeros
        owner = network.get_submodule(name.rpartition(".")[0])
        values = torch.zeros(buffer.shape, dtype=buffer.dtype, device=kept["device"])
        if name.endswith("position_ids"):
            values += torch.arange(buffer.shape[-1], device=kept["device"])
        owner.register_buffer(name.rpartition(".")[2], values, persistent=False)
    return network


def _mix(
    path: Path, tensors: Mapping[str, Tensor], settings: CometSettings, layers: int
) -> tuple[float, ...] | None:
    """``γ softmax(w)`` or ``γ sparsemax(w)``, one weight per hidden state, the embeddings' first.

    Raises:
        UserError: E324, not one weight per hidden state; exit code 2.
    """
    if settings.layer is not None:
        if settings.layer >= layers:
            raise unfit(path, f"layer {settings.layer} is asked of an encoder with {layers}")
        return None
    wanted = ["gamma", *(f"scalar_parameters.{layer}" for layer in range(layers))]
    if set(tensors) != set(wanted) or any(tensor.numel() != 1 for tensor in tensors.values()):
        raise unfit(path, f"layerwise_attention is not that of an encoder with {layers} layers")
    scalars = torch.cat([tensors[name].float().view(1) for name in wanted[1:]])
    transform: Callable[[Tensor], Tensor] = sparsemax if settings.sparsemax else _softmax
    return tuple((tensors["gamma"].float() * transform(scalars)).tolist())


def sparsemax(logits: Tensor) -> Tensor:
    """The point of the simplex that is nearest to logits (K,): weights that can be exactly 0.

    ``p_i = max(z_i - τ, 0)`` with τ such that they sum to 1 (Martins and Astudillo 2016,
    arXiv 1602.02068).

    >>> sparsemax(torch.tensor([1.0, 0.5, -1.0])).tolist()
    [0.75, 0.25, 0.0]
    """
    falling = logits.sort(descending=True).values
    above = falling.cumsum(dim=0) - 1.0
    places = torch.arange(1, len(logits) + 1, device=logits.device)
    kept = int((places * falling > above).sum())
    return (logits - above[kept - 1] / kept).clamp(min=0.0)


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(dim=0)


def _estimator(
    path: Path, tensors: Mapping[str, Tensor], settings: CometSettings, width: int
) -> nn.Module:
    """Linear layers with an activation and a dropout between them (``FeedForward``), float32.

    Raises:
        UserError: E324, tensors are missing, left over, or of another shape; exit code 2.
    """
    activation: type[nn.Module] = getattr(nn, settings.activations)
    biases = sorted((name for name in tensors if name.endswith(".bias")), key=_place)
    sizes = [width * VECTORS[settings.kind], *(tensors[name].numel() for name in biases)]
    if sizes[-1] != 1:
        raise unfit(path, f"the estimator ends in {sizes[-1]} numbers, not in one")
    steps: list[nn.Module] = []
    for read, written in pairwise(sizes):
        steps += [activation(), nn.Dropout(0.0)] if steps else []
        steps.append(nn.Linear(read, written, device="meta"))
    if settings.final_activation:
        final: type[nn.Module] = getattr(nn, settings.final_activation)
        steps.append(final())
    estimator = nn.Sequential(*steps)
    exact = {name: tensor.float() for name, tensor in tensors.items()}
    _fill(path, estimator, exact, PARTS["estimator"])
    return estimator


def _tagger(
    path: Path, tensors: Mapping[str, Tensor], settings: CometSettings, width: int, layers: int
) -> nn.Module | None:
    """One linear layer (``hidden2tag``) of an xCOMET model; of others it is not used.

    Raises:
        UserError: E324, it is not for four labels, or reads a layer that is not there; exit code 2.
    """
    if settings.kind != "xcomet":
        return None
    if settings.word_layer >= layers:
        raise unfit(path, f"word_layer {settings.word_layer} is asked of an encoder with {layers}")
    tagger = nn.Linear(width, 1 + len(SEVERITIES), device="meta")
    exact = {name: tensor.float() for name, tensor in tensors.items()}
    _fill(path, tagger, exact, PARTS["tagger"])
    return tagger


def _place(name: str) -> int:
    number = name.partition(".")[0]
    return int(number) if number.isdecimal() else -1


def _fill(path: Path, module: nn.Module, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Give a module exactly these tensors.

    Raises:
        UserError: E324, tensors are missing, left over, or of another shape; exit code 2.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    for names, what in ((wanted.keys() - tensors, "missing"), (tensors.keys() - wanted, "unknown")):
        if names:
            first = shown(prefix + min(names))
            raise unfit(path, f"{len(names)} tensors are {what}, first {first}")
    for name, shape in wanted.items():
        if (found := tuple(tensors[name].shape)) != shape:
            raise unfit(path, f"{prefix}{name} has shape {found}, where {shape} is needed")
    module.load_state_dict(dict(tensors), assign=True)
    module.requires_grad_(requires_grad=False).eval()
