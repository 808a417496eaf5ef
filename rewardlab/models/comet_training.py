"""Training an xCOMET model, and saving it in the published layout.

Guerreiro et al. 2024 (arXiv 2310.10482): one encoder reads the translation jointly with its source,
its reference, or both. A regression on the first token gives the score; a linear layer gives each
piece one of four labels (no error, minor, major, critical). With a share λ, the loss is

    (1 - λ) · mean squared error + λ · weighted cross-entropy of the labels
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from transformers.modeling_outputs import SequenceClassifierOutput

from rewardlab.errors import EXIT_USAGE, Problem, one_line, refuse, shown
from rewardlab.models.batches import padded
from rewardlab.models.comet import mixed
from rewardlab.models.comet_checkpoint import ENCODERS, TOKENIZERS, CometSettings
from rewardlab.models.comet_inputs import CometTokenizer
from rewardlab.models.comet_loading import (
    ARCHITECTURES,
    PARTS,
    CometParts,
    EncoderConfig,
    build_encoder,
    mix_weights,
    read_comet,
    read_encoder_tokenizer,
)
from rewardlab.models.pretrained import UnusableError, read_config
from rewardlab.models.weights import SAFETENSORS, load_state_dict
from rewardlab.types import SEVERITIES

IGNORED = -100
"""Label of a piece that has none."""
LABELS = 1 + len(SEVERITIES)
LABEL_WEIGHTS = (0.08, 0.486, 0.505, 0.533)
"""Weights of the labels in the cross-entropy, as published: most pieces are no errors."""
DROPOUT = 0.1
"""Dropout in the estimator, as published."""
PREFIXES = ("roberta.", "bert.", "model.")
"""What masked language models and classifiers write before the encoder's names."""


class Reading(NamedTuple):
    """One training example.

    Attributes:
        ids: Token ids, special tokens included, the translation first.
        score: The target, in 0..1, higher is better.
        labels: For each id a label of 0..3, or `IGNORED`; shorter than ``ids`` if the rest has
            none.
    """

    ids: Sequence[int]
    score: float
    labels: Sequence[int] = ()


class Collate(NamedTuple):
    """Makes the arguments of `TrainableXComet.forward` of B examples.

    Attributes:
        pad_token_id: Id of the padding.
    """

    pad_token_id: int

    def __call__(self, readings: Sequence[Reading]) -> dict[str, Tensor]:
        """Pad on the right.

        >>> collate = Collate(pad_token_id=1)
        >>> collate([Reading([0, 8, 2], 1.0), Reading([0, 2], 0.0)])["input_ids"].tolist()
        [[0, 8, 2], [0, 2, 1]]
        """
        ids, real = padded([one.ids for one in readings], filler=self.pad_token_id)
        width = ids.shape[1]
        tags = [[*one.labels, *[IGNORED] * (width - len(one.labels))] for one in readings]
        return {
            "input_ids": ids,
            "attention_mask": real.long(),
            "labels": torch.tensor([one.score for one in readings], dtype=torch.float32),
            "word_labels": torch.tensor(tags, dtype=torch.long),
        }


