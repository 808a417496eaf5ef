"""Training, validation and test side by whole documents, so that no text is on two sides.

One talk may be in several files: the source in one language pair is the reference or a translation
in another pair. So documents that share a text of at least `LONG` characters stay together.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

LONG = 40
"""Texts of this many characters are not shared by two documents by coincidence."""


class DocumentSplit(NamedTuple):
    """Which documents are on which side.

    Attributes:
        train: Documents for training.
        validation: Documents for the validation loss, which decides when to stop.
        test: Documents for measuring only.
        linked: Sets of documents that had to stay together.
    """

    train: frozenset[str]
    validation: frozenset[str]
    test: frozenset[str]
    linked: tuple[frozenset[str], ...]


class Fold(NamedTuple):
    """One fold of a cross-validation: each document is on the test side of exactly one.

    Attributes:
        number: Number of the fold, from 1 to ``of``.
        of: Number of folds, at least 2.
    """

    number: int
    of: int


def split_documents(
    texts: Mapping[str, Sequence[str]],
    *,
    validation: float,
    test: float | Fold,
    seed: int = 0,
) -> DocumentSplit:
    """Draw whole documents at random until a side has its share of the texts.

    Test documents are drawn first. A set of linked documents is skipped if adding it would move a
    side further from its share; if all sets are skipped, the smallest is taken. For folds, sets are
    assigned from the largest to the smallest, each to the fold with the fewest texts so far.

    Args:
        texts: Document -> its texts in all languages, repeated ones included.
        validation: Share of all texts, in [0, 1); 0 for none.
        test: Share of all texts, less than ``1 - validation``; or a fold, whose documents are the
            test side.
        seed: Seed of the draw; for folds, seed of the order among sets of equal size.

    Raises:
        ValueError: The shares are out of range, or nothing is left to train on.

    >>> texts = {"a": ["one"], "b": ["two"], "c": ["three"], "d": ["four"]}
    >>> split = split_documents(texts, validation=0.25, test=0.25)
    >>> len(split.train), len(split.validation), len(split.test)
    (2, 1, 1)
    >>> folds = [split_documents(texts, validation=0, test=Fold(n, 2)).test for n in (1, 2)]
    >>> len(folds[0]), sorted(folds[0] | folds[1])
    (2, ['a', 'b', 'c', 'd'])
    """
    share = _share(test)
    if min(validation, share) < 0.0 or validation + share >= 1.0:
        raise ValueError(
            f"validation={validation} and test={share} must be at least 0 and together below 1"
        )
    groups = linked_documents(texts)
    random.Random(seed).shuffle(groups)  # noqa: S311 - a draw of documents, not a secret
    size = {group: sum(len(texts[document]) for document in group) for group in groups}
    whole = sum(size.values())
    if isinstance(test, Fold):
        tested = _dealt(groups, size, test)
    else:
        tested = _drawn(groups, size, test * whole)
    rest = [group for group in groups if group not in tested]
    validated = _drawn(rest, size, validation * whole)
    trained = [group for group in rest if group not in validated]
    if not trained:
        raise ValueError(
            f"{len(texts)} documents in {len(size)} sets that share no text: setting "
            f"validation={validation:g} and test={share:g} aside leaves none to train on"
        )
    sides = (frozenset[str]().union(*side) for side in (trained, validated, tested))
    return DocumentSplit(*sides, linked=tuple(group for group in size if len(group) > 1))


def linked_documents(texts: Mapping[str, Sequence[str]]) -> list[frozenset[str]]:
    """Sets of documents that share a text of at least `LONG` characters.

    Two documents are in one set also if they are linked through other documents.

    Returns:
        Disjoint sets, single documents included, in the order of their first documents.

    >>> shared = "A sentence that nobody writes twice by chance."
    >>> [sorted(group) for group in linked_documents({"a": [shared], "b": ["x"], "c": [shared]})]
    [['a', 'c'], ['b']]
    """
    group = {document: document for document in texts}

    def head(document: str) -> str:
        while group[document] != document:
            document = group[document]
        return document

    first: dict[str, str] = {}
    for document, own in texts.items():
        for text in own:
            if len(text) >= LONG:
                other = first.setdefault(text, document)
                group[head(document)] = head(other)
    together: dict[str, set[str]] = defaultdict(set)
    for document in texts:
        together[head(document)].add(document)
    return [frozenset(some) for some in together.values()]


def by_opening(texts: Iterable[str]) -> dict[str, list[str]]:
    """Texts of at least `LONG` characters, grouped by their first `LONG`, for `quoted`."""
    found: dict[str, list[str]] = defaultdict(list)
    for text in dict.fromkeys(texts):
        if len(text) >= LONG:
            found[text[:LONG]].append(text)
    return dict(found)


def quoted(text: str, known: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The known texts that another text contains, each from the start of a word.

    Args:
        text: A text, such as a prompt that contains a source.
        known: Known texts, as returned by `by_opening`.

    >>> source = "A sentence that nobody writes twice by chance."
    >>> list(quoted(f"Translate: {source}", by_opening([source, "Thank you."])))
    ['A sentence that nobody writes twice by chance.']
    """
    for at in range(len(text) - LONG + 1):
        if at and text[at - 1].isalnum() and text[at].isalnum():
            continue
        for one in known.get(text[at : at + LONG], ()):
            if text.startswith(one, at):
                yield one


def _share(test: float | Fold) -> float:
    if not isinstance(test, Fold):
        return test
    if not 1 <= test.number <= test.of or test.of < 2:  # noqa: PLR2004 - one fold is no fold
        raise ValueError(f"there is no fold {test.number} of {test.of}")
    return 1.0 / test.of


def _dealt(
    groups: Sequence[frozenset[str]], size: Mapping[frozenset[str], int], fold: Fold
) -> set[frozenset[str]]:
    if len(groups) < fold.of:
        raise ValueError(f"{len(groups)} sets that share no text cannot fill {fold.of} folds")
    folds: list[list[frozenset[str]]] = [[] for _ in range(fold.of)]
    for group in sorted(groups, key=size.__getitem__, reverse=True):
        smallest = min(folds, key=lambda some: sum(size[one] for one in some))
        smallest.append(group)
    return set(folds[fold.number - 1])


def _drawn(
    groups: Sequence[frozenset[str]], size: Mapping[frozenset[str], int], wanted: float
) -> set[frozenset[str]]:
    if wanted <= 0 or not groups:
        return set()
    chosen: set[frozenset[str]] = set()
    have = 0
    for group in groups:
        if abs(have + size[group] - wanted) < abs(have - wanted):
            chosen.add(group)
            have += size[group]
    return chosen or {min(groups, key=size.__getitem__)}
