"""``rewardlab train-reward`` on made-up talks: what it writes, and that it can be killed."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import judged_talks
import pytest
import taught_policies

from rewardlab.cli import train_reward
from rewardlab.cli.train_reward import usage
from rewardlab.report.trained_reward import constant_on
from rewardlab.rewards.registry import parse_reward
from rewardlab.scorers.families.metricx import MetricXFamily
from rewardlab.types import Candidate

COMMAND = Path(sys.executable).with_name("rewardlab")
CONFIG = """\
run: run
scorer:
  SCORER
model:
  from_scratch: {vocab_size: 320, hidden_size: 16, layers: 1, heads: 2}
split: {validation: 0.2, test: 0.25}
stages:
  - name: warm-up
    damaged: 1
    texts: {source: en.txt, reference: de.txt, source_lang: en, target_lang: de}
    judgements: {file: mqm.tsv, reference_system: ref}
    trainer: {max_steps: 2}
  - name: mqm
    judgements: {file: mqm.tsv, reference_system: ref}
    patience: 40
trainer:
  max_steps: 4
  per_device_train_batch_size: 4
  learning_rate: 1e-3
  logging_steps: 1
  eval_steps: 2
resamples: 20
"""
SCORERS = {
    "metricx": "metricx: {mode: qe, failures: 0.1}",
    "automqm": "automqm: {chat: false, prompt: automqm_short, max_new_tokens: 8}",
    "xcomet": "xcomet: {mode: qe, word_share: 0.2}",
    "generalist": "generalist: {smallest_margin: 1.0}",
}
FREE = """\
run: run
scorer:
  SCORER
model:
  from_scratch: {vocab_size: 320, hidden_size: 16, layers: 1, heads: 2}
split: {validation: 0.2, test: 0.25}
stages:
  - name: free
    damaged: 2
    points: 5
    texts:
      source: en.txt
      reference: de.txt
      source_lang: en
      target_lang: de
      machine: [rules.txt, sampled.txt]
    trainer: {max_steps: 4, per_device_train_batch_size: 4, logging_steps: 1, eval_steps: 2}
