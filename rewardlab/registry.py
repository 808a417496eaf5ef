"""Plug-ins: built-in things of one kind by name, and those that other packages add.

Each kind (rewards, readers of parallel text, formats of judgements, trainers, commands) is one
`Registry`. Another package adds to it by an entry point in the registry's group. There is no other
way, so no configuration names a module to import.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True)
class Registry(Generic[T]):
    """Named things of type T, imported on first use.

    Attributes:
        group: The group of entry points that are added; they cannot replace a built-in name.
        built_in: ``module:attribute`` by name.
    """

    group: str
    built_in: Mapping[str, str]

    def names(self) -> list[str]:
        """All names: the built-in ones in order, then those of other packages, sorted."""
        return [*self.built_in, *sorted(self._added().keys() - self.built_in.keys())]

    def load(self, name: str) -> T:
        """The thing of a name; no other plug-in is imported.

        Args:
            name: One of `names`.

        Raises:
            KeyError: No such name.
        """
        if name in self.built_in:
            module, _, attribute = self.built_in[name].partition(":")
            return cast("T", getattr(importlib.import_module(module), attribute))
        return cast("T", self._added()[name].load())

    def _added(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}
