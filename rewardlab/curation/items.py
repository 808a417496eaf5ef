"""Rows on their way through a job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rewardlab.data.rows import Row
from rewardlab.types import Candidate

KEY_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Item:
    """A source with its translation, if it has one by now.

    Attributes:
        key: Hexadecimal digest of languages, source and given translation (`item_of`).
        source: The source.
        text: The translation; None until one is given or chosen.
        source_lang: Language code of the source.
        target_lang: Language code of the translation.
        document: The document of the source, or None.
        id: The row's id in the data.
        image: Path of the picture that the source is in, or None.
        origin: What stages say of the row, by name: gain, scores, sampler.
    """

    key: str
    source: str
    text: str | None
    source_lang: str
    target_lang: str
    document: str | None
    id: str
    image: str | None = None
    origin: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def pair(self) -> str:
        """The direction, such as ``en-de``."""
        return f"{self.source_lang}-{self.target_lang}"

    def candidate(self, hypothesis: str) -> Candidate:
        """The source with a translation, for rewards; there is no reference.

        Args:
            hypothesis: The translation.
        """
        return Candidate(
            self.source,
            hypothesis,
            source_lang=self.source_lang,
            target_lang=self.target_lang,
            id=self.id,
        )


def item_of(row: Row) -> Item:
    """The item of a row; a reference becomes its translation.

    >>> row = Row("7", "Hello.", None, "en", "de")
    >>> item_of(row).key == item_of(Row("9", "Hello.", None, "en", "de")).key
    True
    """
    content = json.dumps([row.source_lang, row.target_lang, row.source, row.reference])
    return Item(
        key=hashlib.sha256(content.encode()).hexdigest()[:KEY_DIGITS],
        source=row.source,
        text=row.reference,
        source_lang=row.source_lang,
        target_lang=row.target_lang,
        document=row.document,
        id=row.id,
        image=row.image,
    )