resamples: 20
"""


@pytest.fixture
def talks(tmp_path, monkeypatch):
    """The working directory of a run."""
    monkeypatch.chdir(tmp_path)
    judged_talks.write(Path("mqm.tsv"))
    lines = [" ".join(parts) + " again." for parts in judged_talks.sentences()[:20]]
    Path("en.txt").write_text("".join(f"{line}\n" for line in lines))
    Path("de.txt").write_text("".join(f"wieder {line}\n" for line in lines))
    return tmp_path


def write(family):
    Path("run.yaml").write_text(CONFIG.replace("SCORER", SCORERS[family]))


def logged_steps(run):
    lines = Path(run, "stages/2-mqm/metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines]


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.mark.parametrize("family", SCORERS)
def test_a_run_ends_with_a_reward_and_what_it_is_worth(family, talks, run):
    write(family)
    code, out, err = run("train-reward", "run.yaml")
    assert code == 0, err
    told = json.loads(out)
    results = json.loads(Path("run/results.json").read_text())
    assert {key: told[key] for key in results} == results
    assert results["rows"]["mqm"] > 0
    assert results["split"]["test"]
    assert not set(results["split"]["test"]) & set(results["split"]["train"])
    assert {"length", "chrf", "constant"} < set(results["figures"])
    value, low, high = results["figures"]["length"]["pearson"]
    assert low <= value <= high
    card = Path("run/model/README.md").read_text()
    assert all(
        word in card for word in ("## Data", "## Results", "## Limits", "mqm|severities:wmt")
    )
    steps = logged_steps("run")
    assert {2, 4} <= set(steps)
    assert not list(Path("run/stages/2-mqm").glob("checkpoint-*"))
    assert {"results.json", "config.yaml", "signature.txt", "versions.json", "model"} <= {
        path.name for path in Path("run").iterdir()
    }
    assert not Path(".run.lock").exists()
    assert "held-out segments" in err


def write_free(family, **machine):
    Path("run.yaml").write_text(FREE.replace("SCORER", SCORERS[family]))
    references = Path("de.txt").read_text().splitlines()
    for name in ("rules", "sampled"):
        lines = [f"*{line.replace('wieder', 'erneut')}" for line in references]
        Path(f"{name}.txt").write_text("".join(f"{line}\n" for line in machine.get(name, lines)))


@pytest.mark.parametrize("family", ["metricx", "xcomet"])
def test_a_run_needs_no_judgements(family, talks, run):
    write_free(family)
    code, out, err = run("train-reward", "run.yaml")
    assert code == 0, err
    free = json.loads(out)["free"]
    kinds = {"human > damaged", "human > rules", "rules > damaged", "human > sampled"}
    assert kinds <= {*free["pairs"]}
    for kind, count in free["pairs"].items():
        assert count > 0
        value, low, high = free["accuracy"][kind][family]["accuracy"]
        assert 0.0 <= low <= value <= high <= 1.0
    assert {*free["correlations"]} == {"rules", "sampled"}
    for figures in free["correlations"].values():
        assert {*figures} == {family, "length"}
        assert all({"pearson", "spearman"} == {*own} for own in figures.values())
    baselines = {"mark_everything", "random"} if family == "xcomet" else set()
    assert {*free["spans"]} - {family} == baselines
    assert "human > rules" in err
    card = Path("run/model/README.md").read_text()
    assert "### held-out parallel text" in card
    assert "### translations of each machine: correlation with chrF" in card
    assert "stage free, rules: 20 lines" in card
    # the same command shows the result again
    code, again, _ = run("train-reward", "run.yaml")
    assert (code, json.loads(again)["free"]) == (0, free)


def test_a_control_is_trained_with_the_sources_of_other_rows(talks, run):
    write_free("xcomet")
    outputs = {}
    for shuffled in ("false", "true"):
        code, out, err = run(
            "train-reward", "run.yaml", f"run=run-{shuffled}", f"shuffle_sources={shuffled}"
        )
        assert code == 0, err
        assert ("This is a control" in err) == (shuffled == "true")
        outputs[shuffled] = json.loads(out)
    assert outputs["false"]["free"]["pairs"] == outputs["true"]["free"]["pairs"]
    assert outputs["false"]["validation_loss"] != outputs["true"]["validation_loss"]
    assert "This is a control" in Path("run-true/model/README.md").read_text()


def test_a_machine_file_of_other_lines_is_refused(talks, run):
    write_free("xcomet", rules=["one line"])
    code, _, err = run("train-reward", "run.yaml")
    assert code == 3
    assert "rules.txt" in err


def test_two_machines_have_two_names(talks, run):
    write_free("xcomet")
    text = Path("run.yaml").read_text().replace("sampled.txt", "other/rules.txt")
    Path("run.yaml").write_text(text)
    code, _, err = run("train-reward", "run.yaml", "--dry-run")
    assert code == 2
    assert "E036" in err


def test_spans_are_held_against_marking_everything(talks, run):
    write("automqm")
    code, out, err = run("train-reward", "run.yaml")
    assert code == 0, err
    figures = json.loads(out)["figures"]
    assert figures["mark_everything"]["span_f1"][0] > figures["random"]["span_f1"][0]
    assert "span_f1" in figures["automqm"]


def test_a_reward_that_was_trained_scores(talks, run):
    write("metricx")
    code, _, err = run("train-reward", "run.yaml")
    assert code == 0, err
    reward = parse_reward("metricx:model=run")
    scores = reward([Candidate("a dog.", "ein Hund."), Candidate("a dog.", "eine Katze.")]).scores
    assert ((scores <= 0.0) & (scores >= -25.0)).all()


def test_a_finished_run_says_so_and_is_left_alone(talks, run):
    write("metricx")
    _, first, said = run("train-reward", "run.yaml")
    before = {path: path.stat().st_mtime_ns for path in Path("run/stages").rglob("*")}
    code, out, err = run("train-reward", "run.yaml")
    assert code == 0
    assert "run is already finished; another run needs another directory: run=run-2\n" in err
    assert "resuming" not in err
    assert "stage mqm" not in err
    assert {path: path.stat().st_mtime_ns for path in Path("run/stages").rglob("*")} == before
    assert json.loads(out)["figures"] == json.loads(first)["figures"]
    for text in (said, err):
        constant, *told = text.splitlines()[-3:]  # two steps teach nothing
        assert constant.startswith("mqm: nearly the same score for every translation (standard ")
        assert told == ["model: run/model", "to score with it: --reward metricx:model=run"]


def test_a_scorer_that_tells_texts_apart_is_proposed_for_training(tmp_path):
    config = SimpleNamespace(run=tmp_path, scorer=SimpleNamespace(family="metricx"))
    told = [*usage(config, trains=True)]
    assert told[-1].startswith("in the YAML of rl and rerank: rewards: [{reward: metricx, ")
    spread = {"good": {"scorer": 0.5, "people": 5.0}, "flat": {"scorer": 0.02, "people": 5.0}}
    (line,) = constant_on({"spread": spread})
    assert line.startswith("flat: nearly the same score")


def test_another_configuration_or_other_data_is_refused(talks, run):
    write("metricx")
    run("train-reward", "run.yaml")
    code, _, err = run("train-reward", "run.yaml", "seed=1")
    assert code == 2
    assert "error[E083] run 'run': holds a run of another configuration" in err
    judged_talks.write(Path("mqm.tsv"), documents=11)
    code, _, err = run("train-reward", "run.yaml")
    assert code == 2
    assert "error[E083] run 'run': holds a run on other data" in err


def test_a_start_or_prompt_that_changed_is_refused(talks, run):
    write("automqm")
    run("train-reward", "run.yaml", "run=first")
    Path("my.toml").write_text(Path("first/model/prompt.toml").read_text())
    again = ("model.from_scratch=", "model.path=first/model", "scorer.automqm.prompt=my.toml")
    code, _, err = run("train-reward", "run.yaml", *again)
    assert code == 0, err
    with Path("my.toml").open("a") as file:
        file.write("# another\n")
    code, _, err = run("train-reward", "run.yaml", *again)
    assert (code, "error[E083]" in err) == (2, True)
    Path("my.toml").write_text(Path("first/model/prompt.toml").read_text())
    assert run("train-reward", "run.yaml", *again, "--dry-run")[0] == 0
    with Path("first/model/config.json").open("a") as file:
        file.write("\n")
    code, _, err = run("train-reward", "run.yaml", *again)
    assert (code, "error[E083]" in err) == (2, True)


def test_what_another_begins_meanwhile_is_not_gone_on_with(talks, run, monkeypatch):
    write("metricx")
    locked = train_reward.locked

    def late(directory):
        (directory / "stages").mkdir(parents=True)
        (directory / "config.yaml").write_text("run: of another")
        return locked(directory)

    monkeypatch.setattr(train_reward, "locked", late)
    code, _, err = run("train-reward", "run.yaml")
    assert (code, "error[E083]" in err) == (2, True)
    assert not Path(".run.lock").exists()


def test_what_ended_before_its_first_stage_is_begun_anew(talks, run):
    write("generalist")
    code, _, err = run("train-reward", "run.yaml", "trainer.max_length=5")
    assert (code, "error[E374]" in err) == (3, True)
    code, _, err = run("train-reward", "run.yaml")
    assert code == 0, err


def test_somebodys_configuration_in_the_run_directory_is_left_alone(talks, run):
    write("metricx")
    Path("run").mkdir()
    text = Path("run.yaml").read_text()
    Path("run/config.yaml").write_text(text)
    code, _, err = run("train-reward", "run/config.yaml")
    assert (code, "error[E030]" in err) == (2, True)
    assert Path("run/config.yaml").read_text() == text


def test_a_stage_whose_model_was_damaged_is_trained_again(talks, run):
    write("metricx")
    run("train-reward", "run.yaml")
    before, steps = digest("run/model/model.safetensors"), logged_steps("run")
    Path("run/model/model.safetensors").unlink()  # it may be mapped into this process
    Path("run/model/model.safetensors").write_bytes(b"cut")
    code, _, err = run("train-reward", "run.yaml")
    assert code == 0, err
    assert "run/model is damaged (model.safetensors is not what was written)" in err
    assert (digest("run/model/model.safetensors"), logged_steps("run")) == (before, steps)


def test_a_loss_that_is_no_number_ends_it(talks, run):
    write("metricx")
    code, _, err = run("train-reward", "run.yaml", "trainer.learning_rate=1e30")
    assert code == 2
    assert "error[E077] step 2: the gradient is not finite" in err
    assert not list(Path("run/stages").glob("*/checkpoint-*"))


@pytest.mark.parametrize("patience", [1, None])
def test_killed_while_it_is_saved_it_takes_no_further_step(patience, talks, run, monkeypatch):
    """A loss that no step betters: patience ends it at step 4, else the steps do."""
    write("metricx")
    options = ["trainer.learning_rate=1e-30", f"stages.1.patience={patience or 'null'}"]
    options += ["stages.1.trainer.max_steps=9"] if patience else []
    assert run("train-reward", "run.yaml", "run=whole", *options)[0] == 0
    save, saved = MetricXFamily.save, []

    def killed(self, trainer, directory):
        saved.append(directory)
        if len(saved) == 2:
            raise KeyboardInterrupt
        save(self, trainer, directory)

    monkeypatch.setattr(MetricXFamily, "save", killed)
    assert run("train-reward", "run.yaml", *options)[0] == 130
    code, _, err = run("train-reward", "run.yaml", *options)
    assert code == 0, err
    assert "training was already complete" in err
    for name in ("stages/2-mqm/loss.json", "model/model.safetensors"):
        assert digest(f"run/{name}") == digest(f"whole/{name}"), name
    assert set(logged_steps("run")) == set(logged_steps("whole"))


def test_a_directory_of_something_else_is_left_alone(talks, run):
    write("metricx")
    Path("run").mkdir()
    Path("run/notes.txt").write_text("mine")
    code, _, err = run("train-reward", "run.yaml")
    assert code == 2
    assert "error[E030]" in err
    assert [path.name for path in Path("run").iterdir()] == ["notes.txt"]


def test_a_dry_run_tells_what_it_would_do_and_does_nothing(talks, run):
    write("generalist")
    code, out, _ = run("train-reward", "run.yaml", "--dry-run")
    told = json.loads(out)
    assert code == 0
    assert told["dry_run"]
    assert told["family"] == "generalist"
    assert told["stages"]["mqm"]["rows"] > told["stages"]["mqm"]["validation"] > 0
    assert told["test"] == {"mqm": 96}
    assert not Path("run").exists()


@pytest.mark.parametrize("family", SCORERS)
def test_a_dry_run_looks_at_the_start_and_at_every_stages_rows(family, talks, run):
    write(family)
    code, _, err = run("train-reward", "run.yaml", "run=first")
    assert code == 0, err
    begun = re.findall("stage (?:warm-up|mqm), (?:training|validation): .*", err)
    assert len(begun) == 4, "what is begun from scratch is told too, before the first step"
    start = ("model.from_scratch=", "model.path=first/model")
    code, out, err = run("train-reward", "run.yaml", *start, "--dry-run")
    assert code == 0, err
    assert json.loads(out)["dry_run"]
    told = " ".join(err.split())
    assert [f"note: {' '.join(line.split())}" in told for line in begun] == [True] * 4
    place = Path("first/model/encoder" if family == "xcomet" else "first/model")
    for path in place.glob("tokenizer*"):
        path.rename(f"kept-{path.name}")
    code, _, err = run("train-reward", "run.yaml", *start, "--dry-run")
    assert code == 2
    codes = {"metricx": "E308", "automqm": "E057", "xcomet": "E325", "generalist": "E350"}
    assert codes[family] in err
    for path in Path().glob("kept-*"):
        path.rename(place / path.name.removeprefix("kept-"))
    (place / "config.json").write_text('{"model_type": "bert", "architectures": ["Bert"]}')
    code, _, err = run("train-reward", "run.yaml", *start, "--dry-run")
    assert code == 2
    codes = {"metricx": "E305", "automqm": "E052", "xcomet": "E323", "generalist": "E052"}
    assert codes[family] in err


def test_scores_without_marked_errors_teach_no_judge(talks, run):
    rows = [f"{s}\t{n}\td{n}\ttext {n}\ttext {n} {s}\t{n}\n" for s in "AB" for n in range(20)]
    Path("da.tsv").write_text("system\tseg_id\tdoc\tsource\ttarget\tscore\n" + "".join(rows))
    write("automqm")
    code, _, err = run("train-reward", "run.yaml", "stages.1.judgements={file: da.tsv}")
    assert code == 3
    assert "error[E253] da: holds scores, and a judge that lists errors" in err


def test_a_split_that_leaves_nothing_is_refused(talks, run):
    judged_talks.write(Path("mqm.tsv"), documents=1)
    write("metricx")
    code, _, err = run("train-reward", "run.yaml")
    assert code == 3
    assert "error[E207] split:" in err


RL = """\
run: rl
data: {source: en.txt, reference: de.txt, source_lang: en, target_lang: de, heldout: 2}
prompt: cpt
policy: {path: start}
rewards:
  - {reward: metricx, model: metricx, weight: 1.0}
  - {reward: generalist, model: generalist, weight: 0.5}
  - {reward: xcomet, model: xcomet, weight: 1.0}
  - {reward: automqm, model: automqm, weight: 0.0, token_weight: 1.0}
  - {reward: chrf, weight: 1.0}
