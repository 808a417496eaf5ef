import json
from types import SimpleNamespace

import pytest

from rewardlab.store.manifest import write_manifest
from rewardlab.trainers.resume import latest_checkpoint, train_on


def checkpoint(directory, step, *, sealed=True):
    path = directory / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(str(step).encode())
    if sealed:
        write_manifest(path)
    return path


def test_the_latest_by_number_is_taken(tmp_path):
    checkpoint(tmp_path, 9)
    newest = checkpoint(tmp_path, 10)
    (tmp_path / "checkpoint-best").mkdir()
    assert latest_checkpoint(tmp_path, say=pytest.fail) == newest


def test_there_may_be_none(tmp_path):
    assert latest_checkpoint(tmp_path / "nowhere", say=pytest.fail) is None


def test_one_that_was_never_finished_is_removed_and_told(tmp_path):
    older = checkpoint(tmp_path, 2)
    cut = checkpoint(tmp_path, 4, sealed=False)
    told = []
    assert latest_checkpoint(tmp_path, say=told.append) == older
    assert told == ["checkpoint-4 was never finished; removed"]
    assert not cut.exists()


def test_a_damaged_one_is_set_aside_and_told(tmp_path):
    older = checkpoint(tmp_path, 2)
    bad = checkpoint(tmp_path, 4)
    (bad / "model.safetensors").write_bytes(b"other")
    told = []
    assert latest_checkpoint(tmp_path, say=told.append) == older
    assert told == ["checkpoint-4 is damaged (model.safetensors is not what was written); renamed"]
    assert len(list(tmp_path.glob("damaged-*-checkpoint-4"))) == 1


def test_what_was_logged_after_the_checkpoint_is_forgotten(tmp_path):
    """It is logged again; a line that was cut short goes too."""
    path = checkpoint(tmp_path, 4)
    log = tmp_path / "metrics.jsonl"
    log.write_text('{"step": 2, "loss": 3.0}\n{"step": 4}\n{"step": 6}\n{"st')
    calls = []
    trainer = SimpleNamespace(
        args=SimpleNamespace(output_dir=str(tmp_path)),
        train=lambda **given: calls.append(given),
        add_callback=lambda _: None,
    )
    told = []
    train_on(trainer, say=told.append)
    assert calls == [{"resume_from_checkpoint": str(path)}]
    assert told == ["resuming from step 4"]
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [2, 4]
