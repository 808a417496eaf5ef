import os

import pytest

from rewardlab.errors import UserError
from rewardlab.store.files import replace_file


def test_a_full_disk_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    path = tmp_path / "evaluation.json"
    replace_file(path, "before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="E210") as caught:
        replace_file(path, "after")
    assert caught.value.exit_code == 75
    assert [file.name for file in tmp_path.iterdir()] == ["evaluation.json"]
    assert path.read_text() == "before"