class TrainableXComet(nn.Module):
    """Encoder, mix of its hidden states, estimator and tagger, in float32.

    The encoder has the dropout of its configuration, and the estimator `DROPOUT`.

    Attributes:
        settings: The architecture.
        encoder: The encoder.
        mix: ``gamma`` and one scalar per hidden state, each (1,).
        estimator: Maps the first token's state to the score.
        tagger: Maps states to the logits of labels.
        word_share: λ, the share of the labels in the loss, in [0, 1).
    """

    def __init__(self, parts: CometParts, *, word_share: float) -> None:
        super().__init__()
        self.settings = parts.settings
        self.encoder = parts.encoder
        self.mix = nn.ParameterDict(
            {name.replace(".", "_"): tensor.float().view(1) for name, tensor in parts.mix.items()}
        )
        self.estimator = parts.estimator
        assert parts.tagger is not None  # noqa: S101 - an xCOMET model has one
        self.tagger = parts.tagger
        self.word_share = word_share
        # The blocks that FSDP wraps.
        self._no_split_modules = list(getattr(parts.encoder, "_no_split_modules", None) or ())
        self.register_buffer("label_weights", torch.tensor(LABEL_WEIGHTS), persistent=False)
        for module in self.estimator:
            if isinstance(module, nn.Dropout):
                module.p = DROPOUT

    @property
    def published_mix(self) -> dict[str, Tensor]:
        """The mix by its published names."""
        return {
            name.replace("parameters_", "parameters."): tensor for name, tensor in self.mix.items()
        }

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor | None = None,
        word_labels: Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """Scores (B,), logits of labels (B, T, 4) in ``hidden_states`` and, with labels, the loss.

        Args:
            input_ids: (B, T), padded on the right.
            attention_mask: (B, T), 1 at tokens.
            labels: (B,), scores in 0..1.
            word_labels: (B, T), labels of 0..3, or `IGNORED`.
        """
        network: Any = self.encoder
        states = network(
            input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True
        ).hidden_states
        if self.settings.layer is None:
            weights = mix_weights(self.published_mix, self.settings)
            first = [state[:, :1] for state in states]
            if self.settings.layer_norm:
                first = states  # one mean and variance for all tokens of a text
            mask, norm = attention_mask.bool(), self.settings.layer_norm
            chosen = mixed(first, mask, weights, layer_norm=norm)
        else:
            chosen = states[self.settings.layer]
        scores = self.estimator(chosen[:, 0].float()).view(-1)
        logits = self.tagger(states[self.settings.word_layer].float())
        loss = None
        if labels is not None:
            loss = (1 - self.word_share) * mse_loss(scores, labels.float())
            if word_labels is not None and self.word_share:
                weights = cast("Tensor", self.label_weights)
                loss = loss + self.word_share * label_loss(logits, word_labels, weights)
        return SequenceClassifierOutput(loss=loss, logits=scores, hidden_states=(logits,))  # pyright: ignore[reportArgumentType]

    def published(self, weights: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Published name -> weight.

        Args:
            weights: Name -> weight of the model, needed if the model has only shards of them.
        """
        found: dict[str, Tensor] = {}
        for name, tensor in (self.state_dict() if weights is None else weights).items():
            part, _, own = name.partition(".")
            own = own.replace("parameters_", "parameters.") if part == "mix" else own
            found[f"{PARTS[part]}{own}"] = tensor
        return found


def label_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean cross-entropy over the labelled pieces; 0 if there are none.

    Args:
        logits: (B, T, 4).
        labels: (B, T), labels of 0..3, or `IGNORED`.
        weights: (4,), the weight of each label.

    >>> logits, labels = torch.zeros(1, 2, 4), torch.tensor([[1, -100]])
    >>> round(label_loss(logits, labels, torch.ones(4)).item(), 4)  # log 4
    1.3863
    """
    if not bool((labels != IGNORED).any()):
        return logits.sum() * 0.0
    return cross_entropy(logits.flatten(0, 1), labels.flatten(), weights, ignore_index=IGNORED)


def load_trainable(
    start: Path, *, word_share: float, freeze_embeddings: bool, seed: int, pickle_sha256: str = ""
) -> tuple[TrainableXComet, CometTokenizer]:
    """An xCOMET checkpoint, or an encoder with a new estimator and tagger, for training.

    Args:
        start: Directory of an xCOMET checkpoint, or of an encoder of XLM-R's or BERT's
            architecture with its tokenizer.
        word_share: See `TrainableXComet`.
        freeze_embeddings: Do not train the embeddings of words, most of a small encoder's weights.
        seed: Seed of new weights.
        pickle_sha256: See `rewardlab.models.weights.load_state_dict`.

    Raises:
        UserError: E301, E302, E304, E320 to E324 the checkpoint cannot be used; E325 it is
            neither; exit code 2.
    """
    if (start / "hparams.yaml").is_file():
        cpu = torch.device("cpu")
        parts = read_comet(start, place=cpu, dtype="float32", pickle_sha256=pickle_sha256)
        if parts.settings.kind != "xcomet":
            raise_unusable(start, f"it is a {parts.settings.kind} model, not an xcomet model")
    else:
        parts = new_parts(start, seed=seed, pickle_sha256=pickle_sha256)
    model = TrainableXComet(parts, word_share=word_share)
    model.requires_grad_(requires_grad=True)
    embeddings: Any = parts.encoder.get_input_embeddings()
    embeddings.requires_grad_(not freeze_embeddings)
    return model, parts.tokenizer


def new_parts(encoder: Path, *, seed: int, pickle_sha256: str = "") -> CometParts:
    """The parts of an xCOMET model on a plain encoder: a new mix, estimator and tagger.

    All hidden states are mixed equally at the start. The tagger reads the last one.

    Args:
        encoder: Directory of the encoder, with its tokenizer.
        seed: Seed of the new weights.
        pickle_sha256: See `rewardlab.models.weights.load_state_dict`.

    Raises:
        UserError: E301, E302, E304, E323, E324, E325; exit code 2.
    """
    config, tokenizer = read_start(encoder)
    tensors = encoder_tensors(load_state_dict(encoder, pickle_sha256=pickle_sha256))
    cpu = torch.device("cpu")
    network = build_encoder(encoder, config, tensors, device=cpu, dtype=torch.float32)
    names = {kind: name for name, kind in ENCODERS.items()}
    layers, width = config.num_hidden_layers, config.hidden_size
    settings = CometSettings(
        kind="xcomet",
        encoder_model=names[config.model_type],
        input_segments=("mt", "src", "ref"),
        layer=None,
        word_layer=layers,
        pool="avg",
        layer_norm=False,
        sparsemax=False,
        activations="Tanh",
        final_activation=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = (width, width, width // 2)
        steps: list[nn.Module] = []
        for read, written in zip(sizes, (*sizes[1:], 1), strict=True):
            steps += [nn.Tanh(), nn.Dropout(DROPOUT)] if steps else []
            steps.append(nn.Linear(read, written))
        tagger = nn.Linear(width, LABELS)
    mix = {"gamma": torch.ones(1)}
    mix |= {f"scalar_parameters.{layer}": torch.zeros(1) for layer in range(layers + 1)}
    return CometParts(settings, tokenizer, network, mix, nn.Sequential(*steps), tagger)


def read_start(encoder: Path) -> tuple[EncoderConfig, CometTokenizer]:
    """Configuration and tokenizer of an encoder to start from; no weights are read.

    Args:
        encoder: Directory of the encoder, or of an xCOMET checkpoint.

    Raises:
        UserError: E323 the tokenizer cannot be used, E325 there is no encoder; exit code 2.
    """
    place = encoder / "encoder" if (encoder / "hparams.yaml").is_file() else encoder
    known = {kind: classes[0] for kind, classes in ARCHITECTURES.items()}
    try:
        config: EncoderConfig = read_config(place, known)[1]
    except UnusableError as error:
        raise_unusable(encoder, str(error))
    file = next((place / name for name in TOKENIZERS if (place / name).is_file()), None)
    if file is None:
        raise_unusable(encoder, f"it has no {' or '.join(TOKENIZERS)}")
    return config, read_encoder_tokenizer(file, config)


def encoder_tensors(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's tensors by their own names, without heads and poolers.

    Args:
        weights: Name -> tensor of an encoder, a masked language model or a classifier.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        own = next((name.removeprefix(p) for p in PREFIXES if name.startswith(p)), name)
        if own.startswith(("embeddings.", "encoder.")) and not own.endswith(
            ("position_ids", "token_type_ids")
        ):
            found[own] = tensor
    return found


def save_published(
    model: TrainableXComet,
    directory: Path,
    *,
    start: Path,
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Write ``hparams.yaml``, ``model.safetensors`` and ``encoder/``, in float32.

    Args:
        model: The trained model.
        directory: Created if it does not exist.
        start: The checkpoint that `load_trainable` read; its tokenizer is copied.
        weights: Name -> weight of the model, needed if the model has only shards of its weights.
    """
    directory.mkdir(parents=True, exist_ok=True)
    named = model.published(weights).items()
    save_file(
        {name: tensor.detach().float().cpu().contiguous() for name, tensor in named},
        directory / SAFETENSORS,
        metadata={"format": "pt"},
    )
    place = start / "encoder" if (start / "encoder").is_dir() else start
    inside = directory / "encoder"
    inside.mkdir(exist_ok=True)
    for name in ("config.json", *TOKENIZERS, "tokenizer_config.json"):
        if (place / name).is_file():
            shutil.copyfile(place / name, inside / name)
    text = yaml.safe_dump(hparams(model.settings, model.estimator, start.name), sort_keys=True)
    (directory / "hparams.yaml").write_text(text, encoding="utf-8")


def hparams(settings: CometSettings, estimator: nn.Sequential, encoder: str) -> dict[str, Any]:
    """The settings as unbabel-comet writes them.

    Args:
        settings: The architecture.
        estimator: Its linear layers give ``hidden_sizes``.
        encoder: Name of the encoder.
    """
    linear = [module for module in estimator if isinstance(module, nn.Linear)]
    own = dataclasses.asdict(settings)
    return {
        "class_identifier": "xcomet_metric",
        "pretrained_model": encoder,
        "encoder_model": own["encoder_model"],
        "input_segments": list(settings.input_segments),
        "sent_layer": "mix" if settings.layer is None else settings.layer,
        "layer_transformation": "sparsemax" if settings.sparsemax else "softmax",
        "layer_norm": settings.layer_norm,
        "word_layer": settings.word_layer,
        "hidden_sizes": [layer.out_features for layer in linear[:-1]],
        "activations": settings.activations,
        "final_activation": settings.final_activation,
        "word_level_training": True,
        "error_labels": list(SEVERITIES),
    }


def raise_unusable(start: Path, what: str) -> NoReturn:
    """E325: a directory that an xCOMET model cannot start from.

    Args:
        start: The directory.
        what: The reason.

    Raises:
        UserError: E325; exit code 2.
    """
    fix = "give an xCOMET model, or an encoder of XLM-R's or BERT's architecture with its tokenizer"
    where = f"model {shown(str(start))}"
    refuse(Problem("E325", where, one_line(what), fix), exit_code=EXIT_USAGE)
