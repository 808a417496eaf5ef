"""Error spans: what they cost, and how they are shown in a text.

Text under judgement is data: it is shown escaped, and no part of it becomes markup.
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral, Real
from types import MappingProxyType
from typing import Literal, cast, get_args

from rewardlab.arguments import BadArgument
from rewardlab.errors import Problem, finite, kind_of, nearest, shown

Side = Literal["hypothesis", "source"]
SIDES = get_args(Side)
SEVERITIES = ("minor", "major", "critical")
"""Of the error spans of rewards and judges, the mildest first."""


@dataclass(frozen=True, slots=True)
class ErrorSpan:
    """One error: a part of the hypothesis, or of the source for an omission.

    Attributes:
        start: First character, in Unicode code points of the text that the span is in.
        end: One past the last character; ``0 <= start < end``.
        severity: ``minor``, ``major`` or ``critical`` from rewards and judges. Files annotated by
            people have other words, which a `SeverityTable` may weigh.
        category: MQM category such as ``Accuracy/Omission``, or None.
        side: The text that ``start`` and ``end`` refer to.
        confidence: A number in [0, 1]; 1 if the reward states none. It does not scale the weight.
        explanation: A sentence for a reader, or None.

    Raises:
        UserError: E026 the span is empty, reversed or negative, the confidence is not in [0, 1], or
            the side is unknown; E025 a value has the wrong type.
    """

    start: int
    end: int
    severity: str
    category: str | None = None
    side: Side = "hypothesis"
    confidence: float = 1.0
    explanation: str | None = None

    def __post_init__(self) -> None:
        if problems := list(_span_problems(self)):
            raise BadArgument(problems)

    def __repr__(self) -> str:
        """The place and the severity, and what differs from the defaults.

        >>> ErrorSpan(0, 3, "major", "Fluency/Grammar"), ErrorSpan(4, 9, "minor", side="source")
        (ErrorSpan(0, 3, 'major', 'Fluency/Grammar'), ErrorSpan(4, 9, 'minor', side='source'))
        """
        parts = [str(self.start), str(self.end), repr(self.severity)]
        parts += [repr(self.category)] if self.category is not None else []
        parts += [f"side={self.side!r}"] if self.side != "hypothesis" else []
        parts += [f"confidence={self.confidence:g}"] if self.confidence != 1.0 else []
        parts += [f"explanation={shown(self.explanation, 40)}"] if self.explanation else []
        return f"ErrorSpan({', '.join(parts)})"


@dataclass(frozen=True)
class SeverityTable:
    """Error weights by ``severity[/category[/subcategory]]``, the most specific match first.

    Matching ignores case; an error that matches nothing has weight 0, as in Google's published WMT
    scripts.

    Attributes:
        name: Used in signatures.
        weights: Non-negative error weights, higher is worse.
        cap: Largest sum of one text's errors, or None.

    Raises:
        UserError: E025, E026 a weight or the cap is no number, negative, or not finite in float32.
    """

    name: str
    weights: Mapping[str, float]
    cap: float | None = None

    def __post_init__(self) -> None:
        if problems := list(_table_problems(self)):
            raise BadArgument(problems)

    def weight(self, span: ErrorSpan) -> float:
        """Weight of one error, ``>= 0``.

        >>> WMT_MQM.weight(ErrorSpan(0, 1, "minor", "Fluency/Punctuation"))
        0.1
        """
        return self.weight_of(span.severity, span.category)

    def weight_of(self, severity: str, category: str | None = None) -> float:
        """Weight of an error, ``>= 0``.

        Args:
            severity: Severity of the error.
            category: ``category`` or ``category/subcategory``, or None.
        """
        parts = [severity, *(category or "").split("/")]
        for length in range(len(parts), 0, -1):
            found = self.weights.get("/".join(parts[:length]).strip("/").lower())
            if found is not None:
                return found
        return 0.0

    def knows(self, severity: str) -> bool:
        """Whether the table has a weight for this severity; unknown severities have weight 0.

        >>> WMT_MQM.knows("Major"), WMT_MQM.knows("Schwer")
        (True, False)
        """
        return any(key.partition("/")[0] == severity.lower() for key in self.weights)

    def total(self, spans: Sequence[ErrorSpan]) -> float:
        """Sum of the weights, at most ``cap``: the error of one text, lower is better.

        >>> WMT_MQM.total([ErrorSpan(0, 3, "major"), ErrorSpan(4, 9, "minor")])
        6.0
        """
        total = math.fsum(self.weight(span) for span in spans)
        return total if self.cap is None else min(total, self.cap)


def _span_problems(span: ErrorSpan) -> Iterator[Problem]:
    """E025, E026 for values that cannot be those of an error."""
    ends: tuple[tuple[str, object], ...] = (("start", span.start), ("end", span.end))
    wrong = [one for one in ends if isinstance(one[1], bool) or not isinstance(one[1], Integral)]
    for name, value in wrong:
        fix = f"a position in characters: {name}=0" if name == "start" else "start + len(text)"
        yield Problem("E025", f"ErrorSpan.{name}", f"{kind_of(value)} is not an integer", fix)
    if not wrong and not 0 <= span.start < span.end:
        what = f"error span [{span.start}, {span.end}) is empty, reversed or negative"
        yield Problem("E026", "ErrorSpan", what, "0 <= start < end, in characters of the text")
    texts = {"severity": span.severity, "category": span.category or ""}
    for name, value in texts.items():
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            what = f"{kind_of(value)} is not text"
            fix = "severity='minor'" if name == "severity" else "category='Accuracy/Omission'"
            yield Problem("E025", f"ErrorSpan.{name}", what, fix)
    if span.side not in SIDES:
        fix = nearest(str(span.side), SIDES) or f"one of {', '.join(SIDES)}"
        yield Problem("E026", "ErrorSpan.side", f"{shown(span.side)} is not a side", fix)
    confidence: object = span.confidence
    if not isinstance(confidence, Real):
        what = f"{kind_of(confidence)} is not a number"
        yield Problem("E025", "ErrorSpan.confidence", what, "confidence=0.5")
    elif not 0.0 <= float(confidence) <= 1.0:
        what = f"{kind_of(confidence)} is not in [0, 1]"
        yield Problem("E026", "ErrorSpan.confidence", what, "a share from 0 to 1")


def _table_problems(table: SeverityTable) -> Iterator[Problem]:
    """E025, E026 for weights that cannot be those of errors."""
    where, weights = f"SeverityTable {table.name}", cast("object", table.weights)
    if not isinstance(weights, Mapping):
        fix = "weights={'minor': 1.0, 'major': 5.0}"
        yield Problem("E025", where, f"{kind_of(weights)} is not a mapping", fix)
        return
    cap = {} if table.cap is None else {"cap": table.cap}
    for key, weight in {**cast("Mapping[object, object]", weights), **cap}.items():
        if not isinstance(key, str):
            what = f"{kind_of(key)} is not the name of a severity"
            yield Problem("E025", where, what, "{'minor': 1.0}")
        elif isinstance(weight, bool) or not isinstance(weight, Real):
            what = f"{kind_of(weight)} is not a number"
            yield Problem("E025", f"{where} {key}", what, f"{key}=1.0")
        elif not (finite(float(weight)) and float(weight) >= 0.0):
            what = f"{key}={weight} must be at least 0, and finite in float32"
            yield Problem("E026", where, what, f"{key}=1.0")


WMT_MQM = SeverityTable(
    name="wmt",
    weights=MappingProxyType(
        {
            "minor": 1.0,
            "major": 5.0,
            "critical": 5.0,
            "neutral": 0.0,
            "minor/fluency/punctuation": 0.1,
            "major/non-translation": 25.0,
            "major/non-translation!": 25.0,
            "critical/non-translation": 25.0,
        }
    ),
)
"""Freitag et al. 2021 (arXiv 2104.14478), as used since WMT20. ``critical`` counts as major."""

WMT_MQM_NO_SOURCE = SeverityTable(
    name="wmt-no-source",
    weights=MappingProxyType(
        {
            **WMT_MQM.weights,
            **{f"{severity}/source error": 0.0 for severity in SEVERITIES},
            **{f"{severity}/source issue": 0.0 for severity in SEVERITIES},
            **{f"{severity}/accuracy/creative reinterpretation": 0.0 for severity in SEVERITIES},
        }
    ),
)
"""`WMT_MQM` without errors of the source: the WMT23 side-by-side evaluation."""

XCOMET = SeverityTable(
    name="xcomet",
    weights=MappingProxyType({"minor": 1.0, "major": 5.0, "critical": 10.0}),
    cap=25.0,
)
"""Guerreiro et al. 2024 (arXiv 2310.10482), as in the released xCOMET code."""

SEVERITY_TABLES: Mapping[str, SeverityTable] = MappingProxyType(
    {table.name: table for table in (WMT_MQM, WMT_MQM_NO_SOURCE, XCOMET)}
)
"""The published tables by name."""


# ── spans in a text ─────────────────────────────────────────────────────────────────────────────

JOINERS = "\u200c\u200d"
"""Invisible characters of the spelling of Persian, of Indian languages and of emoji."""

COLOURS = {"minor": "#ffe08a", "major": "#ff9b9b", "critical": "#ff5c5c"}
"""Background of a span in HTML, by severity."""


def printable(text: str) -> str:
    r"""Show control, format and unassigned characters as escapes; the length may change.

    The joiners of Persian, Indian languages and emoji stay, since they belong to the spelling.

    >>> printable("a\x1b[31m")
    'a\\x1b[31m'
    """
    return "".join(
        c if c in JOINERS or not unicodedata.category(c).startswith("C") else ascii(c)[1:-1]
        for c in text
    )


def folded(line: str, width: int) -> list[str]:
    """A line in parts that fit a terminal, cut at spaces where there are any.

    Args:
        line: A line of text.
        width: Columns of a part; a wide character takes two.

    >>> folded("one two three", 8), folded("狗在公园里", 4)
    (['one two', 'three'], ['狗在', '公园', '里'])
    """
    from rich.cells import cell_len

    parts, used = [""], 0
    for character in line:
        cells = cell_len(character)
        if used + cells > width:
            cut = parts[-1].rfind(" ") + 1 or len(parts[-1])
            parts[-1], rest = parts[-1][:cut].rstrip(), parts[-1][cut:]
            parts.append(rest)
            used = cell_len(rest)
        parts[-1] += character
        used += cells
    return parts


def once_each(texts: Iterable[str]) -> list[str]:
    """Each text once, with the number of its repetitions.

    Args:
        texts: Descriptions of error spans; omissions at one place have the same.

    >>> once_each(["a", "b", "a"])
    ['a (2 times)', 'b']
    """
    counts = Counter(texts)
    return [text if count == 1 else f"{text} ({count} times)" for text, count in counts.items()]


def token_texts(text: str, starts: Sequence[int], ends: Sequence[int]) -> list[str]:
    """The characters of each token, every character on the last token that has a part of it.

    Args:
        text: The hypothesis.
        starts: Position of the first character of each of T tokens.
        ends: One past the last character of each token.

    Returns:
        T texts; empty for a token without a character, and for one that only begins a character.

    >>> token_texts("a✓", [0, 1, 1], [1, 2, 2])
    ['a', '', '✓']
    """
    later, texts = len(text), [""] * len(starts)
    for token in reversed(range(len(starts))):
        if ends[token] > starts[token]:
            texts[token] = text[starts[token] : min(ends[token], later)]
            later = starts[token]
    return texts


def pieces(text: str, spans: Sequence[ErrorSpan]) -> Iterator[tuple[str, ErrorSpan | None]]:
    """A hypothesis cut at the ends of its error spans.

    Args:
        text: The hypothesis.
        spans: Errors; those on the source are left out.

    Yields:
        Each piece with the severest span that covers it, or None. Empty pieces are left out.

    >>> list(pieces("ab c", [ErrorSpan(1, 2, "minor")]))
    [('a', None), ('b', ErrorSpan(1, 2, 'minor')), (' c', None)]
    """
    here = [span for span in spans if span.side == "hypothesis" and span.start < len(text)]
    here.sort(key=_severity_rank, reverse=True)
    ends = sorted({0, len(text), *(at for s in here for at in (s.start, min(s.end, len(text))))})
    for start, end in pairwise(ends):
        yield text[start:end], next((s for s in here if s.start <= start < s.end), None)


def _severity_rank(span: ErrorSpan) -> int:
    return SEVERITIES.index(span.severity) if span.severity in SEVERITIES else -1


def marked_text(text: str, spans: Sequence[ErrorSpan]) -> str:
    """A hypothesis with its error spans in brackets.

    Args:
        text: The hypothesis.
        spans: Errors; those on the source are left out.

    >>> marked_text("Die Hund bellt.", [ErrorSpan(0, 3, "major")])
    '⟦Die⟧ Hund bellt.'
    """
    shown_pieces = ((printable(part), span) for part, span in pieces(text, spans))
    return "".join(f"⟦{part}⟧" if span is not None else part for part, span in shown_pieces)


def marked_html(text: str, spans: Sequence[ErrorSpan]) -> str:
    """A hypothesis as HTML, with its error spans coloured by severity.

    Args:
        text: The hypothesis.
        spans: Errors; those on the source are left out.

    Returns:
        Escaped text with ``mark`` elements, without scripts.

    >>> print(marked_html("<b>", [ErrorSpan(0, 1, "major")]))
    <mark style="background:#ff9b9b;color:#000" title="major">&lt;</mark>b&gt;
    """
    parts: list[str] = []
    for part, span in pieces(text, spans):
        escaped = html.escape(printable(part))
        if span is not None:
            colour = COLOURS.get(span.severity, COLOURS["minor"])
            told = filter(None, (span.severity, span.category, span.explanation))
            title = html.escape(": ".join(printable(one) for one in told))
            style = f"background:{colour};color:#000"
            escaped = f'<mark style="{style}" title="{title}">{escaped}</mark>'
        parts.append(escaped)
    return "".join(parts)
