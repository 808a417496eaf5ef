import pytest
import torch

from rewardlab.errors import UserError
from rewardlab.networks.device import pick_device, pick_dtype


def test_auto_is_the_accelerator_or_the_cpu():
    expected = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    assert pick_device("auto") == (expected or torch.device("cpu"))
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
