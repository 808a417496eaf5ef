"""MetricX: rows per second and peak memory, against the method of the published script.

Random checkpoints of the real architecture (vocabulary of 250,112, head untied) score rows of an
MQM file in WMT's format: blocks of consecutive rows, evenly spaced through the file, in its order.
The tokenizer is a unigram model trained on the file's texts. Each method runs in its own process on
one thread, and the processes alternate round by round. Measured are the CPU seconds of a call on
texts, including tokenization, with the model loaded. CPU seconds on one thread equal wall time on
an idle machine, and do not depend on other load.

    one row         the published script: one row per forward, no padding, the whole head
    batches of 32   the same model, 32 rows in file order, padded, the whole head
    32, one row of the head   as before, but computing only the row of the head that is read
    rewardlab       `MetricX`

A second measurement has duplicates as in RL: for each source, `GROUP` draws with replacement from
its translations in the file, scored through `RewardEnsemble`.

    python benchmarks/metricx_speed.py MQM_TSV [--json OUT]
"""

import argparse
import csv
import json
import multiprocessing
import os
import random
import re
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sentencepiece
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, MT5Config, MT5ForConditionalGeneration, T5Tokenizer

from rewardlab import Candidate, RewardEnsemble, Term
from rewardlab.rewards import MetricX
from rewardlab.store.run_directory import versions

HEAD_ROW = 250_089
LONGEST = 1536
GROUP = 8
BLOCK = 32
FLOAT32 = 1e-3
"""The most that two ways of summing may differ by, in points of error (0..25)."""


class Row(NamedTuple):
    """One translation of the file."""

    system: str
    segment: tuple[str, str]
    candidate: Candidate


@dataclass(frozen=True)
class Size:
    """A checkpoint, how much is asked of it, and by how much we mean to be faster."""

    d_model: int
    layers: int
    heads: int
    d_ff: int
    rows: int
    rounds: int
    bar_one_row: float
    bar_batches: float


SIZES = (Size(128, 2, 2, 256, 512, 3, 8.0, 2.0), Size(512, 8, 6, 1024, 256, 3, 1.5, 1.7))


def read_rows(path: Path) -> list[Row]:
    """Each translation once, in file order, without error marks."""
    rows: dict[tuple[str, ...], Row] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            segment = line["doc"], line["seg_id"]
            hypothesis = re.sub(r"</?v>", "", line["target"])
            row = Row(line["system"], segment, Candidate(line["source"], hypothesis))
            rows.setdefault((row.system, *segment), row)
    return list(rows.values())


