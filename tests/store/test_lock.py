import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from rewardlab.errors import UserError
from rewardlab.store.lock import Lock, is_held

HOLDER = """
import sys, time
from pathlib import Path
from rewardlab.store.lock import Lock
lock = Lock.take(Path(sys.argv[1]))
print("taken", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.lock"


@pytest.fixture
def holder(path):
    """Another process that holds the lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "taken\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_at_once_with_the_holder(path, holder):
    began = time.monotonic()
    with pytest.raises(UserError) as error:
        Lock.take(path)
    assert time.monotonic() - began < 1.0
    assert error.value.exit_code == 2
    assert str(error.value) == (
        f"error[E084] {path}: process {holder.pid} on {socket.gethostname()} is writing there. "
        "fix: wait for it to end"
    )


def test_the_lock_of_a_killed_process_is_free_and_noted(path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    notes = []
    Lock.take(path, note=notes.append).release()
    assert notes == [
        f"process {holder.pid} was killed and left the lock file run.lock; nobody holds it"
    ]


def test_a_lock_is_held_until_its_process_ends(path, holder):
    assert is_held(path)
    os.kill(holder.pid, signal.SIGKILL)
    while is_held(path):  # until the kernel has taken the lock away; nobody waits for the process
        time.sleep(0.01)
    assert holder.returncode is None, "it is not waited for, so its number is not free yet"
    holder.wait()
    assert not is_held(path)
    assert not is_held(path.with_name("none"))
    path.write_text(json.dumps({"pid": os.getpid(), "host": "another"}))
    assert is_held(path)
    path.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
    assert not is_held(path), "the number was given to another process"


def test_a_lock_names_its_holder_and_leaves_nothing(path):
    lock = Lock.take(path)
    assert json.loads(path.read_text()) == {"pid": os.getpid(), "host": socket.gethostname()}
    lock.release()
    assert not path.exists()
    lock.release()
    Lock.take(path).release()


def test_a_released_lock_does_not_remove_the_next_ones_file(path):
    first = Lock.take(path)
    first.release()
    second = Lock.take(path)
    first.release()
    assert path.exists()
    second.release()


def test_a_missing_directory_is_not_created(tmp_path):
    with pytest.raises(FileNotFoundError):
        Lock.take(tmp_path / "gone" / "run.lock")
    assert not (tmp_path / "gone").exists()
