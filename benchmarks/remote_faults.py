"""The HTTP reward with a faulty service: 50,000 items, 64 clients.

    python benchmarks/remote_faults.py [--items 50000] [--clients 64] [--faults 0.2] [--out DIR]

A service in its own process answers a share of its requests with a fault from the list in
``tests/reward_service.py``: 5xx, 429, hangs, one byte at a time, truncated bodies, resets, NaN,
HTML, wrong lengths, unknown ids. Each text has its own score, so an answer for the wrong row is
detected. The results are: rows scored, rows reported unavailable, rows misaligned or lost (both
must be 0), the longest time that a call exceeded its deadline (must be below 1 s), and the number
of requests.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import reward_service

from rewardlab.errors import RewardUnavailable
from rewardlab.rewards import Remote
from rewardlab.types import Candidate, Status

ROWS_PER_CALL = 16


def serve(share: float, pipe: Any) -> None:
    faults = [*reward_service.PASSING.values(), *reward_service.SLOW.values()]
    dice = random.Random(0)  # noqa: S311 - no secret

    def unreliable(handler: Any, items: Any) -> None:
        (dice.choice(faults) if dice.random() < share else reward_service.good)(handler, items)

    with reward_service.running(unreliable) as server:
        pipe.send(server.url)
        pipe.recv()
        pipe.send((len(server.sizes), sum(server.sizes)))


def client(reward: Remote, candidates: list[Candidate]) -> dict[str, Any]:
    found: dict[str, Any] = {"scored": 0, "unavailable": 0, "misaligned": 0, "late": []}
    for first in range(0, len(candidates), ROWS_PER_CALL):
        some = candidates[first : first + ROWS_PER_CALL]
        started = time.monotonic()
        try:
            output = reward(some)
        except RewardUnavailable:
            found["unavailable"] += len(some)
        else:
            for candidate, score, status in zip(some, output.scores, output.status, strict=True):
                right = reward_service.expected(candidate.hypothesis, candidate.source)
                kind = "scored" if score == right else "misaligned"
                found["unavailable" if status is Status.UNAVAILABLE else kind] += 1
        found["late"].append(time.monotonic() - started - reward.timeout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--faults", type=float, default=0.2)
    parser.add_argument("--timeout", type=float, default=10.0)
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    here, there = multiprocessing.Pipe()
    service = multiprocessing.get_context("spawn").Process(
        target=serve, args=(wanted.faults, there), daemon=True
    )
    service.start()
    reward = Remote(url=here.recv(), worst=-100.0, timeout=wanted.timeout, concurrency=16)
    candidates = [Candidate(f"Hund {n}", f"dog {n}") for n in range(wanted.items)]
    shares = [candidates[number :: wanted.clients] for number in range(wanted.clients)]
    started = time.monotonic()
    with ThreadPoolExecutor(wanted.clients) as pool:
        found = list(pool.map(lambda share: client(reward, share), shares))
    seconds = time.monotonic() - started
    here.send("done")
    requests, sent = here.recv()
    counts = {kind: sum(one[kind] for one in found) for kind in found[0] if kind != "late"}
    result = {
        "items": wanted.items,
        "clients": wanted.clients,
        "share_of_faulty_answers": wanted.faults,
        "timeout_s": wanted.timeout,
        **counts,
        "lost": wanted.items - sum(counts.values()),
        "outlasted_deadline_s": round(max(0.0, *(max(one["late"]) for one in found)), 3),
        "requests": requests,
        "items_sent": sent,
        "seconds": round(seconds, 1),
        "versions": {name: version(name) for name in ("httpx2", "stamina", "rewardlab")},
    }
    print(json.dumps(result, indent=2))
    if wanted.out is not None:
        text = json.dumps(result, indent=2)
        (wanted.out / "remote_faults.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
