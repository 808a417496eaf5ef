"""Apertium, a rule-based translator on the command line: a fast teacher for close languages.

https://www.apertium.org. Debian has a package for each pair, such as ``apertium-eng-spa``. The
prompt is the source alone (`rewardlab.text.prompts.plain`).

Apertium marks what it cannot do: ``*`` before a word that it does not know, ``#`` and ``@`` before
one that it cannot write or translate. Some pairs abort and end well with no output. All of these
are failures here: an empty text that is not finished. With ``unknown="keep"``, unknown words stay
as they are in the source, without the mark.

A text is sampled from the alternatives of the bilingual dictionary: of the alternatives of a word
in their order, number k (from 0) is taken with a chance in proportion to ``exp(-k / temperature)``.
"""

from __future__ import annotations

import hashlib
import math
import os
import random
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from rewardlab.errors import EXIT_USAGE, Problem, nearest, refuse, shown
from rewardlab.generate import Generated, Prompt, Sampling, Unanswered, refuse_beams
from rewardlab.seeds import seed_for
from rewardlab.store.files import sha256_of

DATA = "APERTIUM_DATADIR"
"""Environment variable with the directory of the language data."""
MARK = re.compile(r"(?<!\w)[*#@](?=\w)")
UNKNOWN = re.compile(r"(?<!\w)\*(?=\w)")
STREAM_BREAK = "[][\n\n]"
"""`BREAK` in Apertium's stream format, between its programs."""
UNIT = re.compile(r"(?<!\\)\^((?:[^$\\]|\\.)*)\$")
"""A lexical unit of Apertium's stream format: ``^source/target/target$``."""
BILINGUAL = "autobil.bin"
PACKAGES = {"cg-proc": "cg3", "hfst-proc": "hfst", "lrx-proc": "apertium-lex-tools"}
"""Debian's packages of programs that some pairs need and only recommend."""
Unknown = Literal["fail", "keep"]
BREAK = "\n\n"
"""Between two texts: at an empty line, Apertium ends a sentence. In its format ``line``, the tagger
reads on, and a translation depends on the texts around it."""


@dataclass(frozen=True)
class ApertiumGenerator:
    """Apertium for one pair of languages.

    Attributes:
        pair: The direction, as ``apertium -l`` lists it: ``eng-spa``.
        unknown: Whether a translation with unknown words is a failure (``fail``) or not (``keep``).
    """

    pair: str
    unknown: Unknown = "fail"

    @cached_property
    def _data(self) -> Path:
        return Path(os.environ.get(DATA, "/usr/share/apertium"))

    @cached_property
    def _mode(self) -> str:
        """The shell pipeline of the pair.

        Raises:
            UserError: E086, Apertium, the pair or one of its programs is not installed; exit code
                2.
        """
        if shutil.which("apertium") is None:
            what, fix = "Apertium is not installed", f"apt-get install apertium-{self.pair}"
            refuse(Problem("E086", "generation.backend", what, fix), exit_code=EXIT_USAGE)
        known = {path.stem: path for path in (self._data / "modes").glob("*.mode")}
        if self.pair not in known:
            near = nearest(self.pair, known)
            have = ", ".join(sorted(known)) or "none"
            fix = f"generation.pair={near}" if near else f"apt-get install apertium-{self.pair}"
            what = f"{shown(self.pair)} is not among the installed pairs: {have}"
            refuse(Problem("E086", "generation.pair", what, fix), exit_code=EXIT_USAGE)
        mode = known[self.pair].read_text(encoding="utf-8").strip()
        programs = [stage.split(maxsplit=1)[0] for stage in mode.split(" | ")]
        missing = [name for name in dict.fromkeys(programs) if shutil.which(name) is None]
        if missing:
            what = f"{self.pair} needs programs that are not installed: {', '.join(missing)}"
            packages = " ".join(PACKAGES.get(name, name) for name in missing)
            fix = f"apt-get install {packages}"
            refuse(Problem("E086", "generation.pair", what, fix), exit_code=EXIT_USAGE)
        return mode

    @property
    def signature(self) -> str:
        """The pair and a digest of its dictionaries and rules."""
        files = re.findall(r"'([^']+)'", self._mode)
        digest = hashlib.sha256("".join(sha256_of(Path(one)) for one in files).encode())
        return f"apertium|{self.pair}|{self.unknown}|{digest.hexdigest()[:16]}"

    @property
    def call_size(self) -> int:
        """Starting the programs takes a second, and a text a millisecond."""
        return 2000

    def ready(self) -> None:
        """Check that the pair is installed.

        Raises:
            UserError: E086; exit code 2.
        """
        _ = self._mode

    def __call__(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, seeds: Sequence[int]
    ) -> list[list[Generated]]:
        """Translate every prompt, which is a source.

        Args:
            prompts: P sources; line breaks in them become spaces.
            sampling: ``temperature`` and ``samples``; the other options have no meaning here.
            seeds: P seeds.

        Raises:
            UserError: E086, beam search, or the pair is not installed; exit code 2.
        """
        refuse_beams(sampling)
        sources = [" ".join(str(prompt).split()) for prompt in prompts]
        rows = [row for row, source in enumerate(sources) if source]
        texts = [sources[row] for row in rows]
        if sampling.temperature == 0:
            translated = [self._greedy(texts)]
        else:
            chosen = [seeds[row] for row in rows]
            translated = self._sampled(texts, sampling, chosen)
        found = [[Generated("", 0, finished=True)] * sampling.samples for _ in sources]
        for row, *outputs in zip(rows, *translated, strict=True):
            found[row] = [judged(sources[row], output, unknown=self.unknown) for output in outputs]
        return found

    def ask(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        seeds: Sequence[int],
        schema: Mapping[str, Any] | None = None,
    ) -> list[Generated | Unanswered]:
        """One text for every prompt, or why there is none.

        Args:
            prompts: P sources.
            sampling: As for a call.
            seeds: P seeds.
            schema: Ignored.
        """
        del schema
        failed = Unanswered("Apertium has no translation", "text")
        return [
            texts[0] if texts[0].finished else failed
            for texts in self(prompts, sampling, seeds=seeds)
        ]

    def _greedy(self, sources: Sequence[str]) -> list[str]:
        return _through(f"{self._until_bilingual} | {self._after_bilingual}", sources)

    def _sampled(
        self, sources: Sequence[str], sampling: Sampling, seeds: Sequence[int]
    ) -> list[list[str]]:
        """For each sample, the text of every source."""
        analysed = _through(self._until_bilingual, sources, written=STREAM_BREAK)
        return [
            _through(
                self._after_bilingual,
                [
                    drawn_alternatives(text, sampling.temperature, seed_for(seed, sample))
                    for text, seed in zip(analysed, seeds, strict=True)
                ],
                read=STREAM_BREAK,
            )
            for sample in range(sampling.samples)
        ]

    @property
    def _until_bilingual(self) -> str:
        return f"apertium-destxt | {_stages(self._mode)[0]}"

    @property
    def _after_bilingual(self) -> str:
        return f"{_stages(self._mode)[1]} | apertium-retxt"