def blocks(rows: Sequence[Row], count: int) -> list[Candidate]:
    """``count`` rows: blocks of `BLOCK` consecutive ones, evenly spaced."""
    starts = np.linspace(0, len(rows) - BLOCK, count // BLOCK).astype(int)
    return [row.candidate for start in starts for row in rows[start : start + BLOCK]]


def rollouts(rows: Sequence[Row], count: int) -> list[Candidate]:
    """``count`` rows in groups of `GROUP`, drawn with replacement for evenly spaced sources."""
    segments: dict[tuple[str, str], list[Candidate]] = {}
    for row in rows:
        segments.setdefault(row.segment, []).append(row.candidate)
    chosen = np.linspace(0, len(segments) - 1, count // GROUP).astype(int)
    names = list(segments)
    draw = random.Random(0)  # noqa: S311 - a sample, not a secret
    return [one for place in chosen for one in draw.choices(segments[names[place]], k=GROUP)]


def write_checkpoint(path: Path, size: Size, tokenizer: Any, texts: Sequence[str]) -> None:
    """Random weights; the head's row is chosen so that most errors fall inside 0..25.

    Run in a process of its own: what a parent has held counts as its children's peak as well.
    """
    shape = {
        "vocab_size": 250_112,
        "d_model": size.d_model,
        "d_kv": 64,
        "d_ff": size.d_ff,
        "num_layers": size.layers,
        "num_decoder_layers": size.layers,
        "num_heads": size.heads,
        "feed_forward_proj": "gated-gelu",
    }
    torch.manual_seed(0)
    model = MT5ForConditionalGeneration(MT5Config(**shape)).eval()
    head = torch.randn(shape["vocab_size"], size.d_model)
    with torch.inference_mode():
        ids = [torch.tensor([tokenizer(text)["input_ids"][:-1]]) for text in texts[:8]]
        steps = [decoder_state(model, one) for one in ids]
    mean = torch.stack(steps).mean(0)
    head[HEAD_ROW] = 12.0 * mean / mean.square().sum() + 0.2 * head[HEAD_ROW]
    left_out = ("lm_head.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
    weights = {name: w for name, w in model.state_dict().items() if name not in left_out}
    path.mkdir()
    save_file({**weights, "lm_head.weight": head}, path / "model.safetensors", {"format": "pt"})
    config = {"model_type": "mt5", "tie_word_embeddings": False, **shape}
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tokenizer.save_pretrained(path)


def decoder_state(model: MT5ForConditionalGeneration, ids: torch.Tensor) -> torch.Tensor:
    read = model.encoder(input_ids=ids).last_hidden_state
    step = model.decoder(input_ids=torch.tensor([[0]]), encoder_hidden_states=read)
    return step.last_hidden_state[0, 0]


def train_tokenizer(rows: Sequence[Row], folder: Path) -> Any:
    """A unigram tokenizer as mT5's, of the pieces that this file's texts support."""
    texts = {text for row in rows for text in (row.candidate.source, row.candidate.hypothesis)}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sorted(texts)),
        model_prefix=str(folder / "spiece"),
        vocab_size=16_000,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(str(folder / "spiece.model"))
    vocab = [(pieces.id_to_piece(n), pieces.get_score(n)) for n in range(len(pieces))]
    return T5Tokenizer(vocab=vocab, extra_ids=0)


Way = Callable[[Sequence[Candidate]], np.ndarray]


def published(path: Path, *, batch: int, whole_head: bool) -> Way:
    """The published model and input, ``batch`` rows at a time in the order they come in."""
    tokenizer: Any = AutoTokenizer.from_pretrained(path)
    model = MT5ForConditionalGeneration.from_pretrained(path, dtype=torch.float32).eval()

    @torch.no_grad()
    def logits(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        start = torch.zeros(len(ids), 1, dtype=torch.long)
        if whole_head:
            out = model(input_ids=ids, attention_mask=mask, decoder_input_ids=start)
            return out.logits[:, 0, HEAD_ROW]
        read = model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        step = model.decoder(
            input_ids=start, encoder_hidden_states=read, encoder_attention_mask=mask
        )
        return step.last_hidden_state[:, 0] @ model.lm_head.weight[HEAD_ROW]

    def score(rows: Sequence[Candidate]) -> np.ndarray:
        texts = [f"source: {row.source} candidate: {row.hypothesis}" for row in rows]
        ids = [tokenizer(t, max_length=LONGEST, truncation=True)["input_ids"][:-1] for t in texts]
        found = []
        for first in range(0, len(ids), batch):
            part = [torch.tensor(row) for row in ids[first : first + batch]]
            real = [torch.ones_like(row) for row in part]
            pad = torch.nn.utils.rnn.pad_sequence
            found.append(logits(pad(part, batch_first=True), pad(real, batch_first=True)))
        return -torch.cat(found).clamp(0.0, 25.0).double().numpy()

    return score


def rewardlab(path: Path) -> Way:
    reward = MetricX(model=path)
    return lambda rows: reward(rows).scores


def ensemble(path: Path) -> Way:
    whole = RewardEnsemble([Term(MetricX(model=path))])
    return lambda rows: whole(rows).values[:, 0]


WAYS: dict[str, Callable[[Path], Way]] = {
    "one row": lambda path: published(path, batch=1, whole_head=True),
    "batches of 32": lambda path: published(path, batch=32, whole_head=True),
    "32, one row of the head": lambda path: published(path, batch=32, whole_head=False),
    "rewardlab": rewardlab,
    "one row, duplicates": lambda path: published(path, batch=1, whole_head=True),
    "rewardlab, duplicates": ensemble,
}


def work(way: str, path: Path, texts: Sequence[tuple[str, str]], pipe: Connection) -> None:
    """Load, warm up, then score once for each message; seconds, scores and peak MiB go back."""
    score = WAYS[way](path)
    rows = [Candidate(source, hypothesis) for source, hypothesis in texts]
    score(rows[:BLOCK])
    while pipe.recv() == "go":
        began = time.process_time()
        scores = score(rows)
        seconds = time.process_time() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        pipe.send((seconds, scores, peak))


def measure(size: Size, rows: Sequence[Row], tokenizer: Any, folder: Path) -> dict[str, Any]:
    plain, drawn = blocks(rows, size.rows), rollouts(rows, size.rows)
    path = folder / f"d{size.d_model}"
    texts = [f"source: {row.source} candidate: {row.hypothesis}" for row in plain]
    context = multiprocessing.get_context("spawn")
    writer = context.Process(target=write_checkpoint, args=(path, size, tokenizer, texts))
    writer.start()
    writer.join()
    pipes, processes = {}, []
    for way in WAYS:
        pipes[way], other = context.Pipe()
        chosen = drawn if way.endswith("duplicates") else plain
        asked = [(row.source, row.hypothesis) for row in chosen]
        processes.append(context.Process(target=work, args=(way, path, asked, other)))
        processes[-1].start()
    rounds = []
    for _ in range(size.rounds):
        answers = {}
        for way, pipe in pipes.items():
            pipe.send("go")
            answers[way] = pipe.recv()
        rounds.append(answers)
    for pipe, process in zip(pipes.values(), processes, strict=True):
        pipe.send("stop")
        process.join()
    lengths = np.array([len(tokenizer(text)["input_ids"]) for text in texts])
    return summary(size, rounds, lengths, len(set(drawn)) / len(drawn))


def summary(
    size: Size, rounds: list[dict[str, Any]], lengths: np.ndarray, distinct: float
) -> dict[str, Any]:
    """Medians over rounds; ratios are taken within a round."""
    exact = rounds[0]["one row"][1]
    ways = {}
    for way in WAYS:
        seconds = [answers[way][0] for answers in rounds]
        ways[way] = {
            "rows_per_second": round(size.rows / float(np.median(seconds)), 1),
            "peak_mib": round(rounds[-1][way][2]),
        }
        if not way.endswith("duplicates"):
            far = float(np.abs(rounds[0][way][1] - exact).max())
            ways[way]["furthest_from_one_row"] = far
            if far > FLOAT32:
                raise ValueError(f"{way} differs by {far}")
    ratio = {
        f"{ours} / {other}": round(
            float(np.median([answers[other][0] / answers[ours][0] for answers in rounds])), 2
        )
        for ours, other in (
            *(("rewardlab", way) for way in list(WAYS)[:3]),
            ("rewardlab, duplicates", "one row, duplicates"),
        )
    }
    inside = float(((exact > -25.0) & (exact < 0.0)).mean())
    tokens = {"mean": round(float(lengths.mean()), 1), "most": int(lengths.max())}
    facts = {"tokens": tokens, "errors_inside_0_25": inside, "distinct_of_duplicates": distinct}
    return {**asdict(size), **facts, "ways": ways, "times_faster": ratio}


def tell(found: dict[str, Any]) -> None:
    print(
        f"\nd_model {found['d_model']}, {found['layers']} layers: {found['rows']} rows of "
        f"{found['tokens']['mean']} tokens (at most {found['tokens']['most']}), "
        f"{found['rounds']} rounds"
    )
    for way, told in found["ways"].items():
        print(f"{way:<26}{told['rows_per_second']:>9} rows/s{told['peak_mib']:>7} MiB at most")
    print(f"distinct among the duplicates: {found['distinct_of_duplicates']:.0%}")
    ratio = found["times_faster"]
    for other, bar in (("one row", "bar_one_row"), ("batches of 32", "bar_batches")):
        times = ratio[f"rewardlab / {other}"]
        verdict = "yes" if times >= found[bar] else "NO"
        print(f"{times:.2f} x {other}; at least {found[bar]} x: {verdict}")
    times = ratio["rewardlab / 32, one row of the head"]
    print(f"{times:.2f} x batches of 32 with one row of the head")
    times = ratio["rewardlab, duplicates / one row, duplicates"]
    print(f"{times:.2f} x one row, with duplicates")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mqm", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
    rows = read_rows(arguments.mqm)
    print(f"{len(rows)} translations in {arguments.mqm.name}; CPU seconds, one thread")
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = train_tokenizer(rows, Path(folder))
        found = []
        for size in SIZES:
            found.append(measure(size, rows, tokenizer, Path(folder)))
            tell(found[-1])
    if arguments.json is not None:
        facts = {"data": arguments.mqm.name, "threads": 1, "seconds": "CPU"}
        result = {"sizes": found, **facts, "versions": versions()}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
