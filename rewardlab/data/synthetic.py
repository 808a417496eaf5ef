"""Unlimited rows from a small corpus, so that a policy from scratch learns to copy.

A small policy that sees only a thousand sentence pairs memorises them; between close languages it
does worse than leaving the source as it is. To copy a word it has never seen, a transformer must
have seen far more different rows than a small corpus holds. Here they are made: word salads to be
copied, then runs of real source words with their word-for-word translations.
What the corpus teaches beyond words (order, agreement, idiom) is left to its real rows.
"""

from __future__ import annotations

import difflib
import functools
import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from rewardlab.data.corpora import Row

DIAGONAL = 6.0
"""Decay of the alignment prior per sentence length of distance from the diagonal."""
SPELLING = 0.3
"""Pseudo-count of two words that are spelt the same."""
UNALIGNED = 0.01
"""Weight of a target word having no source."""
LIKELY = 0.25
ALIKE = 0.125
"""Half of the letters in common: a word seen once may be translated so, and no other way."""
NEW = 0.4
"""Share of words that no corpus holds; without many of them words are remembered, not copied."""
CHANGED_LETTERS = 0.3
LONGEST_RUN = 4

Pair = tuple[list[str], list[str]]


def word_table(pairs: Sequence[tuple[str, str]], *, iterations: int = 8) -> dict[str, str]:
    """The likeliest translation of each source word, where one is likely.

    IBM model 1 (Brown et al. 1993) with two priors that suit close languages: aligned words stand
    at about the same relative position (as in fast_align, Dyer et al. 2013), and are spelt alike.
    Words are what white space parts, punctuation included. Time grows with the sum over pairs of
    source words times target words: about 3 s for a thousand sentences of up to
    120 characters.

    Args:
        pairs: Source and target texts.
        iterations: Of expectation-maximisation.

    Returns:
        Source word to target word. A word is missing where its best translation has a probability
        of at most a quarter, or where it was seen once and its translation is spelt differently.
    """
    rows: list[Pair] = [(source.split(), target.split()) for source, target in pairs]
    table: dict[str, dict[str, float]] = defaultdict(dict)
    for source, target in rows:
        for a in source:
            table[a].update({b: 0.05 + _spelt_alike(a, b) for b in target})
    for _ in range(iterations):
        counts = _expected_counts(rows, table)
        for a, possible in table.items():
            weights = {b: counts[a][b] + SPELLING * _spelt_alike(a, b) for b in possible}
            total = sum(weights.values())
            table[a] = {b: weight / total for b, weight in weights.items()}
    seen = Counter(word for source, _ in rows for word in source)
    best = {a: max(possible, key=possible.__getitem__) for a, possible in table.items() if possible}
    return {
        a: b
        for a, b in best.items()
        if table[a][b] > LIKELY and (seen[a] > 1 or _spelt_alike(a, b) > ALIKE)
    }


def synthetic_rows(
    rows: Sequence[Row], *, copies: int, word_for_word: int, longest: int = 20, seed: int = 0
) -> list[Row]:
    """Rows to copy, then rows translated word for word.

    Languages are those of the rows, drawn as often as they occur. Copies are words of both sides
    in random order, all of them long, since only long rows show that a word came before.
    Word-for-word rows of any length string together runs of one to four neighbouring words of
    the sources, each word translated by the `word_table` of its direction or left as it is. In
    both, many words are new ones, made of parts of others or of letters at random, and copied.

    Args:
        rows: The corpus; those without words on both sides are left out.
        copies: How many rows to copy.
        word_for_word: How many rows to translate word for word.
        longest: Words in the longest row.
        seed: Of every draw.

    Returns:
        ``copies + word_for_word`` rows, to be learned from in this order.

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
    makers = [_Maker(pairs, rng) for pairs in directions.values()]
    names, sizes = list(directions), [len(pairs) for pairs in directions.values()]
    made: list[Row] = []
    for number in range(copies + word_for_word):
        at = rng.choices(range(len(names)), sizes)[0]
        if number < copies:
            kind, pair = "copy", makers[at].copy(rng.randint((longest + 1) // 2, longest))
        else:
            kind, pair = "words", makers[at].words(rng.randint(1, longest))
        made.append(Row(f"{kind}:{number + 1}", *pair, *names[at]))
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
    """What a policy from scratch learns from, in order: synthetic rows, then the real ones.

    Beside the real rows stand as many word-for-word rows, so that copying is not forgotten. Within
    windows of eight batches, rows of like length are put into one batch, which saves padding.

    Args:
        rows: The corpus.
        copies: As in `synthetic_rows`.
        word_for_word: As in `synthetic_rows`.
        passes: How often every real row is seen.
        longest: Words in the longest synthetic row.
        batch_size: Rows that are learned from together.
        seed: Of every draw.

    Returns:
        ``copies + word_for_word + 2 * passes * len(rows)`` rows.

    Raises:
        ValueError: No row has words on both sides.
    """
    beside = passes * len(rows)
    first, last = copies + word_for_word, copies + word_for_word + beside
    rng = random.Random(seed)  # noqa: S311 - no secrets here
    made = synthetic_rows(
        rows, copies=copies, word_for_word=word_for_word + beside, longest=longest, seed=seed
    )
    real = [row for _ in range(passes) for row in rng.sample(rows, len(rows))]
    mixed = [row for pair in zip(real, made[first:last], strict=True) for row in pair]
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
    """Makes rows of one direction."""

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
        """The word, or often enough one that no corpus holds.

        Half of these begin as the word does and end as another; in the others letters change at
        random, as in foreign names.
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
    """How often each source word is expected to have produced each target word."""
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
def _spelt_alike(a: str, b: str) -> float:
    """0 to 1: the cube of the share of letters in common (difflib's ratio)."""
    return difflib.SequenceMatcher(None, a, b, autojunk=False).ratio() ** 3
