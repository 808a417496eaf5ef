"""Tiny COMET checkpoints in the published layout, the same bytes wherever they are made.

Names and shapes of the tensors come from unbabel-comet's own classes (``golden/comet``); the
numbers are drawn per tensor, seeded by its name. So the goldens were made with exactly these
checkpoints, and no binary is committed. Needs numpy, torch, tokenizers, sentencepiece and yaml
only, because it also runs where unbabel-comet does.
"""

import atexit
import hashlib
import io
import json
import math
import tempfile
import zlib
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import sentencepiece
import torch
import yaml
from sentencepiece import sentencepiece_model_pb2
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

GOLDEN = Path(__file__).parent / "golden" / "comet" / "golden.json"
WIDTH, LAYERS, HEADS = 24, 3, 2
CORPUS = (
    "the dog runs across the old bridge and she said it is not good enough",
    "der Hund läuft über die alte Brücke und sie sagte es ist nicht gut genug",
    "le chien traverse le vieux pont mais la traduction n'est pas bonne",
    "собака бежит через старый мост она сказала что перевод плохой",
    "الكلب يركض عبر الجسر القديم وقالت إن الترجمة ليست جيدة",
    "कुत्ता पुराने पुल के पार दौड़ता है",
    "狗跑过了旧桥 她说翻译得不够好 明天再来",
    "犬は古い橋を渡って走る",
    "Prices: 1,234.56 € (tax incl.), 20 % off! May 14, 2021?",
    "Der Hund von Anna hat am 14. Mai 2021 nicht geschlafen, sagte sie.",
    "Anna's dog did not sleep on 14 May 2021, she said.",
)
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
LABEL_BIAS = (1.6, 0.8, -1.6, 0.4)
"""Of no error, minor, major, critical: so that all of them occur."""
HEAD = {"hidden_sizes": [16, 8], "activations": "Tanh", "final_activation": None}
KINDS = {
    # wmt22-comet-da: published as sparsemax_patch, which means softmax
    "regression": {
        "class_identifier": "regression_metric",
        "encoder_model": "XLM-RoBERTa",
        "pool": "avg",
        "layer": "mix",
        "layer_norm": False,
        "layer_transformation": "sparsemax_patch",
        **HEAD,
    },
    # wmt20-comet-da and -qe: layer norm
    "regression_norm": {
        "class_identifier": "regression_metric",
        "encoder_model": "XLM-RoBERTa",
        "pool": "avg",
        "layer": "mix",
        "layer_norm": True,
        "layer_transformation": "softmax",
        **HEAD,
    },
    "regression_layer": {
        "class_identifier": "regression_metric",
        "encoder_model": "XLM-RoBERTa",
        "pool": "max",
        "layer": 2,
        "layer_norm": False,
        "layer_transformation": "softmax",
        **HEAD,
    },
    "referenceless": {
        "class_identifier": "referenceless_regression_metric",
        "encoder_model": "XLM-RoBERTa",
        "pool": "avg",
        "layer": "mix",
        "layer_norm": True,
        "layer_transformation": "sparsemax",
        **HEAD,
        "hidden_sizes": [16],
    },
    "referenceless_cls": {
        "class_identifier": "referenceless_regression_metric",
        "encoder_model": "XLM-RoBERTa-XL",
        "pool": "cls",
        "layer": "mix",
        "layer_norm": True,
        "layer_transformation": "softmax",
        **HEAD,
    },
    "kiwi": {
        "class_identifier": "unified_metric",
        "encoder_model": "XLM-RoBERTa",
        "input_segments": ["mt", "src"],
        "sent_layer": "mix",
        "layer_norm": False,
        "layer_transformation": "sparsemax_patch",
        "word_layer": 3,
        "word_level_training": False,
        **HEAD,
        "final_activation": "Sigmoid",
    },
    "unite": {
        "class_identifier": "unified_metric",
        "encoder_model": "XLM-RoBERTa",
        "input_segments": ["mt", "src", "ref"],
        "sent_layer": "mix",
        "layer_norm": True,
        "layer_transformation": "sparsemax",
        "word_layer": 3,
        "word_level_training": False,
        **HEAD,
    },
    "xcomet": {
        "class_identifier": "xcomet_metric",
        "encoder_model": "XLM-RoBERTa",
        "sent_layer": "mix",
        "layer_norm": False,
        "layer_transformation": "sparsemax",
        "word_layer": 1,
        "word_level_training": True,
        "error_labels": ["minor", "major", "critical"],
        **HEAD,
    },
    "xcomet_xl": {
        "class_identifier": "xcomet_metric",
        "encoder_model": "XLM-RoBERTa-XL",
        "sent_layer": "mix",
        "layer_norm": False,
        "layer_transformation": "sparsemax",
        "word_layer": 1,
        "word_level_training": True,
        "error_labels": ["minor", "major", "critical"],
        **HEAD,
    },
}
"""hparams.yaml of each kind, without what only training reads."""

