"""The command line: ``rewardlab COMMAND``; stdout is data, stderr is for people.

A new command is a module with a function ``command`` and one line in `COMMANDS`; other packages
add commands as entry points of the group ``rewardlab.commands``. A module is imported when its
command or the command's help is called; the list of commands only parses the file.

Exit codes: 0 done, 1 a bug in rewardlab, 2 usage or configuration, 3 data, 4 a reward failed or is
unavailable, 75 stopped and can be resumed, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import ast
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from rewardlab.cli.interrupts import NOT_BEGUN, Interrupted, exit_code, terminable, told
from rewardlab.cli.usage import USAGE_ERROR, Command, usage_problem
from rewardlab.errors import (
    EXIT_REWARD,
    EXIT_USAGE,
    Problem,
    RewardFailed,
    RewardUnavailable,
    TooManyFailures,
    UserError,
    nearest,
    refuse,
    shown,
)
from rewardlab.registry import Registry

COMMANDS = Registry[Callable[..., None] | typer.Typer](
    "rewardlab.commands",
    {
        "compare": "rewardlab.cli.compare:command",
        "curate": "rewardlab.cli.curate:command",
        "demo": "rewardlab.cli.demo:command",
        "evaluate": "rewardlab.cli.evaluate:command",
        "example": "rewardlab.cli.example:command",
        "export-mqm": "rewardlab.cli.export_mqm:command",
        "metaeval": "rewardlab.cli.metaeval:command",
        "models": "rewardlab.cli.models:commands",
        "preflight": "rewardlab.cli.preflight:command",
        "rerank": "rewardlab.cli.rerank:command",
        "rewards": "rewardlab.cli.rewards:command",
        "rl": "rewardlab.cli.rl:command",
        "score": "rewardlab.cli.score:command",
        "sft": "rewardlab.cli.sft:command",
        "show": "rewardlab.cli.show:command",
        "train-reward": "rewardlab.cli.train_reward:command",
        "translate": "rewardlab.cli.translate:command",
    },
)
# GNU OpenMP threads wait for each other in a busy loop of 300,000 rounds. On a machine with other
# jobs they then burn the time that the others need: five times the CPU time of an idle machine.
# With 1,000 rounds it was 1.1 times (benchmarks/busy_machine.py).
# The library is read once, when torch is imported; a value of the user's own takes precedence.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

EXIT_BUG = 1
REWARD_ERRORS: dict[type[Exception], tuple[str, str]] = {
    RewardFailed: ("E401", "it is a bug in that reward; --debug shows where"),
    RewardUnavailable: ("E402", "start what it needs, then run this again"),
    TooManyFailures: ("E403", "see why above; the other rewards can be scored without it"),
}


MEANT = {
    "train": "one of rewardlab sft, rewardlab rl, rewardlab train-reward",
    "grpo": "rewardlab rl",
    "eval": "rewardlab evaluate",
    "meta-eval": "rewardlab metaeval",
    "plot": "rewardlab show",
}
"""Commands of other tools, with those that do the same here."""


class Commands(TyperGroup):
    """The commands by name, each imported when it is needed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = dict.fromkeys(sorted(COMMANDS.names()))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
        """The command with this name; None if there is no such command.

        Raises:
            UserError: E040, there is no such command, but one with a similar name; exit code 2.
        """
        if cmd_name not in self.commands:
            if near := nearest(cmd_name, self.commands):
                what, fix = f"No such command {shown(cmd_name)}", f"rewardlab {near}"
                refuse(Problem("E040", "rewardlab", what, fix), exit_code=EXIT_USAGE)
            if cmd_name in MEANT:
                what = f"No such command {shown(cmd_name)}"
                refuse(Problem("E040", "rewardlab", what, MEANT[cmd_name]), exit_code=EXIT_USAGE)
            return None
        with told(lambda: NOT_BEGUN):
            command = COMMANDS.load(cmd_name)
        if isinstance(command, typer.Typer):
            return typer.main.get_command(command)
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name, cls=Command)(command)
        return typer.main.get_command(single)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands in the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, one_line_help(name)) for name in self.list_commands(ctx)])


def one_line_help(name: str) -> str:
    """The first line of a command's docstring; a built-in command is parsed, not imported.

    A command with commands of its own has the docstring of its module, after the name.
    """
    if name not in COMMANDS.built_in:
        added = COMMANDS.load(name)
        text = added.info.help if isinstance(added, typer.Typer) else added.__doc__
        return str(text or "").partition("\n")[0]
    module, _, function = COMMANDS.built_in[name].partition(":")
    tree = ast.parse(Path(__file__).with_name(f"{module.rpartition('.')[2]}.py").read_bytes())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if function not in functions:
        about = (ast.get_docstring(tree) or "").partition("\n")[0].partition(": ")[2]
        return about[:1].upper() + about[1:]
    return (ast.get_docstring(functions[function]) or "").partition("\n")[0]


app = typer.Typer(
    name="rewardlab",
    cls=Commands,
    help="Reward ensembles, error spans and RL for machine translation.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code.

    Args:
        arguments: Arguments without the program's name; those of the process by default.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Users append --debug to a command that failed, so it is accepted anywhere.
    debug = "--debug" in words
    sys.exit(_run([word for word in words if word != "--debug"], debug=debug))


def _run(words: list[str], *, debug: bool) -> int:
    try:
        with terminable():
            # typer returns the code of a typer.Exit, and what the command returns otherwise.
            code: object = app(words or ["--help"], prog_name="rewardlab", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort, Interrupted) as error:
        from rewardlab.cli.output import say

        say(error.line if isinstance(error, Interrupted) else "interrupted")
        return exit_code(error)
    except Exception as error:  # noqa: BLE001 - the last stop before a traceback
        if debug:
            traceback.print_exc()
        known = as_user_error(error)
        print(*known.problems, sep="\n", file=sys.stderr)  # noqa: T201 - stderr is for people
        return known.exit_code


def as_user_error(error: Exception) -> UserError:
    """What to print about an error that ended a command, and its exit code."""
    if isinstance(error, UserError):
        return error
    text = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, USAGE_ERROR):
        return UserError([usage_problem(error)])
    for kind, (code, fix) in REWARD_ERRORS.items():
        if isinstance(error, kind):
            return UserError([Problem(code, "reward", text, fix)], EXIT_REWARD)
    what = f"a bug in rewardlab: {type(error).__name__}: {text}"
    fix = "report it with the output of --debug"
    return UserError([Problem("E900", "rewardlab", what, fix)], EXIT_BUG)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rewardlab {version('rewardlab')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    _debug: Annotated[
        bool, typer.Option("--debug", help="Print tracebacks; accepted anywhere.")
    ] = False,
) -> None:
    """Options of every command; `main` reads ``--debug``."""
