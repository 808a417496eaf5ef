"""One writer at a time, and an error that names the one that is writing.

The operating system keeps the lock (``filelock``, on ``flock``) and releases it when the process
that took it ends, even if that process is killed. The lock file names the process and its host. If
the lock is free but the file still names a process, that process was killed: the lock is taken over
with a note, unless the process ran on another host, where ``flock`` may not reach.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from rewardlab.errors import Problem, UserError


class Lock:
    """A lock file that this process holds; `take` makes one."""

    def __init__(self, path: Path, held: BaseFileLock) -> None:
        self._path, self._held = path, held

    @classmethod
    def take(cls, path: Path, *, note: Callable[[str], None] = lambda _: None) -> Lock:
        """Take the lock at once or raise an error that names its holder.

        Args:
            path: The lock file, in an existing directory. `release` removes it.
            note: Called with a line of text when the lock of a dead process is taken over.

        Raises:
            UserError: E084, another process holds it; exit code 2.
            OSError: The file cannot be created.
        """
        path.parent.stat()  # filelock would create a missing directory
        held = FileLock(path, thread_local=False, fallback_to_soft=False)
        try:
            held.acquire(blocking=False)
        except Timeout:
            raise _in_use(path, _holder(path), "wait for it to end") from None
        if (before := _holder(path)) is not None:
            pid, host = before
            if host != socket.gethostname():
                held.release()
                raise _in_use(path, before, f"if it no longer runs there: rm {path}")
            note(f"process {pid} was killed and left the lock file {path.name}; nobody holds it")
        path.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}) + "\n")
        return cls(path, held)

    def release(self) -> None:
        """Release the lock and remove its file; safe to call twice."""
        if self._held.is_locked:
            self._path.unlink(missing_ok=True)
            self._held.release()


def run_lock(run: Path) -> Path:
    """The lock file of a run: beside its directory, since the directory itself may be replaced."""
    named = run if run.name else run.resolve()
    return named.with_name(f".{named.name}.lock")


def in_use(path: Path, where: str, fix: str) -> Problem | None:
    """E084 if a process has the lock; None if it is free.

    Args:
        path: The lock file.
        where: What the process works on, for the message.
        fix: What else to do than to wait.
    """
    if not is_held(path) or (holder := _holder(path)) is None:
        return None
    gone = "" if holder[1] == socket.gethostname() else f"; if it no longer runs there: rm {path}"
    fix = f"wait for it to end, or {fix}{gone}"
    what = f"process {holder[0]} on {holder[1]} is still working on it"
    return Problem("E084", where, what, fix)


def is_held(path: Path) -> bool:
    """Whether the process that a lock file names is alive and has the lock.

    A process on another host is taken to be alive: its lock may not reach this host.

    Args:
        path: The lock file; False if it does not exist or names no process.
    """
    if (named := _holder(path)) is None or named[0] < 1:
        return False
    pid, host = named
    if host != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True  # alive, of another user
    except (OSError, OverflowError):
        return False
    # The process is gone for all that if nobody has waited for it yet, or another has its number.
    return not _is_free(path)


def _is_free(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _holder(path: Path) -> tuple[int, str] | None:
    """The process id and host that the file names; None if it names none."""
    try:
        named = json.loads(path.read_bytes())
        return int(named["pid"]), str(named["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _in_use(path: Path, holder: tuple[int, str] | None, fix: str) -> UserError:
    who = f"process {holder[0]} on {holder[1]}" if holder else "another process"
    return UserError([Problem("E084", str(path), f"{who} is writing there", fix)])
