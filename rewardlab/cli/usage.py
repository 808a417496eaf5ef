"""Command lines that cannot be used: what is wrong, and the nearest command line that can.

`Command` parses every command. An option that takes one value may be given once only, so that no
value is dropped without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperOption

from rewardlab.errors import EXIT_USAGE, Problem, nearest, refuse, shown

MOVED = {("rewardlab evaluate", "--compare"): "rewardlab compare A B --metric chrf"}
"""Former options that are now commands, with the fix that the message gives."""
FURTHER = {("rewardlab preflight", "--hypothesis"): "--other-hypothesis"}
"""Options for a second value of an option that takes one."""
CALLED = {
    "--metric": "--reward",
    "--reward": "--metric",
    "--ref": "--reference",
    "--src": "--source",
    "--hyp": "--hypothesis",
    "--system": "--hypothesis",
}
"""Options by the name that they have in other commands and tools."""
# typer has moved its usage errors between releases; this public class's parent covers them all.
USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]


class Command(TyperCommand):
    """A command whose single-value options may be given only once."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments of the command.

        Args:
            ctx: typer's context.
            args: The words after the command's name.

        Raises:
            UserError: E040, an option with one value is given twice, or ``--json`` is given a file
                that it does not take; exit code 2.
        """
        command = ctx.command_path
        problems = [*_repeated(command, self._given(ctx, args)), *_json_problems(self, ctx, args)]
        if problems:
            refuse(*problems, exit_code=EXIT_USAGE)
        return super().parse_args(ctx, args)

    def _given(self, ctx: Any, args: Sequence[str]) -> dict[TyperOption, list[str]]:
        """Every value of the options that take one value."""
        single = [
            param
            for param in self.params
            if isinstance(param, TyperOption)
            and not (param.multiple or param.is_flag or param.count)
        ]
        for option in single:
            option.multiple = True  # the parser then keeps every value
        try:
            values, _, _ = self.make_parser(ctx).parse_args([*args])
        finally:
            for option in single:
                option.multiple = False
        return {option: values.get(option.name, []) for option in single}


def _repeated(command: str, given: dict[TyperOption, list[str]]) -> Iterator[Problem]:
    for option, values in given.items():
        if len(values) > 1:
            flag = min(option.opts, key=len)
            first, second = values[:2]
            listed = ", ".join(map(shown, values))
            what = f"{flag} takes one value and is given {len(values)}: {listed}"
            further = FURTHER.get((command, option.opts[0]))
            fix = f"{flag} {first} {further} {second}" if further else f"keep one, {flag} {second}"
            yield Problem("E040", command, what, fix)


def _json_problems(command: TyperCommand, ctx: Any, args: Sequence[str]) -> Iterator[Problem]:
    """E040: a file for a ``--json`` that prints on stdout."""
    prints = any(
        "--json" in param.opts and getattr(param, "is_flag", False) for param in command.params
    )
    for word, after in pairwise(args):
        if prints and word == "--json" and (after == "-" or after.endswith(".json")):
            fix = "--json" if after == "-" else f"--json > {after}"
            what = f"--json takes no file here, and {shown(after)} follows it; JSON goes to stdout"
            yield Problem("E040", ctx.command_path, what, fix)


def usage_problem(error: Exception) -> Problem:
    """E040: a usage error of typer, with the nearest option that exists as the fix.

    Args:
        error: An exception of the kind `USAGE_ERROR`.
    """
    context = getattr(error, "ctx", None)
    command = getattr(context, "command_path", None) or "rewardlab"
    if (refused := _refused_value(error, command)) is not None:
        return refused
    option = getattr(error, "option_name", "")
    fix = MOVED.get((command, option), f"see {command} --help")
    if near := _near_option(option, context):
        return Problem("E040", command, f"No such option: {option}", near)
    text: str = getattr(error, "format_message", lambda: str(error))()
    return Problem("E040", command, " ".join(text.split()).rstrip("."), fix)


def _near_option(option: str, context: Any) -> str | None:
    """The option that an unknown one was probably meant to be."""
    if context is None or not option.startswith("--"):
        return None
    known = [name for param in context.command.params for name in param.opts]
    called = CALLED.get(option)
    return called if called in known else nearest(option, known)


def _refused_value(error: Exception, command: str) -> Problem | None:
    """E040: a value of the wrong type or out of range; None for another usage error.

    typer checks values by pydantic, and its message leaves the value out.
    """
    cause, param = error.__cause__, getattr(error, "param", None)
    if param is None or not hasattr(cause, "errors"):
        return None
    details: dict[str, Any] = cast("Any", cause).errors()[0]
    option = param.opts[0]
    reason = details["msg"].partition(",")[0].replace("Input should be", "it should be")
    default = getattr(param, "default", None)
    fix = f"{option} {default}" if isinstance(default, int) else f"see {command} --help"
    return Problem("E040", command, f"{option} is {shown(details['input'])}; {reason}", fix)
