"""The rows that a configuration's ``data`` section means."""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from rewardlab.config.sections import DataConfig, TextsConfig
from rewardlab.data.corpora import Corpus, join, read_parallel, split, without_overlap
from rewardlab.errors import EXIT_DATA, Problem, UserError

Split: TypeAlias = Literal["all", "heldout", "train"]


def read_data(data: Sequence[DataConfig]) -> tuple[Corpus, Corpus]:
    """Every corpus split into what is trained on and what is held out, then joined.

    What one corpus holds out, source texts and whole documents, is taken out of the training side
    of all: of a text that exists in many languages, the file of another one holds the answers.

    Raises:
        UserError: E201..E208, exit code 3; E207 also where what they hold out together is all.
    """
    sides = [
        split(corpus, one.heldout) for one, corpus in zip(data, read_corpora(data), strict=True)
    ]
    heldout = join([held for _, held in sides])
    train = apart(join([kept for kept, _ in sides]), heldout)
    if not train.rows:
        what = f"what the corpora hold out together leaves none to train on: {train.funnel}"
        fix = "hold out fewer, and the same documents of each corpus"
        raise UserError([Problem("E207", "data", what, fix)], EXIT_DATA)
    return train, heldout


def select_rows(data: Sequence[DataConfig], which: Split) -> Corpus:
    """One side of the data, or all of its rows.

    Raises:
        UserError: E201..E208, exit code 3; E206 also where nothing is held out.
    """
    if which == "all":
        return join(read_corpora(data))
    train, heldout = read_data(data)
    chosen = train if which == "train" else heldout
    if not chosen.rows:
        what = f"no rows: heldout is 0, and split: {which} is asked for"
        raise UserError([Problem("E206", "data", what, "split: all")], EXIT_DATA)
    return chosen


def validation_split(train: Corpus, validation: float, *, seed: int) -> tuple[Corpus, Corpus]:
    """Set training rows aside that decide when to stop: whole documents, drawn at random.

    Args:
        train: Training rows, of any number of corpora.
        validation: A share in (0, 1) if it is a float, rounded up; a number of rows if it is an
            int. As many documents as reach it; a row without one stands for itself.
        seed: Of the draw.

    Returns:
        What is left to train on, and the validation rows.

    Raises:
        UserError: E207, exit code 3: nothing is left to train on.
    """
    of_document: dict[Hashable, list[int]] = {}
    for number, row in enumerate(train.rows):
        of_document.setdefault(number if row.document is None else row.document, []).append(number)
    documents = list(of_document.values())
    random.Random(seed).shuffle(documents)  # noqa: S311 - a draw of rows, not a secret
    share = isinstance(validation, float)
    wanted = math.ceil(validation * len(train) - 1e-9) if share else validation
    chosen: set[int] = set()
    for numbers in documents:
        if len(chosen) >= wanted:
            break
        chosen.update(numbers)
    aside = Corpus(tuple(train.rows[number] for number in sorted(chosen)), train.funnel)
    rows = tuple(row for number, row in enumerate(train.rows) if number not in chosen)
    kept = apart(replace(train, rows=rows), aside)
    if not kept.rows:
        what = f"setting {len(aside):,} of {len(train):,} rows aside leaves none to train on"
        fix = "set fewer aside, or split longer documents"
        raise UserError([Problem("E207", "validation", what, fix)], EXIT_DATA)
    funnel = f"{kept.funnel}; {len(aside):,} set aside to decide when to stop"
    return replace(kept, funnel=funnel), aside


def apart(train: Corpus, other: Corpus) -> Corpus:
    """Take rows out of ``train`` whose source or document stands in ``other``, or their reverse.

    The reverse of a row has its reference for a source and its source for a reference, as a corpus
    of the other direction has it.
    """
    documents = {row.document for row in other.rows} - {None}
    rows = tuple(row for row in train.rows if row.document not in documents)
    if lost := len(train) - len(rows):
        funnel = f"{train.funnel}; {lost:,} of documents that are held out elsewhere left out"
        train = replace(train, rows=rows, funnel=funnel)
    pairs = {(row.source, row.reference) for row in other.rows}
    rows = tuple(row for row in train.rows if (row.reference, row.source) not in pairs)
    if lost := len(train) - len(rows):
        funnel = f"{train.funnel}; {lost:,} that are held out in the other direction left out"
        train = replace(train, rows=rows, funnel=funnel)
    return without_overlap(train, other)


def corpus_names(data: Sequence[TextsConfig]) -> list[str]:
    """What stands before the colon in the ids of each corpus: nothing where there is only one.

    Several are told apart by their languages, and those of one pair by a number.
    """
    if len(data) == 1:
        return [""]
    pairs = [f"{one.source_lang}-{one.target_lang}" for one in data]
    earlier = [pairs[:at].count(pair) for at, pair in enumerate(pairs)]
    return [f"{pair}.{n + 1}" if n else pair for pair, n in zip(pairs, earlier, strict=True)]


def read_corpora(data: Sequence[TextsConfig]) -> list[Corpus]:
    """Every corpus as a whole, named so that no two rows have one id.

    Raises:
        UserError: E201..E206, exit code 3.
    """
    return [
        read_parallel(
            one.source,
            one.reference,
            source_lang=one.source_lang,
            target_lang=one.target_lang,
            documents=one.documents,
            max_characters=one.max_characters,
            name=name,
        )
        for name, one in zip(corpus_names(data), data, strict=True)
    ]
