"""Plug-ins: objects of one kind by name, built in or added by other packages.

Each kind (rewards, readers of parallel text, formats of judgements, trainers, commands) has one
`Registry`. Another package can add to it only by an entry point in the registry's group, so a
configuration never names a module to import.
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
    """Named objects of type T, imported on first use.

    Attributes:
        group: The group of added entry points; these cannot replace a built-in name.
        built_in: Name -> ``module:attribute``.
    """

    group: str
    built_in: Mapping[str, str]

    def names(self) -> list[str]:
        """All names: the built-in ones in order, then those of other packages, sorted."""
        return [*self.built_in, *sorted(self._added().keys() - self.built_in.keys())]

    def load(self, name: str) -> T:
        """The object with this name; no other plug-in is imported.

        Args:
            name: One of `names`.

        Raises:
            KeyError: The name is unknown.
        """
        if name in self.built_in:
            module, _, attribute = self.built_in[name].partition(":")
            return cast("T", getattr(importlib.import_module(module), attribute))
        return cast("T", self._added()[name].load())

    def _added(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}
