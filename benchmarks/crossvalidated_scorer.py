"""Is the small MetricX ahead of length on every talk, and what does its warm-up add?

`trained_scorers.py` tests on two of five talks. Here each of the five is tested once. The recipe
`recipes/ted_scorers/metricx.yaml` is trained on each fold of a cross-validation, with and without
its warm-up, and all test sides are measured together. The arguments are those of
`trained_scorers.py`.

A second question: how good could a judge be that marks whole translations, based on the
regressor's scores? The share of translations with the lowest scores is marked from end to end.

    .venv/bin/python benchmarks/crossvalidated_scorer.py MQM NTREX WORK [--folds 3]
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml
from trained_scorers import configuration, listed, train, write

from rewardlab.cli.trained_reward import scorers
from rewardlab.config.load import load
from rewardlab.config.train_reward import TrainRewardConfig, check_train_reward, family_of
from rewardlab.config.training_data import read_training_data
from rewardlab.human.gold import Gold
from rewardlab.json_values import json_value
from rewardlab.metaeval.scoring import Scored
from rewardlab.report.trained_reward import with_interval
from rewardlab.scorers.baselines import MarkingRates, mark_everything
from rewardlab.scorers.heldout import HeldOut, measure_heldout

WITH, WITHOUT = "metricx", "metricx without warm-up"
SHARES = (0.9, 0.7, 0.5, 0.3)
SHOWN = ("pearson", "spearman", "acc_eq", "accuracy")


def fold_of(number: int, folds: int, mqm: Path, ntrex: Path, *, warm_up: bool) -> tuple[str, str]:
    """The name of a run and its configuration."""
    name = f"fold-{number}-of-{folds}" + ("" if warm_up else "-without-warm-up")
    config = yaml.safe_load(configuration("metricx", mqm, ntrex, name, warm_up=warm_up))
    validation = config["split"]["validation"]
    config["split"] = {"validation": validation, "fold": {"number": number, "of": folds}}
    return name, yaml.safe_dump(config, allow_unicode=True, sort_keys=False)


def tested(runs: dict[str, str]) -> dict[str, tuple[Gold, list[Scored]]]:
    """By file, the test side of one fold, and what its two scorers and the baselines say of it."""
    with_it, without = (
        load(TrainRewardConfig, f"{name}.yaml", check=check_train_reward)
        for name in (runs[WITH], runs[WITHOUT])
    )
    lessons = read_training_data(with_it)
    reward = replace(family_of(with_it).reward(with_it.run / "model"), name=WITH)
    plain_reward = replace(family_of(without).reward(without.run / "model"), name=WITHOUT)
    found = {}
    for gold in lessons.test:
        everyone = scorers(with_it, lessons, gold, reward)
        everyone += scorers(without, lessons, gold, plain_reward)[:1]
        found[f"{runs[WITH]} {gold.name}"] = (gold, everyone)
    return found


def worst_marked(
    files: dict[str, tuple[Gold, list[Scored]]], share: float
) -> dict[str, tuple[Gold, list[Scored]]]:
    """By file, a judge that marks all of the share of translations with the lowest scores."""
    found = {}
    for name, (gold, (scored, *_)) in files.items():
        values, systems = scored.scores.values, scored.scores.systems
        everything = mark_everything(gold, systems, MarkingRates(0.0, 0.0))
        limit = np.nanquantile(values, share)
        liked = {
            (system, segment)
            for system, row in zip(systems, values, strict=True)
            for segment, value in zip(scored.scores.segments, row, strict=True)
            if value > limit
        }
        spans = {cell: () if cell in liked else own for cell, own in everything.spans.items()}
        found[name] = (gold, [replace(everything, name="the worst", spans=spans), everything])
    return found


def tell(found: HeldOut) -> None:
    for (scorer, statistic), one in found.overall.items():
        if statistic in SHOWN:
            print(f"{statistic:10} {scorer:26} {with_interval(one)}")
    for (baseline, statistic), lead in found.leads.items():
        if statistic in SHOWN:
            print(f"{statistic:10} ahead of {baseline:26} {with_interval(lead, signed=True)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mqm", type=Path)
    parser.add_argument("ntrex", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--folds", type=int, default=3)
    options = parser.parse_args()
    mqm, ntrex, work = (path.resolve() for path in (options.mqm, options.ntrex, options.work))
    work.mkdir(parents=True, exist_ok=True)
    runs, spent = [], {}
    for number in range(1, options.folds + 1):
        names = {}
        for kind, warm_up in ((WITH, True), (WITHOUT, False)):
            name, text = fold_of(number, options.folds, mqm, ntrex, warm_up=warm_up)
            told = train(name, text, work)
            names[kind] = name
            spent[name] = {key: told[key] for key in ("split", "seconds", "cpu_seconds")}
        runs.append(names)
    os.chdir(work)
    files = {key: value for names in runs for key, value in tested(names).items()}
    found = measure_heldout(files)
    tell(found)
    judges = {}
    for share in SHARES:
        leads = measure_heldout(worst_marked(files, share)).leads
        lead = next(one for one in listed(leads, "baseline") if one["statistic"] == "span_f1")
        judges[f"{share:.0%}"] = lead
        value = with_interval([lead["value"], lead["low"], lead["high"]], signed=True)
        print(f"span F1 of the worst {share:.0%} marked, ahead of {lead['baseline']}: {value}")
    result = {
        "runs": spent,
        "worst_marked": json_value(judges),
        "segments": dict(found.segments),
        "overall": json_value(listed(found.overall)),
        "leads": json_value(listed(found.leads, "baseline")),
        "files": {key: json_value(listed(own)) for key, own in found.files.items()},
    }
    write("crossvalidated_scorer", result)


if __name__ == "__main__":
    main()
