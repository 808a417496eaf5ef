"""Which rewards agree with people? Every reward without a model, on two sets of expert MQM.

DATA is a directory with mqm_ted_ende.tsv and mqm_ted_zhen.tsv, the TED talks of WMT21 (529 segments
each; github.com/google/wmt-mqm-human-evaluation, ted/). The reference is the file's ``ref``, and
human translations are not compared. In zh-en, people find far more errors in ``ref`` than in any
system, so rewards that read references are also run with ``refB``. The means of the systems are
checked against the table published with the files. With ``--encoder``, the `embedding` reward is
compared with chrF instead.

    .venv/bin/python benchmarks/metaeval_ted.py DATA [--resamples 1000] [--out benchmarks/results]
    rewardlab models get multilingual-e5-small
    .venv/bin/python benchmarks/metaeval_ted.py DATA --encoder DIR [--out benchmarks/results]
"""

import argparse
import json
import time
from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from pathlib import Path

from rewardlab.cli.output import print_tables
from rewardlab.human.formats import read_gold
from rewardlab.human.gold import Gold
from rewardlab.metaeval.meta_evaluate import meta_evaluate
from rewardlab.metaeval.results import MetaEvaluation
from rewardlab.metaeval.scoring import compared_systems, score_gold
from rewardlab.report.metaeval import gold_table, metric_table, span_table
from rewardlab.rewards import ChrF, Embedding
from rewardlab.rewards.registry import rewards_without_options
from rewardlab.store.run_directory import versions
from rewardlab.types import Reward

# As printed there, in its order. The table calls the files' `ref` of en-de ref.A, and `ref` and
# `refB` of zh-en ref.A and ref.B.
PUBLISHED = {
    "ende": {
        "ref": "0.91", "Facebook-AI": "1.06", "Online-W": "1.12", "VolcTrans-AT": "1.24",
        "metricsystem3": "1.44", "VolcTrans-GLAT": "1.49", "HuaweiTSC": "1.50",
        "metricsystem1": "1.63", "metricsystem2": "1.69", "metricsystem5": "1.72",
        "UEdin": "1.77", "metricsystem4": "1.78", "eTranslation": "1.96", "Nemo": "2.14",
    },
    "zhen": {
        "refB": "0.42", "DIDI-NLP": "1.65", "metricsystem2": "1.76", "metricsystem1": "1.90",
        "MiSS": "1.97", "IIE-MT": "1.98", "metricsystem4": "2.05", "metricsystem5": "2.15",
        "SMU": "2.202", "Borderline": "2.40", "NiuTrans": "2.49", "Facebook-AI": "2.64",
        "Online-W": "2.93", "metricsystem3": "2.99", "ref": "5.52",
    },
}  # fmt: skip
LANGUAGES = {"ende": ("en", "de"), "zhen": ("zh", "en")}
REFERENCES = {"ende": ("ref",), "zhen": ("ref", "refB")}
"""The first one for everything, the others for rewards that read references."""


def printed(value: float, like: str, rounding: str) -> str:
    """A number with as many digits as another one has."""
    return str(Decimal(value).quantize(Decimal(like), rounding=rounding))


def published_table(gold: Gold, published: dict[str, str]) -> dict[str, object]:
    """Our mean of every system beside the published one, and where they differ."""
    rounded = {
        name: printed(gold.published[name], text, ROUND_HALF_UP) for name, text in published.items()
    }
    others = [name for name, text in published.items() if rounded[name] != text]
    cut = [
        name
        for name in others
        if printed(gold.published[name], published[name], ROUND_DOWN) == published[name]
    ]
    for name in others:
        said = "the published value is cut off, not rounded" if name in cut else "DIFFERENT"
        print(f"  {name}: published {published[name]}, here {gold.published[name]:.4f}: {said}")
    same = len(published) - len(others)
    print(f"published table: {same} of {len(published)} systems equal to the printed digits")
    return {
        "published": published,
        "systems": len(published),
        "equal_to_printed_digits": same,
        "published_cut_off": cut,
        "different": [name for name in others if name not in cut],
        "same_order": list(published) == sorted(published, key=lambda name: gold.published[name]),
    }


