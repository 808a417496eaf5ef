"""The files of a published COMET checkpoint: settings, weights, and the encoder's files.

Layout: ``hparams.yaml`` with ``checkpoints/model.ckpt`` (as published) or ``model.safetensors``.
The settings have only the encoder's name on a model hub; the encoder's configuration and tokenizer
are in ``encoder/``, or in a directory that the user names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import yaml

from rewardlab.errors import Problem, UserError, one_line, shown
from rewardlab.store.checkpoints import checkpoint_digest, checkpoint_in

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["regression", "referenceless", "unified", "xcomet"]

CLASSES: Mapping[str, Kind] = {
    "regression_metric": "regression",
    "referenceless_regression_metric": "referenceless",
    "unified_metric": "unified",
    "xcomet_metric": "xcomet",
}
"""``class_identifier`` -> kind of model."""

ENCODERS = {"XLM-RoBERTa": "xlm-roberta", "XLM-RoBERTa-XL": "xlm-roberta-xl", "BERT": "bert"}
"""``encoder_model`` -> ``model_type`` of the encoder's configuration."""

POOLS = ("avg", "cls", "default", "max")
ACTIVATIONS = ("Hardtanh", "Mish", "Sigmoid", "Softplus", "Softsign", "Tanh")
SEGMENTS = ("mt", "src", "ref")
LARGEST_HPARAMS = 1 << 20
TOKENIZERS = ("tokenizer.json", "sentencepiece.bpe.model")
"""Files of a tokenizer; the first that exists is read."""


class CometFiles(NamedTuple):
    """The paths of a checkpoint's parts."""

    hparams: Path
    weights: Path
    encoder: Path
    tokenizer: Path


@dataclass(frozen=True)
class CometSettings:
    """The settings that scores depend on, named as in unbabel-comet's ``hparams.yaml``.

    Attributes:
        kind: The architecture.
        encoder_model: A key of `ENCODERS`.
        input_segments: The texts that a unified model reads, the translation first.
        layer: Hidden state for the sentence vector, 0 for the embeddings; None mixes all.
        word_layer: Hidden state for the labels.
        pool: How a regression makes a sentence vector: ``avg``, ``cls`` (as ``default``, except for
            the layer), ``max``.
        layer_norm: Normalise every hidden state before mixing.
        sparsemax: Mix with sparsemax weights instead of softmax.
        activations: Activation between the layers of the estimator.
        final_activation: Activation after the estimator's last layer, or None.
    """

    kind: Kind
    encoder_model: str
    input_segments: tuple[str, ...]
    layer: int | None
    word_layer: int
    pool: str
    layer_norm: bool
    sparsemax: bool
    activations: str
    final_activation: str | None


def find_files(model: str, encoder: str = "") -> CometFiles:
    """The files of a checkpoint.

    Args:
        model: The checkpoint's directory, or a run directory with ``model/`` in it.
        encoder: A directory with ``config.json`` and the tokenizer of the encoder; empty for
            ``encoder/`` in the checkpoint.

    Raises:
        UserError: E320 no such checkpoint, E323 no encoder; exit code 2.
    """
    root = checkpoint_in(model)
    hparams = root / "hparams.yaml"
    weights = [root / "model.safetensors", root / "checkpoints" / "model.ckpt"]
    found = next((path for path in weights if path.is_file()), None)
    if not hparams.is_file() or found is None:
        lacks = "hparams.yaml" if not hparams.is_file() else "checkpoints/model.ckpt"
        what = f"{shown(model)} {f'holds no {lacks}' if root.is_dir() else 'is not a directory'}"
        fix = "give the directory of a published COMET model: hparams.yaml with "
        fix += "checkpoints/model.ckpt or model.safetensors"
        raise UserError([Problem("E320", "model", what, fix)])
    place = Path(encoder) if encoder else root / "encoder"
    tokenizer = next((place / name for name in TOKENIZERS if (place / name).is_file()), None)
    if tokenizer is None or not (place / "config.json").is_file():
        lacks = "config.json" if tokenizer else "tokenizer.json"
        what = f"{shown(str(place))} holds no {lacks}"
        name = _name_of_the_encoder(hparams)
        fix = f"encoder=DIRECTORY with config.json and tokenizer.json of {name}"
        raise UserError([Problem("E323", "encoder", what, fix)])
    return CometFiles(hparams, found, place, tokenizer)


