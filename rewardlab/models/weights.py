"""Weights of a saved checkpoint: safetensors, or a pickle that the user vouches for.

A pickle can run code when it is read. So one is read only where its sha256 is given, and then by
torch's restricted reader (``weights_only=True``), which builds tensors and plain values.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from rewardlab.errors import Problem, UserError, shown

SAFETENSORS = "model.safetensors"
PICKLE = "pytorch_model.bin"


def load_state_dict(directory: Path, *, pickle_sha256: str = "") -> dict[str, Tensor]:
    """All weights of a checkpoint by name, on the CPU, in the precision they were saved in.

    Read is the first that is there of ``model.safetensors`` (or its shards) and
    ``pytorch_model.bin`` (or its shards).

    Args:
        directory: What ``save_pretrained`` wrote.
        pickle_sha256: Needed for ``pytorch_model.bin`` alone: its sha256; of shards, the sha256 of
            their hexadecimal digests written one after another in the order of their names.

    Raises:
        UserError: E301 a pickle and no digest, E302 another digest, E304 no weights, or such as
            cannot be read; exit code 2.
    """
    read, files = find_weights(directory, pickle_sha256=pickle_sha256)
    return _gathered(files, read)


def find_weights(
    directory: Path, *, pickle_sha256: str = ""
) -> tuple[Callable[[Path], dict[str, Tensor]], dict[Path, set[str]]]:
    """What `load_state_dict` will read, and how; no weight is read.

    Raises:
        UserError: E301, E302, E304 as there.
    """
    if files := _files(directory, SAFETENSORS):
        return _read_safetensors, files
    if files := _files(directory, PICKLE):
        _admit(list(files), pickle_sha256)
        return _read_pickled_tensors, files
    what = f"{shown(str(directory))} holds neither {SAFETENSORS} nor {PICKLE}"
    fix = "give the directory that save_pretrained wrote, with all of its files"
    raise UserError([Problem("E304", "model", what, fix)])


def load_pickle(path: Path, *, sha256: str) -> dict[str, Any]:
    """What a pickled dictionary holds: tensors and plain values, on the CPU.

    Args:
        path: A file that ``torch.save`` wrote.
        sha256: Of the whole file.

    Raises:
        UserError: E301 no digest given, E302 another digest, E304 it is missing, cut short, no
            dictionary, or asks for more than tensors and plain values; exit code 2.
    """
    if not path.is_file():
        raise _unreadable(path, "it is missing")
    _admit([path], sha256)
    return _read_pickle(path)


def pickle_digest(files: list[Path]) -> str:
    """The sha256 of one file; of several, that of their hexadecimal digests in name order."""
    digests: list[str] = []
    for path in sorted(files):
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )


def _admit(files: list[Path], sha256: str) -> None:
    """Refuse pickles that nobody vouches for.

    Raises:
        UserError: E301 no digest given, E302 another one; exit code 2.
    """
    found = pickle_digest(files)
    if sha256.lower() == found:
        return
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    where = f"{files[0].name}{more} in {shown(str(files[0].parent))}"
    if sha256:
        what = f"its sha256 is {found}, not {shown(sha256)}"
        fix = "fetch it anew, or see which of the two its publisher gives"
        raise UserError([Problem("E302", where, what, fix)])
    what = f"it is a pickle, which can run code when it is read; its sha256 is {found}"
    fix = f"pickle_sha256={found} if that is the digest its publisher gives, or take safetensors"
    raise UserError([Problem("E301", where, what, fix)])


def _files(directory: Path, single: str) -> dict[Path, set[str]]:
    """The weight files of one format, in name order, with the tensors the index puts there.

    An empty set stands for "whatever it holds"; no files where the format is not there.
    """
    index = directory / f"{single}.index.json"
    if (directory / single).is_file():
        return {directory / single: set()}
    if not index.is_file():
        return {}
    placed: dict[Path, set[str]] = {}
    for tensor, name in sorted(_weight_map(index).items(), key=lambda item: item[1]):
        if Path(name).name != name:
            raise _unreadable(index, f"it names {shown(name)}, which lies elsewhere")
        placed.setdefault(directory / name, set()).add(tensor)
    for path in placed:
        if not path.is_file():
            raise _unreadable(path, f"{index.name} names it, and it is missing")
    return placed


def _weight_map(index: Path) -> dict[str, str]:
    try:
        told: Any = json.loads(index.read_text(encoding="utf-8"))
        placed: Any = told["weight_map"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(index, f"it is no index of weights: {error}") from error
    texts = isinstance(placed, dict) and all(isinstance(name, str) for name in placed.values())
    if not texts or not placed:
        raise _unreadable(index, "it is no index of weights: weight_map names no files")
    return cast("dict[str, str]", placed)


def _gathered(
    files: Mapping[Path, set[str]], read: Callable[[Path], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """The tensors of all files together, each file holding what the index says."""
    gathered: dict[str, Tensor] = {}
    for path, wanted in files.items():
        tensors = read(path)
        if missing := sorted(wanted - tensors.keys()):
            what = f"{len(missing)} tensors that the index puts there are missing, first"
            raise _unreadable(path, f"{what} {shown(missing[0])}")
        gathered.update(tensors)
    return gathered


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, str(error)) from error


def _read_pickle(path: Path) -> dict[str, Any]:
    try:
        held: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(held, dict) or not all(isinstance(key, str) for key in held):
        raise _unreadable(path, "it holds no dictionary of names")
    return cast("dict[str, Any]", held)


def _read_pickled_tensors(path: Path) -> dict[str, Tensor]:
    held = _read_pickle(path)
    if odd := [name for name, value in held.items() if not isinstance(value, Tensor)]:
        raise _unreadable(path, f"{shown(odd[0])} in it is no tensor")
    return held


def _unreadable(path: Path, what: str) -> UserError:
    reason = " ".join(what.split()).rstrip(".")
    reason = reason if len(reason) <= 300 else f"{reason[:299]}…"  # noqa: PLR2004 - a long line
    where = f"{path.name} in {shown(str(path.parent))}"
    return UserError([Problem("E304", where, reason, "fetch it anew")])