trainer:
  num_generations: 4
  per_device_train_batch_size: 8
  max_completion_length: 16
  max_steps: 2
  logging_steps: 1
  save_strategy: "no"
  activation_checkpointing: false
"""


def test_trained_scorers_stand_in_an_ensemble(talks, run):
    """All four, from their run directories; the judge's answers are garbage, and are counted."""
    for family in SCORERS:
        write(family)
        code, _, err = run("train-reward", "run.yaml", f"run={family}")
        assert code == 0, err
    sides = [Path(name).read_text().splitlines() for name in ("en.txt", "de.txt")]
    pairs = list(zip(*sides, strict=True))
    shutil.copytree(taught_policies.half_taught(talks / "taught", pairs), "start")
    Path("rl.yaml").write_text(RL)
    code, _, err = run("rl", "rl.yaml", "planted_check=warn")
    assert code == 0, err
    log = [json.loads(line) for line in Path("rl/metrics.jsonl").read_text().splitlines()]
    steps = [line for line in log if "rewards/metricx/mean" in line]
    assert len(steps) == 2
    for line in steps:
        assert -25.0 <= line["rewards/metricx/mean"] <= 0.0
        assert line["rewards/generalist/mean"] is not None
    signature = Path("rl/signature.txt").read_text()
    assert all(f"{family}|" in signature for family in SCORERS)


