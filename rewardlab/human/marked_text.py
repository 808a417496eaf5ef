"""Texts with marks: ``<v>`` opens the stretch that an error covers, ``</v>`` closes it.

Offsets are Unicode code points of the text without marks. Faulty marks are read as follows, and
counted:

- a mark that is never closed extends to the end of the text;
- an end mark without a start mark is ignored;
- marks inside a mark are part of the outer one;
- an empty mark is ignored.
"""

from __future__ import annotations

import re
from typing import NamedTuple

OPEN, CLOSE = "<v>", "</v>"
UNCLOSED = "marks that nothing closes"
STRAY = "ends of marks without a beginning"
NESTED = "marks inside a mark"
EMPTY = "marks around nothing"
OUTSIDE = "marks outside their text"
FAULTS = (UNCLOSED, STRAY, NESTED, EMPTY, OUTSIDE)
_TAG = re.compile(r"</?v>")

Stretch = tuple[int, int]
"""Position of the first character, and one past the last."""


class Marked(NamedTuple):
    """A text and its marks.

    Attributes:
        text: The text without marks; None if only the offsets of marks are known.
        stretches: The marked parts, in order; each ``start < end``.
        faults: One entry of `FAULTS` for each faulty mark.
    """

    text: str | None
    stretches: tuple[Stretch, ...] = ()
    faults: tuple[str, ...] = ()


def read_marks(text: str) -> Marked:
    """Separate a text from its marks.

    >>> read_marks("Hunden <v>bjæffer</v>.")
    Marked(text='Hunden bjæffer.', stretches=((7, 14),), faults=())
    >>> read_marks("Ja<v>?")
    Marked(text='Ja?', stretches=((2, 3),), faults=('marks that nothing closes',))
    """
    if OPEN not in text and CLOSE not in text:
        return Marked(text)
    stretches: list[Stretch] = []
    faults: list[str] = []
    length = depth = begun = at = 0
    for tag in _TAG.finditer(text):
        length += tag.start() - at
        at = tag.end()
        if tag[0] == OPEN:
            begun = length if depth == 0 else begun
            faults += [NESTED] if depth else []
            depth += 1
        elif depth == 0:
            faults.append(STRAY)
        else:
            depth -= 1
            if depth == 0:
                stretches.append((begun, length))
    plain = _TAG.sub("", text)
    if depth:
        faults.append(UNCLOSED)
        stretches.append((begun, len(plain)))
    faults += [EMPTY for start, end in stretches if start == end]
    return Marked(plain, tuple(one for one in stretches if one[0] < one[1]), tuple(faults))


def moved(stretch: Stretch, text: str, kept: str) -> Stretch | None:
    """Find a stretch of one version of a text in another version of it.

    A stretch inside the part that both versions begin with, or inside the part that both end with,
    covers the same characters in both. Trailing white space that the other version lacks is
    removed from the stretch.

    Args:
        stretch: A part of ``text``.
        text: The version with the mark.
        kept: The other version.

    Returns:
        The same characters in ``kept``, or None if ``kept`` lacks any of them.

    >>> moved((4, 9), "Ja, måske ", "Ja, måske"), moved((4, 10), "Ja, måske ", "Ja, måske")
    ((4, 9), (4, 9))
    >>> moved((5, 8), "den gamle hund", "den unge hund")
    """
    start, end = stretch
    if text.rstrip() == kept.rstrip():
        end = min(end, len(kept))
        return (start, end) if start < end else None
    shortest = min(len(text), len(kept))
    same = (at for at in range(shortest) if text[at] != kept[at])
    if end <= next(same, shortest):
        return start, end
    same = (at for at in range(shortest) if text[-1 - at] != kept[-1 - at])
    shift = len(kept) - len(text)
    return (start + shift, end + shift) if start >= len(text) - next(same, shortest) else None
