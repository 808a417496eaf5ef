"""A smaller vocabulary that encodes the kept text as before, token for token.

Which tokens are kept: those that the text needs, the special tokens, and what every other text is
encoded with (bytes, or single characters). Works on ``tokenizer.json`` of the tokenizers library,
for BPE and unigram models.

A text's encoding does not change because

- BPE: every merge that is applied while the text is encoded is kept, so the same merges are applied
  in the same order. The merges inside a token are those of the token's own text, because no merge
  across its borders was applied.
- Unigram: the most probable segmentation is still there, and others have only been removed.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

RESERVED = re.compile(r"<unused\d+>|<\|?reserved_special_token_\d+\|?>|<extra_\d+>|\[unused\d+\]")
"""Added tokens that stand for nothing yet."""
BYTE = re.compile(r"<0x[0-9A-F]{2}>")


class UntrimmableError(Exception):
    """The vocabulary of this kind of tokenizer cannot be made smaller; the message says why."""


def check_trimmable(tokenizer: Mapping[str, Any]) -> None:
    """Check that a tokenizer is of a kind that can be trimmed.

    Args:
        tokenizer: Content of ``tokenizer.json``.

    Raises:
        UntrimmableError: It is not.
    """
    model = tokenizer["model"]
    if model["type"] not in {"BPE", "Unigram"}:
        raise UntrimmableError(f"its model is {model['type']}; BPE and Unigram can be trimmed")
    if model.get("dropout"):
        raise UntrimmableError("it drops merges at random (dropout)")


def kept_ids(
    tokenizer: Mapping[str, Any], used: Iterable[int], special: Iterable[int]
) -> list[int]:
    """The ids to keep, in ascending order.

    Args:
        tokenizer: Content of ``tokenizer.json``.
        used: Ids in the encodings of the kept text.
        special: Ids that the tokenizer, the model or a template name.
    """
    model = tokenizer["model"]
    keep = {*used, *special}
    keep |= {
        added["id"]
        for added in tokenizer["added_tokens"]
        if not RESERVED.fullmatch(added["content"])
    }
    if model["type"] == "Unigram":
        pieces = model["vocab"]
        keep |= {id_ for id_, (piece, _) in enumerate(pieces) if _is_basic(piece)}
        if model["unk_id"] is not None:
            keep.add(model["unk_id"])
        return sorted(keep)
    vocabulary: dict[str, int] = model["vocab"]
    keep |= {id_ for piece, id_ in vocabulary.items() if _is_basic(piece, model)}
    if model["unk_token"] in vocabulary:
        keep.add(vocabulary[model["unk_token"]])
    whole_tokens = {added["id"] for added in tokenizer["added_tokens"]}  # found before merging
    return sorted(keep | _inside(keep - whole_tokens, model))


def _is_basic(piece: str, model: Mapping[str, Any] | None = None) -> bool:
    """Whether texts outside the kept ones need this piece: a byte, or a character.

    With byte fallback, a character that the kept text does not have is encoded as its bytes.
    """
    if BYTE.fullmatch(piece):
        return True
    return len(piece) == 1 and not (model or {}).get("byte_fallback")


def _inside(keep: Iterable[int], model: Mapping[str, Any]) -> set[int]:
    """Ids of all tokens that are formed on the way to the kept ones."""
    vocabulary: dict[str, int] = model["vocab"]
    pieces = {id_: piece for piece, id_ in vocabulary.items()}
    ranks = {(left, right): rank for rank, (left, right) in enumerate(_merges(model))}
    formed: set[str] = set()
    for id_ in keep:
        if id_ in pieces:
            formed |= merged(pieces[id_], ranks)
    return {vocabulary[piece] for piece in formed if piece in vocabulary}


def merged(text: str, ranks: Mapping[tuple[str, str], int]) -> set[str]:
    """All symbols that BPE forms while it merges a text: characters, pieces on the way, results.

    Args:
        text: A text without borders of words.
        ranks: Pair of symbols -> position in the list of merges; the lowest is applied first.

    >>> sorted(merged("abc", {("b", "c"): 0, ("a", "bc"): 1}))
    ['a', 'abc', 'b', 'bc', 'c']
    """
    symbols: list[str] = list(text)
    formed = set(symbols)
    after = [*range(1, len(symbols)), -1]
    before = list(range(-1, len(symbols) - 1))
    queue = [(ranks[pair], at, pair) for at, pair in enumerate(pairwise(symbols)) if pair in ranks]
    heapq.heapify(queue)
    while queue:
        _, at, pair = heapq.heappop(queue)
        right = after[at]
        if right < 0 or (symbols[at], symbols[right]) != pair:
            continue
        symbols[at] += symbols[right]
        symbols[right] = ""
        formed.add(symbols[at])
        after[at] = after[right]
        if after[right] >= 0:
            before[after[right]] = at
        for left in (before[at], at):
            if left >= 0 and after[left] >= 0:
                new = (symbols[left], symbols[after[left]])
                if new in ranks:
                    heapq.heappush(queue, (ranks[new], left, new))
    return formed


def trimmed(tokenizer: Mapping[str, Any], keep: Sequence[int]) -> dict[str, Any]:
    """The tokenizer with these entries only, numbered from 0 in the same order.

    Args:
        tokenizer: Content of ``tokenizer.json``; not changed.
        keep: What `kept_ids` returns.
    """
    number = {old: new for new, old in enumerate(keep)}
    model = dict(tokenizer["model"])
    if model["type"] == "Unigram":
        model["vocab"] = [model["vocab"][old] for old in keep if old < len(model["vocab"])]
        model["unk_id"] = number.get(model["unk_id"])
    else:
        model["vocab"] = {
            piece: number[old] for piece, old in model["vocab"].items() if old in number
        }
        model["merges"] = [
            [left, right]
            for left, right in _merges(model)
            if {left, right, left + right} <= model["vocab"].keys()
        ]
    added = [
        dict(one, id=number[one["id"]]) for one in tokenizer["added_tokens"] if one["id"] in number
    ]
    return {
        **tokenizer,
        "model": model,
        "added_tokens": added,
        "post_processor": _renumbered(tokenizer["post_processor"], number),
    }


def _merges(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The merges; older files write a pair as one text with a space."""
    pairs = (one.split(" ", 1) if isinstance(one, str) else one for one in model["merges"])
    return [(left, right) for left, right in pairs]


def _renumbered(part: Any, number: Mapping[int, int]) -> Any:
    """A post-processor with new ids: ``ids`` of a template, and ``[token, id]`` of BERT's."""
    if isinstance(part, list):
        pair = len(part) == 2 and isinstance(part[0], str) and type(part[1]) is int  # noqa: PLR2004
        return [part[0], number[part[1]]] if pair else [_renumbered(one, number) for one in part]
    if isinstance(part, dict):
        return {
            key: [number[one] for one in value] if key == "ids" else _renumbered(value, number)
            for key, value in part.items()
        }
    return part
