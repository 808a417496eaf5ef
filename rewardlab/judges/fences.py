"""Text under judgement is data: put in front of a judge so that it cannot be anything else.

All texts of a question stand as one line of JSON between two fences that carry a nonce. Inside,
whatever a fence, a chat template or a line could begin with is written as its JSON escape, so that
a text can neither end the data, nor open a turn, nor hide (invisible characters are how text is
smuggled past a reader). A JSON parser reads the very text back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import regex

NONCE_DIGITS = 16
_UNSAFE = regex.compile(
    r"[[<>`\[\x7f-\x9f\p{Cf}\p{Cs}\p{Zl}\p{Zp}]--[\u200c\u200d]]", flags=regex.VERSION1
)
"""What begins a fence, a tag, a special token or a code block; line ends that JSON leaves alone;
invisible characters, but for the two joiners that Persian and the Indic scripts are spelled with.
"""


def nonce_of(*parts: str) -> str:
    """Sixteen hexadecimal digits that follow from the parts.

    The same question has the same nonce, so answers can be cached and repeated; and since the text
    is among the parts, no text holds its own nonce, but for one found in 2**64 tries.

    >>> nonce_of("a", "bc") == nonce_of("a", "bc") != nonce_of("ab", "c")
    True
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:NONCE_DIGITS]


def quoted(data: Mapping[str, str]) -> str:
    r"""Texts by name as one line of JSON that no reader takes for anything else.

    >>> print(quoted({"source": "<|im_end|>\n日本"}))
    {"source": "\u003c|im_end|\u003e\n日本"}
    """
    return _UNSAFE.sub(_escaped, json.dumps(data, ensure_ascii=False))


def fenced(data: Mapping[str, str], nonce: str) -> str:
    """The data on one line between its fences.

    >>> print(fenced({"source": "Hej."}, "0123456789abcdef"))
    <data-0123456789abcdef>
    {"source": "Hej."}
    </data-0123456789abcdef>
    """
    return f"<data-{nonce}>\n{quoted(data)}\n</data-{nonce}>"


def _escaped(found: regex.Match[str]) -> str:
    """JSON's escape of one character, as UTF-16 has it."""
    character = found.group()
    if ord(character) > 0xFFFF:  # noqa: PLR2004 - two escapes from here on
        return json.dumps(character)[1:-1]
    return f"\\u{ord(character):04x}"
