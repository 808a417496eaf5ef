"""GGUF files as ordinary checkpoints: dequantised safetensors, tokenizer and chat template.

transformers reads the file (https://huggingface.co/docs/transformers/gguf); the weights are
dequantised to float32, which represents every quantised value exactly.
"""

from __future__ import annotations

from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

from rewardlab.errors import Problem, one_line, refuse, shown
from rewardlab.store.checkpoints import LOADING

MAGIC = b"GGUF"


def convert(file: Path, directory: Path) -> None:
    """Write a GGUF file as a checkpoint that ``from_pretrained`` reads.

    Args:
        file: The GGUF.
        directory: An existing directory; receives ``model.safetensors`` in float32,
            ``config.json``, the tokenizer and, if the file has one, the chat template.

    Raises:
        UserError: E384, the file is no GGUF, is damaged, or has an architecture that transformers
            does not read; exit code 3.
    """
    architecture = _architecture(file)
    if architecture not in GGUF_SUPPORTED_ARCHITECTURES:
        known = ", ".join(sorted(set(GGUF_SUPPORTED_ARCHITECTURES) - {"general", "tokenizer"}))
        what = f"its architecture is {shown(architecture)}, and transformers reads {known}"
        refuse(Problem("E384", str(file), what, "download the model in safetensors"))
    try:
        with LOADING, redirect_stderr(StringIO()):
            tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
            model = AutoModelForCausalLM.from_pretrained(
                str(file.parent),
                gguf_file=file.name,
                dtype=torch.float32,
                quantization_config=GgufConfig(dequantize=True),
            )
            model.save_pretrained(str(directory))
            tokenizer.save_pretrained(str(directory))
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged file can raise anything
        what = f"it cannot be converted: {one_line(error)}"
        refuse(Problem("E384", str(file), what, "download it again, or in safetensors"))


def read_parameters(file: Path) -> int:
    """Number of weights in a GGUF file.

    Raises:
        UserError: E384, the file cannot be read, is damaged or is no GGUF; exit code 3.
    """
    return sum(int(tensor.n_elements) for tensor in _read(file).tensors)


def _read(file: Path) -> GGUFReader:
    """The content of a GGUF file.

    Raises:
        UserError: E384, the file cannot be read, is damaged or is no GGUF; exit code 3.
    """
    try:
        with file.open("rb") as opened:
            magic = opened.read(len(MAGIC))
    except OSError as error:
        what = f"it cannot be read: {error.strerror}"
        refuse(Problem("E384", str(file), what, "name a .gguf file"))
    if magic != MAGIC:
        what = f"it begins with {shown(magic.decode('latin-1'))}, so it is no GGUF"
        refuse(Problem("E384", str(file), what, "name a .gguf file"))
    try:
        return GGUFReader(file)
    except Exception as error:  # noqa: BLE001 - a truncated file can raise anything
        what = f"it is damaged: {one_line(error) or type(error).__name__}"
        refuse(Problem("E384", str(file), what, "download it again"))


def _architecture(file: Path) -> str:
    """``general.architecture``; empty if the file does not say."""
    field = _read(file).fields.get("general.architecture")
    return str(field.contents()) if field is not None else ""
