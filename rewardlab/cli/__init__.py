"""The command line: ``rewardlab COMMAND``; stdout is data, stderr is for people.

A command is a module of this package: a function ``command`` that states its options, and a
function ``run`` that takes one configuration object and does the work. Modules import what is
heavy inside ``run``, so that ``--help`` answers at once. One line here registers a command.

Exit codes: 0 done, 1 a bug of ours, 2 usage or configuration, 3 data, 4 a reward failed or is
unavailable, 130 interrupted; a command may add its own.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from rewardlab.cli import (
    demo,
    evaluate,
    export_mqm,
    metaeval,
    preflight,
    rerank,
    rl,
    score,
    sft,
    train_reward,
    translate,
)
from rewardlab.errors import (
    EXIT_REWARD,
    EXIT_USAGE,
    Problem,
    RewardFailed,
    RewardUnavailable,
    TooManyFailures,
    UserError,
)

EXIT_BUG = 1
EXIT_INTERRUPTED = 130
REWARD_ERRORS: dict[type[Exception], tuple[str, str]] = {
    RewardFailed: ("E401", "it is a bug in that reward; --debug shows where"),
    RewardUnavailable: ("E402", "start what it needs, then run this again"),
    TooManyFailures: ("E403", "see why above; the other rewards can be scored without it"),
}
# typer has moved its usage errors between releases; the parent of this public one is all of them.
USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="rewardlab",
    help="Reward ensembles, error spans and RL for machine translation.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.command)
app.command("evaluate")(evaluate.command)
app.command("export-mqm")(export_mqm.command)
app.command("metaeval")(metaeval.command)
app.command("preflight")(preflight.command)
app.command("rerank")(rerank.command)
app.command("rl")(rl.command)
app.command("score")(score.command)
app.command("sft")(sft.command)
app.command("train-reward")(train_reward.command)
app.command("translate")(translate.command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and leave with its exit code.

    Args:
        arguments: Without the program's name; those of the process by default.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Whoever meets an error appends --debug, so it is read wherever it stands.
    debug = "--debug" in words
    sys.exit(_run([word for word in words if word != "--debug"], debug=debug))


def _run(words: list[str], *, debug: bool) -> int:
    try:
        # typer returns the code of a typer.Exit, and what the command returns otherwise.
        code: object = app(words or ["--help"], prog_name="rewardlab", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)  # noqa: T201 - stderr is for people
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last stop before a traceback
        if debug:
            traceback.print_exc()
        problems, code = _problems(error)
        for problem in problems:
            print(problem, file=sys.stderr)  # noqa: T201 - stderr is for people
    return code if isinstance(code, int) else 0


def _problems(error: Exception) -> tuple[list[Problem], int]:
    """What to print about an error that ended a command, and its exit code."""
    if isinstance(error, UserError):
        return error.problems, error.exit_code
    text = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, USAGE_ERROR):
        message: str = getattr(error, "format_message", lambda: text)()
        context = getattr(error, "ctx", None)
        command = getattr(context, "command_path", None) or "rewardlab"
        what = " ".join(message.split()).rstrip(".?")
        return [Problem("E040", command, what, f"see {command} --help")], EXIT_USAGE
    for kind, (code, fix) in REWARD_ERRORS.items():
        if isinstance(error, kind):
            return [Problem(code, "reward", text, fix)], EXIT_REWARD
    what = f"a bug in rewardlab: {type(error).__name__}: {text}"
    return [Problem("E900", "rewardlab", what, "report it with the output of --debug")], EXIT_BUG


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
            "--version", callback=_print_version, is_eager=True, help="Print the version and leave."
        ),
    ] = False,
    _debug: Annotated[
        bool, typer.Option("--debug", help="Print tracebacks; may stand anywhere.")
    ] = False,
) -> None:
    """State the options that every command has; `main` reads ``--debug``."""
