"""Data sets of a hub, streamed by the library ``datasets``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from datasets import load_dataset

from rewardlab.data.readers import Files, ParallelText
from rewardlab.data.records import Record
from rewardlab.data.tables import segments
from rewardlab.errors import EXIT_DATA, Problem, UserError, one_line


def read_hub(files: Files) -> ParallelText:
    """The reader of the format ``datasets``: NAME, NAME:CONFIG or NAME:CONFIG:SPLIT of a hub.

    The library ``datasets`` streams it, from the network or from a local directory.

    Raises:
        UserError: E201 it cannot be loaded; E209, E270, E271; exit code 3.
    """
    return ParallelText(segments(_hub_records(str(files.source)), files))


def _hub_records(name: str) -> Iterator[Record]:
    path, _, rest = name.partition(":")
    config, _, split = rest.partition(":")
    loaded: Callable[..., Any] = load_dataset
    try:
        rows = loaded(path, config or None, split=split or "train", streaming=True)
        for number, values in enumerate(rows, start=1):
            yield Record(f"{name}:{number}", values)
    except UserError:
        raise
    except Exception as error:  # whatever the network, the hub or a loader raises
        what = f"the data set cannot be loaded: {one_line(error)}"
        fix = "check the name and the network, or download it and name its files"
        raise UserError([Problem("E201", name, what, fix)], EXIT_DATA) from error
