"""The rows of a configuration's ``data`` section."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from rewardlab.config.sections import DataConfig, TextsConfig
from rewardlab.data.corpora import Corpus, apart, join, read_parallel, split
from rewardlab.data.readers import READERS
from rewardlab.data.rows import RowStream
from rewardlab.errors import Problem, refuse

Split: TypeAlias = Literal["all", "heldout", "train"]


def read_data(data: Sequence[DataConfig]) -> tuple[Corpus, Corpus]:
    """The training side and the held-out side of all corpora.

    Each corpus is split by itself. Source texts and whole documents that one corpus holds out are
    then removed from the training side of all corpora, because the same text in another language
    would give away the answers.

    Raises:
        UserError: E201..E208, exit code 3; E207 also if the corpora together hold out all rows.
    """
    corpora = zip(data, read_corpora(data), strict=True)
    sides = [split(corpus, one.heldout) for one, corpus in corpora]
    heldout = join([held for _, held in sides])
    train = apart(join([kept for kept, _ in sides]), heldout)
    if not train.rows:
        what = f"what the corpora hold out together leaves none to train on: {train.funnel}"
        fix = "hold out fewer, and the same documents of each corpus"
        refuse(Problem("E207", "data", what, fix))
    return train, heldout


def select_rows(data: Sequence[DataConfig], which: Split) -> Corpus:
    """One side of the data, or all of its rows.

    Args:
        data: The corpora.
        which: The side.

    Raises:
        UserError: E201..E208, exit code 3; E206 also if nothing is held out.
    """
    if which == "all":
        return join(read_corpora(data))
    train, heldout = read_data(data)
    chosen = train if which == "train" else heldout
    if not chosen.rows:
        what = f"no rows: heldout is 0, and split: {which} is asked for"
        refuse(Problem("E206", "data", what, "split: all"))
    return chosen


def corpus_names(data: Sequence[TextsConfig]) -> list[str]:
    """The name of each corpus, with which its row ids begin; empty if there is only one corpus.

    Names are the language pairs; further corpora of one pair get a number.
    """
    if len(data) == 1:
        return [""]
    pairs = [f"{one.source_lang}-{one.target_lang}" for one in data]
    earlier = [pairs[:at].count(pair) for at, pair in enumerate(pairs)]
    return [f"{pair}.{n + 1}" if n else pair for pair, n in zip(pairs, earlier, strict=True)]


def read_corpora(data: Sequence[TextsConfig]) -> list[Corpus]:
    """Every corpus as a whole, named so that all ids differ.

    Raises:
        UserError: E201..E208, exit code 3.
    """
    fields = set(TextsConfig.model_fields) - {"columns"}  # they are arguments of `read_parallel`
    return [
        read_parallel(**one.model_dump(include=fields), name=name, columns=one.files.columns)
        for name, one in zip(corpus_names(data), data, strict=True)
    ]


def stream_corpora(data: Sequence[TextsConfig]) -> list[RowStream]:
    """Every corpus as rows that are read one after another; named so that all ids differ."""
    return [
        RowStream(one.files, one.format, name, one.max_characters)
        for name, one in zip(corpus_names(data), data, strict=True)
    ]


def source_lines(data: Sequence[TextsConfig]) -> list[tuple[str, int]]:
    """Corpus name and line of every segment in the source files, including segments left out.

    Raises:
        UserError: E201..E203 and E205, exit code 3.
    """
    return [
        (name, segment.line)
        for name, one in zip(corpus_names(data), data, strict=True)
        for segment in READERS.load(one.format)(
            one.files._replace(reference=None, documents=None)
        ).segments
    ]