def measure(
    gold: Gold,
    rewards: Sequence[Reward],
    reference: str,
    languages: tuple[str, str],
    *,
    compare: bool,
    resamples: int,
) -> tuple[MetaEvaluation, dict[str, float]]:
    """Rewards, compared with people and with each other, and the CPU time it took."""
    systems = compared_systems(gold, reference_system=reference)
    started = time.process_time()
    scored = score_gold(
        rewards,
        gold,
        systems=systems,
        reference_system=reference,
        source_lang=languages[0],
        target_lang=languages[1],
    )
    done = time.process_time()
    found = meta_evaluate(
        gold,
        scored,
        systems=systems,
        reference_system=reference,
        compare=compare,
        resamples=resamples,
    )
    return found, {
        "scoring": round(done - started, 1),
        "comparing": round(time.process_time() - done, 1),
    }


def show(found: MetaEvaluation) -> None:
    print_tables(filter(None, (metric_table(found), span_table(found))))
    print(*(f"note: {note}" for note in found.notes), sep="\n")


def rounded(value: object) -> object:
    """Numbers to six digits, so that a file stays small."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def lines(result: dict[str, object]) -> str:
    """JSON with a line for each entry of a list or mapping, and no more."""
    parts = []
    for key, value in result.items():
        if isinstance(value, dict) and value:
            items = [f"{json.dumps(name)}: {_line(item)}" for name, item in value.items()]
            text = "{\n  " + ",\n  ".join(items) + "\n }"
        elif isinstance(value, list) and value:
            text = "[\n  " + ",\n  ".join(map(_line, value)) + "\n ]"
        else:
            text = _line(value)
        parts.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def run(path: Path, pair: str, rewards: Sequence[Reward], *, resamples: int) -> dict[str, object]:
    """Everything about one pair of languages."""
    started = time.process_time()
    gold = read_gold(path)
    seconds: dict[str, float] = {"reading": round(time.process_time() - started, 1)}
    print(f"\n{pair}: {gold.funnel}")
    table = published_table(gold, PUBLISHED[pair])
    first, *others = REFERENCES[pair]
    found, spent = measure(gold, rewards, first, LANGUAGES[pair], compare=True, resamples=resamples)
    print_tables([gold_table(found)])
    show(found)
    result = {"published_table": table, **found.as_json()}
    for reference in others:
        print(f"\n{pair}, rewards that read references, with {reference}")
        reading = [reward for reward in rewards if reward.needs_reference]
        again, _ = measure(gold, reading, reference, LANGUAGES[pair], compare=False, resamples=0)
        show(again)
        told = again.as_json()
        result[f"reference_{reference}"] = {key: told[key] for key in ("gold", "metrics")}
    print(", ".join(f"{name} {value} s CPU" for name, value in (seconds | spent).items()))
    return {
        **rounded(result),
        "resamples": resamples,
        "cpu_seconds": seconds | spent,
        "versions": versions(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--resamples", type=int, default=1000, help="for intervals; 0 for none")
    parser.add_argument("--out", type=Path, help="write metaeval_{ted,embedding}_*.json there")
    parser.add_argument("--encoder", type=Path, help="a sentence encoder: compare it with chrF")
    options = parser.parse_args()
    name, rewards = "ted", rewards_without_options()
    if options.encoder:
        whole = Embedding(model=options.encoder)
        without = Embedding(name="embedding_source", model=options.encoder, mode="source")
        name, rewards = "embedding", [ChrF(), whole, without]
    for pair in PUBLISHED:
        gold = options.data / f"mqm_ted_{pair}.tsv"
        result = run(gold, pair, rewards, resamples=options.resamples)
        if options.out:
            path = options.out / f"metaeval_{name}_{pair}.json"
            path.write_text(lines(result), encoding="utf-8")
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
