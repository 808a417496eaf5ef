"""Reading the weights of a checkpoint: safetensors, or a pickle whose SHA-256 the user gives.

Reading a pickle can run code. So a pickle is read only if its SHA-256 is given, and then by torch's
restricted reader (``weights_only=True``), which builds only tensors and plain values.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from rewardlab.errors import Problem, UserError, one_line, shown
from rewardlab.store.files import sha256_of

SAFETENSORS = "model.safetensors"
PICKLE = "pytorch_model.bin"


def load_state_dict(directory: Path, *, pickle_sha256: str = "") -> dict[str, Tensor]:
    """Name -> weight of a checkpoint, on the CPU, in the saved precision.

    ``model.safetensors`` (or its shards) is read if it exists, else ``pytorch_model.bin`` (or its
    shards).

    Args:
        directory: A directory written by ``save_pretrained``.
        pickle_sha256: SHA-256 of ``pytorch_model.bin``, needed only for that file. For shards, the
            SHA-256 of their hexadecimal digests, concatenated in the order of the file names.

    Raises:
        UserError: E301 a pickle without a given digest, E302 the digest differs, E304 the weights
            are missing or cannot be read; exit code 2.
    """
    read, files = find_weights(directory, pickle_sha256=pickle_sha256)
    gathered: dict[str, Tensor] = {}
    for path, wanted in files.items():
        tensors = read(path)
        if missing := sorted(wanted - tensors.keys()):
            what = f"{len(missing)} tensors that the index lists are missing, first"
            raise _unreadable(path, f"{what} {shown(missing[0])}")
        gathered.update(tensors)
    return gathered


def find_weights(
    directory: Path, *, pickle_sha256: str = ""
) -> tuple[Callable[[Path], dict[str, Tensor]], dict[Path, set[str]]]:
    """The files that `load_state_dict` reads, and the function that reads one; loads no weights.

    Args:
        directory: See `load_state_dict`.
        pickle_sha256: See `load_state_dict`.

    Raises:
        UserError: E301, E302, E304, as for `load_state_dict`.
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
    """The content of a pickled dictionary: tensors and plain values, on the CPU.

    Args:
        path: A file written by ``torch.save``.
        sha256: SHA-256 of the whole file.

    Raises:
        UserError: E301 no digest is given, E302 the digest differs, E304 the file is missing,
            truncated, not a dictionary, or contains other objects than tensors and plain values;
            exit code 2.
    """
    if not path.is_file():
        raise _unreadable(path, "it is missing")
    _admit([path], sha256)
    return _read_pickle(path)


def pickle_digest(files: list[Path]) -> str:
    """The SHA-256 of one file; for several, the SHA-256 of their digests in name order."""
    digests = [sha256_of(path) for path in sorted(files)]
    whole = "".join(digests)
    return whole if len(digests) == 1 else hashlib.sha256(whole.encode()).hexdigest()


def written_digest(value: str) -> str:
    """A SHA-256 as a configuration has it: 64 hexadecimal digits, or empty.

    Raises:
        ValueError: It is neither.
    """
    if not re.fullmatch("([0-9a-f]{64})?", value):
        raise ValueError("write the 64 hexadecimal digits of sha256sum")
    return value


def _admit(files: list[Path], sha256: str) -> None:
    """Refuse pickles whose SHA-256 the user did not give.

    Raises:
        UserError: E301 no digest is given, E302 the digest differs; exit code 2.
    """
    found = pickle_digest(files)
    if sha256.lower() == found:
        return
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    where = f"{files[0].name}{more} in {shown(str(files[0].parent))}"
    if sha256:
        what = f"its sha256 is {found}, not {shown(sha256)}"
        fix = "download it again, or see which of the two its publisher gives"
        raise UserError([Problem("E302", where, what, fix)])
    what = f"it is a pickle, which can run code when it is read; its sha256 is {found}"
    fix = f"pickle_sha256={found} if that is the digest its publisher gives, or take safetensors"
    raise UserError([Problem("E301", where, what, fix)])


def _files(directory: Path, single: str) -> dict[Path, set[str]]:
    """The weight files of one format, in name order, with the tensors that the index lists.

    An empty set stands for all tensors of a file. Empty if the directory has no such files.
    """
    index = directory / f"{single}.index.json"
    if (directory / single).is_file():
        return {directory / single: set()}
    if not index.is_file():
        return {}
    placed: dict[Path, set[str]] = {}
    for tensor, name in sorted(_weight_map(index).items(), key=lambda item: item[1]):
        if Path(name).name != name:
            raise _unreadable(index, f"it names {shown(name)}, which is in another directory")
        placed.setdefault(directory / name, set()).add(tensor)
    for path in placed:
        if not path.is_file():
            raise _unreadable(path, f"{index.name} names it, and it is missing")
    return placed


def _weight_map(index: Path) -> dict[str, str]:
    try:
        placed: Any = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(index, f"it is not an index of weights: {error}") from error
    texts = isinstance(placed, dict) and all(isinstance(name, str) for name in placed.values())
    if not texts or not placed:
        raise _unreadable(index, "it is not an index of weights: weight_map names no files")
    return cast("dict[str, str]", placed)


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
        raise _unreadable(path, "it holds no dictionary of tensors by name")
    return cast("dict[str, Any]", held)


def _read_pickled_tensors(path: Path) -> dict[str, Tensor]:
    held = _read_pickle(path)
    if odd := [name for name, value in held.items() if not isinstance(value, Tensor)]:
        raise _unreadable(path, f"{shown(odd[0])} in it is not a tensor")
    return held


def _unreadable(path: Path, what: str) -> UserError:
    where = f"{path.name} in {shown(str(path.parent))}"
    return UserError([Problem("E304", where, one_line(what), "download it again")])
