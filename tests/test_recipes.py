"""Every recipe is what its header says: its command passes a dry run, and its options train.

Small text stands in for the data, and a tiny checkpoint of the same architecture for the model.
"""

import json
import re
import shlex
from functools import partial
from pathlib import Path
from typing import NamedTuple

import judged_talks
import pytest
import scripted_judge
import tiny_checkpoints
import tiny_classifiers
import tiny_comet
import tiny_metricx
import yaml
from accelerate.commands.launch import launch_command_parser
from config_files import COMMANDS
from trl.scripts.vllm_serve import make_parser

from rewardlab.cli import main
from rewardlab.config.load import load
from rewardlab.config.train_reward import TrainRewardConfig, check_train_reward

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))
HEADINGS = ("# What:", "# Hardware:", "# Command:", "# Expect:")
KINDS = "sft|rl|train-reward"
COMMAND = re.compile(
    rf"rewardlab ({KINDS}|evaluate|translate|rerank|curate) (recipes/\S+)((?: \S+=\S+)*)"
)
LAUNCH = re.compile(
    rf"accelerate launch (.*?) \$\(which rewardlab\) ({KINDS}) (\S+)((?: \S+=\S+)*)"
)
SERVER = re.compile(r"trl vllm-serve ((?:--\S+ [^-\s]\S*\s?)+)")


LOADERS = {
    "sft": COMMANDS["sft"].load,
    "rl": COMMANDS["rl"].load,
    "train-reward": partial(load, TrainRewardConfig, check=check_train_reward),
}
TINY = {"translategemma": "vision", "lmt": "base"}
"""Checkpoint by folder; other recipes start from their own small policies."""


class Recipe(NamedTuple):
    """A recipe and what its header says.

    Attributes:
        path: Of the file.
        header: The comment, every command of it on one line.
        kind: The command of its header.
        overrides: The arguments of that command.
        content: The YAML.
    """

    path: Path
    header: str
    kind: str
    overrides: list[str]
    content: dict


def read(path):
    text = path.read_text(encoding="utf-8")
    header = text[: text.index("\nrun:")].replace("\n#", "\n")
    header = re.sub(r"\s*\\\n\s*", " ", header)
    kind, named, overrides = COMMAND.search(header).groups()
    assert ROOT / named == path, "the header's command names this very file"
    return Recipe(path, header, kind, overrides.split(), yaml.safe_load(text))


