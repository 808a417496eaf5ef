"""Options of TRL's trainers that need another package."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rewardlab.errors import Problem

if TYPE_CHECKING:
    from trl import GRPOConfig, SFTConfig


def package_problems(options: SFTConfig | GRPOConfig | None) -> Iterator[Problem]:
    """E064: a package that an option needs is not installed."""
    if options is None:
        return
    optimizer = optimizer_name(options)
    packages = {
        "vllm": ("use_vllm", getattr(options, "use_vllm", False)),
        "liger_kernel": ("use_liger_kernel", options.use_liger_kernel),
        "bitsandbytes": ("optim", "8bit" in optimizer or "bnb" in optimizer),
        "deepspeed": ("deepspeed", options.deepspeed is not None),
    }
    for package, (option, needed) in packages.items():
        if needed and not installed(package):
            what = f"needs the package {package}, which is not installed"
            name = "'rewardlab[vllm]'" if package == "vllm" else package.replace("_", "-")
            yield Problem("E064", f"trainer.{option}", what, f"pip install {name}")


def installed(package: str) -> bool:
    """Whether the package can be imported, found without importing it."""
    return importlib.util.find_spec(package) is not None


def optimizer_name(options: SFTConfig | GRPOConfig) -> str:
    """The optimizer by transformers' name."""
    return str(getattr(options.optim, "value", options.optim))
