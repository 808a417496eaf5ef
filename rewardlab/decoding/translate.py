"""Translation with any generator, in a way that an interrupted run can resume.

The rows are grouped into calls by length, longest first. The grouping depends only on the set of
all rows of the run, and a call is journalled completely or not at all. So a resumed run makes
exactly the missing calls, and its output is bit-identical to that of an uninterrupted run if the
generator is deterministic (transformers on one machine is; a server that batches the requests of
several clients may not be).
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, NamedTuple

from rewardlab.errors import quantity
from rewardlab.generate import Generator, Prompt, Sampling
from rewardlab.heartbeat import heartbeat
from rewardlab.json_values import json_value
from rewardlab.seeds import seed_for
from rewardlab.store.journal import Journal
from rewardlab.text.prompts import separator, without_separator


@dataclass(frozen=True)
class Translation:
    """The translations of one source.

    Attributes:
        id: Id of the row.
        texts: One text, or all sampled texts, each without the separator after the prompt and
            without the reasoning before the answer.
        tokens: By text, the number of generated tokens, including the end token.
        finished: By text, whether the model ended it; otherwise the text was truncated.
        seconds: The row's share of the duration of its call.
        reasoning: By text, the reasoning before it as it was generated; empty if no text has any.
    """

    id: str
    texts: tuple[str, ...]
    tokens: tuple[int, ...]
    finished: tuple[bool, ...]
    seconds: float = 0.0
    reasoning: tuple[str, ...] = ()


class Translated(NamedTuple):
    """The translations of all rows.

    Attributes:
        translations: Translations in the order of the prompts.
        cost: Cost of all translations, including those of earlier, interrupted processes.
    """

    translations: list[Translation]
    cost: Cost


class Cost(NamedTuple):
    """Cost of translating; loading the model is not counted.

    Attributes:
        prompts: Number of sources.
        tokens: Number of generated tokens.
        seconds: Time spent in the generator.
        tokens_per_second: Generated tokens per second; 0 if nothing was generated.
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
    """Translate the rows that the journal does not have.

    Args:
        prompts: Row id -> prompt, in the order of the result.
        generator: The generator; not loaded if nothing is left to do.
        sampling: How texts are sampled.
        seed: The seed of each row is derived from it and from the row's id.
        journal: Keeps finished translations, under ``translation/ID``.
        say: Receives a progress line at least every 30 seconds.

    Raises:
        UserError: Raised by the generator or the journal.
    """
    calls = _calls(prompts, size=max(1, generator.call_size // sampling.samples))
    done: dict[str, Translation] = {}
    if journal is not None:
        values: dict[str, Any] = {row_id: journal.get(_key(row_id)) for row_id in prompts}
        done = {row_id: translation_of(row_id, value) for row_id, value in values.items() if value}
    left = [ids for ids in calls if not all(row_id in done for row_id in ids)]
    if left and done:
        say(f"{len(done):,} of {len(prompts):,} rows were translated before; resuming")
    fresh: dict[str, Translation] = {}
    with heartbeat(say, _progress(fresh, total=sum(map(len, left)))):
        if left:
            generator.ready()
        for ids in left:
            rows = _call(ids, prompts, generator, sampling, seed=seed)
            if journal is not None:
                journal.put({_key(row.id): json_value(row) for row in rows})
            fresh.update((row.id, row) for row in rows)
    done.update(fresh)
    translations = [done[row_id] for row_id in prompts]
    return Translated(translations, cost_of(translations))


def translation_of(row_id: str, value: Mapping[str, Any]) -> Translation:
    """A translation from the fields in a journal or file.

    Args:
        row_id: Id of the row.
        value: Its other fields; ``seconds`` and ``reasoning`` may be missing.
    """
    lists = {name: tuple(value[name]) for name in ("texts", "tokens", "finished")}
    reasoning = tuple(value.get("reasoning", ()))
    return Translation(row_id, **lists, seconds=value.get("seconds", 0.0), reasoning=reasoning)


def cost_of(translations: Sequence[Translation]) -> Cost:
    """The total cost of translations."""
    tokens = sum(sum(row.tokens) for row in translations)
    seconds = math.fsum(row.seconds for row in translations)
    return Cost(len(translations), tokens, seconds, tokens / seconds if seconds else 0.0)


def prompts_digest(prompts: Mapping[str, Prompt]) -> str:
    """Sixteen hex digits that depend on the row ids, the prompts with separators, and the order."""
    return texts_digest(
        {
            row_id: prompt + separator(prompt) if isinstance(prompt, str) else prompt
            for row_id, prompt in prompts.items()
        }
    )


def texts_digest(texts: Mapping[str, Prompt]) -> str:
    """Sixteen hex digits that depend on the row ids, their texts, and the order."""
    return hashlib.sha256(json.dumps(list(texts.items())).encode()).hexdigest()[:16]


def _calls(prompts: Mapping[str, Prompt], *, size: int) -> list[list[str]]:
    """Row ids by call, longest prompts first, so that memory use is highest at the start.

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
            texts=tuple(without_separator(prompts[row_id], one.answer) for one in texts),
            tokens=tuple(one.tokens for one in texts),
            finished=tuple(one.finished for one in texts),
            seconds=seconds,
            reasoning=tuple(one.reasoning for one in texts if any(t.reasoning for t in texts)),
        )
        for row_id, texts in zip(ids, answers, strict=True)
    ]


def _key(row_id: str) -> str:
    return f"translation/{row_id}"


def _progress(fresh: Sized, *, total: int) -> Callable[[], str]:
    start = time.monotonic()

    def line() -> str:
        rate = len(fresh) / (time.monotonic() - start)
        left = f", {(total - len(fresh)) / rate / 60:.0f} min left" if rate else ""
        return f"{len(fresh):,} of {quantity(total, 'row')}, {rate:.1f} rows/s{left}"

    return line
