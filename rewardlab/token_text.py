"""Text and character offsets of sampled ids: a tokenizer's decoder, interpreted token by token.

A `tokenizers` decoder is a chain of steps over a list of token strings. Here each step runs on
*pieces* of text together with the characters that every token produced, so one pass, linear in the
number of tokens, gives both the text and the offsets. There are three kinds of steps:

- rewriting: each piece is edited by itself (`Replace`, `Strip`, `Metaspace`, `WordPiece`). A rule
  lists its edits, and token boundaries move with them.
- bytes: tokens that stand for bytes become characters (`ByteLevel`, `ByteFallback`). A character
  whose bytes came from several tokens belongs to each of them.
- joining: `Fuse`, and the final join.

A chain with any other step (`BPEDecoder`, `CTC`, a decoder written in Python), or in an order that
is not handled here, is `NotUnderstood`; ids are then decoded one by one with the library's own
`DecodeStream` (`streamed`), whose offsets are coarser.

The meaning of each step follows ``tokenizers/src/decoders``, ``pre_tokenizers/byte_level.rs``,
``pre_tokenizers/metaspace.rs`` and ``normalizers/replace.rs`` of huggingface/tokenizers 0.23.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import accumulate, groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

Ints = NDArray[np.int64]
Edit = tuple[int, int, str]
"""Replace the characters ``[start, end)`` of a piece by a text."""

Rule = Callable[[str, bool], list[Edit]]
"""``(piece, is_first)`` -> its edits, ascending and disjoint."""

LONGEST_WAIT = 64
"""Tokens without any text after which `streamed` gives up, which keeps its cost linear."""


class NotUnderstood(Exception):  # noqa: N818 - a property of the tokenizer, not a failure
    """The decoder has a step that is not handled here."""


class Pieces(NamedTuple):
    """The text so far, and the characters of each of the T tokens.

    Attributes:
        texts: The pieces in order; their concatenation is the text.
        starts: int64 (T,) first character of each token in the concatenation; None while piece
            ``i`` is exactly the text of token ``i``.
        ends: int64 (T,) one past its last character; None together with ``starts``.
    """

    texts: list[str]
    starts: Ints | None = None
    ends: Ints | None = None

    def ranges(self) -> tuple[Ints, Ints]:
        """Both offset arrays; computed from the pieces where they are None."""
        if self.starts is not None and self.ends is not None:
            return self.starts, self.ends
        lengths = np.fromiter(map(len, self.texts), np.int64, len(self.texts))
        ends = np.cumsum(lengths)
        return ends - lengths, ends


Step = Callable[[Pieces], Pieces]


def decoder_steps(description: Mapping[str, Any] | None) -> list[Step]:
    """The decoder as functions that keep track of every token's characters.

    Args:
        description: The decoder's JSON as `tokenizers` serialises it; None for a tokenizer
            without a decoder.

    Raises:
        NotUnderstood: A step, or the order of the steps, is not handled here.
    """
    if description is None:  # tokens are joined by spaces
        return [_rewrite([_space_before])]
    steps: list[Step] = []
    rules: list[Rule] = []
    merged = False
    for part in _flat(description):
        if part["type"] in _RULES:
            rules += _RULES[part["type"]](part)
            continue
        if part["type"] not in _MERGES or (merged and part["type"] != "Fuse"):
            raise NotUnderstood(f"decoder step {part['type']}{' after a merge' if merged else ''}")
        if rules:
            steps.append(_rewrite(rules))
            rules = []
        steps.append(_MERGES[part["type"]])
        merged = True
    return [*steps, _rewrite(rules)] if rules else steps


def _flat(description: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The steps of a decoder, nested sequences flattened."""
    if description["type"] != "Sequence":
        return [description]
    return [part for inner in description["decoders"] for part in _flat(inner)]


# -- rewriting ---------------------------------------------------------------------------------


def _rewrite(rules: Sequence[Rule]) -> Step:
    """A step that applies rules to each piece.

    While pieces are tokens, the result depends only on the token and on whether it comes first, so
    it is cached: the cache holds at most two entries for each token of the vocabulary.
    """
    rules = tuple(rules)

    @cache
    def spelled(token: str, first: bool) -> str:
        for rule in rules:
            token = _edited(token, rule(token, first))
        return token

    def step(pieces: Pieces) -> Pieces:
        if pieces.starts is None:
            return Pieces([spelled(text, at == 0) for at, text in enumerate(pieces.texts)])
        for rule in rules:
            pieces = _rewrite_merged(pieces, rule)
        return pieces

    return step