SPLIT_FIRST = ("xcomet_xl", "kiwi")
"""Kinds whose tokenizer cuts at spaces before it marks them, as older XLM-R files do; the others
keep the space in the offsets of the word after it, as newer ones do."""


SENTENCEPIECE = ("unite",)
"""Kinds that come with ``sentencepiece.bpe.model`` only, which is to be converted."""


@cache
def golden() -> dict:
    """What unbabel-comet said; see ``golden/comet/README.md``."""
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def write(path: Path, kind: str, *, seed: int = 0, shapes: dict | None = None) -> Path:
    """Write one checkpoint in the published layout, its encoder beside it; returns ``path``."""
    (path / "checkpoints").mkdir(parents=True)
    write_encoder(path / "encoder", kind)
    hparams = {**KINDS[kind], "pretrained_model": "encoder", "nr_frozen_epochs": 0.3}
    (path / "hparams.yaml").write_text(yaml.safe_dump(hparams), encoding="utf-8")
    trained = {key: value for key, value in hparams.items() if key != "class_identifier"}
    if trained["layer_transformation"] == "sparsemax_patch":
        trained["layer_transformation"] = "sparsemax"  # as in the published pickles
    saved = {
        "pytorch-lightning_version": "1.8.2",
        "state_dict": state_dict(shapes or golden()["shapes"][kind], seed),
        "hparams_name": "kwargs",
        "hyper_parameters": trained,
    }
    torch.save(saved, path / "checkpoints" / "model.ckpt")
    return path


def write_safetensors(path: Path, kind: str, *, seed: int = 0) -> Path:
    """The same without a pickle; returns ``path``."""
    from safetensors.torch import save_file

    path.mkdir(parents=True)
    write_encoder(path / "encoder", kind)
    (path / "hparams.yaml").write_text(yaml.safe_dump(KINDS[kind]), encoding="utf-8")
    save_file(state_dict(golden()["shapes"][kind], seed), path / "model.safetensors")
    return path


@cache
def for_the_contract(kind: str, *, seed: int = 0) -> Path:
    """One checkpoint that lives as long as the process."""
    folder = tempfile.TemporaryDirectory(prefix="tiny_comet_")
    atexit.register(folder.cleanup)
    return write_safetensors(Path(folder.name) / kind, kind, seed=seed)


def sha256(path: Path) -> str:
    """Digest of a checkpoint's pickle."""
    return hashlib.sha256((path / "checkpoints" / "model.ckpt").read_bytes()).hexdigest()


