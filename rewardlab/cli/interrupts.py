"""SIGTERM and SIGINT outside the training loop: one line that says what they left, and exit codes.

SIGTERM raises an exception as SIGINT does, so that locks are released and the command can say what
it has left. While a trainer takes its steps, `rewardlab.trainers.stopping` handles both signals.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any


class Terminated(KeyboardInterrupt):
    """SIGTERM; a `KeyboardInterrupt`, because all that is done after one must be done here too."""


class Interrupted(BaseException):
    """An interrupt with the line to print; of no kind that typer catches to print its own.

    Attributes:
        line: The line.
    """

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.line = line


NOT_BEGUN = "interrupted before the run began"


@contextmanager
def terminable() -> Generator[None]:
    """Raise `Terminated` on SIGTERM in the body, in the main thread of this process.

    A handler that is not the default is left alone.
    """
    usual = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def terminate(number: int, _frame: Any) -> None:
        if os.getpid() != owner:  # a forked worker ends quietly
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def told(line: Callable[[], str]) -> Generator[None]:
    """Give an interrupt in the body the line that the command prints at its end.

    Args:
        line: Makes the line; called after the interrupt.

    Raises:
        Interrupted: The body was interrupted.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(line()) from error


def exit_code(interrupt: BaseException) -> int:
    """143 after SIGTERM, 130 after any other interrupt.

    Args:
        interrupt: What ended the command: the interrupt, or what was raised from it.
    """
    by = {type(interrupt), type(interrupt.__cause__)}
    return 128 + (signal.SIGTERM if Terminated in by else signal.SIGINT)
