"""Things of one kind by name: those that are built in, and those that other packages add.

A kind (readers of parallel text, formats of judgements, trainers, commands) is one `Registry`. A
package adds to it by an entry point of the registry's group; nothing else can, so no configuration
names a module to import.
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
    """Named things of type T, imported when they are asked for.

    Attributes:
        group: Entry points of this group are added; a built-in name cannot be replaced.
        built_in: By name: ``module:attribute``.
    """

    group: str
    built_in: Mapping[str, str]

    def names(self) -> list[str]:
        """All names: the built-in ones in their order, then those of other packages, sorted."""
        return [*self.built_in, *sorted(self._added().keys() - self.built_in.keys())]

    def load(self, name: str) -> T:
        """The thing of this name; only its own module is imported.

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
