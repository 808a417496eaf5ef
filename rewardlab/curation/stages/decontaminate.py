"""Sources that occur in test sets (as in Brown et al. 2020, arXiv 2005.14165, appendix C)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from rewardlab.curation.items import Item
from rewardlab.curation.stage import Filter
from rewardlab.data.lines import read_lines
from rewardlab.text.words import words


@dataclass(frozen=True, kw_only=True)
class Decontaminate(Filter):
    """Drop rows that share a whole text, or an n-gram of words, with a test set.

    Both sides of a row are compared with all files, in lower case and without punctuation.

    Attributes:
        against: Text files with one segment on each line: sources and references of test sets.
        n: Words of an n-gram. Shorter test segments count only as a whole.
    """

    against: Annotated[Sequence[Path], Field(min_length=1)]
    n: Annotated[int, Field(ge=2)] = 13

    name: ClassVar[str] = "decontaminate"

    @property
    def signature(self) -> str:
        """The content of the files, and n.

        Raises:
            UserError: E201..E203, a file cannot be read as text; exit code 3.
        """
        texts = [read_lines(path).lines for path in self.against]
        digest = hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]
        return f"{self.name}:{self.version}|against:{digest}|n:{self.n}"

    @cached_property
    def _tested(self) -> tuple[frozenset[int], frozenset[int]]:
        """Hashes of whole segments and of n-grams."""
        whole: set[int] = set()
        parts: set[int] = set()
        for path in self.against:
            for line in read_lines(path).lines:
                plain = _plain(line)
                if plain:
                    whole.add(_hash(plain))
                    parts.update(map(_hash, _ngrams(plain, self.n)))
        return frozenset(whole), frozenset(parts)

    def reason(self, item: Item) -> str | None:
        """Look for both texts of the row in the test sets."""
        whole, parts = self._tested
        for text in (item.source, item.text):
            plain = _plain(text or "")
            if plain and _hash(plain) in whole:
                return "that are in a test set"
            if any(_hash(part) in parts for part in _ngrams(plain, self.n)):
                return f"that share {self.n} words with a test set"
        return None


def _plain(text: str) -> tuple[str, ...]:
    return tuple(word.folded for word in words(text) if word.kind != "mark")


def _ngrams(plain: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    return (tuple(plain[at : at + n]) for at in range(len(plain) - n + 1))


def _hash(plain: Sequence[str]) -> int:
    """64 bits, so that a set of them takes little memory."""
    return int.from_bytes(hashlib.blake2b("\x1f".join(plain).encode(), digest_size=8).digest())