def _edited(text: str, edits: Sequence[Edit]) -> str:
    parts: list[str] = []
    done = 0
    for start, end, new in edits:
        parts += (text[done:start], new)
        done = end
    return "".join([*parts, text[done:]]) if edits else text


def _rewrite_merged(pieces: Pieces, rule: Rule) -> Pieces:
    """Edit merged pieces; all tokens that an edit touches share the replacement."""
    texts: list[str] = []
    edits: list[Edit] = []
    offset = 0
    for at, piece in enumerate(pieces.texts):
        own = rule(piece, at == 0)
        texts.append(_edited(piece, own))
        edits += [(offset + start, offset + end, new) for start, end, new in own]
        offset += len(piece)
    return Pieces(texts, *_moved(*pieces.ranges(), edits))


def _moved(starts: Ints, ends: Ints, edits: Sequence[Edit]) -> tuple[Ints, Ints]:
    """Token ranges after edits of the text they lie in.

    A boundary inside an edit moves to the side of the replacement that keeps all of it within the
    token; any other boundary shifts by the characters that edits before it added or removed.
    """
    if not edits:
        return starts, ends
    old_start, old_end = (np.array([edit[side] for edit in edits], np.int64) for side in (0, 1))
    lengths = np.array([len(new) for _, _, new in edits], np.int64)
    shift = np.concatenate(([0], np.cumsum(lengths - (old_end - old_start))))
    new_start = old_start + shift[:-1]

    def moved(boundaries: Ints, within: Ints) -> Ints:
        begun = np.searchsorted(old_start, boundaries, side="left")
        inside = (begun > 0) & (boundaries < old_end[begun - 1])
        return np.where(inside, within[begun - 1], boundaries + shift[begun])

    new_starts, new_ends = moved(starts, new_start), moved(ends, new_start + lengths)
    return new_starts, np.where(starts == ends, new_starts, new_ends)


def _space_before(piece: str, first: bool) -> list[Edit]:
    """Put a space between tokens; it belongs to the token after it."""
    return [] if first else [(0, len(piece[:1]), " " + piece[:1])]


def _replace(pattern: re.Pattern[str], new: str) -> Rule:
    return lambda piece, _first: [(*match.span(), new) for match in pattern.finditer(piece)]


def _replace_rules(part: Mapping[str, Any]) -> list[Rule]:
    kind, pattern = next(iter(part["pattern"].items()))
    try:
        compiled = re.compile(re.escape(pattern) if kind == "String" else pattern)
    except re.error as error:
        raise NotUnderstood(f"pattern {pattern!r} of a Replace decoder: {error}") from error
    if compiled.match(""):
        raise NotUnderstood(f"pattern {pattern!r} of a Replace decoder matches the empty string")
    return [_replace(compiled, part["content"])]


def _strip_rules(part: Mapping[str, Any]) -> list[Rule]:
    """At most ``start`` leading and ``stop`` trailing copies of one character."""
    content, start, stop = part["content"], part["start"], part["stop"]

    def rule(piece: str, _first: bool) -> list[Edit]:
        left = min(start, len(piece) - len(piece.lstrip(content)))
        right = max(left, len(piece) - min(stop, len(piece) - len(piece.rstrip(content))))
        edits = [(0, left, ""), (right, len(piece), "")]
        return [edit for edit in edits if edit[0] < edit[1]]

    return [rule]


def _metaspace_rules(part: Mapping[str, Any]) -> list[Rule]:
    """The mark is a space, except in the first piece, where the encoder had added it."""
    mark = re.compile(re.escape(part["replacement"]))
    drops_first = part["prepend_scheme"] != "never"

    def rule(piece: str, first: bool) -> list[Edit]:
        new = "" if first and drops_first else " "
        return [(*match.span(), new) for match in mark.finditer(piece)]

    return [rule]


# What the WordPiece decoder calls cleanup: in this order, within one token.
_CLEANUP = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" do not", " don't"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)


