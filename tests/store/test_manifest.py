import pytest

from rewardlab.store.manifest import MANIFEST, damage, has_manifest, write_manifest


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "state.json").write_text("{}")
    return tmp_path


def test_a_directory_is_whole_once_it_is_sealed(directory):
    assert not has_manifest(directory)
    write_manifest(directory)
    assert has_manifest(directory)
    assert damage(directory) is None
    assert "inner/state.json" in (directory / MANIFEST).read_text()


def test_what_comes_later_is_no_damage(directory):
    write_manifest(directory)
    (directory / "README.md").write_text("a card")
    assert damage(directory) is None


def test_a_changed_file_is_damage(directory):
    write_manifest(directory)
    (directory / "model.safetensors").write_bytes(b"Weights")
    assert damage(directory) == "model.safetensors is not what was written"


def test_a_missing_file_is_damage(directory):
    write_manifest(directory)
    (directory / "inner" / "state.json").unlink()
    assert damage(directory) == "inner/state.json is missing"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sha256": 3}'])
def test_a_manifest_that_is_cut_short_is_damage(directory, text):
    write_manifest(directory)
    (directory / MANIFEST).write_text(text)
    assert damage(directory).startswith(f"{MANIFEST} cannot be read")
