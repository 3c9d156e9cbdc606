"""The columns that a SCHEMA has, and what happens to others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_cube.errors import ReadError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Sequence

    from tap_cube.schema.registry import Registry


@dataclass(frozen=True)
class Policy:
    """What happens to columns that the catalog deselects, or does not have.

    Attributes:
        new_fields: The setting `new_fields`.
        picks: Whether the user picks columns, so that others are not wanted.
        selected: Returns whether a column of the catalog is selected.
    """

    new_fields: str = "evolve"
    picks: bool = False
    selected: Callable[[str], bool] = lambda _: True


class Announced:
    """The columns that a SCHEMA has, or will have: they keep their kinds.

    Args:
        registry: All columns.
        required: The columns without which there is no record.
        logger: Where new columns are reported.
    """

    def __init__(self, registry: Registry, required: Iterable[str], logger: logging.Logger) -> None:
        self._registry = registry
        self._required = list(required)
        self._logger = logger
        self._policy = Policy()
        self._names: set[str] = set()
        self._refused: set[str] = set()
        self._selected_schema: dict[str, Any] | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def __len__(self) -> int:
        return len(self._names)

    def begin(self, policy: Policy, names: Iterable[str]) -> None:
        """Announce the columns of the first SCHEMA, and decide on the fate of all others."""
        self._policy = policy
        self._add(list(names))

    def is_written(self, name: str) -> bool:
        """Return whether records have a column."""
        return name in self._names and self._policy.selected(name)

    def offer(self, names: Iterable[str]) -> bool:
        """Announce columns, if new ones are wanted.

        Returns:
            Whether all of them are announced now.

        Raises:
            ReadError: If the user wants to know of new columns.
        """
        new = [name for name in dict.fromkeys(names) if name not in self._names]
        if not new:
            return True
        if self._policy.new_fields == "fail":
            msg = (
                f"new columns: {', '.join(sorted(new))}. Discover again, or set `new_fields` to "
                "`evolve`"
            )
            raise ReadError(msg)
        if self._policy.new_fields == "discard" or self._policy.picks:
            self._refuse([name for name in new if name not in self._refused])
            return False
        self._add(new)
        kinds = ", ".join(f"{name} ({self._registry.kind(name)})" for name in sorted(new))
        self._logger.info("New columns: %s", kinds)
        return True

    def _add(self, names: Sequence[str]) -> None:
        self._registry.freeze(names)
        self._names.update(names)
        self._selected_schema = None

    def _refuse(self, names: Sequence[str]) -> None:
        if self._policy.new_fields == "discard":
            for name in names:
                self._logger.warning("A new column is left out, as `new_fields` says: %s", name)
        elif names and not self._refused:
            self._logger.warning(
                "New columns are left out, as the catalog deselects some: %s, and any others. "
                "Discover again to choose among them",
                ", ".join(sorted(names)),
            )
        self._refused.update(names)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of all columns."""
        return self._schema_of(self._names)

    def selected_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the selected columns: the same object until it changes."""
        if self._selected_schema is None:
            self._selected_schema = self._schema_of(set(filter(self.is_written, self._names)))
        return self._selected_schema

    def _schema_of(self, names: set[str]) -> dict[str, Any]:
        properties = self._registry.properties()
        return {
            "type": "object",
            "properties": {name: properties[name] for name in properties if name in names},
            "required": self._required,
        }
