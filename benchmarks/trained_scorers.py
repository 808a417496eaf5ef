"""What can a scorer learn on two CPU cores? The recipes of `recipes/ted_scorers`, from scratch.

MQM is a directory with mqm_ted_ende.tsv and mqm_ted_zhen.tsv, the TED talks of WMT21 (529 segments
each; github.com/google/wmt-mqm-human-evaluation, ted/). NTREX is a directory with NTREX-128's
newstest2019-*.txt and DOCUMENT_IDS.tsv (github.com/MicrosoftTranslator/NTREX). Each recipe runs as
a user runs it, in its own process, and MetricX a second time without its warm-up. All scorers are
then compared with people and attacked, on the test documents only.

    .venv/bin/python benchmarks/trained_scorers.py MQM NTREX WORK [--only metricx] [--cases 400]

WORK keeps the runs. Started again, the benchmark resumes unfinished runs and skips finished ones.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import yaml

from rewardlab.cli.output import print_tables
from rewardlab.human.formats import read_gold
from rewardlab.human.gold import Gold
from rewardlab.json_values import json_value
from rewardlab.metaeval.meta_evaluate import meta_evaluate
from rewardlab.metaeval.scoring import ask_about, compared_systems
from rewardlab.preflight.honest_texts import honest_of_gold
from rewardlab.preflight.preflight import preflight
from rewardlab.report.metaeval import metric_table, span_table
from rewardlab.report.preflight import exposure_table
from rewardlab.report.trained_reward import with_interval
from rewardlab.rewards.registry import build_reward
from rewardlab.scorers.examples import only_documents
from rewardlab.scorers.heldout import Figures, measure_heldout
from rewardlab.store.run_directory import versions
from rewardlab.types import Term

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "recipes" / "ted_scorers"
RESULTS = Path(__file__).parent / "results"
FAMILIES = ("metricx", "automqm", "generalist")
WITHOUT = "metricx-without-warm-up"
PAIRS = {"ende": ("en", "de", "ref"), "zhen": ("zh", "en", "refB")}
TEXTS = {
    ("en", "de"): ("src.eng", "ref.deu"),
    ("zh", "en"): ("ref.zho-CN", "src.eng"),
}


def configuration(family: str, mqm: Path, ntrex: Path, run: str, *, warm_up: bool = True) -> str:
    """The recipe with these files in place of its own."""
    config = yaml.safe_load((RECIPES / f"{family}.yaml").read_text(encoding="utf-8"))
    config["run"] = run
    for stage in config["stages"]:
        for one in stage.get("judgements", ()):
            one["file"] = str(mqm / Path(one["file"]).name)
        for one in stage.get("texts", ()):
            source, reference = TEXTS[one["source_lang"], one["target_lang"]]
            one["source"] = str(ntrex / f"newstest2019-{source}.txt")
            one["reference"] = str(ntrex / f"newstest2019-{reference}.txt")
            one["documents"] = str(ntrex / "DOCUMENT_IDS.tsv")
    if not warm_up:
        config["stages"] = config["stages"][1:]
    return yaml.safe_dump(config, allow_unicode=True, sort_keys=False)


def train(name: str, text: str, work: Path) -> dict[str, object]:
    """Run the command, as a user would, unless that was done; return what it measured."""
    told, results = work / f"{name}.yaml", work / name / "results.json"
    timed = work / f"{name}.seconds.json"
    if not (results.exists() and timed.exists() and told.read_text(encoding="utf-8") == text):
        told.write_text(text, encoding="utf-8")
        before, started = os.times(), time.perf_counter()
        command = [Path(sys.executable).with_name("rewardlab"), "train-reward", told.name]
        with (work / f"{name}.log").open("a", encoding="utf-8") as log:
            subprocess.run(command, cwd=work, stdout=subprocess.DEVNULL, stderr=log, check=True)
        seconds, after = time.perf_counter() - started, os.times()
        cpu = after.children_user + after.children_system
        cpu -= before.children_user + before.children_system
        timed.write_text(json.dumps({"seconds": round(seconds), "cpu_seconds": round(cpu)}))
    spent = json.loads(timed.read_text())
    print(f"{name}: {spent['seconds']} s, {spent['cpu_seconds']} s CPU; see {name}.log", flush=True)
    return json.loads(results.read_text(encoding="utf-8")) | spent


def held_out(mqm: Path, told: dict[str, object]) -> dict[str, Gold]:
    """The test documents of every run are the same: the split depends on files and seed alone."""
    test = set(told["split"]["test"])
    found = {}
    for pair, (source, target, reference) in PAIRS.items():
        name = f"mqm_ted_{pair}"
        gold = read_gold(mqm / f"{name}.tsv")
        languages = {"source_lang": source, "target_lang": target}
        gold = replace(gold, reference_system=reference, **languages)
        found[pair] = only_documents(gold, test)
    return found


def rewards(work: Path, families: list[str]) -> list[object]:
    """As the model cards say how to build them."""
    built = []
    for family in families:
        config = yaml.safe_load((work / f"{family}.yaml").read_text(encoding="utf-8"))
        ((name, options),) = config["scorer"].items()
        own: dict[str, object] = {"model": f"{family}/model", "name": family}
        if name == "metricx":
            own |= {"mode": options["mode"], "version": options["version"]}
        if name == "automqm":
            own |= {"chat": False, "prompt": f"{family}/model/prompt.toml", "batch_size": 128}
            own |= {"max_new_tokens": options["max_new_tokens"]}
        built.append(build_reward(name, own))
    return built


def warm_up_effect(judged: dict[str, Gold], scorers: list[object]) -> dict[str, object]:
    """The lead of the warmed-up scorer over the same without, on the same resamples."""
    files = {}
    for pair, one in judged.items():
        systems = compared_systems(one, reference_system=one.reference_system)
        scored = [ask_about(reward, one, systems=systems, **languages(one)) for reward in scorers]
        files[pair] = (one, scored)
    found = measure_heldout(files)
    leads = [lead for lead in listed(found.leads, "baseline") if lead["baseline"] == WITHOUT]
    for lead in leads:
        value = with_interval([lead["value"], lead["low"], lead["high"]], signed=True)
        print(f"warm-up, {lead['statistic']}: {value}")
    return {
        "leads": json_value(leads),
        "overall": json_value(listed(found.overall)),
    }


def listed(figures: Figures, whose: str = "scorer") -> list[dict[str, object]]:
    """One mapping for each figure, as the results files have them."""
    return [
        {whose: name, "statistic": statistic, **one._asdict()}
        for (name, statistic), one in figures.items()
    ]


def languages(one: Gold) -> dict[str, str | None]:
    return {
        "reference_system": one.reference_system,
        "source_lang": one.source_lang,
        "target_lang": one.target_lang,
    }


def rows(pair: str, one: Gold, scorers: list[object], cases: int) -> None:
    """The scorers' rows in metaeval and preflight, beside chrF's."""
    everyone = [*scorers, build_reward("chrf")]
    systems = compared_systems(one, reference_system=one.reference_system)
    scored = [ask_about(reward, one, systems=systems, **languages(one)) for reward in everyone]
    found = meta_evaluate(
        one,
        scored,
        systems=systems,
        reference_system=one.reference_system,
        compare=True,
        resamples=1000,
    )
    print_tables(filter(None, (metric_table(found), span_table(found))))
    write(f"metaeval_trained_{pair}", found.as_json())
    honest = honest_of_gold(
        one,
        reference_system=one.reference_system,
        source_lang=one.source_lang,
        target_lang=one.target_lang,
    )
    attacked = preflight([Term(reward) for reward in everyone], honest, most_cases=cases)
    print_tables([exposure_table(attacked.safety)])
    write(f"preflight_trained_{pair}", {"cases": cases, **attacked.as_json()})


def write(name: str, result: dict[str, object]) -> None:
    path = RESULTS / f"{name}.json"
    text = json.dumps(rounded(result | {"versions": versions()}), ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def rounded(value: object) -> object:
    """Numbers to six digits, so that a file stays small."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mqm", type=Path)
    parser.add_argument("ntrex", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", nargs="+", choices=[*FAMILIES, WITHOUT])
    parser.add_argument("--cases", type=int, default=400, help="so many texts are attacked")
    parser.add_argument("--no-rows", action="store_true", help="train only")
    options = parser.parse_args()
    mqm, ntrex, work = (path.resolve() for path in (options.mqm, options.ntrex, options.work))
    work.mkdir(parents=True, exist_ok=True)
    told = {}
    for name in options.only or (*FAMILIES, WITHOUT):
        family = "metricx" if name == WITHOUT else name
        text = configuration(family, mqm, ntrex, name, warm_up=name != WITHOUT)
        told[name] = train(name, text, work)
    if options.no_rows:
        return
    os.chdir(work)  # signatures name models as they are given
    judged = held_out(mqm, next(iter(told.values())))
    result: dict[str, object] = {"runs": told}
    if {"metricx", WITHOUT} <= told.keys():
        both = rewards(work, ["metricx", WITHOUT])
        result["warm_up"] = warm_up_effect(judged, both)
    write("trained_scorers", result)
    scorers = rewards(work, [name for name in told if name != WITHOUT])
    for pair, one in judged.items():
        rows(pair, one, scorers, options.cases)


if __name__ == "__main__":
    main()
