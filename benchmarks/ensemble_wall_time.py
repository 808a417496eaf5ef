"""Wall time of five rewards on the rows of one RL step, against the best possible time.

512 rows: 64 sources of an MQM file in WMT's format, 8 translations each. The rewards are chrF
against the file's reference, MetricX and a generalist reward model with random weights in this
process, and two judges behind a server that answers after a delay, like a busy server, and uses
almost no CPU. At best, a step takes as long as its slowest reward, or as all CPU seconds divided
by the cores. All rewards are warm. Each round measures every reward alone and then all together.

    python benchmarks/ensemble_wall_time.py MQM_TSV [--rounds 3] [--json OUT]
"""

import argparse
import asyncio
import csv
import json
import multiprocessing
import os
import re
import resource
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from metricx_speed import Row, Size, train_tokenizer, write_checkpoint
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForSequenceClassification

from rewardlab import Candidate, Reward, RewardEnsemble, Term
from rewardlab.rewards import AutoMQM, ChrF, Generalist, MetricX, Naturalness
from rewardlab.store.run_directory import versions

GROUPS, GROUP = 64, 8
DELAY = 1.0
"""Seconds that the judge takes for an answer."""
CONCURRENCY = 64
BAR = 1.1
METRICX = Size(192, 4, 3, 384, GROUPS * GROUP, 1, 0.0, 0.0)
CHAT = "{% for message in messages %}<{{ message['role'] }}> {{ message['content'] }} {% endfor %}"


def read_rows(path: Path) -> list[Row]:
    """For evenly spaced sources `GROUP` systems' translations, with the reference."""
    texts: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            hypothesis = re.sub(r"</?v>", "", line["target"])
            source = re.sub(r"</?v>", "", line["source"])
            segment = texts.setdefault((line["doc"], line["seg_id"]), {})
            segment.setdefault(line["system"], (source, hypothesis))
    names = [name for name, systems in texts.items() if "ref" in systems and len(systems) > GROUP]
    rows = []
    for place in np.linspace(0, len(names) - 1, GROUPS).astype(int):
        systems = dict(texts[names[place]])
        reference = systems.pop("ref")[1]
        for system, (source, hypothesis) in sorted(systems.items())[:GROUP]:
            candidate = Candidate(source, hypothesis, reference, "en", "de")
            rows.append(Row(system, names[place], candidate))
    return rows


def write_generalist(path: Path, tokenizer: Any) -> None:
    """A small Qwen3 with a score in place of a vocabulary."""
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer)
    fast.add_special_tokens({"pad_token": "<pad>", "eos_token": "</s>"})
    fast.chat_template = CHAT
    config = Qwen3Config(
        vocab_size=len(fast),
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        num_labels=1,
        pad_token_id=fast.pad_token_id,
    )
    Qwen3ForSequenceClassification(config).save_pretrained(path)
    fast.save_pretrained(path)


# ── the judge ───────────────────────────────────────────────────────────────────────────────────


def answer(path: str) -> bytes:
    if path.endswith("/models"):
        return b'{"object": "list", "data": []}'
    message = {"role": "assistant", "content": '{"errors": []}'}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": 1300, "completion_tokens": 5, "total_tokens": 1305}
    return json.dumps({"model": "judge", "choices": [choice], "usage": usage}).encode()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Requests of one connection, each after `DELAY` seconds."""
    while head := await reader.readline():
        length = 0
        while (line := await reader.readline()).strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        await reader.readexactly(length)
        await asyncio.sleep(DELAY if length else 0.0)
        body = answer(head.split()[1].decode())
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            + f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()
    writer.close()


def judge(pipe: Connection) -> None:
    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


# ── measuring ───────────────────────────────────────────────────────────────────────────────────


def timed(terms: Sequence[Term], rows: Sequence[Candidate]) -> tuple[float, float]:
    """Seconds by the clock, and of the CPU in this process."""
    ensemble = RewardEnsemble(terms)
    wall, cpu = time.perf_counter(), time.process_time()
    scores = ensemble(rows)
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    if not np.isfinite(scores.values).all():
        raise ValueError(f"unscored rows:\n{scores.table()}")
    return seconds


def round_of(rewards: Sequence[Reward], rows: Sequence[Candidate], cores: int) -> dict[str, Any]:
    alone = {reward.name: timed([Term(reward)], rows) for reward in rewards}
    wall, cpu = timed([Term(reward) for reward in rewards], rows)
    slowest = max(seconds for seconds, _ in alone.values())
    spread = sum(seconds for _, seconds in alone.values()) / cores
    return {
        "alone": {name: {"wall": w, "cpu": c} for name, (w, c) in alone.items()},
        "together": {"wall": wall, "cpu": cpu},
        "in_turn": sum(seconds for seconds, _ in alone.values()),
        "at_best": max(slowest, spread),
        "times_best": wall / max(slowest, spread),
    }


def tell(rounds: Sequence[dict[str, Any]], cores: int) -> float:
    middle = sorted(rounds, key=lambda one: one["times_best"])[len(rounds) // 2]
    print(f"{GROUPS * GROUP} rows in groups of {GROUP}, {cores} cores, {len(rounds)} rounds")
    for name, seconds in middle["alone"].items():
        print(f"{name:<14}alone {seconds['wall']:7.2f} s, {seconds['cpu']:7.2f} s of CPU")
    print(f"in turn         {middle['in_turn']:11.2f} s")
    print(f"at best         {middle['at_best']:11.2f} s: slowest, or CPU seconds over cores")
    print(f"together        {middle['together']['wall']:11.2f} s")
    times = float(middle["times_best"])
    print(f"{times:.2f} x the best; at most {BAR}: {'yes' if times <= BAR else 'NO'}")
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mqm", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    cores = len(os.sched_getaffinity(0))
    rows = read_rows(arguments.mqm)
    candidates = [row.candidate for row in rows]
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    server = context.Process(target=judge, args=(other,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{pipe.recv()}/v1"
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = train_tokenizer(rows, Path(folder))
        texts = [f"source: {row.source} candidate: {row.hypothesis}" for row in candidates]
        write_checkpoint(Path(folder) / "metricx", METRICX, tokenizer, texts)
        write_generalist(Path(folder) / "generalist", tokenizer)
        asked = {"backend": "server", "url": url, "model": "judge", "batch_size": CONCURRENCY}
        rewards: list[Reward] = [
            ChrF(),
            MetricX(model=Path(folder) / "metricx"),
            AutoMQM(**asked),
            Naturalness(**asked),
            Generalist(model=Path(folder) / "generalist", worst=-1e3),
        ]
        for reward in rewards:
            reward(candidates[:GROUP])
        rounds = [round_of(rewards, candidates, cores) for _ in range(arguments.rounds)]
    server.terminate()
    times = tell(rounds, cores)
    if arguments.json is not None:
        peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        result = {"rounds": rounds, "times_best": times, "bar": BAR, "cores": cores}
        result |= {"peak_mib": peak, "data": arguments.mqm.name, "versions": versions()}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
