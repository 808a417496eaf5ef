"""Pieces of a unigram tokenizer, learned by SentencePiece (Kudo 2018, arXiv 1804.10959)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple


class LearnedPieces(NamedTuple):
    """What SentencePiece learned.

    Attributes:
        pieces: Piece and log-probability; the special ones first.
        normalization: SentencePiece's compiled ``nmt_nfkc``.
    """

    pieces: list[tuple[str, float]]
    normalization: bytes


def learn_pieces(
    texts: Sequence[str], *, vocab_size: int, specials: Sequence[str]
) -> LearnedPieces:
    """Learn pieces; the same texts give the same pieces.

    Args:
        texts: Training texts.
        vocab_size: Maximum number of pieces; short texts give fewer.
        specials: Special pieces in the order of their ids, among ``<s>``, ``<pad>``, ``</s>`` and
            ``<unk>``; ``<unk>`` is one of them.

    Raises:
        ValueError: The vocabulary is too small for the characters.
    """
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    names = {"<s>": "bos_id", "<pad>": "pad_id", "</s>": "eos_id", "<unk>": "unk_id"}
    ids = dict.fromkeys(names.values(), -1)
    ids |= {names[special]: place for place, special in enumerate(specials)}
    written = io.BytesIO()
    learn: Any = sentencepiece.SentencePieceTrainer
    try:
        learn.train(
            sentence_iterator=iter(texts),
            model_writer=written,
            model_type="unigram",
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            character_coverage=0.9995,
            num_threads=1,  # the pieces depend on it
            minloglevel=2,
            **ids,
        )
    except RuntimeError as error:
        raise ValueError(f"vocab_size={vocab_size} gives no tokenizer: {error}") from error
    parsed: Any = sentencepiece_model_pb2
    model = parsed.ModelProto.FromString(written.getvalue())
    return LearnedPieces(
        [(piece.piece, piece.score) for piece in model.pieces],
        model.normalizer_spec.precompiled_charsmap,
    )