def write_encoder(path: Path, kind: str) -> Path:
    """Write the encoder's configuration and tokenizer."""
    path.mkdir()
    made = tokenizer(split_first=kind in SPLIT_FIRST)
    xl = KINDS[kind]["encoder_model"] == "XLM-RoBERTa-XL"
    config = {
        "model_type": "xlm-roberta-xl" if xl else "xlm-roberta",
        "vocab_size": made.get_vocab_size(),
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-05,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if kind in SENTENCEPIECE:
        (path / "sentencepiece.bpe.model").write_bytes(sentencepiece_model())
    else:
        made.save(str(path / "tokenizer.json"))
    return path


def state_dict(shapes: dict[str, list[int]], seed: int = 0) -> dict[str, torch.Tensor]:
    """Tensors of these names and shapes."""
    return {name: _tensor(name, tuple(shape), seed) for name, shape in shapes.items()}


def _tensor(name: str, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """Numbers of a size that lets every layer matter and labels change from word to word."""
    if name.endswith("position_ids"):
        return torch.arange(shape[-1]).expand(shape).clone()
    if name.endswith(("dropout_mask", "dropout_fill")):
        return torch.full(shape, -1e20 if name.endswith("fill") else 0.0)
    drawn = np.random.RandomState((zlib.crc32(name.encode()) + seed) % 2**32).standard_normal(shape)
    if name == "hidden2tag.bias":
        drawn = np.array(LABEL_BIAS)
    elif name.endswith("gamma"):
        drawn = 1.0 + 0.1 * drawn
    elif "scalar_parameters" in name:
        drawn = 0.3 * drawn
    elif "norm" in name.lower():
        drawn = 0.1 * drawn + (1.0 if name.endswith("weight") else 0.0)
    elif name.endswith("bias"):
        drawn = 0.1 * drawn + (0.6 if name.startswith("estimator") and shape == (1,) else 0.0)
    elif name.startswith("hidden2tag"):
        drawn = 0.5 * drawn
    elif len(shape) > 1 and "embeddings" not in name:
        drawn = drawn / math.sqrt(shape[1])
    return torch.from_numpy(drawn.astype(np.float32))


@cache
def tokenizer(*, split_first: bool) -> Tokenizer:
    """A unigram tokenizer like XLM-R's: its normalisation, its special tokens, its marked spaces.

    The pieces are counted, not trained, so that every version makes the same ones.
    """
    pieces = [(token, 0.0) for token in SPECIALS] + _pieces() + [("<mask>", 0.0)]
    made = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    made.normalizer = normalizers.Precompiled(_charsmap())
    metaspace = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    split = [pre_tokenizers.WhitespaceSplit()] if split_first else []
    made.pre_tokenizer = pre_tokenizers.Sequence([*split, metaspace])
    made.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    made.add_special_tokens([AddedToken(token, special=True) for token in (*SPECIALS, "<mask>")])
    return made


def _pieces() -> list[tuple[str, float]]:
    counts: Counter[str] = Counter()
    for line in CORPUS:
        for word in line.split():
            marked = f"▁{word}"
            for start in range(len(marked)):
                for end in range(start + 1, min(len(marked), start + 5) + 1):
                    counts[marked[start:end]] += 1
    kept = sorted(piece for piece, n in counts.items() if n > 1 or len(piece) == 1)
    total = sum(counts[piece] for piece in kept)
    return [(piece, round(math.log(counts[piece] / total), 4)) for piece in kept]


def sentencepiece_model() -> bytes:
    """The same pieces in sentencepiece's own format, which numbers its special ones otherwise."""
    model = sentencepiece_model_pb2.ModelProto()
    model.trainer_spec.model_type = model.trainer_spec.UNIGRAM
    model.normalizer_spec.name = "nmt_nfkc"
    model.normalizer_spec.precompiled_charsmap = _charsmap()
    kinds = model.SentencePiece
    for token, kind in (("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL)):
        model.pieces.add(piece=token, score=0.0, type=kind)
    for piece, score in _pieces():
        model.pieces.add(piece=piece, score=score, type=kinds.NORMAL)
    return model.SerializeToString()


@cache
def _charsmap() -> bytes:
    """sentencepiece's compiled ``nmt_nfkc``, which XLM-R normalises with."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b"]),
        model_writer=written,
        vocab_size=8,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    model = sentencepiece_model_pb2.ModelProto.FromString(written.getvalue())
    return model.normalizer_spec.precompiled_charsmap
