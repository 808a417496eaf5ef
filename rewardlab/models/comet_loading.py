"""Loading a COMET model from its files; a checkpoint with missing or unknown tensors is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import torch
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
from rewardlab.models.device import pick_device, pick_dtype
from rewardlab.models.pretrained import UnusableError, fill, read_config
from rewardlab.store.checkpoints import loaded_once
from rewardlab.types import SEVERITIES

PARTS = {
    "encoder": "encoder.model.",
    "mix": "layerwise_attention.",
    "estimator": "estimator.ff.",
    "tagger": "hidden2tag.",
}
"""Prefixes of the tensor names of a model's parts."""
VECTORS = {"regression": 6, "referenceless": 4, "unified": 1, "xcomet": 1}
"""Number of vectors of the encoder's width that an estimator reads."""
IGNORED = re.compile(
    r"wordloss\.|.*\.position_ids$|encoder\.model\.pooler\."
    r"|layerwise_attention\.dropout_(mask|fill)$"
)
"""Tensors that are used only in training."""


@loaded_once()
def load_comet(
    model: Path, *, encoder: str = "", device: str, dtype: str, pickle_sha256: str = ""
) -> Comet:
    """The model of a checkpoint; a process loads it once for equal arguments and shares it.

    Args:
        model: The checkpoint's directory.
        encoder: See `rewardlab.models.comet_checkpoint.find_files`.
        device: See `rewardlab.models.device.pick_device`.
        dtype: Precision of the encoder, see `rewardlab.models.device.pick_dtype`; the parts that
            read its hidden states are computed in float32.
        pickle_sha256: SHA-256 of ``checkpoints/model.ckpt``, required for reading it.

    Raises:
        UserError: E301 to E304 its weights or the device, E320 no such checkpoint, E321 settings
            that are not supported, E323 no encoder, E324 weights that do not match; exit code 2.
    """
    place = pick_device(device)
    files = find_files(str(model), encoder)
    read_settings(files.hparams)  # refuses unsupported settings before gigabytes are read
    tensors, trained = read_weights(files.weights, pickle_sha256=pickle_sha256)
    settings = read_settings(files.hparams, trained)
    parts = _parts(files.weights, tensors, settings)
    config = _read_config(files.encoder, settings)
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
    """The tensors of each part, by their names in the part.

    Raises:
        UserError: E324, a tensor that belongs to no part, or a part without tensors; exit code 2.
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


def _read_config(directory: Path, settings: CometSettings) -> XLMRobertaConfig | XLMRobertaXLConfig:
    """The encoder's configuration.

    Raises:
        UserError: E323, it cannot be read, or has another architecture; exit code 2.
    """
    wanted = ENCODERS[settings.encoder_model]
    kind = XLMRobertaXLConfig if wanted == "xlm-roberta-xl" else XLMRobertaConfig
    try:
        return read_config(directory, {wanted: kind})[1]
    except UnusableError as error:
        raise unusable(directory, str(error)) from error


def _encoder(
    path: Path,
    config: XLMRobertaConfig | XLMRobertaXLConfig,
    tensors: Mapping[str, Tensor],
    kept: Mapping[str, Any],
) -> PreTrainedModel:
    """The encoder with these tensors, on the given device and in the given precision.

    Raises:
        UserError: E324, tensors are missing, unknown, or of another shape; exit code 2.
    """
    build: Any = XLMRobertaXLModel if isinstance(config, XLMRobertaXLConfig) else XLMRobertaModel
    with torch.device("meta"):
        network = build(config, add_pooling_layer=False)
    placed = {name: tensor.to(**kept) for name, tensor in tensors.items()}
    _fill(path, network, placed, PARTS["encoder"])
    for name, buffer in list(network.named_buffers()):  # not saved: position numbers, or zeros
        owner = network.get_submodule(name.rpartition(".")[0])
        values = torch.zeros(buffer.shape, dtype=buffer.dtype, device=kept["device"])
        if name.endswith("position_ids"):
            values += torch.arange(buffer.shape[-1], device=kept["device"])
        owner.register_buffer(name.rpartition(".")[2], values, persistent=False)
    return network


def _mix(
    path: Path, tensors: Mapping[str, Tensor], settings: CometSettings, layers: int
) -> tuple[float, ...] | None:
    """``γ softmax(w)`` or ``γ sparsemax(w)``: one weight per hidden state, embeddings first.

    Raises:
        UserError: E324, not one weight per hidden state; exit code 2.
    """
    if settings.layer is not None:
        if settings.layer >= layers:
            raise unfit(path, f"the settings name layer {settings.layer} of {layers} layers")
        return None
    wanted = ["gamma", *(f"scalar_parameters.{layer}" for layer in range(layers))]
    if set(tensors) != set(wanted) or any(tensor.numel() != 1 for tensor in tensors.values()):
        raise unfit(path, f"layerwise_attention is not that of an encoder with {layers} layers")
    scalars = torch.cat([tensors[name].float().view(1) for name in wanted[1:]])
    shares = sparsemax(scalars) if settings.sparsemax else scalars.softmax(dim=0)
    return tuple((tensors["gamma"].float() * shares).tolist())


def sparsemax(logits: Tensor) -> Tensor:
    """The point of the simplex nearest to logits (K,): weights that can be exactly 0.

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


def _estimator(
    path: Path, tensors: Mapping[str, Tensor], settings: CometSettings, width: int
) -> nn.Module:
    """Linear layers with activations and dropout between them (``FeedForward``), float32.

    Raises:
        UserError: E324, tensors are missing, unknown, or of another shape; exit code 2.
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
    """The linear layer (``hidden2tag``) of an xCOMET model; other kinds do not use it.

    Raises:
        UserError: E324, the layer does not have four labels, or reads a missing layer; exit code 2.
    """
    if settings.kind != "xcomet":
        return None
    if settings.word_layer >= layers:
        what = f"the settings name word_layer {settings.word_layer} of {layers} layers"
        raise unfit(path, what)
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
        UserError: E324, tensors are missing, unknown, or of another shape; exit code 2.
    """
    try:
        fill(module, tensors, prefix=prefix)
    except UnusableError as error:
        raise unfit(path, str(error)) from error
