import subprocess
import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest
import typer

from rewardlab import cli
from rewardlab.errors import (
    Problem,
    RewardFailed,
    RewardUnavailable,
    TooManyFailures,
    UserError,
)


@pytest.fixture
def call(capsys):
    def leave(*arguments):
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    return leave


@pytest.fixture
def raising(monkeypatch):
    """Put a command in place that raises."""

    def install(error):
        app = typer.Typer(pretty_exceptions_enable=False)
        app.callback()(lambda: None)

        @app.command("run")
        def command():
            raise error

        monkeypatch.setattr(cli, "app", app)

    return install


def test_help_lists_the_commands_and_answers_at_once(call):
    code, out, err = call("--help")
    assert (code, err) == (0, "")
    assert "score" in out
    assert call()[:2] == (0, out)


def test_help_imports_nothing_heavy():
    program = (
        "import sys, time, rewardlab.cli\n"
        "try: rewardlab.cli.main(['score', '--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'transformers', 'trl', 'datasets', 'yaml', "
        "'sacrebleu') if name in sys.modules], time.process_time() < 3.0, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "[] True\n"), "0.3 s on an idle machine"


def test_the_list_of_commands_imports_none_of_them():
    program = (
        "import sys, rewardlab.cli\n"
        "try: rewardlab.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'pydantic', 'yaml', 'rewardlab.cli.score', "
        "'rewardlab.cli.rl') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")
    listed = done.stdout.partition("Commands:\n")[2]
    assert [line.split()[0] for line in listed.splitlines() if line[2] != " "] == [
        *cli.COMMANDS.built_in
    ]
    assert "  score         Score translations. Files are line-aligned text" in listed


@pytest.mark.parametrize("name", cli.COMMANDS.built_in)
def test_every_command_explains_itself_in_the_words_of_the_list(call, name):
    code, out, err = call(name, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: rewardlab {name} ")
    assert cli.one_line_help(name) in " ".join(out.split()).replace("- ", "-")


def test_another_package_adds_a_command(call, monkeypatch):
    def shout(word: str):
        """Print a word in capitals."""
        typer.echo(word.upper())

    monkeypatch.setitem(sys.modules, "shouting", SimpleNamespace(command=shout))
    added = EntryPoint("shout", "shouting:command", cli.COMMANDS.group)
    monkeypatch.setattr("rewardlab.registry.entry_points", lambda group: [added])
    assert call("shout", "hello") == (0, "HELLO\n", "")
    assert "  shout         Print a word in capitals.\n" in call("--help")[1]


def test_the_version_is_the_package_s(call):
    code, out, err = call("--version")
    assert (code, err) == (0, "")
    assert out.startswith("rewardlab 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["scor"],
            ("error[E040] rewardlab: No such command 'scor'. fix: rewardlab score\n"),
        ),
        (
            ["--verison"],
            ("error[E040] rewardlab: No such option: --verison. fix: --version\n"),
        ),
        (
            ["score", "--foo"],
            "error[E040] rewardlab score: No such option: --foo. fix: see rewardlab score --help\n",
        ),
        (
            ["score", "-s", "a", "--reward", "not_empty"],
            "error[E040] rewardlab score: no translations are given. fix: -t FILE\n",
        ),
        (
            ["metaeval", "--reward", "ter"],
            (
                "error[E040] rewardlab metaeval: Missing option '--gold'. "
                "fix: see rewardlab metaeval --help\n"
            ),
        ),
    ],
)
def test_a_wrong_command_line_is_an_error_like_any_other(call, arguments, message):
    assert call(*arguments) == (2, "", message)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            UserError([Problem("E201", "a", "b", "c"), Problem("E202", "d", "e")], 3),
            3,
            "error[E201] a: b. fix: c\nerror[E202] d: e.\n",
        ),
        (
            RewardFailed("chrf returned 3 scores\nfor 4 rows."),
            4,
            (
                "error[E401] reward: chrf returned 3 scores for 4 rows. "
                "fix: it is a bug in that reward; --debug shows where\n"
            ),
        ),
        (
            RewardUnavailable("no server at port 1"),
            4,
            (
                "error[E402] reward: no server at port 1. "
                "fix: start what it needs, then run this again\n"
            ),
        ),
        (
            TooManyFailures("metricx: 9 of 10 rows"),
            4,
            (
                "error[E403] reward: metricx: 9 of 10 rows. "
                "fix: see why above; the other rewards can be scored without it\n"
            ),
        ),
        (KeyboardInterrupt(), 130, ""),
        (
            ZeroDivisionError("division by zero"),
            1,
            (
                "error[E900] rewardlab: a bug in rewardlab: ZeroDivisionError: division by zero. "
                "fix: report it with the output of --debug\n"
            ),
        ),
    ],
)
def test_what_ends_a_command_has_one_line_and_an_exit_code(call, raising, error, code, message):
    raising(error)
    assert call("run") == (code, "", message)


def test_debug_prints_the_traceback_wherever_it_stands(call, raising):
    raising(UserError([Problem("E201", "a", "b", "c")], 3))
    code, out, err = call("run", "--debug")
    assert (code, out) == (3, "")
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.endswith("error[E201] a: b. fix: c\n")


@pytest.mark.parametrize(
    ("word", "fix"), [("train", "rewardlab sft, rewardlab rl"), ("grpo", "rewardlab rl")]
)
def test_commands_of_other_tools_are_translated(run, word, fix):
    code, _, err = run(word, "config.yaml")
    assert code == 2
    assert f"error[E040] rewardlab: No such command '{word}'" in err
    assert fix in err
