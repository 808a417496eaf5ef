"""Descriptions of rewards as text: a list of all, and a page on one."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from rewardlab.rewards.descriptions import Description, Option
from rewardlab.spans import printable

HEADINGS = ("reward", "reads", "range", "spans", "family")
LANGUAGES = ("source_lang", "target_lang")
UNKNOWN = "-"
SHORT = {"source_lang": "source language", "target_lang": "target language"}


def reward_list(rewards: Sequence[Description], *, width: int = 80) -> Iterator[str]:
    """Two lines or more for each reward: what it reads and gives, then what it is.

    Args:
        rewards: The rewards.
        width: Maximum number of columns.
    """
    cells = [
        (one.name, _reads(one), _range(one), _spans(one), one.family or UNKNOWN) for one in rewards
    ]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *cells, strict=True)]
    yield _row(HEADINGS, widths)
    for one, row in zip(rewards, cells, strict=True):
        yield from textwrap.wrap(_row(row, widths), width, subsequent_indent=" " * 4)
        yield from _wrapped(one.summary, width, 4)
        if one.missing:
            yield from _wrapped(f"missing: {one.missing}", width, 4)
    yield ""
    yield from _wrapped("rewardlab rewards NAME shows the options of one reward.", width, 0)


def reward_page(one: Description, *, width: int = 80) -> Iterator[str]:
    """Everything about one reward.

    Args:
        one: The reward.
        width: Maximum number of columns.
    """
    yield one.name
    yield from _wrapped(one.summary, width, 2)
    for paragraph in re.split(r"\n\n|\n(?=- )", one.about) if one.about else ():
        yield ""
        yield from _wrapped(paragraph, width, 2)
    facts = {
        "reads": _reads_in_full(one),
        "range": "" if _range(one) == UNKNOWN else _range(one),
        "gated rows": "" if one.worst is None else f"{one.worst:g}",
        "error spans": "" if _spans(one) == UNKNOWN else _spans(one),
        "family": one.family,
        "missing": one.missing,
        "command line": one.command_line and f"--reward {one.command_line}",
        "YAML": one.yaml and f"rewards: [{one.yaml}]",
    }
    yield ""
    for name, fact in facts.items():
        if fact:
            yield from textwrap.wrap(
                f"  {name:<14}{fact}", width, subsequent_indent=" " * 16, break_long_words=False
            )
    if one.options:
        yield ""
        yield "  options"
    for option in one.options:
        yield from _option(option, width)


def _option(option: Option, width: int) -> Iterator[str]:
    value = "required" if option.default is None else f"default {option.default or 'empty'}"
    yield from textwrap.wrap(
        f"    {option.name}  ({option.type}, {value})", width, subsequent_indent=" " * 8
    )
    yield from _wrapped(option.about, width, 8)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)]
    return printable("  ".join(padded).rstrip())


def _wrapped(text: str, width: int, indent: int) -> list[str]:
    """The text in lines; a text from a plug-in may hold anything."""
    text = printable(" ".join(text.split()))
    space = " " * indent
    hanging = "  " if text.startswith("- ") else ""
    return textwrap.wrap(text, width, initial_indent=space, subsequent_indent=space + hanging)


def _reads(one: Description) -> str:
    """The texts besides the hypothesis that it reads, in brackets if an option decides."""
    always = [name for name in one.reads if name not in (*LANGUAGES, "hypothesis")]
    optional = [f"({name})" for name in one.may_read if name not in LANGUAGES]
    languages = [name for name in LANGUAGES if name in (*one.reads, *one.may_read)]
    words = {0: [], 1: [SHORT.get(languages[0], "") if languages else ""], 2: ["languages"]}
    return ", ".join([*always, *optional, *words[len(languages)]]) or UNKNOWN


def _reads_in_full(one: Description) -> str:
    always = [SHORT.get(name, name) for name in one.reads]
    optional = [f"{SHORT.get(name, name)} with {by}" for name, by in one.may_read.items()]
    return ", ".join([*always, *optional])


def _range(one: Description) -> str:
    """The ends of the range; a bound that is unknown or missing is left out."""
    low, high = ("" if end is None else f"{end:g}" for end in (one.low, one.high))
    return f"{low}..{high}" if low or high else UNKNOWN


def _spans(one: Description) -> str:
    return {True: "yes", False: "no", None: UNKNOWN}[one.spans]
