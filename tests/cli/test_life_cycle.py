"""Every command with a configuration is checked, then works, then writes."""

import json
from pathlib import Path

import pytest

from rewardlab.cli import life_cycle
from rewardlab.cli.life_cycle import Arguments, Ready, conclude, read_config
from rewardlab.config.sections import Section
from rewardlab.dry_run.findings import Findings
from rewardlab.errors import Problem, UserError

SUMMARY = {"run": "out", "parameters": {"total": 3}}


class Config(Section):
    size: int


@pytest.fixture
def steps():
    return []


@pytest.fixture
def run(steps):
    """The command whose steps leave a trace."""

    def check(arguments):
        steps.append(("check", arguments.config))
        return Ready(SUMMARY, ("note: a note",))

    def work(ready):
        steps.append(("work", ready.summary))
        return 7

    def write(ready, outcome):
        steps.append(("write", outcome))
        return {"run": ready.summary["run"], "outcome": outcome}

    def call(*, dry_run):
        life_cycle.run(Arguments(Path("x.yaml")), check, work, write, dry_run=dry_run)

    return call


def test_a_run_is_checked_then_works_then_writes(run, steps, capsys):
    run(dry_run=False)
    assert steps == [("check", Path("x.yaml")), ("work", SUMMARY), ("write", 7)]
    out, err = capsys.readouterr()
    assert json.loads(out) == {"run": "out", "outcome": 7}
    assert err == "parameters: 3\nnote: a note\n"


def test_a_dry_run_is_the_check_and_its_report(run, steps, capsys):
    run(dry_run=True)
    assert [name for name, _ in steps] == ["check"]
    assert json.loads(capsys.readouterr().out) == {"dry_run": True, **SUMMARY}


def test_only_the_first_process_speaks(run, monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    run(dry_run=False)
    assert capsys.readouterr() == ("", "")


def test_problems_between_parts_are_left_to_the_other_checks(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text("size: 3\n")

    def check(config, document):
        yield Problem("E038", document.where(("size",)), f"{config.size} is too large")

    config, found = read_config(Arguments(file, ("size=4",)), Config, check=check)
    assert config == Config(size=4)
    assert [problem.code for problem in found.problems] == ["E038"]
    with pytest.raises(UserError, match="E025"):
        read_config(Arguments(file, ("size=many",)), Config, check=check)


def test_notes_are_those_of_the_data_and_of_the_checks_each_once():
    found = Findings(notes=["large", "large"])
    assert conclude(found, "3 rows") == ("3 rows", "note: large")
    found.add([Problem("E038", "size", "is too large")])
    with pytest.raises(UserError, match="E038"):
        conclude(found, "3 rows")
