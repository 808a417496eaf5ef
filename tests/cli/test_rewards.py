"""`rewardlab rewards`: a list of all rewards, and a page on one."""

import json

import pytest

from rewardlab.rewards.registry import reward_names


def test_the_list_names_every_reward_and_fits_80_columns(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = run("rewards")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[1:-2] if line[:1] != " "] == reward_names()
    assert lines[-1] == "rewardlab rewards NAME shows the options of one reward."
    at = next(i for i, line in enumerate(lines) if line.startswith("chrf "))
    assert lines[at].split()[:2] == ["chrf", "reference"]
    assert lines[at].split()[-2:] == ["no", "ngram_overlap"]
    assert lines[at + 1].strip().startswith("Character n-gram F-score")


@pytest.mark.parametrize("name", reward_names())
@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_page_of_a_reward_fits_the_terminal(run, monkeypatch, name, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, _ = run("rewards", name)
    assert code == 0
    assert max(map(len, out.splitlines())) <= columns


def test_the_page_has_options_with_types_defaults_and_texts(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run("rewards", "metricx")
    assert "  reads         source, hypothesis, reference with mode=reference\n" in out
    assert "  gated rows    -25\n" in out
    assert "  command line  --reward metricx:model=PATH\n" in out
    assert "  YAML          rewards: [{reward: metricx, model: PATH}]\n" in out
    assert "    model  (path, required)\n        Directory of a checkpoint" in out
    assert "    mode  (qe|reference, default qe)\n" in out
    assert "    tokenizer  (text, default empty)\n" in out


def test_json_of_all_and_of_one(run):
    everything = json.loads(run("rewards", "--json")[1])
    assert [one["name"] for one in everything] == reward_names()
    one = json.loads(run("rewards", "ter", "--json")[1])
    assert one == next(other for other in everything if other["name"] == "ter")
    assert one["worst"] == -300.0
    assert one["family"] == "edit_distance"


def test_an_unknown_name_is_refused(run):
    assert run("rewards", "blue") == (
        2,
        "",
        (
            "error[E101] rewardlab rewards: unknown reward 'blue'. "
            "fix: bleu (rewardlab rewards lists all)\n"
        ),
    )
