"""`rewardlab show` on runs that are finished, running, stopped, killed, resumed, or no runs."""

import json
import os
import re
import socket
import subprocess
import sys

import pytest
import written_runs
from rich.cells import cell_len
from written_runs import line, sample, write_tokens

from rewardlab.cli.run_directory import read_run
from rewardlab.cli.show import show
from rewardlab.store.lock import Lock


@pytest.fixture
def rl(tmp_path, monkeypatch):
    """A run below the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    run = written_runs.write_rl(tmp_path / "runs" / "rl")
    write_tokens(run, 40, [sample(), sample(source="zwei", spans=[]), sample(source="drei")])
    return run


def finish(run):
    (run / "model").mkdir()
    (run / "model" / "training.json").write_text("{}")


def test_a_finished_run(rl, run):
    finish(rl)
    code, out, err = run("show", "runs/rl")
    assert (code, err) == (0, "")
    facts = dict(re.findall(r"^(\S[\w ]*?)  +(\S.*?) *$", out, re.MULTILINE))
    assert facts["run"] == "runs/rl"
    assert facts["command"] == "rewardlab rl"
    assert facts["state"] == "finished; step 40 of 40"
    assert facts["started from"] == "checkpoints/start"
    assert facts["data"] == "news.da → news.nb (da-nb)"
    assert facts["rewards"] == "chrf (weight 1, token weight 0), spans (weight 0, token weight"
    assert facts["gates"] == "not_empty (below 0.5)"
    assert facts["model"] == "runs/rl/model"
    assert "\nto use it in translate, rerank and evaluate:\nmodel=runs/rl\n" in out
    assert re.search(r"^rewards/chrf/mean +60 +▁▃▅█ +90$", out, re.MULTILINE)
    assert re.search(r"^rewards/spans/mean +-9 +▁▃▅█ +-6$", out, re.MULTILINE)
    assert "samples of step 40" in out
    assert out.count("\nsource ") == 3
    assert "translation  ein Haus" in out
    assert "errors       spans: “Haus” major" in out
    assert "scores       chrf 40.5, spans -5" in out
    assert "advantages   ein+0.5  Haus-2.0 ⟨/s⟩+0.0" in out


def test_statuses_and_gates_have_curves_and_words(rl, run):
    with (rl / "metrics.jsonl").open("a") as file:
        file.write(line(50, **{"rewards/chrf/status/unavailable": 0.25, "rewards/gated": 0.125}))
    failed = {"scores": [None, -5.0], "statuses": ["unavailable", "ok"], "gated": "not_empty"}
    write_tokens(rl, 50, [sample(hypothesis="", spans=[], **failed)])
    _, out, _ = run("show", rl)
    assert re.search(r"^rewards/chrf/status/una\S*\s[^\n]*0.25", out, re.MULTILINE)
    assert re.search(r"^rewards/gated +0.125 ", out, re.MULTILINE)
    assert "translation  (empty)" in out
    assert "scores       chrf unavailable, spans -5, rejected by the gate not_empty" in out


def test_a_running_run_with_half_a_line(rl, run):
    with (rl / "metrics.jsonl").open("a") as file:
        file.write('{"step": 50, "rewards/chrf/me')
    lock = Lock.take(rl.parent / ".rl.lock")
    code, out, err = run("show", "runs/rl")
    lock.release()
    assert (code, err) == (0, "")
    assert re.search(
        r"^state +running, last written \d+ s ago; step 40 of 40 *$", out, re.MULTILINE
    )
    assert "\nto look again:\nrewardlab show runs/rl\n" in out
    assert "note" not in out


def test_a_run_that_nobody_works_on_is_not_called_running(rl, run):
    code, out, _ = run("show", "runs/rl")
    assert code == 0
    assert "state         interrupted, or ended by an error; last written" in out
    assert "\nto repeat it:\nrewardlab rl runs/rl/config.yaml run=runs/rl-2\n" in out
    (rl.parent / ".rl.lock").write_text(json.dumps({"pid": 0, "host": socket.gethostname()}))
    assert "state         killed, last written" in run("show", rl)[1]
    assert json.loads(run("show", rl, "--json")[1])["state"] == "killed"


def test_a_command_to_paste_is_on_one_line(rl, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    (rl / "checkpoint-5").mkdir()
    (rl / "checkpoint-5" / "model.safetensors").touch()
    (rl / "checkpoint-20").mkdir()
    (rl / "checkpoint-20" / "model-00001-of-00002.safetensors").touch()
    (rl / "checkpoint-30").mkdir()  # of adapters: nothing to start from
    again = "rewardlab rl runs/rl/config.yaml policy.path=runs/rl/checkpoint-20 run=runs/rl-2"
    assert f"\nto train further:\n{again}\n" in run("show", "runs/rl")[1]
    assert json.loads(run("show", "runs/rl", "--json")[1])["go_on"] == again


def test_a_run_before_its_first_step_is_started_again_by_the_same_command(rl, run):
    for path in (*rl.glob("tokens/*"), rl / "tokens", rl / "metrics.jsonl"):
        path.rmdir() if path.is_dir() else path.unlink()
    (rl / "versions.json").write_text('{"rewardlab": "1"}')
    _, out, _ = run("show", "runs/rl")
    assert "stopped before its first step" in " ".join(out.split())
    assert "\nto start it again:\nrewardlab rl runs/rl/config.yaml\n" in out


def test_a_stopped_run_has_its_model(rl, run):
    (rl / "stopped" / "model").mkdir(parents=True)
    (rl / "stopped" / "model" / "model.safetensors").touch()
    words = " ".join(run("show", "runs/rl")[1].split())
    assert "state stopped by a signal; the policy so far is saved; step 40 of 40" in words
    assert "model runs/rl/stopped/model" in words
    assert "config.yaml policy.path=runs/rl/stopped/model run=runs/rl-2" in words


def test_a_run_without_a_step(rl, run):
    for path in (rl / "metrics.jsonl", *(rl / "tokens").iterdir()):
        path.unlink()
    code, out, err = run("show", rl)
    assert (code, err) == (0, "")
    assert "no step is logged yet" in " ".join(out.split())
    assert "metric " not in out
    assert json.loads(run("show", rl, "--json")[1])["step"] == 0


def test_a_resumed_run_shows_what_counts(rl, run):
    with (rl / "metrics.jsonl").open("a") as file:
        file.write(line(20, **{"rewards/chrf/mean": 1.0}))
    _, out, _ = run("show", rl)
    assert re.search(r"^rewards/chrf/mean +60 +█▁ +1$", out, re.MULTILINE)
    assert "samples of step" not in out, "those of step 40 were taken back"
    assert "note: resumed after step 19" in out


def test_held_out_measures_before_and_after(rl, run):
    with (rl / "metrics.jsonl").open("w") as file:
        for step, score, loss in ((0, 40.0, 2.0), (20, 50.0, 1.0), (40, 60.5, 1.5)):
            heldout = {"eval_rewards/chrf/mean": score, "eval_loss": loss, "eval_runtime": 3.0}
            file.write(line(step, **heldout))
    _, out, _ = run("show", rl)
    assert re.search(r"^rewards/chrf/mean ↑ +40 +60.5 +\+20.5 +0 → 40$", out, re.MULTILINE)
    assert "loss ↓" not in out, "the loss of RL is no measure of quality"
    assert "runtime" not in out


def test_sft_compares_with_the_model_that_is_kept(rl, run):
    text = "run: r\npatience: 3\npolicy: {path: null, from_scratch: {layers: 1}}\nvalidation: 5\n"
    (rl / "config.yaml").write_text(f"{text}data: {{source: a.txt}}\ntrainer: {{}}\n")
    with (rl / "metrics.jsonl").open("w") as file:
        file.writelines(line(n, eval_loss=loss) for n, loss in ((10, 2.0), (20, 1.0), (30, 1.5)))
    _, out, _ = run("show", rl)
    assert re.search(r"^validation rows +first +best +change +steps *$", out, re.MULTILINE)
    assert re.search(r"^validation loss ↓ +2 +1 +-1 +10 → 20$", out, re.MULTILINE)
    assert "held-out" not in out
    assert re.search("^command +rewardlab sft *$", out, re.MULTILINE)
    assert re.search("^started from +scratch *$", out, re.MULTILINE)
    assert re.search("^data +a.txt *$", out, re.MULTILINE)


def test_a_trainer_that_was_used_from_python(rl, run):
    (rl / "config.yaml").unlink()
    with (rl / "metrics.jsonl").open("a") as file:
        file.write(line(40, train_runtime=5.0))
    _, out, _ = run("show", rl)
    assert re.search("^command +a trainer in Python *$", out, re.MULTILINE)
    assert re.search("^state +finished; step 40 *$", out, re.MULTILINE)


def test_from_inside_the_directory(rl, run, monkeypatch):
    monkeypatch.chdir(rl)
    code, out, _ = run("show", ".")
    assert code == 0
    assert re.search(r"^rewards/chrf/mean +60 ", out, re.MULTILINE)
    assert "run=.-2" not in out
    monkeypatch.chdir(rl / "tokens")
    assert run("show", "..")[0] == 0


def test_a_broken_configuration_is_no_obstacle(rl, run):
    (rl / "config.yaml").write_text("policy: [\n")
    code, out, _ = run("show", rl)
    assert code == 0
    assert re.search(r"^rewards/chrf/mean +60 ", out, re.MULTILINE)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_it_fits_the_terminal(rl, run, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    long = {"rewards/a_reward_with_quite_a_long_name/status/unparseable": 0.5}
    with (rl / "metrics.jsonl").open("a") as file:
        file.writelines(line(n, **long) for n in range(50, 400))
    text = "Ein langer Satz mit vielen Wörtern. " * 30
    write_tokens(rl, 399, [sample(hypothesis=text, reference=text, spans=[])])
    _, out, _ = run("show", rl)
    lines = [one.rstrip() for one in out.splitlines() if not one.startswith("rewardlab ")]
    assert max(map(cell_len, lines)) <= width
    assert "Ein langer Satz mit vielen" in out or width < 60


def test_texts_cannot_steer_the_terminal(rl, run):
    evil = "a\x1b[31m [bold]b[/bold] \u202e\u2067c\n می\u200cخواهم"
    write_tokens(rl, 40, [sample(source=evil, hypothesis=evil, reference=evil, spans=[])])
    _, out, _ = run("show", rl)
    for character in ("\x1b", "\u202e", "\u2067"):
        assert character not in out
    assert "[bold]b[/bold]" in out
    assert "\\u202e" in out
    assert "می\u200cخواهم" in out, "a joiner belongs to the spelling"
    assert "\nstate" in out


def test_colours_are_for_terminals_that_want_them(rl, capsys, monkeypatch):
    show(read_run(rl))
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    show(read_run(rl))
    coloured = capsys.readouterr().out
    assert "\x1b[4;31mHaus" in coloured
    assert "48;2;150;0;0" in coloured, "a token with advantage -2 on red: 50 + 150 * 2/3"
    assert "48;2;0;75;0" in coloured, "one with 0.5 on green: 50 + 150 / 6"
    monkeypatch.setenv("NO_COLOR", "1")
    show(read_run(rl))
    plain = capsys.readouterr().out
    assert "\x1b[4mHaus" in plain
    assert "48;2;" not in plain
    assert "31m" not in plain


def test_json_for_programs(rl, run):
    finish(rl)
    code, out, err = run("show", rl, "--json", "--samples", "1")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["command"], found["state"], found["step"]) == ("rl", "finished", 40)
    assert found["metrics"]["rewards/chrf/mean"] == [[10, 60.0], [20, 70.0], [30, 80.0], [40, 90.0]]
    assert [one["source"] for one in found["samples"]] == ["ein dog"]
    assert found["samples"][0]["token_advantages"] == [0.5, -2.0, 0.0]
    assert found["facts"]["started from"] == "checkpoints/start"
    assert json.loads(run("show", rl, "--json", "--samples", "0")[1])["samples"] == []


@pytest.mark.parametrize(
    ("path", "says", "fix"),
    [
        ("runs", "is no run directory: it has neither", "rewardlab show runs/rl"),
        ("runs/rl/tokens", "is no run directory", "rewardlab show runs/rl"),
        ("runs/rl/metrics.jsonl", "is a file, and a run is a directory", "rewardlab show runs/rl"),
        ("rl.yaml", "is a file", "rewardlab show runs/rl"),
        ("runs/rll", "does not exist", "rewardlab show runs/rl"),
        ("nowhere/at/all", "does not exist", "give the directory that the YAML file names as run:"),
        ("mine", "is no run directory", "give the directory that the YAML file names as run:"),
    ],
)
def test_what_is_no_run_is_refused(rl, run, path, says, fix):
    (rl.parent.parent / "rl.yaml").write_text("run: runs/rl\n")
    (rl.parent.parent / "mine").mkdir()
    (rl.parent.parent / "mine" / "config.yaml").write_text((rl / "config.yaml").read_text())
    code, out, err = run("show", path)
    assert (code, out) == (2, "")
    assert err.startswith(f"error[E345] '{path}': {says}")
    assert err.endswith(f"fix: {fix}\n")


def test_other_commands_have_their_directories_shown(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, config, result in (
        ("t", "generation: {}\nsamples: 1\nmodel: m\ndata: [{source: a}]\n", "cost.json"),
        ("r", "generation: {}\nsamples: 8\nrewards: [{reward: chrf}]\nmodel: m\n", "cost.json"),
        ("e", "systems: []\nmetrics: []\n", "evaluation.json"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(config)
        (tmp_path / name / "versions.json").write_text("{}")
        (tmp_path / name / result).write_text(
            '{"rewards": {"chrf": {"first": 50.0, "chosen": 60.0}, "x": {"first": null, '
            '"chosen": null}}}'
        )
    assert "hypotheses.txt" in run("show", "t")[1]
    _, out, _ = run("show", "r")
    assert re.search(r"^rewards/chrf/mean ↑ +50 +60 +\+10 ", out, re.MULTILINE)
    assert re.search("^result +e/evaluation.json *$", run("show", "e")[1], re.MULTILINE)
    (tmp_path / "t" / "cost.json").unlink()
    for path in (tmp_path / "t").iterdir():
        os.utime(path, (0, 0))
    assert "\nto resume it:\nrewardlab translate t/config.yaml\n" in run("show", "t")[1]


def test_an_error_is_listed_once(rl, run):
    omission = {**written_runs.SPAN, "start": 0, "end": 3, "side": "source"}
    spans = [written_runs.SPAN, omission, omission]
    write_tokens(rl, 50, [sample(spans=spans)])
    with (rl / "metrics.jsonl").open("a") as file:
        file.write(line(50, loss=0.5))
    words = " ".join(run("show", rl)[1].split())
    assert "errors spans: “Haus” major, “ein” major (in the source) (2 times) scores" in words
    closed = [{**written_runs.SPAN, "reward": name} for name in ("chrf", "spans")]
    write_tokens(rl, 50, [sample(spans=closed, gated="not_empty")])
    _, out, _ = run("show", rl)
    assert "errors " not in out
    assert "rejected by the gate not_empty" in out


def test_it_loads_no_model_library(rl):
    code = (
        "import sys; from rewardlab.cli.show import show; from rewardlab.cli.run_directory import "
        f"read_run; show(read_run(__import__('pathlib').Path({str(rl)!r}))); "
        "print([name for name in ('torch', 'transformers', 'trl') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
