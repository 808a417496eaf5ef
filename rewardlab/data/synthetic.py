"""Synthetic rows from a small corpus, so that a policy from scratch learns to copy.

A small policy that sees only a thousand sentence pairs memorises them; between close languages its
output is worse than the unchanged source. To learn to copy unknown words, a transformer must see
far more different rows than a small corpus has. This module makes such rows: first random words to
copy, then runs of real source words with their word-for-word translations. Word order, agreement
and idioms are learned from the real rows of the corpus.
"""

from __future__ import annotations

import difflib
import functools
import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from rewardlab.data.rows import Row

DIAGONAL = 6.0
"""Decay of the alignment prior with the distance from the diagonal, in sentence lengths."""
SPELLING = 0.3
"""Pseudo-count of two words with the same spelling."""
UNALIGNED = 0.01
"""Weight of the case that a target word has no source word."""
LIKELY = 0.25
"""Smallest probability of a translation in the table."""
ALIKE = 0.125
"""Smallest `_similarity` (half of the letters in common) for a word that was seen only once."""
NEW = 0.4
"""Share of new words; without many new words, the policy memorises words instead of copying."""
CHANGED_LETTERS = 0.3
"""Share of the letters of a new word that are changed."""
LONGEST_RUN = 4
"""Maximum number of neighbouring source words that are used together."""

Pair = tuple[list[str], list[str]]


def word_table(pairs: Sequence[tuple[str, str]], *, iterations: int = 8) -> dict[str, str]:
    """The likeliest translation of each source word.

    IBM model 1 (Brown et al. 1993) with two priors for close languages: aligned words have about
    the same relative position (as in fast_align, Dyer et al. 2013) and a similar spelling. Words
    are separated by white space and include punctuation. The time is proportional to the sum over
    pairs of source words times target words: about 3 s for a thousand sentences of up to 120
    characters.

    Args:
        pairs: Source and target texts.
        iterations: Number of iterations of expectation-maximisation.

    Returns:
        Source word -> target word. A word is missing if its best translation has a probability of
        at most a quarter, or if it was seen once and its translation has a different spelling.
    """
    rows: list[Pair] = [(source.split(), target.split()) for source, target in pairs]
    table: dict[str, dict[str, float]] = defaultdict(dict)
    for source, target in rows:
        for a in source:
            table[a].update({b: 0.05 + _similarity(a, b) for b in target})
    for _ in range(iterations):
        counts = _expected_counts(rows, table)
        for a, possible in table.items():
            weights = {b: counts[a][b] + SPELLING * _similarity(a, b) for b in possible}
            total = sum(weights.values())
            table[a] = {b: weight / total for b, weight in weights.items()}
    seen = Counter(word for source, _ in rows for word in source)
    best = {a: max(possible, key=possible.__getitem__) for a, possible in table.items() if possible}
    return {
        a: b
        for a, b in best.items()
        if table[a][b] > LIKELY and (seen[a] > 1 or _similarity(a, b) > ALIKE)
    }


