"""A progress line every half minute, so that no wait is silent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

HEARTBEAT_SECONDS = 30.0


@contextmanager
def heartbeat(
    say: Callable[[str], None], line: Callable[[], str], *, every: float = HEARTBEAT_SECONDS
) -> Generator[None]:
    """Print a line at intervals, from a separate thread, while the body runs.

    Args:
        say: Prints one line.
        line: Makes the line.
        every: Seconds between lines.
    """
    over = threading.Event()

    def beat() -> None:
        while not over.wait(every):
            say(line())

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
