import re
from pathlib import Path

import pytest

from rewardlab.errors import Problem, UserError, nearest, shown

ROOT = Path(__file__).parent.parent


def test_every_code_is_in_the_documentation_and_only_those():
    sources = [path.read_text("utf-8") for path in (ROOT / "rewardlab").rglob("*.py")]
    raised = {code for source in sources for code in re.findall(r'"(E\d{3})"', source)}
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    documented = re.findall(r"^\| (E\d{3}) \|", page, re.MULTILINE)
    assert sorted(raised) == documented


def test_an_error_is_one_line_with_where_what_and_fix():
    problem = Problem("E023", "rl.yaml:14:3 trainer.beat", "unknown key", "beta: 0.1")
    assert str(problem) == ("error[E023] rl.yaml:14:3 trainer.beat: unknown key. fix: beta: 0.1")
    assert str(Problem("E900", "here", "odd")) == "error[E900] here: odd."


def test_a_question_keeps_its_mark():
    asked = Problem("E040", "rewardlab", "No such command 'scor'. Did you mean 'score'?", "--help")
    assert str(asked).endswith("Did you mean 'score'? fix: --help")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("chrff", "chrf"),
        ("ChrF", "chrf"),
        ("num_generation", "num_generations"),
        ("weigth", "weight"),
        ("blue", "bleu"),
        ("mqn", "mqm"),
        ("norepetition", "no_repetition"),
        ("bleurt", None),
        ("bertscore", None),
        ("chrf++", None),
        ("", None),
    ],
)
def test_a_name_is_suggested_only_if_it_is_near(word, meant):
    known = ["bleu", "chrf", "mqm", "no_repetition", "num_generations", "weight", "metricx"]
    assert nearest(word, known) == meant


def test_an_error_carries_all_problems_and_an_exit_code():
    error = UserError([Problem("E201", "a", "b"), Problem("E202", "c", "d")], 3)
    assert str(error) == "error[E201] a: b.\nerror[E202] c: d."
    assert error.exit_code == 3
    assert UserError([Problem("E001", "a", "b")]).exit_code == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("København", "'København'"),
        ("a\nb\x1b[31m", r"'a\nb\x1b[31m'"),
        ("x" * 100, "'" + "x" * 78 + "…"),
        (["ø", 1], r"['\xf8', 1]"),
        (None, "None"),
    ],
)
def test_a_value_is_shown_escaped_on_one_short_line(value, text):
    assert shown(value) == text
    assert len(shown(value)) <= 80
