import hashlib
import json
import os
import re

import pytest
import torch
from safetensors.torch import save_file

from rewardlab.errors import UserError
from rewardlab.models.weights import load_pickle, load_state_dict, pickle_digest

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.bfloat16)}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def same(found):
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].dtype is tensor.dtype
        assert torch.equal(found[name], tensor)


def sharded(directory, single, save):
    """Two shards and their index, as transformers writes them."""
    stem, suffix = single.rsplit(".", 1)
    placed = {name: f"{stem}-0000{n}-of-00002.{suffix}" for n, name in enumerate(TENSORS, 1)}
    for name, file in placed.items():
        save({name: TENSORS[name]}, directory / file)
    index = directory / f"{single}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    return index, [directory / file for file in placed.values()]


def refused(code, directory, **options):
    with pytest.raises(UserError) as error:
        load_state_dict(directory, **options)
    assert [problem.code for problem in error.value.problems] == [code]
    assert error.value.exit_code == 2
    assert error.value.problems[0].fix
    assert "\n" not in str(error.value)
    return str(error.value)


def test_safetensors(tmp_path):
    save_file(TENSORS, tmp_path / "model.safetensors")
    same(load_state_dict(tmp_path))


def test_sharded_safetensors(tmp_path):
    sharded(tmp_path, "model.safetensors", save_file)
    same(load_state_dict(tmp_path))


def test_safetensors_are_preferred(tmp_path):
    save_file(TENSORS, tmp_path / "model.safetensors")
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    same(load_state_dict(tmp_path))


def test_a_pickle_is_read_only_with_its_digest(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    torch.save(TENSORS, path)
    message = refused("E301", tmp_path)
    assert "pytorch_model.bin" in message
    assert "pickle" in message
    assert f"fix: pickle_sha256={sha256(path)} if that is the digest its publisher" in message
    assert sha256(path) in refused("E302", tmp_path, pickle_sha256="0" * 64)
    same(load_state_dict(tmp_path, pickle_sha256=sha256(path).upper()))


def test_the_digest_of_sharded_pickles(tmp_path):
    _, shards = sharded(tmp_path, "pytorch_model.bin", torch.save)
    digest = hashlib.sha256("".join(sha256(shard) for shard in shards).encode()).hexdigest()
    assert pickle_digest(shards[::-1]) == digest
    message = refused("E301", tmp_path)
    assert "and 1 more" in message
    assert f"pickle_sha256={digest} if" in message
    same(load_state_dict(tmp_path, pickle_sha256=digest))


class Evil:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


def test_a_pickle_that_runs_code_runs_none_even_with_its_digest(tmp_path):
    canary = tmp_path / "canary"
    path = tmp_path / "pytorch_model.bin"
    torch.save({"a": Evil(canary)}, path)
    refused("E301", tmp_path)
    refused("E304", tmp_path, pickle_sha256=sha256(path))
    with pytest.raises(UserError, match="E304"):
        load_pickle(path, sha256=sha256(path))
    assert not canary.exists()


def test_load_pickle(tmp_path):
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": TENSORS, "hyper_parameters": {"layers": 2}}, path)
    with pytest.raises(UserError, match="E301"):
        load_pickle(path, sha256="")
    found = load_pickle(path, sha256=sha256(path))
    same(found["state_dict"])
    assert found["hyper_parameters"] == {"layers": 2}
    with pytest.raises(UserError, match=r"E304.*is missing"):
        load_pickle(tmp_path / "other.ckpt", sha256="")


def test_no_weights(tmp_path):
    assert "neither model.safetensors nor pytorch_model.bin" in refused("E304", tmp_path)
    refused("E304", tmp_path / "nowhere")


@pytest.mark.parametrize("held", [[1, 2], {1: torch.ones(1)}, {"a": 7}])
def test_a_pickle_of_something_else(tmp_path, held):
    path = tmp_path / "pytorch_model.bin"
    torch.save(held, path)
    refused("E304", tmp_path, pickle_sha256=sha256(path))


def test_damaged_files(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    torch.save(TENSORS, path)
    path.write_bytes(path.read_bytes()[:-100])
    refused("E304", tmp_path, pickle_sha256=sha256(path))
    save_file(TENSORS, tmp_path / "model.safetensors")
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-3])
    refused("E304", tmp_path)


@pytest.mark.parametrize(
    "index",
    ["", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"a": 1}}', '{"weight_map": ["a"]}'],
)
def test_a_broken_index(tmp_path, index):
    (tmp_path / "model.safetensors.index.json").write_text(index)
    assert "not an index of weights" in refused("E304", tmp_path)


def test_shards_that_are_missing_or_hold_something_else(tmp_path):
    index, shards = sharded(tmp_path, "model.safetensors", save_file)
    save_file({"b": TENSORS["b"]}, shards[0])
    assert re.search(r"1 tensors .* missing, first 'a'", refused("E304", tmp_path))
    shards[0].unlink()
    assert "it is missing" in refused("E304", tmp_path)
    index.write_text(json.dumps({"weight_map": {"a": "../model.safetensors"}}))
    save_file(TENSORS, tmp_path.parent / "model.safetensors")
    assert "in another directory" in refused("E304", tmp_path)