@lru_cache(maxsize=32)
def comet_digest(model: str, encoder: str = "") -> str:
    """The digest of a checkpoint and its encoder's files: sixteen hexadecimal digits.

    Args:
        model: The checkpoint's directory.
        encoder: See `find_files`.

    Raises:
        UserError: E320 no such checkpoint, E323 no encoder; exit code 2.
    """
    files = find_files(model, encoder)
    digest = hashlib.sha256(checkpoint_digest(files.hparams.parent).encode())
    if files.weights.parent != files.hparams.parent:
        digest.update(checkpoint_digest(files.weights.parent).encode())
    for path in (files.encoder / "config.json", files.tokenizer):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def read_settings(path: Path, trained: Mapping[str, Any] | None = None) -> CometSettings:
    """The settings of a checkpoint.

    Args:
        path: ``hparams.yaml``; it decides the class.
        trained: The settings in ``model.ckpt``. They win over ``hparams.yaml``, as in
            unbabel-comet, except that ``layer_transformation: sparsemax_patch`` in
            ``hparams.yaml`` means softmax (unbabel-comet's issue 244).

    Raises:
        UserError: E321, not a plain mapping, or a value that is not supported; exit code 2.
    """
    hparams = _plain_mapping(path)
    identifier = hparams.get("class_identifier")
    if not isinstance(identifier, str) or identifier not in CLASSES:
        known = ", ".join(CLASSES)
        raise _unsupported(path, f"class_identifier is {shown(identifier)}, not one of {known}")
    kind = CLASSES[identifier]
    joint = kind in ("unified", "xcomet")
    values: dict[str, Any] = {**hparams, **(trained or {})}
    transformation = values.get("layer_transformation", "sparsemax" if joint else "softmax")
    layer = values.get("sent_layer" if joint else "layer", "mix")
    segments = values.get("input_segments", SEGMENTS) if kind == "unified" else SEGMENTS
    settings = CometSettings(
        kind=kind,
        encoder_model=values.get("encoder_model", "XLM-RoBERTa"),
        input_segments=tuple(segments) if isinstance(segments, list | tuple) else (segments,),
        layer=None if layer == "mix" else layer,
        word_layer=values.get("word_layer", 24),
        pool=values.get("pool", "avg"),
        layer_norm=bool(values.get("layer_norm", kind != "xcomet")),
        sparsemax=transformation == "sparsemax"
        and hparams.get("layer_transformation") != "sparsemax_patch",
        activations=str(values.get("activations", "Tanh")).title(),
        final_activation=str(final).title() if (final := values.get("final_activation")) else None,
    )
    _check(path, settings)
    return settings


class CometWeights(NamedTuple):
    """The content of a checkpoint's weight file.

    Attributes:
        tensors: Name -> tensor, as published.
        trained: The settings in the file; empty for safetensors.
    """

    tensors: dict[str, Tensor]
    trained: dict[str, Any]


def read_weights(path: Path, *, pickle_sha256: str = "") -> CometWeights:
    """Tensors and settings of ``model.safetensors`` or ``model.ckpt``.

    Args:
        path: The file.
        pickle_sha256: SHA-256 of ``model.ckpt``, required for reading it.

    Raises:
        UserError: E301, E302, E304: see `rewardlab.models.weights`. E324, the file contains no
            weights; exit code 2.
    """
    from torch import Tensor

    from rewardlab.models.weights import load_pickle, load_state_dict

    if path.suffix == ".safetensors":
        return CometWeights(load_state_dict(path.parent), {})
    held = load_pickle(path, sha256=pickle_sha256)
    tensors, trained = held.get("state_dict"), held.get("hyper_parameters", {})
    if not isinstance(tensors, dict) or not isinstance(trained, dict):
        raise unfit(path, "it holds no state_dict")
    if odd := [name for name, value in tensors.items() if not isinstance(value, Tensor)]:
        raise unfit(path, f"{shown(odd[0])} in its state_dict is not a tensor")
    return CometWeights(cast("dict[str, Tensor]", tensors), cast("dict[str, Any]", trained))


def unfit(path: Path, what: str) -> UserError:
    """E324: weights that do not match the settings.

    Args:
        path: The weight file.
        what: What does not match.
    """
    fix = "take hparams.yaml, the weights and the encoder's files from one and the same model"
    return UserError([Problem("E324", f"weights {shown(str(path))}", what, fix)])


def _plain_mapping(path: Path) -> dict[str, Any]:
    """A YAML mapping without tags, since tags could build objects.

    Raises:
        UserError: E321; exit code 2.
    """
    try:
        if path.stat().st_size > LARGEST_HPARAMS:
            raise _unsupported(path, f"it is larger than {LARGEST_HPARAMS:,} bytes")
        hparams: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _unsupported(path, f"it is not plain YAML: {error}") from error
    if not isinstance(hparams, dict):
        raise _unsupported(path, "it is not a mapping of settings")
    return cast("dict[str, Any]", hparams)


def _name_of_the_encoder(hparams: Path) -> str:
    return shown(_plain_mapping(hparams).get("pretrained_model", "the encoder"))


def _check(path: Path, settings: CometSettings) -> None:
    """Refuse settings that are not supported.

    Raises:
        UserError: E321; exit code 2.
    """
    choices = {
        "encoder_model": tuple(ENCODERS),
        "pool": POOLS,
        "activations": ACTIVATIONS,
        "final_activation": (None, *ACTIVATIONS),
        "input_segments": (("mt", "src"), ("mt", "ref"), SEGMENTS),
    }
    for name, known in choices.items():
        if (value := getattr(settings, name)) not in known:
            listed = ", ".join(str(choice) for choice in known)
            raise _unsupported(path, f"{name} is {shown(value)}, not one of {listed}")
    layers: dict[str, object] = {"layer": settings.layer, "word_layer": settings.word_layer}
    for name, layer in layers.items():
        if layer is not None and not (isinstance(layer, int) and layer >= 0):
            raise _unsupported(path, f"{name} is {shown(layer)}, not the number of a layer")


def _unsupported(path: Path, what: str) -> UserError:
    fix = "take the hparams.yaml that the model was published with"
    return UserError([Problem("E321", f"settings {shown(str(path))}", one_line(what), fix)])
