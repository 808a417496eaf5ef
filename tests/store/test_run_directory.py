import json

import pytest

from rewardlab.store.run_directory import PACKAGES, start_run, versions


def test_a_run_directory_says_what_runs(tmp_path):
    start_run(tmp_path / "run", config="seed: 1\n", signature="chrf|x")
    assert (tmp_path / "run" / "config.yaml").read_text() == "seed: 1\n"
    assert (tmp_path / "run" / "signature.txt").read_text() == "chrf|x\n"
    found = json.loads((tmp_path / "run" / "versions.json").read_text())
    assert set(PACKAGES) | {"python", "platform", "git_revision"} == set(found)
    assert found["trl"].startswith("1.16")


def test_a_run_directory_is_never_written_over(tmp_path):
    (tmp_path / "old").write_text("precious")
    with pytest.raises(FileExistsError, match="is not empty"):
        start_run(tmp_path, config="", signature="")
    assert (tmp_path / "old").read_text() == "precious"


def test_outside_git_there_is_no_revision(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert versions()["git_revision"] is None
