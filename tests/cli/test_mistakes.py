"""Typical mistakes on the command line and in YAML: a code, the value, a fix, and no traceback."""

from typing import NamedTuple

import pytest

FILES = {
    "src": "Guten Tag.\nDanke sehr.\nJa.\n",
    "hyp": "Good day.\nThanks.\nYes.\n",
    "ref": "Good day.\nThank you.\nYes.\n",
    "short": "Good day.\nThank you.\n",
    "runs/hyp": "Good day.\nThanks.\nNo.\n",
    "ok.yaml": "rewards: [chrf]\n",
    "reward.yaml": "reward: chrf\n",
    "sft.yaml": "run: runs/sft\nprompt: arrow\n",
    "gatse.yaml": "rewards: [chrf]\ngatse: [{reward: not_empty, below: 0.5}]\n",
    "gate.yaml": "rewards: [chrf]\ngates: [not_empty]\n",
    "tab.yaml": "rewards:\n\t- chrf\n",
    "brace.yaml": "rewards: [{reward: chrf\n",
    "empty.yaml": "",
    "word.yaml": "rewards: [{reward: chrf, weight: two}]\n",
    "text.yaml": "rewards: chrf\n",
    "option.yaml": "rewards: [{reward: no_repetition, n: four}]\n",
    "comet.yaml": "rewards: [{reward: comet}]\n",
    "scorer.yaml": "run: runs/scorer\nstages: []\n",
    "none": "",
    "two.yaml": "rewards: [chrf, chrf]\n",
    "rl.yaml": (
        "run: runs/rl\nprompt: arrow\npolicy: {path: nowhere}\nrewards: [chrf]\n"
        "data: {source: src, reference: ref, source_lang: de, target_lang: en}\n"
        "trainer: {num_generations: 4}\n"
    ),
}
SCORE = ("score", "-t", "hyp", "-r", "ref")
COMPARE = ("compare", "hyp", "runs/hyp", "-r", "ref")
PREFLIGHT = ("preflight", "-s", "src", "-t", "hyp", "--source-lang", "de", "--target-lang", "en")


class Mistake(NamedTuple):
    """A command, and what its message must have.

    Attributes:
        arguments: The command line.
        code: Code of an error.
        shown: What was wrong, and where.
        fix: What to write instead.
        exit_code: 2 usage or configuration, 3 data.
    """

    arguments: tuple[str, ...]
    code: str
    shown: str
    fix: str
    exit_code: int = 2


