"""Character offsets of sampled ids: our method, prefix decoding, and tokenising the text again.

The ids are made like sampled ids: rows are encoded with one merge in a thousand skipped (BPE
dropout), so the tokenizer would not have chosen the same ids. Tokenising the decoded text again is
the usual way to find offsets. If it gives other ids, its offsets belong to tokens that were not
sampled. (Dropout cannot be seeded, so the share of such rows varies between runs.) Prefix decoding
gives the right offsets, in time quadratic in the length.

    python benchmarks/alignment_speed.py [--json PATH]
"""

import argparse
import json
import os
import platform
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from rewardlab.align import Decoded, decode
from rewardlab.store.run_directory import versions

LENGTHS = (128, 512, 2048, 32768)
LONGEST_PREFIX = 2048  # prefix decoding of 32,768 tokens takes minutes
ROWS = 32
REPEATS = 5
SKIPPED_MERGES = 0.001
SENTENCES = (
    "The old bridge across the river was closed for the winter.",
    "Die alte Brücke über den Fluss war den Winter über gesperrt.",
    "El viejo puente sobre el río estuvo cerrado durante el invierno.",
    "Старый мост через реку был закрыт на зиму.",
    "أُغلق الجسر القديم فوق النهر طوال فصل الشتاء.",
    "नदी पर बना पुराना पुल सर्दियों के लिए बंद कर दिया गया था।",
    "河上的老桥整个冬天都关闭了。",
    "Great news 👍 for the family 👨‍👩‍👧‍👦!",
)


def trained() -> PreTrainedTokenizerFast:
    """A byte-level BPE as Qwen and Llama 3 use it, on the sentences above."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=700,
        special_tokens=["<|end|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>")  # noqa: S106


def sampled(tokenizer: PreTrainedTokenizerFast, length: int, rows: int) -> list[list[int]]:
    """Rows of ids that say running text in a way the tokenizer would not always have chosen."""
    model = tokenizer.backend_tokenizer.model
    shuffle = random.Random(0)  # noqa: S311 - the choice of sentences
    texts = [" ".join(shuffle.choices(SENTENCES, k=1 + length // 8)) for _ in range(rows)]
    model.dropout = SKIPPED_MERGES
    try:
        return [tokenizer(text).input_ids[:length] for text in texts]
    finally:
        model.dropout = None


def by_prefixes(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> list[int]:
    """Where each token ends, from the text of ever longer prefixes."""
    return [
        len(tokenizer.decode(ids[: end + 1], skip_special_tokens=True)) for end in range(len(ids))
    ]


def by_tokenising_again(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]
) -> tuple[list[int], list[tuple[int, int]]]:
    """Ids and offsets that the tokenizer gives to the decoded text."""
    text = tokenizer.decode(ids, skip_special_tokens=True)
    encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    return encoded.input_ids, encoded.offset_mapping


def milliseconds(
    function: Callable[..., object], tokenizer: PreTrainedTokenizerBase, rows: list[list[int]]
) -> float:
    """Mean over rows, at the least disturbed of a few repetitions."""
    times: list[float] = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for ids in rows:
            function(tokenizer, ids)
        times.append((time.perf_counter() - start) * 1000 / len(rows))
    return min(times)


def wrong_rows(tokenizer: PreTrainedTokenizerBase, rows: list[list[int]]) -> float:
    """Share of rows on which tokenising again does not give the sampled ids."""
    return float(np.mean([by_tokenising_again(tokenizer, ids)[0] != ids for ids in rows]))


def agrees(decoded: Decoded, ends: Sequence[int]) -> bool:
    """Our offsets are those of prefix decoding."""
    return decoded.aligned and decoded.ends.tolist() == list(ends)


def lengths_table(tokenizer: PreTrainedTokenizerFast) -> list[dict[str, float | None]]:
    """One row per length: what each way costs, and how often tokenising again is wrong."""
    table: list[dict[str, float | None]] = []
    print(
        f"{'tokens':>8}{'ours':>10}{'prefixes':>12}{'again':>10}{'again wrong':>14}   (ms per row)"
    )
    for length in LENGTHS:
        rows = sampled(tokenizer, length, ROWS)
        timed = rows[: max(1, ROWS * LENGTHS[0] // length)]
        prefixes = None
        if length <= LONGEST_PREFIX:
            assert agrees(decode(tokenizer, rows[0]), by_prefixes(tokenizer, rows[0]))  # noqa: S101
            prefixes = milliseconds(by_prefixes, tokenizer, rows[:1])
        row = {
            "tokens": length,
            "ours_ms": milliseconds(decode, tokenizer, timed),
            "prefixes_ms": prefixes,
            "again_ms": milliseconds(by_tokenising_again, tokenizer, timed),
            "again_wrong": wrong_rows(tokenizer, rows),
        }
        table.append(row)
        shown = "-" if prefixes is None else f"{prefixes:.2f}"
        print(
            f"{length:>8}{row['ours_ms']:>10.2f}{shown:>12}{row['again_ms']:>10.2f}"
            f"{row['again_wrong']:>14.0%}"
        )
    return table


def scaling(tokenizer: PreTrainedTokenizerFast) -> dict[str, dict[str, float]]:
    """Milliseconds at 2,048 and 32,768 tokens and their ratio, on kind and on hostile ids."""
    invalid, end = tokenizer.convert_tokens_to_ids(["ÿ", "<|end|>"])
    cases = {
        "text": sampled(tokenizer, 32768, 1)[0],
        "invalid bytes": [invalid] * 32768,
        "special tokens": [end] * 32768,
        "bytes and specials": [invalid, end] * 16384,
    }
    table: dict[str, dict[str, float]] = {}
    print(f"\n{'ids':<20}{'2,048':>10}{'32,768':>10}{'ratio':>8}   (ms; 16 is linear)")
    for name, ids in cases.items():
        short = milliseconds(decode, tokenizer, [ids[:2048]])
        long = milliseconds(decode, tokenizer, [ids])
        table[name] = {"ms_2048": short, "ms_32768": long, "ratio": long / short}
        print(f"{name:<20}{short:>10.2f}{long:>10.2f}{long / short:>8.1f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the numbers there as well")
    path: Path | None = parser.parse_args().json
    tokenizer = trained()
    results = {
        "lengths": lengths_table(tokenizer),
        "scaling": scaling(tokenizer),
        "skipped_merges": SKIPPED_MERGES,
        "rows": ROWS,
        "versions": versions(),
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
    }
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
