import pytest

from rewardlab.dry_run.findings import Findings
from rewardlab.errors import Problem, UserError

FIRST, SECOND = Problem("E050", "a", "b"), Problem("E201", "c", "d")


def refuse(problem, exit_code):
    raise UserError([problem], exit_code)


def test_one_problem_does_not_hide_another():
    found = Findings()
    assert found.attempt(refuse, SECOND, exit_code=3) is None
    assert found.attempt(int, "7") == 7
    found.add([FIRST, SECOND])
    with pytest.raises(UserError) as caught:
        found.raise_if_any()
    assert caught.value.problems == [SECOND, FIRST], "what was found before is told once"
    assert caught.value.exit_code == 2, "the configuration comes before the data"
    assert isinstance(caught.value.__cause__, UserError)


def test_the_exit_code_is_that_of_the_only_class():
    found = Findings()
    found.add([SECOND], exit_code=4)
    with pytest.raises(UserError) as caught:
        found.raise_if_any()
    assert caught.value.exit_code == 4


def test_nothing_found_is_nothing_wrong():
    found = Findings(notes=["a note"])
    found.add([])
    found.raise_if_any()
    assert found.exit_code == 0


def test_a_file_that_cannot_be_read_is_placed_at_the_key_that_names_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = Findings(places={"x.txt": "rl.yaml:3:11 data.source"})
    unread = Problem("E201", "x.txt", "cannot be read: No such file or directory", "check the path")
    found.add([unread, Problem("E202", "x.txt:3", "not UTF-8")], exit_code=3)
    assert [str(problem) for problem in found.problems] == [
        (
            "error[E201] rl.yaml:3:11 data.source: 'x.txt' cannot be read: No such file or "
            f"directory. fix: check the path; it is relative to {tmp_path}"
        ),
        "error[E202] x.txt:3: not UTF-8.",
    ]
