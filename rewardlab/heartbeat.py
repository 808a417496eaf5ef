"""A line every half minute, so that nothing waits in silence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

HEARTBEAT_SECONDS = 30.0


@contextmanager
def heartbeat(
    say: Callable[[str], None], line: Callable[[], str], *, every: float = HEARTBEAT_SECONDS
) -> Generator[None]:
    """Say ``line()`` every so many seconds, from a thread of its own, while the body runs."""
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
