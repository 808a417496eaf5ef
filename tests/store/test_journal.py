import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

import pytest

from rewardlab.errors import UserError
from rewardlab.store.journal import Journal

SETTINGS = {"model": "a1b2", "beams": 1}


def problem_of(error):
    (problem,) = error.value.problems
    return problem


def test_values_come_back_as_they_were(tmp_path):
    values = {
        "row/1": {"texts": ["Blåbærsyltetøy", "\ud83d", "a\nb"], "seconds": 0.1},
        "row/2": [1, 2.5, True, None],
        "": "an empty key",
        "Å": 0,
    }
    with Journal.open(tmp_path / "j.sqlite", SETTINGS) as journal:
        journal.put(values)
        assert {key: journal.get(key) for key in values} == values
    with Journal.open(tmp_path / "j.sqlite", SETTINGS) as journal:
        assert {key: journal.get(key) for key in values} == values
        assert journal.get("row/3") is None
        journal.put({"row/1": 7})
        assert (journal.get("row/1"), len(journal)) == (7, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["j.sqlite"]


def test_what_is_no_value_is_refused_and_nothing_of_the_call_kept(tmp_path):
    with Journal.open(tmp_path / "j.sqlite", SETTINGS) as journal:
        with pytest.raises(ValueError, match="None"):
            journal.put({"a": 1, "b": None})
        with pytest.raises(ValueError, match="JSON compliant"):
            journal.put({"a": 1, "b": float("nan")})
        assert len(journal) == 0


def test_other_settings_are_refused_by_name(tmp_path):
    path = tmp_path / "j.sqlite"
    with Journal.open(path, SETTINGS) as journal:
        journal.put({"a": 1})
    with pytest.raises(UserError) as error:
        Journal.open(path, {"model": "a1b2", "beams": 4, "top_p": 0.9})
    assert error.value.exit_code == 2
    assert str(problem_of(error)) == (
        f"error[E083] {path}: holds work done with other settings: beams was 1 and is 4; "
        "top_p was None and is 0.9. fix: continue with the settings it has, or write to another "
        "directory"
    )
    with Journal.open(path, dict(reversed(SETTINGS.items()))) as journal:
        assert journal.get("a") == 1


def test_a_second_writer_is_told_who_the_first_is(tmp_path):
    path = tmp_path / "j.sqlite"
    with Journal.open(path, SETTINGS) as first:
        with pytest.raises(UserError) as error:
            Journal.open(path, SETTINGS)
        assert error.value.exit_code == 2
        assert str(problem_of(error)) == (
            f"error[E084] {path}.lock: process {os.getpid()} on {socket.gethostname()} is writing "
            "there. fix: wait for it to end"
        )
        first.put({"a": 1})
    Journal.open(path, SETTINGS).close()


def test_the_lock_of_a_dead_process_is_taken_over_with_a_note(tmp_path):
    path, notes = tmp_path / "j.sqlite", []
    (tmp_path / "j.sqlite.lock").write_text(json.dumps({"pid": 4242, "host": socket.gethostname()}))
    Journal.open(path, SETTINGS, note=notes.append).close()
    assert notes == [
        "process 4242 was killed and left the lock file j.sqlite.lock; nobody holds it"
    ]
    (tmp_path / "j.sqlite.lock").write_text(json.dumps({"pid": 4242, "host": "elsewhere"}))
    with pytest.raises(UserError) as error:
        Journal.open(path, SETTINGS, note=notes.append)
    assert "process 4242 on elsewhere" in str(problem_of(error))
    assert problem_of(error).fix.endswith(f"rm {path}.lock")


WRITER = """
import sys
from rewardlab.store.journal import Journal
journal = Journal.open(sys.argv[1], {"model": "a1b2", "beams": 1})
for number in range(10**9):
    journal.put({f"{number}/{part}": [number, "x" * 200] for part in range(20)})
    print(number, flush=True)
"""


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.13])
def test_kill_9_loses_nothing_that_was_put_and_leaves_no_half_call(tmp_path, delay):
    path, notes = tmp_path / "j.sqlite", []
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        said = [process.stdout.readline()]
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
    last = int(said[-1])
    with Journal.open(path, SETTINGS, note=notes.append) as journal:
        calls, rest = divmod(len(journal), 20)
        assert rest == 0
        assert calls >= last + 1
        for number in range(calls):
            assert journal.get(f"{number}/19") == [number, "x" * 200]
    assert len(notes) == 1
    assert f"process {process.pid} was killed" in notes[0]


def test_a_damaged_row_is_set_aside_and_never_read(tmp_path):
    path, notes = tmp_path / "j.sqlite", []
    with Journal.open(path, SETTINGS) as journal:
        journal.put({f"row/{number}": f"value {number}" for number in range(50)})
    data = path.read_bytes()
    at = data.index(b'"value 17"')
    path.write_bytes(data[:at] + b'"value 71"' + data[at + 10 :])
    with Journal.open(path, SETTINGS, note=notes.append) as journal:
        assert journal.get("row/17") is None
        assert len(journal) == 49
        assert journal.get("row/18") == "value 18"
        journal.put({"row/17": "value 17"})
    aside = tmp_path / "j.sqlite.damaged-1"
    what = "1 of its rows do not match their digests"
    assert notes == [f"{path} is damaged: {what}; moved to {aside}, 49 intact rows kept"]
    assert b'"value 71"' in aside.read_bytes()


