"""Loading a COMET model from its files; a checkpoint with missing or unknown tensors is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertModel,
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
EncoderConfig: TypeAlias = XLMRobertaConfig | XLMRobertaXLConfig | BertConfig
ARCHITECTURES: Mapping[str, tuple[Any, Any]] = {
    "xlm-roberta": (XLMRobertaConfig, XLMRobertaModel),
    "xlm-roberta-xl": (XLMRobertaXLConfig, XLMRobertaXLModel),
    "bert": (BertConfig, BertModel),
}
"""``model_type`` of an encoder -> its configuration and model classes."""
VECTORS = {"regression": 6, "referenceless": 4, "unified": 1, "xcomet": 1}
"""Number of vectors of the encoder's width that an estimator reads."""
IGNORED = re.compile(
    r"wordloss\.|.*\.position_ids$|encoder\.model\.pooler\."
    r"|layerwise_attention\.dropout_(mask|fill)$"
)
"""Tensors that are used only in training."""


class CometParts(NamedTuple):
    """The parts of a checkpoint, on the CPU.

    Attributes:
        settings: The architecture.
        tokenizer: The encoder's.
        encoder: The encoder, without a pooler.
        mix: ``gamma`` and the scalars of all hidden states, as published; empty if one is read.
        estimator: Maps sentence vectors to scores, float32.
        tagger: Maps a piece's hidden state to the logits of its labels, float32; or None.
    """

    settings: CometSettings
    tokenizer: CometTokenizer
    encoder: PreTrainedModel
    mix: dict[str, Tensor]
    estimator: nn.Sequential
    tagger: nn.Linear | None


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
    parts = read_comet(
        model, encoder=encoder, place=place, dtype=dtype, pickle_sha256=pickle_sha256
    )
    settings, tagger = parts.settings, parts.tagger
    mix = tuple(mix_weights(parts.mix, settings).tolist()) if parts.mix else None
    return Comet(
        settings,
        parts.tokenizer,
        parts.encoder,
        mix,
        parts.estimator.to(place),
        tagger.to(place) if tagger else None,
    )


def read_comet(
    model: Path,
    *,
    encoder: str = "",
    place: torch.device,
    dtype: str,
    pickle_sha256: str = "",
) -> CometParts:
    """The parts of a checkpoint; the encoder is placed, the small parts are on the CPU.

    Args:
        model: The checkpoint's directory.
        encoder: See `load_comet`.
        place: The device of the encoder.
        dtype: See `load_comet`.
        pickle_sha256: See `load_comet`.

    Raises:
        UserError: As `load_comet`.
    """
    files = find_files(str(model), encoder)
    read_settings(files.hparams)  # refuses unsupported settings before gigabytes are read
    tensors, trained = read_weights(files.weights, pickle_sha256=pickle_sha256)
    settings = read_settings(files.hparams, trained)
    parts = _parts(files.weights, tensors, settings)
    config = _read_config(files.encoder, settings)
    tokenizer = read_encoder_tokenizer(files.tokenizer, config)
    saved = next(iter(parts["encoder"].values())).dtype
    network = build_encoder(
        files.weights, config, parts["encoder"], device=place, dtype=pick_dtype(dtype, saved)
    )
    layers, width = config.num_hidden_layers + 1, config.hidden_size
    _check_mix(files.weights, parts["mix"], settings, layers)
    estimator = _estimator(files.weights, parts["estimator"], settings, width)
    tagger = _tagger(files.weights, parts["tagger"], settings, width, layers)
    mix = parts["mix"] if settings.layer is None else {}
    return CometParts(settings, tokenizer, network, mix, estimator, tagger)


def read_encoder_tokenizer(path: Path, config: EncoderConfig) -> CometTokenizer:
    """The tokenizer of an encoder.

    Args:
        path: Its file, see `CometTokenizer`.
        config: The encoder's configuration.

    Raises:
        UserError: E323, it cannot be read, or has more pieces than the encoder; exit code 2.
    """
    # RoBERTa's positions begin after the padding's id.
    unused = 0 if isinstance(config, BertConfig) else 2
    tokenizer = CometTokenizer(
        path,
        positions=config.max_position_embeddings - unused,
        pad_token_id=cast("int", config.pad_token_id),
    )
    if tokenizer.vocabulary > config.vocab_size:
        what = f"it has {tokenizer.vocabulary} pieces and the encoder {config.vocab_size}"
        raise unusable(path, what)
    return tokenizer


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


def _read_config(directory: Path, settings: CometSettings) -> EncoderConfig:
    """The encoder's configuration.

    Raises:
        UserError: E323, it cannot be read, or has another architecture; exit code 2.
    """
    wanted = ENCODERS[settings.encoder_model]
    try:
        return read_config(directory, {wanted: ARCHITECTURES[wanted][0]})[1]
    except UnusableError as error:
        raise unusable(directory, str(error)) from error


def build_encoder(
    path: Path,
    config: EncoderConfig,
    tensors: Mapping[str, Tensor],
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> PreTrainedModel:
    """The encoder with these tensors, without a pooler.

    Args:
        path: The weight file, for messages.
        config: The encoder's configuration.
        tensors: Name in the encoder -> tensor.
        device: Device of the encoder.
        dtype: Precision of the encoder.

    Raises:
        UserError: E324, tensors are missing, unknown, or of another shape; exit code 2.
    """
    build: Any = ARCHITECTURES[config.model_type][1]
    with torch.device("meta"):
        network = build(config, add_pooling_layer=False)
    placed = {name: tensor.to(device=device, dtype=dtype) for name, tensor in tensors.items()}
    _fill(path, network, placed, PARTS["encoder"])
    for name, buffer in list(network.named_buffers()):  # not saved: position numbers, or zeros
        owner = network.get_submodule(name.rpartition(".")[0])
        values = torch.zeros(buffer.shape, dtype=buffer.dtype, device=device)
        if name.endswith("position_ids"):
            values += torch.arange(buffer.shape[-1], device=device)
        owner.register_buffer(name.rpartition(".")[2], values, persistent=False)
    return network


def _check_mix(
    path: Path, tensors: Mapping[str, Tensor], settings: CometSettings, layers: int
) -> None:
    """Refuse a mix that has not one weight per hidden state.

    Raises:
        UserError: E324; exit code 2.
    """
    if settings.layer is not None:
        if settings.layer >= layers:
            raise unfit(path, f"the settings name layer {settings.layer} of {layers} layers")
        return
    wanted = ["gamma", *(f"scalar_parameters.{layer}" for layer in range(layers))]
    if set(tensors) != set(wanted) or any(tensor.numel() != 1 for tensor in tensors.values()):
        raise unfit(path, f"layerwise_attention is not that of an encoder with {layers} layers")


def mix_weights(tensors: Mapping[str, Tensor], settings: CometSettings) -> Tensor:
    """``γ softmax(w)`` or ``γ sparsemax(w)``: float32 (K,), one per hidden state, embeddings first.

    Args:
        tensors: ``gamma`` and ``scalar_parameters.0`` to ``scalar_parameters.{K-1}``.
        settings: Say which of the two.
    """
    names = (f"scalar_parameters.{layer}" for layer in range(len(tensors) - 1))
    scalars = torch.cat([tensors[name].float().view(1) for name in names])
    shares = sparsemax(scalars) if settings.sparsemax else scalars.softmax(dim=0)
    return tensors["gamma"].float() * shares


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
) -> nn.Sequential:
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
) -> nn.Linear | None:
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
