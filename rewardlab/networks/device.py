"""Where a model runs, and in which precision."""

from __future__ import annotations

import torch

from rewardlab.errors import Problem, UserError, shown

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device(name: str) -> torch.device:
    """The device that a name means, shown to work.

    Args:
        name: ``auto`` is the accelerator if there is one, else the CPU; anything else is
            torch's name: ``cpu``, ``cuda:1``, ``mps``.

    Raises:
        UserError: E303, torch knows no such device or cannot reach it; exit code 2.
    """
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if name == "auto":
        return found or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        fix = "device=auto" if found is None else f"device=auto, which is {found.type} here"
        what = f"torch cannot use {shown(name)}: {str(error).splitlines()[0].rstrip('.')}"
        raise UserError([Problem("E303", "device", what, fix)]) from error
    return device


def pick_dtype(name: str, saved: torch.dtype) -> torch.dtype:
    """The precision that a name means.

    Args:
        name: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
        saved: What ``auto`` is: the precision of the checkpoint; float32 for any other than the
            three.

    Raises:
        ValueError: An unknown name.
    """
    if name == "auto":
        return saved if saved in DTYPES.values() else torch.float32
    if name not in DTYPES:
        raise ValueError(f"dtype={name!r} is not one of auto, {', '.join(DTYPES)}")
    return DTYPES[name]
