"""How often do the default gates reject good translations? 38 directions of human translations.

DATA is a directory with NTREX-128 (newstest2019-src.eng.txt and newstest2019-ref.*.txt, with
1,997 news segments each; github.com/MicrosoftTranslator/NTREX). Each translation of the English
news is used in both directions. People wrote all of them, so every rejection is wrong, except for
their own mistakes.

    .venv/bin/python benchmarks/gate_prices.py DATA [--out benchmarks/results]
"""

import argparse
import json
from pathlib import Path

import numpy as np

from rewardlab.data.lines import read_aligned
from rewardlab.perturbations.attacks import ATTACKS, Case
from rewardlab.preflight.default_gates import DEFAULT_GATES, gate_line
from rewardlab.rewards import LengthRatio, NumbersKept
from rewardlab.store.run_directory import versions
from rewardlab.types import Candidate, Gate

RESULTS = Path(__file__).parent / "results"
COMPARED = {
    "length_ratio 0.7": Gate(LengthRatio(min_ratio=0.7), below=1.0),
    "numbers_kept 0.9": Gate(NumbersKept(), below=0.9),
}
"""Gates that were not taken, for what they would cost."""


def closed(gate: Gate, candidates: list[Candidate]) -> float:
    """Share of the texts that a gate closes on."""
    return float((gate.reward(candidates).scores < gate.below).mean())


def attacked(name: str, candidates: list[Candidate]) -> list[Candidate]:
    """The texts under a probe that needs no other text."""
    probe = next(one for one in ATTACKS if one.name == name)
    found = [(one, probe(Case(one, ""))) for one in candidates]
    return [
        Candidate(one.source, text, source_lang=one.source_lang, target_lang=one.target_lang)
        for one, text in found
        if text is not None
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS, help="where gate_prices.json goes")
    options = parser.parse_args()
    gates = {gate.reward.name: gate for gate in DEFAULT_GATES} | COMPARED
    english = options.data / "newstest2019-src.eng.txt"
    prices: dict[str, dict[str, float]] = {}
    for path in sorted(options.data.glob("newstest2019-ref.*.txt")):
        code = path.name.removeprefix("newstest2019-ref.").removesuffix(".txt")
        source, other = (file.lines for file in read_aligned([english, path]))
        for pair, texts in {("eng", code): (source, other), (code, "eng"): (other, source)}.items():
            rows = [
                Candidate(one, two, source_lang=pair[0], target_lang=pair[1])
                for one, two in zip(*texts, strict=True)
                if one.strip() and two.strip()
            ]
            found = {name: closed(gate, rows) for name, gate in gates.items()}
            shut = [gate.reward(rows).scores < gate.below for gate in DEFAULT_GATES]
            found["all default gates"] = float(np.logical_or.reduce(shut).mean())
            found["truncated let through"] = 1.0 - closed(
                gates["not_cut_off"], attacked("truncated", rows)
            )
            found["number let through"] = 1.0 - closed(
                gates["numbers_agree"], attacked("number", rows)
            )
            prices["-".join(pair)] = {name: round(value, 4) for name, value in found.items()}
            print("-".join(pair), *(f"{name} {100 * value:.2f}" for name, value in found.items()))
    middle = {
        name: float(np.median([one[name] for one in prices.values()]))
        for name in next(iter(prices.values()))
    }
    print("median", *(f"{name} {100 * value:.2f}" for name, value in middle.items()))
    result = {
        "gates": [gate_line(gate) for gate in DEFAULT_GATES],
        "closes_on_human_translations": prices,
        "median": {name: round(value, 4) for name, value in middle.items()},
        "versions": versions(),
    }
    target = options.out / "gate_prices.json"
    target.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    print(f"{target}: {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