def test_two_processes_train_one_model(talks):
    write("metricx")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, COMMAND, "train-reward", "run.yaml", "trainer.use_cpu=true"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("stage mqm: ") == 1, "one of them speaks"
    assert json.loads(done.stdout)["figures"]["metricx"]
    reward = parse_reward("metricx:model=run")
    assert reward([Candidate("a dog.", "ein Hund.")]).status[0].scored


# ── killed ──────────────────────────────────────────────────────────────────────────────────────


def started(name):
    """The command in a process of its own, of one thread: more would add up in another order."""
    longer = ["trainer.max_steps=80", "trainer.eval_steps=10"]
    return subprocess.Popen(
        [COMMAND, "train-reward", "run.yaml", f"run={name}", *longer],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        text=True,
    )


def until(path, process):
    """Wait for a file of the run."""
    deadline = time.monotonic() + 120
    while not Path(path).exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ended(process):
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def killed(process):
    process.kill()
    process.communicate()


def test_killed_twice_and_stopped_once_it_ends_with_the_same_bits(talks):
    write("metricx")
    first = started("killed")
    until("killed/stages/2-mqm/checkpoint-10/MANIFEST.json", first)
    killed(first)
    second = started("killed")
    until("killed/stages/2-mqm/checkpoint-30/MANIFEST.json", second)
    second.send_signal(signal.SIGTERM)
    code, _, err = ended(second)
    assert code == 75, err
    assert "error[E049] rewardlab train-reward: SIGTERM stopped it at step" in err
    third = started("killed")
    until("killed/stages/2-mqm/checkpoint-50/MANIFEST.json", third)
    killed(third)
    code, out, err = ended(started("killed"))
    assert code == 0, err
    assert "resuming from step" in err
    code, whole, err = ended(started("whole"))
    assert code == 0, err
    assert digest("killed/model/model.safetensors") == digest("whole/model/model.safetensors")
    assert json.loads(out)["validation_loss"] == json.loads(whole)["validation_loss"]
    assert set(logged_steps("killed")) == set(logged_steps("whole"))
