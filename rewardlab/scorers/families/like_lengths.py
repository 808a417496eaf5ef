"""Batches of similar length, in an order that a resumed run repeats.

transformers' own grouping by length draws from the global random generator, which dropout advances,
so a run resumed in the middle of an epoch would see different batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import TrainingArguments

from rewardlab.seeds import seed_for

POOL = 50
"""Number of batches that are sorted by length together."""


class LikeLengths:
    """A mixin for trainers of transformers and TRL; it must come before them in the bases."""

    args: TrainingArguments
    _lengths: Sequence[int] = ()
    _order_seed: int = 0

    def order_by(self, lengths: Sequence[int], *, seed: int) -> None:
        """Set the order of the training rows; call this before training.

        Args:
            lengths: Length of each training row, in tokens.
            seed: Seed of the order.
        """
        self._lengths, self._order_seed = lengths, seed

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        del train_dataset
        size = self.args.train_batch_size
        return ByLength(self._lengths, batch_size=size, seed=self._order_seed)


class ByLength(Sampler[int]):
    """A new order for each epoch, in which the rows of a batch have similar lengths.

    Rows are shuffled, sorted by length within every `POOL` batches, and the batches are shuffled.
    The order depends only on seed and epoch.

    Args:
        lengths: Length of each row.
        batch_size: Rows per batch.
        seed: Seed of the draws.
    """

    def __init__(self, lengths: Sequence[int], *, batch_size: int, seed: int) -> None:
        self._lengths = list(lengths)
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def __len__(self) -> int:
        return len(self._lengths)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next order, from 0."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        size = self._batch_size
        draw = torch.Generator().manual_seed(seed_for(self._seed, "order", self._epoch))
        shuffled: list[int] = torch.randperm(len(self._lengths), generator=draw).tolist()
        pools = [shuffled[at : at + size * POOL] for at in range(0, len(shuffled), size * POOL)]
        ordered = [row for pool in pools for row in sorted(pool, key=self._lengths.__getitem__)]
        batches = [ordered[at : at + size] for at in range(0, len(ordered), size)]
        short = [batches.pop()] if batches and len(batches[-1]) < size else []
        places: list[int] = torch.randperm(len(batches), generator=draw).tolist()
        yield from (row for batch in [*(batches[at] for at in places), *short] for row in batch)