MISTAKES = {
    "misspelt command": Mistake(("scor",), "E040", "'scor'", "rewardlab score"),
    "misspelt option": Mistake((*SCORE, "--rewards", "chrf"), "E040", "--rewards", "--reward"),
    "option of another command": Mistake(
        (*SCORE, "--metric", "chrf"), "E040", "--metric", "--reward"
    ),
    "option of another command, the other way": Mistake(
        (*COMPARE, "--reward", "chrf"), "E040", "--reward", "--metric"
    ),
    "option of another tool": Mistake(
        ("score", "-t", "hyp", "--ref", "ref"), "E040", "--ref", "--reference"
    ),
    "two references": Mistake(
        (*SCORE, "--reference", "short", "--reward", "chrf"),
        "E040",
        "-r takes one value and is given 2: 'ref', 'short'",
        "keep one, -r short",
    ),
    "two systems of a preflight": Mistake(
        (*PREFLIGHT, "-t", "ref", "--reward", "not_empty"),
        "E040",
        "-t takes one value and is given 2: 'hyp', 'ref'",
        "-t hyp --other-hypothesis ref",
    ),
    "two gold files": Mistake(
        ("metaeval", "--gold", "a", "--gold=b", "--reward", "ter"),
        "E040",
        "--gold takes one value and is given 2: 'a', 'b'",
        "keep one, --gold b",
    ),
    "two numbers": Mistake(
        (*SCORE, "--reward", "chrf", "--precision", "1", "--precision", "2"),
        "E040",
        "'1', '2'",
        "keep one, --precision 2",
    ),
    "named system of a preflight": Mistake(
        (*PREFLIGHT[:3], "-t", "a=hyp", "--reward", "not_empty", *PREFLIGHT[5:]),
        "E115",
        "'a=hyp' is not a file",
        "-t hyp; --other-hypothesis FILE",
    ),
    "translations without -t": Mistake(
        ("score", "hyp", "-r", "ref", "--reward", "chrf"), "E040", "'hyp'", "-t hyp"
    ),
    "file of a --json that prints": Mistake(
        (*SCORE, "--reward", "chrf", "--json", "out.json"),
        "E040",
        "'out.json'",
        "--json > out.json",
    ),
    "--json -": Mistake((*SCORE, "--reward", "chrf", "--json", "-"), "E040", "'-'", "--json"),
    "format in capitals": Mistake(
        ("metaeval", "--gold", "hyp", "--format", "MQM", "--reward", "ter"),
        "E040",
        "'MQM'",
        "--format mqm",
    ),
    "published name of a reward": Mistake(
        (*SCORE, "--reward", "chrF++:lowercase=true"),
        "E101",
        "'chrF++'",
        "chrf:word_order=2,lowercase=true (rewardlab rewards lists all)",
    ),
    "published name of a model": Mistake(
        (*SCORE, "--reward", "xcomet-xl"), "E101", "'xcomet-xl'", "xcomet:model=PATH"
    ),
    "published name of a model on the hub": Mistake(
        (*COMPARE, "--metric", "Unbabel/wmt22-cometkiwi-da"),
        "E101",
        "'Unbabel/wmt22-cometkiwi-da'",
        "comet_kiwi:model=PATH",
    ),
    "wrong value beside a right one": Mistake(
        (*SCORE, "--reward", "chrf:char_order=3,word_order=x"),
        "E103",
        "'x'",
        "--reward chrf:char_order=3,word_order=0",
    ),
    "same reward with options twice": Mistake(
        (*SCORE, "--reward", "chrf:word_order=2", "--reward", "chrf:word_order=2"),
        "E036",
        "chrf is asked for twice",
        "--reward chrf:word_order=2,name=chrf_2",
    ),
    "required option of a reward in YAML": Mistake(
        (*SCORE, "--ensemble", "comet.yaml"),
        "E103",
        "comet.model is required",
        "model: PATH, as in {reward: comet, model: PATH}",
    ),
    "ensemble of a scorer's training": Mistake(
        (*SCORE, "--ensemble", "scorer.yaml"),
        "E024",
        "is a configuration of rewardlab train-reward",
        "--reward, such as metricx:model=RUN",
    ),
    "misspelt section on the command line": Mistake(
        ("rl", "rl.yaml", "trianer.learning_rate=1e-4"),
        "E023",
        "argument trianer.learning_rate=1e-4",
        "trainer.learning_rate=1e-4",
    ),
    "empty file": Mistake(
        ("score", "-t", "hyp", "-r", "none", "--reward", "chrf"),
        "E204",
        "none: is empty, but hyp has 3 lines",
        "as many lines",
        3,
    ),
    "number out of range": Mistake(
        (*SCORE, "--reward", "chrf", "--precision", "-1"), "E040", "'-1'", "--precision 4"
    ),
    "word for a number": Mistake(
        (*PREFLIGHT, "--reward", "chrf", "--cases", "few"), "E040", "'few'", "--cases 1000"
    ),
    "no reward": Mistake(SCORE, "E040", "no reward is given", "--reward chrf"),
    "file without its option": Mistake(
        (*SCORE, "--reward", "chrf", "runs/hyp"), "E040", "'runs/hyp'", "-t runs/hyp"
    ),
    "misspelt reward": Mistake(
        (*SCORE, "--reward", "chrff"), "E101", "'chrff'", "chrf (rewardlab rewards lists all)"
    ),
    "reward that does not exist": Mistake(
        (*COMPARE, "--metric", "prism"), "E101", "'prism'", "rewardlab rewards lists all"
    ),
    "two rewards in one option": Mistake(
        (*SCORE, "--reward", "chrf,ter"), "E104", "'chrf,ter'", "--reward chrf --reward ter"
    ),
    "option of a reward without its name": Mistake(
        (*SCORE, "--reward", "chrf:6"), "E104", "'chrf:6'", "--reward chrf:char_order=6"
    ),
    "misspelt option of a reward": Mistake(
        (*SCORE, "--reward", "chrf:char_ordr=3"), "E102", "char_ordr", "chrf:char_order=3"
    ),
    "unknown option of a reward": Mistake(
        (*SCORE, "--reward", "ter:lang=de"), "E102", "ter.lang", "see rewardlab rewards ter"
    ),
    "wrong type of an option": Mistake(
        (*COMPARE, "--metric", "chrf:beta=two"), "E103", "'two'", "--metric chrf:beta=2"
    ),
    "option out of range": Mistake(
        (*SCORE, "--reward", "chrf:beta=0"), "E103", "beta=0", "rewardlab rewards chrf"
    ),
    "required option": Mistake(
        (*SCORE, "--reward", "metricx"), "E103", "metricx.model", "--reward metricx:model=PATH"
    ),
    "checkpoint that does not exist": Mistake(
        (*SCORE, "-s", "src", "--reward", "metricx:model=nowhere"),
        "E080",
        "'nowhere'",
        "give the directory",
    ),
    "same reward twice": Mistake(
        (*SCORE, "--reward", "chrf", "--reward", "chrf"), "E036", "chrf", "chrf:name=chrf_2"
    ),
    "reward named like a column": Mistake(
        (*SCORE, "--long", "--reward", "chrf:name=system"), "E116", "'system'", "name=system_2"
    ),
    "no reference": Mistake(
        ("score", "-t", "hyp", "--reward", "chrf"), "E042", "chrf reads references", "-r FILE"
    ),
    "no source": Mistake(
        (*SCORE, "--reward", "numbers_kept"), "E074", "numbers_kept reads sources", "-s FILE"
    ),
    "gate without a source": Mistake(
        (*SCORE, "--ensemble", "ok.yaml", "gates=[{reward: not_copied, below: 0.5}]"),
        "E074",
        "--ensemble: not_copied reads sources",
        "-s FILE",
    ),
    "two systems of one name": Mistake(
        (*SCORE, "-t", "runs/hyp", "--reward", "chrf"),
        "E072",
        "'hyp': hyp and runs/hyp",
        "-t runs=runs/hyp",
    ),
    "system without a file": Mistake((*SCORE, "-t", "a="), "E115", "'a='", "-t a=FILE"),
    "stdin twice": Mistake(
        ("score", "-s", "-", "-t", "-", "--reward", "not_empty"), "E041", "-s and -t", "write one"
    ),
    "file that does not exist": Mistake(
        ("score", "-t", "hypp", "-r", "ref", "--reward", "chrf"), "E201", "hypp", "check", 3
    ),
    "directory for a file": Mistake(
        ("score", "-t", "runs", "-r", "ref", "--reward", "chrf"), "E201", "runs", "its files", 3
    ),
    "line counts differ": Mistake(
        ("score", "-t", "short", "-r", "ref", "--reward", "chrf"),
        "E204",
        "short: 2 lines, but ref has 3",
        "look near line 3",
        3,
    ),
    "line counts differ in compare": Mistake(
        ("compare", "hyp", "short", "-r", "ref", "--metric", "chrf"),
        "E204",
        "short: 2 lines, but ref has 3",
        "look near line 3",
        3,
    ),
    "output over an input": Mistake(
        (*COMPARE, "--metric", "chrf", "--json", "hyp"), "E118", "'hyp'", "compare.json"
    ),
    "output in a directory that is not there": Mistake(
        (*COMPARE, "--metric", "chrf", "--json", "out/c.json"), "E117", "'out/c.json'", "mkdir"
    ),
    "same file twice": Mistake(
        ("compare", "hyp", "hyp", "-r", "ref", "--metric", "chrf"), "E072", "'hyp'", "two different"
    ),
    "language not given": Mistake(
        ("preflight", "-s", "src", "-t", "hyp", "--reward", "not_empty"),
        "E111",
        "--source-lang",
        "--source-lang en, or",
    ),
    "YAML that does not exist": Mistake(
        (*SCORE, "--ensemble", "x.yaml"), "E001", "x.yaml", "give the path"
    ),
    "YAML without rewards": Mistake(
        (*SCORE, "--ensemble", "sft.yaml"),
        "E024",
        "sft.yaml: is a configuration of rewardlab sft",
        "rewards: [chrf]",
    ),
    "rewards in the singular": Mistake(
        (*SCORE, "--ensemble", "reward.yaml"), "E023", "reward.yaml:1:1 reward", "rewards: chrf"
    ),
    "misspelt gates": Mistake(
        (*SCORE, "--ensemble", "gatse.yaml"), "E023", "gatse.yaml:2:1 gatse", "gates:"
    ),
    "misspelt gates in preflight": Mistake(
        (*PREFLIGHT, "-r", "ref", "--ensemble", "gatse.yaml"), "E023", "gatse.yaml:2:1", "gates:"
    ),
    "gate without a threshold": Mistake(
        (*SCORE, "--ensemble", "gate.yaml"), "E024", "gate.yaml:2:9 gates.0.below", "add below:"
    ),
    "tab in YAML": Mistake((*SCORE, "--ensemble", "tab.yaml"), "E004", "tab.yaml:2:1", "spaces"),
    "open bracket in YAML": Mistake(
        (*SCORE, "--ensemble", "brace.yaml"), "E003", "brace.yaml:2:1", "brackets"
    ),
    "empty YAML": Mistake((*SCORE, "--ensemble", "empty.yaml"), "E005", "empty.yaml", "key: value"),
    "word for a weight": Mistake(
        (*SCORE, "--ensemble", "word.yaml"), "E025", "word.yaml:1:26 rewards.0.weight", "a number"
    ),
    "text for a list": Mistake(
        (*SCORE, "--ensemble", "text.yaml"), "E025", "text.yaml:1:1", "rewards: [chrf]"
    ),
    "wrong type of an option in YAML": Mistake(
        (*SCORE, "-s", "src", "--ensemble", "option.yaml"), "E103", "option.yaml:1:35", "n: 4"
    ),
    "same reward twice in YAML": Mistake(
        (*SCORE, "--ensemble", "two.yaml"), "E036", "chrf is listed twice", "chrf_2"
    ),
    "misspelt key of an argument": Mistake(
        (*SCORE, "--ensemble", "word.yaml", "rewards.0.weight=1", "rewards.0.wieght=2"),
        "E102",
        "argument rewards.0.wieght=2",
        "weight: 2",
    ),
    "argument that is not key=value": Mistake(
        (*SCORE, "--ensemble", "ok.yaml", "weight"), "E021", "weight", "for example"
    ),
    "misspelt option of TRL": Mistake(
        ("rl", "rl.yaml", "trainer.num_generation=8"),
        "E023",
        "trainer.num_generation=8",
        "trainer.num_generations=8",
    ),
    "unknown preset": Mistake(
        ("rl", "rl.yaml", "advantage.preset=gdop"), "E026", "'gdop'", "advantage.preset=gdpo"
    ),
    "unknown prompt style": Mistake(
        ("rl", "rl.yaml", "prompt=arow"), "E026", "'arow'", "prompt=arrow"
    ),
    "policy that does not exist": Mistake(
        ("rl", "rl.yaml"), "E028", "'nowhere'", "save_pretrained"
    ),
    "one completion for a prompt": Mistake(
        ("rl", "rl.yaml", "trainer.num_generations=1"), "E035", "num_generations", "8"
    ),
}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_has_a_code_the_value_and_a_fix(run, mistake):
    code, out, err = run(*mistake.arguments)
    assert (code, out) == (mistake.exit_code, "")
    assert "Traceback" not in err
    assert "E900" not in err
    lines = [line for line in err.splitlines() if line.startswith(f"error[{mistake.code}]")]
    assert lines, err
    what, _, fix = lines[0].partition(" fix: ")
    assert mistake.shown in what
    assert mistake.fix in fix
