from pathlib import Path

import pytest

from rewardlab.errors import UserError


@pytest.fixture
def load(tmp_path, monkeypatch, command):
    """Read the command's example, or another text, where the checkpoint it starts from lies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    Path("start").mkdir()
    Path("start/config.json").write_text("{}")

    def from_text(text=command.text, overrides=()):
        Path("run.yaml").write_text(text, encoding="utf-8")
        return command.load("run.yaml", overrides)

    return from_text


@pytest.fixture
def refused(load, command):
    def messages(text=command.text, overrides=()):
        with pytest.raises(UserError) as caught:
            load(text, overrides)
        assert caught.value.exit_code == 2
        return [str(problem) for problem in caught.value.problems]

    return messages
