"""From error spans to the tokens that a policy sampled.

Text and character offsets come from one call on the sampled ids, so they cannot disagree. Nothing
is tokenised again: a policy samples id sequences that its tokenizer would not produce, and the
offsets of such ids cannot be recovered from the text. Error spans then become ranges of tokens. The
place of a span is never guessed; spans that cannot be placed are counted.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rewardlab.token_text import Speller
from rewardlab.types import ErrorSpan, SeverityTable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class Decoded:
    """The text of T sampled ids, and the characters of each of them.

    Attributes:
        text: Equal to ``tokenizer.decode(ids, skip_special_tokens=True)``.
        starts: int64 (T,) first character of each token, in code points of ``text``.
        ends: int64 (T,) one past its last. ``starts == ends`` for a zero-width token (a special
            or stripped token). Over all other tokens both arrays are non-decreasing, and tokens
            that share a code point all include it.
        aligned: False if the offsets could not be determined: every token is then zero-width and
            no span can be placed.
    """

    text: str
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    aligned: bool

    def cut(self, start: int, end: int) -> Decoded:
        """The hypothesis within a longer completion: ``text[start:end]`` with its offsets.

        All T tokens are kept. Tokens outside the cut become zero-width; a token across its edge
        keeps the characters inside.

        Args:
            start: First character to keep.
            end: One past the last.

        Raises:
            ValueError: Not ``0 <= start <= end <= len(text)``.
        """
        if not 0 <= start <= end <= len(self.text):
            size = len(self.text)
            raise ValueError(f"cut [{start}, {end}) does not lie within the {size} characters")
        return Decoded(
            text=self.text[start:end],
            starts=np.clip(self.starts, start, end) - start,
            ends=np.clip(self.ends, start, end) - start,
            aligned=self.aligned,
        )

    def following(self, tokens: int, *, characters: int) -> Decoded:
        """What follows the first tokens and their text.

        Args:
            tokens: Number of tokens to leave out.
            characters: Number of characters to leave out, at most those of the text.
        """
        rest = self.cut(min(characters, len(self.text)), len(self.text))
        return replace(rest, starts=rest.starts[tokens:], ends=rest.ends[tokens:])


class AlignedSpans(NamedTuple):
    """K hypothesis spans on the tokens of N rows, padded to T; every tensor is on the CPU.

    Attributes:
        rows: int64 (K,) row of each span.
        starts: int64 (K,) its first token.
        ends: int64 (K,) one past its last token; zero-width tokens between them do not count,
            see ``visible``.
        weights: float64 (K,) error weight, ``>= 0``.
        columns: int64 (K,) column of the reward that found it.
        omissions: float64 (N, S) summed weight of the source-side spans, which have no token.
        visible: bool (N, T), True for tokens with at least one character.
        complete: bool (N,), True if the row is aligned and all of its hypothesis spans were placed.
        found: Number of hypothesis spans placed: K.
        total: Number of hypothesis spans given.
    """

    rows: Tensor
    starts: Tensor
    ends: Tensor
    weights: Tensor
    columns: Tensor
    omissions: Tensor
    visible: Tensor
    complete: Tensor
    found: int
    total: int


_SPELLERS: WeakKeyDictionary[PreTrainedTokenizerBase, Speller] = WeakKeyDictionary()


def decode(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], *, after: Sequence[int] = ()
) -> Decoded:
    """Text and character offsets of T sampled ids, in time linear in T.

    The tokenizer's decoder is interpreted (`rewardlab.token_text`), and the result is compared with
    ``tokenizer.decode``. If they differ (``clean_up_tokenization_spaces`` changed the text), or if
    the tokenizer is not built on `tokenizers`, the text is the tokenizer's and nothing is aligned.

    Args:
        tokenizer: The policy's.
        ids: The completion as it was sampled, without padding.
        after: Ids of a text that the completion is decoded after; their text is cut off. Many
            tokenizers remove the space before the first word of a text, and keep it then.

    Raises:
        OverflowError: An id is negative (-100 is a label, not an id).
    """
    if after:
        before = len(str(tokenizer.decode([*after], skip_special_tokens=True)))
        return decode(tokenizer, [*after, *ids]).following(len(after), characters=before)
    numbers: list[int] = np.asarray(ids, np.int64).tolist()
    text = str(tokenizer.decode(numbers, skip_special_tokens=True))
    backend = getattr(tokenizer, "backend_tokenizer", None)
    known = _SPELLERS.get(tokenizer)
    spelled = known.spell(numbers) if known else None
    if backend and (spelled is None or spelled[0] != text):
        # First use, or changed since: a token added or made special, a new decoder.
        known = _SPELLERS[tokenizer] = Speller(backend)
        spelled = known.spell(numbers)
    if spelled is None or spelled[0] != text:
        nowhere = np.zeros(len(numbers), np.int64)
        return Decoded(text, nowhere, nowhere, aligned=False)
    return Decoded(*spelled, aligned=True)


def align(
    decoded: Sequence[Decoded],
    spans: Sequence[Sequence[Sequence[ErrorSpan]]],
    severities: Sequence[SeverityTable],
    *,
    length: int,
) -> AlignedSpans:
    """Map the error spans of N rows to their tokens.

    A token is selected if it shares a character with the span. A span is placed only if the
    selected tokens cover all of it. Otherwise (the span extends beyond the text, or the row is not
    aligned) the span is missing from the result, and ``found < total``.

    Args:
        decoded: N rows.
        spans: N x S lists of errors, with positions in ``decoded[n].text``.
        severities: S tables, the error weights of each reward.
        length: Number of tokens in a row of the padded batch, T.

    Raises:
        ValueError: The numbers of rows or columns differ, or a row has more than ``length`` tokens.
    """
    _check_shapes(decoded, spans, severities, length)
    visible = np.zeros((len(decoded), length), np.bool_)
    complete = np.array([one.aligned for one in decoded], np.bool_)
    omissions = np.zeros((len(decoded), len(severities)), np.float64)
    places: list[tuple[int, int, int, int]] = []  # (row, column, first token, one past the last)
    weights: list[float] = []
    total = 0
    for row, (one, columns) in enumerate(zip(decoded, spans, strict=True)):
        tokens = _VisibleTokens.of(one)
        visible[row, tokens.positions] = True
        for column, (table, errors) in enumerate(zip(severities, columns, strict=True)):
            for error in errors:
                if error.side == "source":
                    omissions[row, column] += table.weight(error)
                    continue
                total += 1
                place = tokens.covering(error.start, error.end)
                if place is None:
                    complete[row] = False
                    continue
                places.append((row, column, *place))
                weights.append(table.weight(error))
    rows, columns, starts, ends = torch.tensor(places, dtype=torch.int64).reshape(-1, 4).unbind(1)
    return AlignedSpans(
        rows=rows,
        starts=starts,
        ends=ends,
        weights=torch.tensor(weights, dtype=torch.float64),
        columns=columns,
        omissions=torch.as_tensor(omissions),
        visible=torch.as_tensor(visible),
        complete=torch.as_tensor(complete),
        found=len(places),
        total=total,
    )


def _check_shapes(
    decoded: Sequence[Decoded],
    spans: Sequence[Sequence[Sequence[ErrorSpan]]],
    severities: Sequence[SeverityTable],
    length: int,
) -> None:
    if len(spans) != len(decoded):
        raise ValueError(f"spans of {len(spans)} rows for {len(decoded)} decoded completions")
    for row, (one, columns) in enumerate(zip(decoded, spans, strict=True)):
        if len(columns) != len(severities):
            raise ValueError(
                f"row {row} has spans of {len(columns)} rewards and there are "
                f"{len(severities)} severity tables; give a row one list per reward, empty or not"
            )
        if len(one.starts) > length:
            raise ValueError(
                f"row {row} has {len(one.starts)} tokens and the padded batch {length}; "
                "length is the T of the completion mask"
            )


@dataclass(frozen=True)
class _VisibleTokens:
    """The V tokens of a row that have characters, in order.

    Attributes:
        positions: int64 (V,) where they are among the row's tokens.
        starts: V first characters, non-decreasing.
        ends: V last characters plus one, non-decreasing.
        gaps: For each of the V tokens, the number of tokens up to it that directly follow a
            character without a token. Two tokens have the same number if every character between
            them has a token.
    """

    positions: NDArray[np.int64]
    starts: list[int]
    ends: list[int]
    gaps: list[int]

    @classmethod
    def of(cls, row: Decoded) -> _VisibleTokens:
        positions = np.flatnonzero(row.ends > row.starts)
        starts, ends = row.starts[positions], row.ends[positions]
        before = np.concatenate(([0], ends[:-1]))
        return cls(positions, starts.tolist(), ends.tolist(), np.cumsum(starts > before).tolist())

    def covering(self, start: int, end: int) -> tuple[int, int] | None:
        """The tokens that share a character with a span: positions ``[first, one past the last)``.

        None if the tokens do not cover all characters of the span.
        """
        first = bisect_right(self.ends, start)  # the first token that ends after the start
        last = bisect_left(self.starts, end) - 1  # the last token that starts before the end
        if (
            first > last
            or self.starts[first] > start
            or self.ends[last] < end
            or self.gaps[first] != self.gaps[last]
        ):
            return None
        return int(self.positions[first]), int(self.positions[last]) + 1
