"""Progress lines during long waits, from a background thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

HEARTBEAT_SECONDS = 30.0


@contextmanager
def heartbeat(
    say: Callable[[str], None], line: Callable[[], str], *, every: float = HEARTBEAT_SECONDS
) -> Generator[None]:
    """Print a line at regular intervals while the body runs.

    Args:
        say: Prints one line.
        line: Makes the line, in the background thread.
        every: Seconds between two lines.
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