def synthetic_rows(
    rows: Sequence[Row], *, copies: int, word_for_word: int, longest: int = 20, seed: int = 0
) -> list[Row]:
    """Rows to copy, then rows translated word for word.

    Directions are drawn with their frequencies in the corpus. Rows to copy consist of words of both
    sides in random order. They are all long, since the repetition of a word is visible only in long
    rows. Rows translated word for word have any length and consist of runs of one to four
    neighbouring source words, each word translated by the `word_table` of the direction or left
    unchanged. In both kinds of rows many words are new, made from parts of other words or from
    random letters, and are copied.

    Args:
        rows: The corpus; rows without words on both sides are left out.
        copies: Number of rows to copy.
        word_for_word: Number of rows to translate word for word.
        longest: Maximum number of words in a row.
        seed: Seed of all draws.

    Returns:
        ``copies + word_for_word`` rows, in training order.

    Raises:
        ValueError: No row has words on both sides.
    """
    directions: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        if row.reference is not None and row.source.split() and row.reference.split():
            directions[row.source_lang, row.target_lang].append((row.source, row.reference))
    if not directions:
        raise ValueError("synthetic rows are made of pairs of texts, and no row has both")
    rng = random.Random(seed)  # noqa: S311 - no secrets here
    makers = {direction: _Maker(pairs, rng) for direction, pairs in directions.items()}
    sizes = [len(pairs) for pairs in directions.values()]
    made: list[Row] = []
    for number in range(copies + word_for_word):
        [direction] = rng.choices([*makers], sizes)
        if number < copies:
            kind, pair = "copy", makers[direction].copy(rng.randint((longest + 1) // 2, longest))
        else:
            kind, pair = "words", makers[direction].words(rng.randint(1, longest))
        made.append(Row(f"{kind}:{number + 1}", *pair, *direction))
    return made


def curriculum(
    rows: Sequence[Row],
    *,
    copies: int,
    word_for_word: int,
    passes: int,
    longest: int = 20,
    batch_size: int = 1,
    seed: int = 0,
) -> list[Row]:
    """The training rows of a policy from scratch, in order: synthetic rows, then the real ones.

    The real rows alternate with the same number of additional word-for-word rows, so that copying
    is not forgotten. Within windows of eight batches, rows of similar length are put into one
    batch, to reduce padding.

    Args:
        rows: The corpus.
        copies: Number of rows to copy, as in `synthetic_rows`.
        word_for_word: Number of rows to translate word for word, as in `synthetic_rows`.
        passes: How often each real row is used.
        longest: Maximum number of words in a synthetic row.
        batch_size: Rows in one training batch.
        seed: Seed of all draws.

    Returns:
        ``copies + word_for_word + 2 * passes * len(rows)`` rows.

    Raises:
        ValueError: No row has words on both sides.
    """
    beside = passes * len(rows)
    first = copies + word_for_word
    rng = random.Random(seed)  # noqa: S311 - no secrets here
    made = synthetic_rows(
        rows, copies=copies, word_for_word=word_for_word + beside, longest=longest, seed=seed
    )
    real = [row for _ in range(passes) for row in rng.sample(rows, len(rows))]
    mixed = [row for pair in zip(real, made[first:], strict=True) for row in pair]
    return _like_lengths_together([*made[:first], *mixed], batch_size, rng)


def _like_lengths_together(rows: list[Row], batch_size: int, rng: random.Random) -> list[Row]:
    ordered: list[Row] = []
    window = 8 * batch_size
    for first in range(0, len(rows), window):
        near = sorted(rows[first : first + window], key=lambda row: len(row.source))
        batches = [near[at : at + batch_size] for at in range(0, len(near), batch_size)]
        whole = [batch for batch in batches if len(batch) == batch_size]
        rng.shuffle(whole)
        ordered += [row for batch in [*whole, *batches[len(whole) :]] for row in batch]
    return ordered


class _Maker:
    """Makes synthetic rows of one direction."""

    def __init__(self, pairs: Sequence[tuple[str, str]], rng: random.Random) -> None:
        self._rng = rng
        self._sources = [source.split() for source, _ in pairs]
        self._words = [word for pair in pairs for text in pair for word in text.split()]
        self._letters = sorted({letter for word in self._words for letter in word})
        self._table = word_table(pairs)

    def copy(self, length: int) -> tuple[str, str]:
        words = [self._renewed(self._rng.choice(self._words)) for _ in range(length)]
        return " ".join(words), " ".join(words)

    def words(self, length: int) -> tuple[str, str]:
        source: list[str] = []
        while len(source) < length:
            sentence = self._rng.choice(self._sources)
            first = self._rng.randrange(len(sentence))
            source += sentence[first : first + self._rng.randint(1, LONGEST_RUN)]
        source = [self._renewed(word) for word in source[:length]]
        return " ".join(source), " ".join(self._table.get(word, word) for word in source)

    def _renewed(self, word: str) -> str:
        """The word, or with probability `NEW` a new word.

        Half of the new words start like the given word and end like another word. In the other
        half, random letters of the word are changed, as in foreign names.
        """
        chance = self._rng.random()
        if chance >= NEW:
            return word
        if chance < NEW / 2:
            other = self._rng.choice(self._words)
            return word[: (len(word) + 1) // 2] + other[len(other) // 2 :]
        return "".join(
            self._rng.choice(self._letters) if self._rng.random() < CHANGED_LETTERS else letter
            for letter in word
        )


def _expected_counts(
    rows: Sequence[Pair], table: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """Expected number of times that each source word produced each target word."""
    counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for source, target in rows:
        for j, b in enumerate(target):
            likely = [
                table[a][b] * math.exp(-DIAGONAL * abs(i / len(source) - j / len(target)))
                for i, a in enumerate(source)
            ]
            total = sum(likely) + UNALIGNED
            for a, weight in zip(source, likely, strict=True):
                counts[a][b] += weight / total
    return counts


@functools.lru_cache(maxsize=2**20)
def _similarity(a: str, b: str) -> float:
    """Similarity of spelling in [0, 1]: the cube of the share of common letters (difflib)."""
    return difflib.SequenceMatcher(None, a, b, autojunk=False).ratio() ** 3
