"""Devices and precisions of models."""

from __future__ import annotations

import os

import torch

from rewardlab.errors import Problem, UserError, shown

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def own_device() -> torch.device:
    """This process's accelerator, or the CPU.

    Rewards run in threads, and a new thread starts on the first accelerator, whatever device its
    process has set. So the device follows from ``LOCAL_RANK``, the number that launchers give to
    each process of a machine.
    """
    if not torch.accelerator.is_available():
        return torch.device("cpu")
    kind = torch.accelerator.current_accelerator()
    assert kind is not None  # noqa: S101 - one is available
    rank = os.environ.get("LOCAL_RANK")
    here = torch.accelerator.current_device_index() if rank is None else int(rank)
    return torch.device(kind.type, here % torch.accelerator.device_count())


def pick_device(name: str) -> torch.device:
    """The device of a name, checked by using it.

    Args:
        name: ``auto``, or a kind without a number (``cuda``), is `own_device`. Every other name is
            torch's: ``cpu``, ``cuda:1``, ``mps``.

    Raises:
        UserError: E303, torch has no such device or cannot use it; exit code 2.
    """
    if name == "auto":
        return own_device()
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        fix = f"device=auto, which is {own_device()} here"
        what = f"torch cannot use {shown(name)}: {str(error).splitlines()[0].rstrip('.')}"
        raise UserError([Problem("E303", "device", what, fix)]) from error
    own = own_device()
    return own if device == torch.device(own.type) else device


def pick_dtype(name: str, saved: torch.dtype) -> torch.dtype:
    """The precision of a name.

    Args:
        name: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
        saved: The precision of the checkpoint, which ``auto`` keeps if it is one of these three
            and otherwise replaces with float32.

    Raises:
        ValueError: An unknown name.
    """
    if name == "auto":
        return saved if saved in DTYPES.values() else torch.float32
    if name not in DTYPES:
        raise ValueError(f"dtype={name!r} is not one of auto, {', '.join(DTYPES)}")
    return DTYPES[name]