def _wordpiece_rules(part: Mapping[str, Any]) -> list[Rule]:
    prefix: str = part["prefix"]

    def rule(piece: str, first: bool) -> list[Edit]:
        if not first and piece.startswith(prefix):
            return [(0, len(prefix), "")]
        return _space_before(piece, first)

    cleanup = [_replace(re.compile(re.escape(old)), new) for old, new in _CLEANUP]
    return [rule, *cleanup] if part["cleanup"] else [rule]


_RULES: dict[str, Callable[[Mapping[str, Any]], list[Rule]]] = {
    "Replace": _replace_rules,
    "Strip": _strip_rules,
    "Metaspace": _metaspace_rules,
    "WordPiece": _wordpiece_rules,
}


# -- bytes and joining -------------------------------------------------------------------------


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's spelling of bytes: printable Latin-1 stands for itself, the rest from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + index): byte for index, byte in enumerate(others)
    }


_BYTE_OF = _byte_alphabet()


@cache
def _token_bytes(token: str) -> bytes:
    """Bytes of a byte-level token; a token with any other character is taken as plain text."""
    try:
        return bytes([_BYTE_OF[character] for character in token])
    except KeyError:
        return token.encode("utf-8")


_UTF8_GROWS_AT = (0x80, 0x800, 0x10000)  # the code points from which UTF-8 takes one byte more
_UTF8_CONTINUATION = range(0x80, 0xC0)
_REPLACEMENT = 0xFFFD
_MARK = 0xDC00  # a lone surrogate: no UTF-8 decodes to one, so it can carry a number
_LONGEST_INVALID = 3  # bytes of a maximal invalid subpart: all but the last of a character


def _mark_invalid(error: UnicodeError) -> tuple[str, int]:
    """Replace a maximal invalid subpart by one surrogate that encodes how many bytes it had."""
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - only ever registered for decoding
    return chr(_MARK + error.end - error.start), error.end


codecs.register_error("rewardlab.mark_invalid", _mark_invalid)


def _lossy_utf8(data: bytes) -> tuple[str, Ints]:
    """Decode with one U+FFFD per maximal invalid subpart, as Rust's `from_utf8_lossy` does.

    Returns:
        The text, and int64 (bytes,): the character that each byte is part of.
    """
    marked = data.decode("utf-8", "rewardlab.mark_invalid")
    codes = np.frombuffer(marked.encode("utf-32-le", "surrogatepass"), np.uint32)
    invalid = (codes > _MARK) & (codes <= _MARK + _LONGEST_INVALID)
    widths = 1 + np.searchsorted(_UTF8_GROWS_AT, codes, side="right")
    widths[invalid] = codes[invalid] - _MARK
    character_of = np.repeat(np.arange(len(codes)), widths)
    if not invalid.any():
        return marked, character_of
    return np.where(invalid, _REPLACEMENT, codes).astype("<u4").tobytes().decode("utf-32-le"), (
        character_of
    )


def _byte_level(pieces: Pieces) -> Pieces:
    spelled = [_token_bytes(token) for token in pieces.texts]
    text, character_of = _lossy_utf8(b"".join(spelled))
    lengths = np.fromiter(map(len, spelled), np.int64, len(spelled))
    last = np.cumsum(lengths)
    boundary = np.append(character_of, len(text))  # where a token that starts at each byte starts
    starts = boundary[last - lengths]
    return Pieces([text], starts, np.where(lengths == 0, starts, boundary[last - 1] + 1))


@cache
def _fallback_byte(token: str) -> int | None:
    """The byte that a token such as ``<0x0A>`` stands for, or None."""
    # Rust's parser of integers accepts a sign, hence "+".
    match = re.fullmatch(r"<0x([0-9A-Fa-f+][0-9A-Fa-f])>", token)
    return None if match is None else int(match[1], 16)