def test_a_row_damaged_under_way_is_missing(tmp_path):
    with Journal.open(tmp_path / "j.sqlite", SETTINGS) as journal:
        journal.put({"a": 1, "b": 2})
        journal._work.database.execute("UPDATE work SET value = X'33' WHERE key = X'61'")
        assert (journal.get("a"), journal.get("b")) == (None, 2)


def test_rows_of_another_journal_do_not_pass(tmp_path):
    with Journal.open(tmp_path / "other.sqlite", {"model": "other"}) as other:
        other.put({"a": "theirs"})
        foreign = other._work.database.execute("SELECT * FROM work").fetchone()
    with Journal.open(tmp_path / "j.sqlite", SETTINGS) as journal:
        journal._work.database.execute("INSERT INTO work VALUES (?, ?, ?)", foreign)
        assert journal.get("a") is None


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0"])
def test_a_file_that_is_no_database_is_moved_aside(tmp_path, content):
    path, notes = tmp_path / "j.sqlite", []
    path.write_bytes(content)
    with Journal.open(path, SETTINGS, note=notes.append) as journal:
        journal.put({"a": 1})
    assert (tmp_path / "j.sqlite.damaged-1").read_bytes() == content
    assert f"moved to {path}.damaged-1" in notes[0]


def test_the_journal_of_another_version_is_left_alone(tmp_path, monkeypatch):
    path = tmp_path / "j.sqlite"
    monkeypatch.setattr("rewardlab.store.journal.SCHEMA", 2)
    Journal.open(path, SETTINGS).close()
    monkeypatch.undo()
    before = path.read_bytes()
    with pytest.raises(UserError) as error:
        Journal.open(path, SETTINGS)
    assert (problem_of(error).code, error.value.exit_code) == ("E211", 2)
    assert "schema '2'" in problem_of(error).what
    assert f"mv {path} {path}.old" in problem_of(error).fix
    assert path.read_bytes() == before


def test_a_full_disk_ends_the_run_and_keeps_what_was_put(tmp_path):
    path = tmp_path / "j.sqlite"
    with Journal.open(path, SETTINGS) as journal:
        journal.put({"a": 1})
        journal._work.database.execute("PRAGMA max_page_count = 8")
        with pytest.raises(UserError) as error:
            journal.put({f"b{number}": "x" * 1000 for number in range(100)})
        assert journal.get("a") == 1
    assert error.value.exit_code == 75
    assert str(problem_of(error)).startswith(
        f"error[E210] {path}: cannot be read or written: database or disk is full. fix: make room"
    )
    with Journal.open(path, SETTINGS) as journal:
        assert len(journal) == 1


def test_a_directory_that_is_not_there_is_an_error_with_its_name(tmp_path):
    with pytest.raises(UserError) as error:
        Journal.open(tmp_path / "gone" / "j.sqlite", SETTINGS)
    assert (problem_of(error).code, error.value.exit_code) == ("E210", 75)
    assert "gone/j.sqlite" in problem_of(error).where
    assert "No such file or directory" in problem_of(error).what


def test_whatever_the_damage_no_value_is_wrong(tmp_path):
    """Fifty times: overwrite bytes, cut the file or write pages of noise; open; ask; go on."""
    values = {f"row/{number}": {"text": f"value {number} " * 9} for number in range(200)}
    sound = tmp_path / "sound.sqlite"
    with Journal.open(sound, SETTINGS) as journal:
        journal.put(values)
    content = sound.read_bytes()
    rng = random.Random(5)  # noqa: S311 - noise, not a secret
    lost = 0
    for round_number in range(50):
        path = tmp_path / str(round_number) / "j.sqlite"
        path.parent.mkdir()
        path.write_bytes(_damaged(content, rng))
        with Journal.open(path, SETTINGS) as journal:
            found = {key: journal.get(key) for key in values}
            assert all(found[key] in (None, values[key]) for key in values)
            missing = {key: values[key] for key in values if found[key] is None}
            lost += len(missing)
            journal.put(missing)
        with Journal.open(path, SETTINGS) as journal:
            assert {key: journal.get(key) for key in values} == values
    assert 0 < lost < 50 * 200, "something was damaged, and something was kept"


def _damaged(content, rng):
    data = bytearray(content)
    kind = rng.randrange(3)
    if kind == 0:
        for _ in range(rng.choice([1, 5, 50])):
            data[rng.randrange(len(data))] = rng.randrange(256)
    elif kind == 1:
        del data[rng.randrange(len(data)) :]
    else:
        start = rng.randrange(len(data))
        data[start : start + 4096] = rng.randbytes(4096)
    return bytes(data)
