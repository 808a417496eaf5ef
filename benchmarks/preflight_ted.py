"""Which rewards are safe to train on? Every reward without a model, on two sets of talks.

DATA is a directory with mqm_ted_ende.tsv and mqm_ted_zhen.tsv, the TED talks of WMT21 (529 segments
each; github.com/google/wmt-mqm-human-evaluation, ted/). The honest texts are those of the 13
systems. The reference is the human translation that raters liked best. Human translations are not
attacked. The thresholds of the default gates were chosen on en-de and are unchanged for zh-en.

    .venv/bin/python benchmarks/preflight_ted.py DATA [--cases 2000] [--pairs ende]
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

from rewardlab.cli.output import print_tables
from rewardlab.config.ensemble import load_ensemble
from rewardlab.human.formats import read_gold
from rewardlab.perturbations.attacks import ATTACKS
from rewardlab.preflight.honest_texts import Honest, honest_of_gold
from rewardlab.preflight.preflight import Preflight, preflight
from rewardlab.report.preflight import gate_table, preflight_page
from rewardlab.rewards import LengthRatio, NotEmpty
from rewardlab.rewards.registry import rewards_without_options
from rewardlab.store.run_directory import versions
from rewardlab.types import Term

PAIRS = {"ende": ("en", "de", "ref"), "zhen": ("zh", "en", "refB")}
ENSEMBLE = Path(__file__).parents[1] / "recipes" / "close_pair" / "rl.yaml"
RESULTS = Path(__file__).parent / "results"
GATED = ("copy", "empty", "wrong_script", "truncated", "sentence_repeated", "number")
"""Probes that a default gate exists for, and the most that it may let through."""
LIMIT = 0.02


def say(line: str) -> None:
    print(line, flush=True)


def show(found: Preflight) -> None:
    print_tables(preflight_page(found).tables)


def gate_bars(honest: Honest) -> dict[str, object]:
    """What all default gates let through of the probes they exist for, on every honest text.

    The reward that goes with it costs nothing; only the gates are of interest here.
    """
    found = preflight([Term(NotEmpty())], honest, tell=say)
    print_tables([gate_table(found.safety)])
    shares = {
        one.probe.name: one.passed["all"]
        for one in found.safety.attacked
        if one.probe.name in GATED
    }
    missed = [name for name, share in shares.items() if not share.value <= LIMIT]
    print(f"let through at most {LIMIT:.0%}: {'yes' if not missed else 'NO: ' + ', '.join(missed)}")
    document = found.as_json()
    return {
        "limit": LIMIT,
        "missed": missed,
        "gates": document["gates"],
        "passed": {
            name: {"cases": probe["cases"], **probe["passed"]}
            for name, probe in document["probes"].items()
        },
    }


def length_trade_off(honest: Honest) -> list[dict[str, float]]:
    """What a tight `LengthRatio` would do about halves that end with a full stop.

    Such a half has no other mark than its length, and honest lengths overlap with it.
    """
    probe = next(one for one in ATTACKS if one.name == "truncated_with_stop")
    texts = [(case, text) for case in honest.cases if (text := probe(case)) is not None]
    halves = [replace(case.honest, hypothesis=text) for case, text in texts]
    whole = [case.honest for case in honest.cases]
    found: list[dict[str, float]] = []
    for min_ratio in (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8):
        gate = LengthRatio(min_ratio=min_ratio)
        closed, kept = (float((gate(some).scores < 1.0).mean()) for some in (whole, halves))
        row = {"min_ratio": min_ratio, "closes_on_honest": closed, "lets_through": 1.0 - kept}
        found.append({name: round(value, 4) for name, value in row.items()})
        print(", ".join(f"{name} {value:g}" for name, value in found[-1].items()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--cases", type=int, default=2000, help="rewards see so many texts attacked"
    )
    parser.add_argument("--pairs", nargs="+", default=[*PAIRS], choices=[*PAIRS])
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the files are written")
    options = parser.parse_args()
    for pair in options.pairs:
        source_lang, target_lang, reference = PAIRS[pair]
        gold = read_gold(options.data / f"mqm_ted_{pair}.tsv")
        print(f"\n{pair}: {gold.funnel}")
        honest = honest_of_gold(
            gold,
            reference_system=reference,
            source_lang=source_lang,
            target_lang=target_lang,
        )
        result: dict[str, object] = {"reference_system": reference, "cases": options.cases}
        started = time.process_time()
        result["gates_on_all_cases"] = gate_bars(honest)
        result["length_trade_off"] = length_trade_off(honest)
        rewards = [Term(reward) for reward in rewards_without_options()]
        found = preflight(rewards, honest, most_cases=options.cases, tell=say)
        show(found)
        result["rewards"] = found.as_json()
        terms, gates = load_ensemble(ENSEMBLE)
        found = preflight(
            terms, honest, own_gates=gates, total=True, most_cases=options.cases, tell=say
        )
        show(found)
        result["close_pair"] = found.as_json()
        result |= {"cpu_seconds": round(time.process_time() - started, 1), "versions": versions()}
        path = options.out / f"preflight_ted_{pair}.json"
        path.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