def _byte_fallback(pieces: Pieces) -> Pieces:
    """A run of byte tokens becomes its UTF-8 text or, if invalid, one U+FFFD per token."""
    texts: list[str] = []
    advances: list[int] = []  # characters that each token adds to the text ...
    lengths: list[int] = []  # ... and that it is part of: a continuation byte adds none
    for is_byte, run in groupby(pieces.texts, lambda token: _fallback_byte(token) is not None):
        tokens = list(run)
        if not is_byte:
            texts += tokens
            advances += map(len, tokens)
            lengths += map(len, tokens)
            continue
        data = bytes(_fallback_byte(token) or 0 for token in tokens)
        try:
            texts.append(data.decode("utf-8"))
            advances += [byte not in _UTF8_CONTINUATION for byte in data]
        except UnicodeDecodeError:
            texts += [chr(_REPLACEMENT)] * len(data)
            advances += [1] * len(data)
        lengths += [1] * len(data)
    ends = np.fromiter(accumulate(advances), np.int64, len(advances))
    return Pieces(texts, ends - np.array(lengths, np.int64), ends)


def _fuse(pieces: Pieces) -> Pieces:
    return Pieces(["".join(pieces.texts)], *pieces.ranges())


_MERGES: dict[str, Step] = {
    "ByteLevel": _byte_level,
    "ByteFallback": _byte_fallback,
    "Fuse": _fuse,
}


# -- a whole tokenizer -------------------------------------------------------------------------


class Speller:
    """Text and offsets of ids, for one tokenizer in its present state.

    Args:
        backend: The `tokenizers.Tokenizer` behind a tokenizer.
    """

    def __init__(self, backend: Tokenizer) -> None:
        self._backend = backend
        try:
            self._steps = decoder_steps(_described(backend.decoder))
        except NotUnderstood:
            self._steps = None
        # A token is skipped for what it is called, whichever id it has: that is Rust's test.
        special = {
            token.content
            for token in backend.get_added_tokens_decoder().values()
            if token.special and token.content
        }

        @cache
        def token(number: int) -> str | None:
            text = backend.id_to_token(number)
            return None if text in special else text

        self._token = token

    def spell(self, ids: Sequence[int]) -> tuple[str, Ints, Ints] | None:
        """Decode T ids without special tokens and unknown ids.

        Returns:
            The text and its offsets, int64 (T,) each; a skipped id starts and ends where the
            next token starts. None where `streamed` fails.
        """
        tokens = [self._token(number) for number in ids]
        kept = np.array([token is not None for token in tokens], bool)
        if self._steps is None:
            pieces = streamed(self._backend, np.asarray(ids)[kept].tolist())
            if pieces is None:
                return None
        else:
            pieces = Pieces([token for token in tokens if token is not None])
            for step in self._steps:
                pieces = step(pieces)
        text = "".join(pieces.texts)
        kept_starts, kept_ends = pieces.ranges()
        following = np.cumsum(kept) - kept  # for each id, how many kept ones come before it
        starts = np.append(kept_starts, len(text))[following]
        ends = starts.copy()
        ends[kept] = kept_ends
        return text, starts, ends


def streamed(backend: Tokenizer, ids: Sequence[int]) -> Pieces | None:
    """Decode T ids one by one with `DecodeStream`, whatever the decoder.

    The stream holds text back while it ends within a character or has not become longer. Tokens
    that wait share all characters that are then written. So the range of a token contains the one
    that the rules above give, and equals it unless the token shares its characters with others.

    Args:
        backend: The tokenizer.
        ids: Ids of its vocabulary, none of a special token.

    Returns:
        None if further ids change the text so far, or if `LONGEST_WAIT` tokens write nothing.
    """
    stream = DecodeStream(skip_special_tokens=True)
    chunks: list[str] = []
    sizes: list[int] = []  # of each chunk, the tokens that share it
    waiting = 0
    for number in ids:
        try:
            chunk = stream.step(backend, number)
        except Exception:  # noqa: BLE001 - tokenizers has no narrower class for "not a prefix"
            return None
        waiting += 1
        if chunk is not None:
            chunks.append(chunk)
            sizes.append(waiting)
            waiting = 0
        elif waiting == LONGEST_WAIT:
            return None
    chunks.append(backend.decode(ids)[sum(map(len, chunks)) :])
    sizes.append(waiting)
    starts, ends = (np.repeat(side, sizes) for side in Pieces(chunks).ranges())
    return Pieces(chunks, starts, ends)


def _described(decoder: Any) -> Mapping[str, Any] | None:
    if decoder is None:
        return None
    try:
        return json.loads(decoder.__getstate__())
    except Exception as error:  # tokenizers has no narrower class for a decoder written in Python
        raise NotUnderstood(str(error)) from error