def _through(
    pipeline: str, texts: Sequence[str], *, read: str = BREAK, written: str = BREAK
) -> list[str]:
    """Send texts through a shell pipeline; texts that spoil the others are sent alone.

    Args:
        pipeline: The pipeline.
        texts: The texts.
        read: What the pipeline reads after a text.
        written: What it writes after a text.

    Returns:
        As many texts; empty where the pipeline has no output.
    """
    out = _run(pipeline, "".join(f"{text}{read}" for text in texts)) if texts else ""
    found = out.rstrip("\n").removesuffix(written).split(written) if out.strip() else []
    if len(found) == len(texts):
        return found
    if len(texts) == 1:
        return [" ".join(found)]
    half = len(texts) // 2
    return [
        *_through(pipeline, texts[:half], read=read, written=written),
        *_through(pipeline, texts[half:], read=read, written=written),
    ]


def _stages(mode: str) -> tuple[str, str]:
    """The pipeline up to the bilingual dictionary, and after it; all alternatives pass between."""
    stages = mode.split(" | ")
    at = next(number for number, stage in enumerate(stages) if BILINGUAL in stage) + 1
    options = "set -- -g ''; "  # $1 writes marks, $2 is for the tagger
    return f"({options}{' | '.join(stages[:at])})", f"({options}{' | '.join(stages[at:])})"


def _run(pipeline: str, text: str) -> str:
    """What a shell pipeline writes."""
    done = subprocess.run(  # noqa: S602 - the pipeline is that of the installed pair
        pipeline,
        shell=True,
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return done.stdout


def judged(source: str, text: str, *, unknown: Unknown = "fail") -> Generated:
    """A translation, or an unfinished empty text if Apertium marked a failure or wrote nothing.

    Args:
        source: The source; marks that it has itself are no failures.
        text: What Apertium wrote.
        unknown: As in `ApertiumGenerator`.

    >>> judged("A frob.", "Un *frob.").finished, judged("*a* dog", "*un* perro").text
    (False, '*un* perro')
    """
    if unknown == "keep" and not UNKNOWN.search(source):
        text = UNKNOWN.sub("", text)
    failed = len(MARK.findall(text)) > len(MARK.findall(source)) or not text.strip()
    if failed and source.strip():
        return Generated("", 0, finished=False)
    return Generated(text.strip(), len(text.split()), finished=True)


def drawn_alternatives(line: str, temperature: float, seed: int) -> str:
    """A line of Apertium's stream with one translation of each word.

    Args:
        line: Lexical units with their alternatives.
        temperature: Above 0; at 0 the first alternative would always be taken.
        seed: Seed of the draws.

    >>> drawn_alternatives("^dog/perro$", 1.0, 0)
    '^dog/perro$'
    """
    rng = random.Random(seed)  # noqa: S311 - a draw of words, not a secret

    def drawn(unit: re.Match[str]) -> str:
        source, *targets = re.split(r"(?<!\\)/", unit.group(1))
        if len(targets) < 2:  # noqa: PLR2004 - nothing to choose from
            return unit.group(0)
        weights = [math.exp(-number / temperature) for number in range(len(targets))]
        return f"^{source}/{rng.choices(targets, weights)[0]}$"

    return UNIT.sub(drawn, line)
