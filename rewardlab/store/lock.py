"""One writer at a time, and a message that names it.

The operating system holds the lock (``flock``), so it ends with the process that took it, however
that ends. The file says who that was. A file that still names somebody although nobody holds it is
of a process that was killed: it is taken over with a note, unless it ran on another machine, where
``flock`` may not reach.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rewardlab.errors import Problem, UserError


class Lock:
    """A lock file that this process holds; `take` makes one."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor

    @classmethod
    def take(cls, path: Path, *, note: Callable[[str], None] = lambda _: None) -> Lock:
        """Take the lock, or say who has it.

        Args:
            path: The lock file; made if it is not there, removed by `release`.
            note: Told when the lock of a dead process was taken over.

        Raises:
            UserError: E084, another process has it; exit code 2.
            OSError: The file cannot be made.
        """
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _holder(descriptor)
                os.close(descriptor)
                raise _in_use(path, holder, "wait for it to end") from None
            if _same_file(descriptor, path):
                break
            os.close(descriptor)  # its holder removed it between our open and our lock
        lock = cls(path, descriptor)
        if (before := _holder(descriptor)) is not None:
            if before[1] != socket.gethostname():
                os.close(descriptor)
                raise _in_use(path, before, f"if it runs no more there: rm {path}")
            note(f"took over {path.name} from process {before[0]}, which ended without closing")
        lock._sign()
        return lock

    def release(self) -> None:
        """Give the lock up; safe to call twice."""
        if self._descriptor >= 0:
            with suppress(FileNotFoundError):
                self._path.unlink()
            os.close(self._descriptor)
            self._descriptor = -1

    def _sign(self) -> None:
        os.ftruncate(self._descriptor, 0)
        text = json.dumps({"pid": os.getpid(), "host": socket.gethostname()})
        os.pwrite(self._descriptor, f"{text}\n".encode(), 0)


def _holder(descriptor: int) -> tuple[int, str] | None:
    """Process and machine that the file names, if it names any."""
    try:
        named = json.loads(os.pread(descriptor, 4096, 0))
        return int(named["pid"]), str(named["host"])
    except (ValueError, KeyError, TypeError):
        return None


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _in_use(path: Path, holder: tuple[int, str] | None, fix: str) -> UserError:
    who = f"process {holder[0]} on {holder[1]}" if holder else "another process"
    return UserError([Problem("E084", str(path), f"{who} is writing there", fix)])
