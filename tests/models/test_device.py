import pytest
import torch

from rewardlab.errors import UserError
from rewardlab.models.device import own_device, pick_device, pick_dtype


def test_auto_is_the_accelerator_or_the_cpu(monkeypatch):
    assert pick_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert pick_device("auto") == torch.device("cpu")


@pytest.mark.parametrize(("rank", "device"), [("3", "cuda:3"), ("9", "cuda:1"), (None, "cuda:2")])
def test_every_process_of_a_machine_has_its_own(monkeypatch, rank, device):
    """A thread of rank 3 is on the first GPU until somebody says otherwise."""
    answers = {
        "is_available": True,
        "current_accelerator": torch.device("cuda"),
        "current_device_index": 2,
        "device_count": 4,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.accelerator, name, lambda answer=answer: answer)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    monkeypatch.setattr(torch, "empty", lambda *_, **__: None)
    assert own_device() == pick_device("auto") == pick_device("cuda") == torch.device(device)
    assert pick_device("cuda:0") == torch.device("cuda:0")
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:99", "cpu cpu", "nöthing\n"])
def test_a_device_that_is_not_there_is_named_with_a_fix(name):
    with pytest.raises(
        UserError, match=r"error\[E303\] device: torch cannot use .* fix: "
    ) as error:
        pick_device(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "saved", "dtype"),
    [
        ("auto", torch.bfloat16, torch.bfloat16),
        ("auto", torch.float64, torch.float32),
        ("float32", torch.bfloat16, torch.float32),
        ("float16", torch.float32, torch.float16),
    ],
)
def test_precision(name, saved, dtype):
    assert pick_dtype(name, saved) is dtype


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="dtype='int8' is not one of auto, float32"):
        pick_dtype("int8", torch.float32)
