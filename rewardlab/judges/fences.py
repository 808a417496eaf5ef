"""Prompt injection: judged texts are quoted as data, so that they cannot act as instructions.

All texts of a question are one line of JSON between two fences with a nonce. Invisible characters,
and characters that could begin a fence, a chat template's token or a line, are written as JSON
escapes. So a text cannot end the data, open a turn or hide instructions. A JSON parser reads
exactly the same text back.
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
"""Characters that begin a fence, a tag, a special token or a code block; line ends that JSON does
not escape; invisible characters, except the two joiners that Persian and the Indic scripts need.
"""


def nonce_of(*parts: str) -> str:
    """Sixteen hexadecimal digits that follow from the parts.

    The same question has the same nonce, so answers can be cached and reproduced. The judged text
    is one of the parts, so finding a text that contains its own nonce takes about 2**64 tries.

    >>> nonce_of("a", "bc") == nonce_of("a", "bc") != nonce_of("ab", "c")
    True
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:NONCE_DIGITS]


def quoted(data: Mapping[str, str]) -> str:
    r"""Texts by name as one line of JSON without unsafe characters.

    >>> print(quoted({"source": "<|im_end|>\n日本"}))
    {"source": "\u003c|im_end|\u003e\n日本"}
    """
    return _UNSAFE.sub(_escaped, json.dumps(data, ensure_ascii=False))


def fenced(data: Mapping[str, str], nonce: str) -> str:
    """The data on one line between two fences.

    Args:
        data: Texts by name.
        nonce: Nonce in both fences, from `nonce_of`.

    >>> print(fenced({"source": "Hej."}, "0123456789abcdef"))
    <data-0123456789abcdef>
    {"source": "Hej."}
    </data-0123456789abcdef>
    """
    return f"<data-{nonce}>\n{quoted(data)}\n</data-{nonce}>"


def _escaped(found: regex.Match[str]) -> str:
    """The JSON escape of one character, in UTF-16."""
    character = found.group()
    if ord(character) > 0xFFFF:  # noqa: PLR2004 - two escapes from here on
        return json.dumps(character)[1:-1]
    return f"\\u{ord(character):04x}"
