"""Sources to translations, with any generator, so that a killed run goes on where it was.

The rows are put into calls by length, longest first. Which rows share a call depends on all rows
of the run and on nothing else, and a call is journalled as a whole or not at all: so a run that is
continued asks for exactly the calls that are missing, and what it writes is what one go would have
written, bit by bit where the generator gives the same answer twice (transformers on one machine
does; a server that batches the requests of several clients may not).
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, NamedTuple

from rewardlab.generate import Generator, Prompt, Sampling
from rewardlab.heartbeat import heartbeat
from rewardlab.seeds import seed_for
from rewardlab.store.journal import Journal, Json


@dataclass(frozen=True)
class Translation:
    """What became of one source.

    Attributes:
        id: The row's.
        texts: One, or as many as were sampled.
        tokens: Of each text: how many the model produced, the end included.
        finished: Of each text: whether the model ended it, or it was cut.
        seconds: Its share of the time that its call took.
    """

    id: str
    texts: tuple[str, ...]
    tokens: tuple[int, ...]
    finished: tuple[bool, ...]
    seconds: float = 0.0


class Translated(NamedTuple):
    """A whole set of rows.

    Attributes:
        translations: In the order of the prompts.
        cost: Of all of them, in this process and in those that were killed before it.
    """

    translations: list[Translation]
    cost: Cost


class Cost(NamedTuple):
    """What translations cost; loading the model is not counted.

    Attributes:
        prompts: How many sources.
        tokens: How many tokens were generated.
        seconds: How long the generator took.
        tokens_per_second: Of the two; 0 where nothing was generated.
    """

    prompts: int
    tokens: int
    seconds: float
    tokens_per_second: float


def translate_rows(
    prompts: Mapping[str, Prompt],
    generator: Generator,
    sampling: Sampling,
    *,
    seed: int = 0,
    journal: Journal | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Translated:
    """Translate every row once, and only those that the journal does not have.

    Args:
        prompts: Row id -> prompt, in the order the translations come back in.
        generator: Not touched if nothing is left to do.
        sampling: How texts are chosen.
        seed: With the row's id the seed of what is sampled for it.
        journal: Keeps what is done, under ``translation/ID``.
        say: Told how far it is, at least every 30 seconds.

    Raises:
        UserError: What the generator or the journal raises.
    """
    calls = _calls(prompts, size=max(1, generator.call_size // sampling.samples))
    done = {} if journal is None else _remembered(prompts, journal)
    left = [ids for ids in calls if not all(row_id in done for row_id in ids)]
    if left and done:
        say(f"{len(done):,} of {len(prompts):,} rows were translated before; going on")
    fresh: dict[str, Translation] = {}
    with heartbeat(say, _progress(fresh, total=sum(map(len, left)))):
        if left:
            generator.ready()
        for ids in left:
            rows = _call(ids, prompts, generator, sampling, seed=seed)
            if journal is not None:
                journal.put({_key(row.id): _as_json(row) for row in rows})
            fresh.update((row.id, row) for row in rows)
    done.update(fresh)
    translations = [done[row_id] for row_id in prompts]
    return Translated(translations, cost_of(translations))


def cost_of(translations: Sequence[Translation]) -> Cost:
    """Sum up what translations cost."""
    tokens = sum(sum(row.tokens) for row in translations)
    seconds = math.fsum(row.seconds for row in translations)
    return Cost(len(translations), tokens, seconds, tokens / seconds if seconds else 0.0)


def digest_of(prompts: Mapping[str, Prompt]) -> str:
    """A short name for these rows with these prompts, in this order: sixteen hex digits."""
    return hashlib.sha256(json.dumps(list(prompts.items())).encode()).hexdigest()[:16]


def _calls(prompts: Mapping[str, Prompt], *, size: int) -> list[list[str]]:
    """Ids of the rows of each call: by falling length, so that what needs most memory comes first.

    >>> _calls({"a": "x", "b": "xxx", "c": "xx"}, size=2)
    [['b', 'c'], ['a']]
    """
    order = sorted(prompts, key=lambda row_id: -_length(prompts[row_id]))
    return [order[first : first + size] for first in range(0, len(order), size)]


def _length(prompt: Prompt) -> int:
    return len(prompt) if isinstance(prompt, str) else sum(len(turn["content"]) for turn in prompt)


def _call(
    ids: Sequence[str],
    prompts: Mapping[str, Prompt],
    generator: Generator,
    sampling: Sampling,
    *,
    seed: int,
) -> list[Translation]:
    start = time.monotonic()
    answers = generator(
        [prompts[row_id] for row_id in ids],
        sampling,
        seeds=[seed_for(seed, row_id) for row_id in ids],
    )
    seconds = (time.monotonic() - start) / len(ids)
    return [
        Translation(
            id=row_id,
            texts=tuple(one.text for one in texts),
            tokens=tuple(one.tokens for one in texts),
            finished=tuple(one.finished for one in texts),
            seconds=seconds,
        )
        for row_id, texts in zip(ids, answers, strict=True)
    ]


def _key(row_id: str) -> str:
    return f"translation/{row_id}"


def _as_json(row: Translation) -> Json:
    return {
        "texts": list(row.texts),
        "tokens": list(row.tokens),
        "finished": list(row.finished),
        "seconds": row.seconds,
    }


def _remembered(ids: Iterable[str], journal: Journal) -> dict[str, Translation]:
    found: dict[str, Translation] = {}
    for row_id in ids:
        value: Any = journal.get(_key(row_id))
        if value is not None:
            lists = {name: tuple(value[name]) for name in ("texts", "tokens", "finished")}
            found[row_id] = Translation(row_id, **lists, seconds=value["seconds"])
    return found


def _progress(fresh: Sized, *, total: int) -> Callable[[], str]:
    start = time.monotonic()

    def line() -> str:
        rate = len(fresh) / (time.monotonic() - start)
        left = f", {(total - len(fresh)) / rate / 60:.0f} min left" if rate else ""
        return f"{len(fresh):,} of {total:,} rows, {rate:.1f} rows/s{left}"

    return line
