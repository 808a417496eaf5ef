import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from rewardlab.errors import UserError
from rewardlab.store import score_cache as module
from rewardlab.store.score_cache import score_cache


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scores.sqlite"


@pytest.fixture(autouse=True)
def _opened_anew():
    """Every test, and every `again`, finds no open cache, as a new process would."""
    module._open.cache_clear()


def again(path):
    module._open.cache_clear()
    return score_cache(path)


def key(number):
    return hashlib.sha256(str(number).encode()).digest()


def values(number):
    return {key(n): {"score": n / 3, "spans": [[n, "Blåbær\ud83d"]]} for n in range(number)}


def refusal(call):
    with pytest.raises(UserError) as error:
        call()
    (problem,) = error.value.problems
    return error.value.exit_code, problem


def test_values_come_back_as_they_were_also_to_the_next_process(path):
    cache = score_cache(path)
    assert cache.read([key(1)]) == {}
    cache.write(values(1200))
    cache.write({})
    assert cache.read([key(n) for n in range(1300)]) == values(1200)
    assert score_cache(path) is cache
    later = again(path)
    assert later.read(list(values(1200))) == values(1200)
    assert len(later) == 1200
    assert path.stat().st_mode & 0o777 == 0o644 & ~_umask()


def _umask():
    os.umask(mask := os.umask(0))
    return mask


def test_what_is_no_json_is_refused_and_nothing_of_the_call_kept(path):
    with pytest.raises(ValueError, match="JSON compliant"):
        score_cache(path).write({key(0): 1.0, key(1): float("nan")})
    assert len(score_cache(path)) == 0


def test_a_damaged_row_is_deleted_and_written_again(path):
    cache = score_cache(path)
    cache.write(values(3))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE scores SET value = ? WHERE key = ?", (b'{"score": 9.0}', key(0)))
        swap = "UPDATE scores SET value = (SELECT value FROM scores WHERE key = ?), sha256 = "
        swap += "(SELECT sha256 FROM scores WHERE key = ?) WHERE key = ?"
        other.execute(swap, (key(2), key(2), key(1)))
    assert cache.read([key(n) for n in range(3)]) == {key(2): values(3)[key(2)]}
    assert len(cache) == 1
    cache.write(values(3))
    assert cache.read(list(values(3))) == values(3)


def test_corruption_is_found_and_never_a_wrong_value(path):
    """The reliability test: 50 files here, 1,000 in the benchmark's sizes."""
    score_cache(path).write(values(100))
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = path.read_bytes()
    dice = random.Random(0)  # noqa: S311 - noise, not a secret
    found = refused = 0
    codes: set[str] = set()
    for number in range(50):
        copy = path.with_name(f"{number}.sqlite")
        data = bytearray(whole)
        if number % 3 == 2:
            del data[dice.randrange(len(data)) :]
        for _ in range(dice.choice([1, 5, 50]) if data else 0):
            data[dice.randrange(len(data))] = dice.randrange(256)
        copy.write_bytes(data)
        try:
            cache = again(copy)
            told = cache.read(list(values(100)))
            cache.write({k: v for k, v in values(100).items() if k not in told})
            found += 100 - len(told)
        except UserError as error:
            codes |= {problem.code for problem in error.problems}
            refused += 1
            continue
        assert all(value == values(100)[k] for k, value in told.items())
    assert found > 0
    assert 0 < refused < 50
    assert codes <= {"E352", "E210"}


def test_threads_share_a_cache(path):
    cache = score_cache(path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: cache.write({key(n): n}), range(64)))
        read = list(pool.map(lambda n: cache.read([key(n)]), range(64)))
    assert read == [{key(n): n} for n in range(64)]


WRITER = """
import sys, hashlib
from pathlib import Path
from rewardlab.store.score_cache import score_cache
cache = score_cache(Path(sys.argv[1]))
for first in range(0, 200, 10):
    keys = {hashlib.sha256(str(n).encode()).digest(): n for n in range(first, first + 10)}
    known = cache.read(list(keys))
    assert all(known[key] == keys[key] for key in known)
    cache.write({key: n for key, n in keys.items() if key not in known})
"""


def test_processes_share_a_file(path):
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    errors = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0] * 3, errors
    assert score_cache(path).read([key(n) for n in range(200)]) == {key(n): n for n in range(200)}


def test_a_fork_opens_its_own(path):
    cache = score_cache(path)
    cache.write({key(0): 0})
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        mine = score_cache(path)
        mine.write({key(1): 1})
        os.write(writing, json.dumps([mine is not cache, len(mine)]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert json.loads(os.read(reading, 100)) == [True, 2]
    os.close(reading)
    os.close(writing)
    assert cache.read([key(1)]) == {key(1): 1}


@pytest.mark.parametrize(
    "content", [b"not a database at all, but text " * 99, b"SQLite format 3\0x"]
)
def test_another_file_is_not_overwritten(path, content):
    path.write_bytes(content)
    code, problem = refusal(lambda: score_cache(path))
    assert (code, problem.code, problem.where) == (2, "E352", f"cache {path}")
    assert problem.fix == "give another path"
    assert path.read_bytes() == content


def test_another_database_is_not_written_to(path):
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE mine (a)")
    code, problem = refusal(lambda: score_cache(path))
    assert (code, problem.code, problem.fix) == (2, "E352", "give another path")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"PRAGMA application_id = {module.APPLICATION}")
        database.execute("PRAGMA user_version = 2")
    assert refusal(lambda: score_cache(path))[1].code == "E352"


def test_a_directory_that_is_not_there_is_said(tmp_path):
    code, problem = refusal(lambda: score_cache(tmp_path / "no" / "scores.sqlite"))
    assert (code, problem.code, problem.fix) == (2, "E352", f"mkdir -p {tmp_path / 'no'}")


def test_a_full_disk_keeps_what_there_was(path):
    cache = score_cache(path)
    cache.write(values(10))
    pages = cache._scores.database.execute("PRAGMA page_count").fetchone()[0]
    cache._scores.database.execute(f"PRAGMA max_page_count = {pages}")
    code, problem = refusal(lambda: cache.write(values(1000)))
    assert (code, problem.code) == (75, "E210")
    assert "full" in problem.what
    assert cache.read(list(values(1000))) == values(10)


def test_a_writer_that_does_not_let_go_is_said(path, monkeypatch):
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    cache = score_cache(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        code, problem = refusal(lambda: cache.write(values(1)))
        assert (code, problem.code) == (75, "E210")
        assert "locked" in problem.what
    cache.write(values(1))