ALL = [read(path) for path in RECIPES]
TRAINED = [recipe for recipe in ALL if recipe.kind in LOADERS]
SCORERS = [recipe for recipe in ALL if recipe.kind == "train-reward"]
CURATED = [recipe for recipe in ALL if recipe.kind == "curate"]
POLICIES = [recipe for recipe in TRAINED if recipe not in SCORERS]
each = pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: str(recipe.path.relative_to(ROOT)))
each_trained = pytest.mark.parametrize(
    "recipe", TRAINED, ids=lambda recipe: str(recipe.path.relative_to(ROOT))
)
each_policy = pytest.mark.parametrize(
    "recipe", POLICIES, ids=lambda recipe: str(recipe.path.relative_to(ROOT))
)
each_scorer = pytest.mark.parametrize(
    "recipe", SCORERS, ids=lambda recipe: str(recipe.path.relative_to(ROOT))
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Small text and tiny checkpoints, by the words that headers use for them."""
    root = tmp_path_factory.mktemp("recipes")
    lines = [f"the old dog number {i} runs across the bridge\n" for i in range(60)]
    (root / "source").write_text("".join(lines), encoding="utf-8")
    (root / "reference").write_text("".join(line.replace("old", "very old") for line in lines))
    (root / "documents").write_text("".join(f"{i // 3}\n" for i in range(60)))
    return {
        "SRC": root / "source",
        "REF": root / "reference",
        "DOCUMENT_IDS": root / "documents",
        "vision": tiny_checkpoints.gemma3_vision(root / "vision"),
        "base": tiny_checkpoints.qwen3(root / "base", base=True),
        "rewards": tiny_rewards(root),
        "judged": judgement_files(root),
        "metricx": root / "metricx",
        "automqm": tiny_checkpoints.gemma3(root / "judge"),
        "xcomet": tiny_checkpoints.xlm_r(root / "encoder"),
        "generalist": root / "generalist",
    }


def judgement_files(root):
    """By format: marked errors, scores of whole translations, and preferences."""
    systems, rows = ("A", "B", "ref"), range(40)
    scores = [f"{s}\t{n}\td{n}\tline {n}\tZeile {n} {s}\t{n}\n" for s in systems for n in rows]
    (root / "da.tsv").write_text("system\tseg_id\tdoc\tsource\ttarget\tscore\n" + "".join(scores))
    pairs = [
        json.dumps({"prompt": f"Say {n}.", "chosen": f"{n}.", "rejected": "No."}) for n in rows
    ]
    (root / "preferences.jsonl").write_text("".join(f"{pair}\n" for pair in pairs))
    return {
        "auto": judged_talks.write(root / "mqm.tsv", segments=24),
        "esa": root / "da.tsv",
        "preferences": root / "preferences.jsonl",
    }


def tiny_rewards(root):
    """By name, the options that say where a reward's model is."""
    metricx = tiny_metricx.metricx(root / "metricx")
    comet = tiny_comet.write_safetensors(root / "comet", "regression")
    kiwi = tiny_comet.write_safetensors(root / "kiwi", "kiwi")
    return {
        "metricx": {"model": metricx, "tokenizer": metricx},
        "comet": {"model": comet, "encoder": comet / "encoder"},
        "comet_kiwi": {"model": kiwi, "encoder": kiwi / "encoder"},
        "automqm": {"url": scripted_judge.url()},
        "naturalness": {"url": scripted_judge.url()},
        "xcomet": {"model": tiny_comet.write_safetensors(root / "xcomet", "xcomet")},
        "embedding": {"model": tiny_checkpoints.xlm_r(root / "sentences")},
        "fluency": {"model": tiny_checkpoints.qwen3(root / "fluent", base=True)},
        "generalist": {"model": tiny_classifiers.gemma3(root / "generalist")},
    }


def arguments(recipe, files, run):
    """The header's arguments, with files that exist in place of every path of the recipe."""
    if recipe.kind == "train-reward":
        return scorer_arguments(recipe, files, run)
    model = files[TINY.get(recipe.path.parent.name, "base")]
    data = recipe.content["data"]
    sections = [f"data.{at}" for at in range(len(data))] if isinstance(data, list) else ["data"]
    words = [re.sub(r"=\[?(SRC|REF|DOCUMENT_IDS|TEST)\]?$", "", word) for word in recipe.overrides]
    words = [word for word in words if "=" in word and not word.startswith("policy.path=")]
    for section, corpus in zip(sections, data if isinstance(data, list) else [data], strict=True):
        words += corpus_arguments(recipe, section, corpus, files)
    if "path" in recipe.content.get("policy", {}):
        words.append(f"policy.path={model}")
    if "model" in recipe.content:
        words.append(f"model={model}")
    for at, reward in enumerate(recipe.content.get("rewards", ())):
        options = files["rewards"].get(reward["reward"], {})
        words += [f"rewards.{at}.{option}={value}" for option, value in options.items()]
    if recipe.kind == "curate":
        words += stage_arguments(recipe, files)
    for at, system in enumerate(recipe.content.get("systems", ())):
        if "model" in system:
            words.append(f"systems.{at}.model={model}")
        if "translations" in system:
            words.append(f"systems.{at}={{name: {system['name']}, copy: true}}")
    blind = ["planted_check=warn"] if recipe.kind == "rl" else []  # reward models are random
    return [*words, *blind, f"run={run}"]


def stage_arguments(recipe, files):
    """The models and test files of a curation job; its sampler runs in this process."""
    if "generation" in recipe.content:
        yield "generation={max_new_tokens: 8, batch_size: 8}"
    if "generation" in recipe.content and "model" not in recipe.content:
        yield f"model={files['base']}"
    for at, stage in enumerate(recipe.content["stages"]):
        options = stage if isinstance(stage, dict) else {}
        of_rewards = {f"rewards.{n}": one for n, one in enumerate(options.get("rewards", ()))}
        if isinstance(options.get("reward"), dict):
            of_rewards["reward"] = options["reward"]
        for place, reward in of_rewards.items():
            name = reward["reward"] if isinstance(reward, dict) else reward
            for option, value in files["rewards"].get(name, {}).items():
                yield f"stages.{at}.{place}.{option}={value}"
        if "against" in options:
            yield f"stages.{at}.against=[{files['DOCUMENT_IDS']}]"


def corpus_arguments(recipe, section, corpus, files):
    """The files of one corpus."""
    yield f"{section}.source={files['SRC']}"
    if "reference" in corpus or recipe.kind != "curate":
        yield f"{section}.reference={files['REF']}"
    if "documents" in corpus or "data.documents=DOCUMENT_IDS" in recipe.overrides:
        yield f"{section}.documents={files['DOCUMENT_IDS']}"


def scorer_arguments(recipe, files, run):
    """The same for a scorer, whose shares are such that small files have all sides."""
    words = [f"run={run}", "split.validation=0.2", "split.test=0.2"]
    (family,) = recipe.content["scorer"]
    if "path" in recipe.content["model"]:
        words.append(f"model.path={files[family]}")
    for at, stage in enumerate(recipe.content["stages"]):
        for number, one in enumerate(stage.get("judgements", ())):
            file = files["judged"][one.get("format", "auto")]
            if number:  # a stage reads a file once
                pair = f":{one['source_lang']}-{one['target_lang']}"
                text = file.read_text(encoding="utf-8").replace(":en-de", pair)
                file = file.with_stem(f"{file.stem}-{number}")
                file.write_text(text, encoding="utf-8")
            place = f"stages.{at}.judgements.{number}"
            words += [f"{place}.file={file}", f"{place}.reference_system=ref"]
        if "preferences" in stage:
            words.append(f"stages.{at}.preferences.file={files['judged']['preferences']}")
        for number, one in enumerate(stage.get("texts", ())):
            place = f"stages.{at}.texts.{number}"
            texts = [files["SRC"], files["REF"]]
            source, reference = reversed(texts) if number else texts  # as two pairs of languages do
            words += [f"{place}.source={source}", f"{place}.reference={reference}"]
            words += [f"{place}.documents={files['DOCUMENT_IDS']}"] if "documents" in one else []
            words += [f"{place}.machine=[{files['REF']}]"] if "machine" in one else []
    return words


def leave(*words):
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    return left.value.code


def test_there_are_recipes_and_no_python_among_them():
    assert RECIPES
    assert not list((ROOT / "recipes").rglob("*.py"))


@each
def test_a_recipe_says_what_where_how_and_what_to_expect(recipe):
    text = recipe.path.read_text(encoding="utf-8")
    places = [text.index(heading) for heading in HEADINGS]
    assert places == sorted(places)
    assert text.startswith(HEADINGS[0])


@each
def test_a_recipes_command_passes_its_dry_run(recipe, files, tmp_path, capsys):
    words = arguments(recipe, files, tmp_path / "run")
    code = leave(recipe.kind, recipe.path, *words, "--dry-run")
    out, err = capsys.readouterr()
    assert code == 0, err
    assert json.loads(out)["dry_run"] is True
    assert not (tmp_path / "run").exists()


@each_policy
def test_a_recipes_options_train(recipe, files, tmp_path, capsys):
    """Two steps of a few rows, with everything else as the recipe has it."""
    few = {
        "max_steps": 2,
        "per_device_train_batch_size": 8 if recipe.kind == "rl" else 2,
        "gradient_accumulation_steps": 1,
        "warmup_steps": 0,
        "logging_steps": 1,
        **({"max_completion_length": 32} if recipe.kind == "rl" else {"eval_steps": 1}),
    }
    words = arguments(recipe, files, tmp_path / "run")
    words += [f"trainer.{key}={value}" for key, value in few.items()]
    words += ["synthetic="] if "synthetic" in recipe.content else []
    code = leave(recipe.kind, recipe.path, *words)
    out, err = capsys.readouterr()
    assert code == 0, err
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    log = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    steps = [line for line in map(json.loads, log) if "grad_norm" in line]
    assert [line["step"] for line in steps] == [1, 2]
    assert any(line["grad_norm"] > 0 for line in steps)
    assert (recipe.content["trainer"].get("beta", 0) > 0) == ("kl" in steps[0])
    assert json.loads(out)["run"] == str(tmp_path / "run")


@pytest.mark.parametrize("recipe", CURATED, ids=lambda recipe: recipe.path.parent.name)
def test_a_curation_recipe_writes_a_data_set(recipe, files, tmp_path, capsys):
    """A few samples by tiny models, with everything else as the recipe has it."""
    words = arguments(recipe, files, tmp_path / "run")
    numbers = [at for at, stage in enumerate(recipe.content["stages"]) if "number" in stage]
    words += [f"stages.{at}.number=2" for at in numbers]
    code = leave("curate", recipe.path, *words)
    out, err = capsys.readouterr()
    assert code == 0, err
    told = json.loads(out)
    assert told["read"] == 60
    assert told["kept"] + sum(one["rows"] for one in told["dropped"]) == 60
    assert (tmp_path / "run" / "dataset" / "MANIFEST.json").is_file()


@each_scorer
def test_a_scorers_options_train(recipe, files, tmp_path, capsys):
    """Two steps of each stage, with everything else as the recipe has it, and a reward."""
    few = {"max_steps": 2, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 1}
    few |= {"warmup_steps": 0, "logging_steps": 1, "eval_steps": 2}
    stages = range(len(recipe.content["stages"]))
    places = ["trainer", *(f"stages.{at}.trainer" for at in stages)]
    words = scorer_arguments(recipe, files, tmp_path / "run")
    words += [f"{place}.{key}={value}" for place in places for key, value in few.items()]
    if "automqm" in recipe.content["scorer"]:
        words += ["scorer.automqm.max_new_tokens=64", "trainer.max_length=30000"]  # of letters
    code = leave("train-reward", recipe.path, *words, "resamples=10")
    out, err = capsys.readouterr()
    assert code == 0, err
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    told = json.loads(out)
    assert told["figures"] or told["free"]
    for directory in (tmp_path / "run" / "stages").iterdir():
        lines = (directory / "metrics.jsonl").read_text().splitlines()
        assert any(line.get("grad_norm", 0) > 0 for line in map(json.loads, lines))


@each_trained
def test_launch_lines_are_understood_by_who_runs_them(recipe, files):
    """accelerate takes the options before the command, the configuration those behind it."""
    for options, kind, named, overrides in LAUNCH.findall(recipe.header):
        taken = launch_command_parser().parse_args([*shlex.split(options), "rewardlab"])
        assert taken.num_processes == 8
        assert taken.use_fsdp != taken.multi_gpu
        key = "model.path" if kind == "train-reward" else "policy.path"
        words = [word for word in overrides.split() if not word.startswith(f"{key}=")]
        model = files[TINY[recipe.path.parent.name]] if key == "policy.path" else files["metricx"]
        LOADERS[kind](ROOT / named, [*words, f"{key}={model}"])
    for options in SERVER.findall(recipe.header):
        taken, rest = make_parser().parse_args_and_config(
            shlex.split(options), return_remaining_strings=True
        )
        assert (taken.port, rest) == (8000, [])


@pytest.mark.parametrize("folder", TINY)
def test_published_recipes_have_lines_for_a_cluster(folder):
    """To train, and for RL a server to sample from."""
    published = [recipe for recipe in TRAINED if recipe.path.parent.name == folder]
    assert {recipe.kind for recipe in published} == {"sft", "rl"}
    for recipe in published:
        assert LAUNCH.findall(recipe.header)
        assert len(SERVER.findall(recipe.header)) == (recipe.kind == "rl")
