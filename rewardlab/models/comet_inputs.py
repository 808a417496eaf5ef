"""Inputs of COMET's encoders: texts as pieces with offsets, truncated to the encoder's positions.

Rei et al. 2020 (arXiv 2009.09025) for single sentences, Wan et al. 2022 (UniTE, arXiv 2204.13346)
for joint ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from rewardlab.errors import Problem, UserError, one_line, shown
from rewardlab.models.pretrained import UnusableError, read_tokenizer

SURROGATES = re.compile("[\ud800-\udfff]")
"""Half a surrogate pair, which no tokenizer accepts."""

SPECIALS = (
    ("<s>", "</s>", "<pad>", "<unk>", "<mask>"),
    ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"),
)
"""Start, end, padding, unknown and mask: of XLM-R and of BERT."""
RESERVED = 2
"""Positions that unbabel-comet leaves free when it truncates a single text."""


class Pieces(NamedTuple):
    """One text as pieces.

    Attributes:
        ids: Token ids, without special tokens.
        offsets: The characters of each piece in the text, half-open.
        cut: The text was longer than the encoder's limit.
    """

    ids: list[int]
    offsets: list[tuple[int, int]]
    cut: bool


class CometTokenizer:
    """The encoder's tokenizer, read from its own file: offsets do not depend on a library version.

    A special token written out in a text (``</s>``) is read as an unknown word. unbabel-comet reads
    it as the special token, so a translation can end itself there and begin its own reference.

    Args:
        path: ``tokenizer.json``, or ``sentencepiece.bpe.model``, which is converted.
        positions: Maximum number of tokens that the encoder reads at once.
        pad_token_id: Id of the encoder's padding token.

    Raises:
        UserError: E323, the tokenizer cannot be read or is not XLM-R's; exit code 2.
    """

    def __init__(self, path: Path, *, positions: int, pad_token_id: int) -> None:
        self._tokenizer = _read(path)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.positions = positions
        known = [{name: self._tokenizer.token_to_id(name) for name in kind} for kind in SPECIALS]
        found = known[known[1]["[CLS]"] is not None]
        start, end, pad, unknown, _ = found.values()
        if start is None or end is None or unknown is None or pad != pad_token_id:
            listed = ", ".join(f"{name} {number}" for name, number in found.items())
            raise unusable(path, f"it has {listed}; the encoder's padding is {pad_token_id}")
        self._start, self._end, self._unknown = start, end, unknown
        self._between = [end] if found is known[1] else [end, end]
        self._special = frozenset(found.values())

    @property
    def vocabulary(self) -> int:
        """Number of pieces, special tokens included."""
        return self._tokenizer.get_vocab_size(with_added_tokens=True)

    def pieces(self, texts: Sequence[str]) -> list[Pieces]:
        """N texts as at most ``positions - 4`` pieces each."""
        most = self.positions - RESERVED - 2  # the two special tokens count
        readable = [SURROGATES.sub("\ufffd", text) for text in texts]
        found: list[Pieces] = []
        for encoding in self._tokenizer.encode_batch(readable, add_special_tokens=False):
            cut = len(encoding) > most
            encoding.truncate(most)
            ids = [self._unknown if number in self._special else number for number in encoding.ids]
            found.append(Pieces(ids, encoding.offsets, cut))
        return found

    def joined(self, segments: Sequence[Pieces]) -> tuple[list[int], bool]:
        """The ids of ``<s> a </s></s> b </s>``, and whether any segment was truncated.

        With BERT's own tokens there is one ``[SEP]`` between segments.
        """
        ids = [self._start, *segments[0].ids]
        for segment in segments[1:]:
            ids += [*self._between, *segment.ids]
        ids.append(self._end)
        cut = len(ids) > self.positions or any(segment.cut for segment in segments)
        return ids[: self.positions], cut


def unusable(path: Path, what: str) -> UserError:
    """E323: files of the encoder that cannot be used.

    Args:
        path: File or directory of the encoder.
        what: The reason.
    """
    fix = "encoder=DIRECTORY with config.json and tokenizer.json of the model's own encoder"
    return UserError([Problem("E323", f"encoder {shown(str(path))}", one_line(what), fix)])


def _read(path: Path) -> Tokenizer:
    if path.name == "tokenizer.json":
        try:
            return Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises no class of its own
            raise unusable(path, str(error)) from error
    try:
        converted: Any = read_tokenizer(path.parent)
    except UnusableError as error:
        raise unusable(path, str(error)) from error
    return Tokenizer.from_str(converted.backend_tokenizer.to_str())
