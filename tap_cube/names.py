"""What a field's column is called: as Cube calls it, by its label, or in ASCII snake case.

No two fields of a stream share a column, nor do they differ by case alone, which many targets do
not tell apart. Which of two takes the plain name is decided by who came first, and fields come in
an order that lasts: the documented ones, those that the CRMs define by their ids, all others.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from anyascii import anyascii

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The most characters of a name in snake case: what PostgreSQL cuts off at.
LONGEST = 63

# A field's identity: a label means the same field in all CRMs, and never one that is called so. The
# token tells apart several that have one label in one CRM
_Identity = tuple[str, bool, str | None]


class Definition(NamedTuple):
    """A field that a CRM defines for itself.

    Attributes:
        label: What people call it; its name in flat records.
        lookup: Its name in prefixed records.
    """

    label: str
    lookup: str

    @staticmethod
    def of(records: Iterable[Mapping[str, Any]]) -> list[Definition]:
        """What the records of `crm_custom_fields` define, by increasing id."""
        found = [
            (id_, Definition(label, str(record.get("lookup__id") or f"crm__custom_info__{id_}")))
            for record in records
            if isinstance(label := record.get("key"), str) and label
            if isinstance(id_ := record.get("id"), int)
        ]
        return [definition for _, definition in sorted(found)]


class Names:
    """The columns of a stream, by field.

    Args:
        standard: The names that are taken as they are: the documented fields, and the tap's own.
        snake_case: Whether names become ASCII snake case.
    """

    def __init__(self, standard: Iterable[str], *, snake_case: bool) -> None:
        self._snake_case = snake_case
        self._columns: dict[_Identity, str] = {}
        self._owners: dict[str, _Identity] = {}
        self._restored: dict[str, set[str]] = {}
        #: What columns are called in Cube, where that is not their name.
        self.titles: dict[str, str] = {}
        for name in standard:
            self.column(name)

    def column(
        self, field: str, *, label: bool = False, token: str | None = None, twin: bool = False
    ) -> str:
        """The column of a field.

        Args:
            field: What it is called in Cube.
            label: Whether that is the label of a field rather than its name.
            token: What is added to the name where another field has it; by default a digest.
            twin: Whether another field of the CRM has the label, and with it the plain name.
        """
        identity = (field, label, token if twin else None)
        if identity not in self._columns:
            candidates = self._candidates(field, token, twin=twin)
            column = next(name for name in candidates if self._is_free(name, field))
            self._owners[column.casefold()] = identity
            self._columns[identity] = column
            if column != field:
                self.titles[column] = field
        return self._columns[identity]

    def restore(self, properties: Mapping[str, Mapping[str, Any]]) -> None:
        """Let fields keep the columns that they have in a catalog.

        Args:
            properties: JSON Schema of each column, by name.
        """
        for column, schema in properties.items():
            self._restored[column.casefold()] = {column, schema.get("title", column)}

    def _is_free(self, column: str, field: str) -> bool:
        folded = column.casefold()
        return folded not in self._owners and field in self._restored.get(folded, {field})

    def _plain(self, field: str) -> str:
        return snake_case(field) if self._snake_case else field

    def _candidates(self, field: str, token: str | None, *, twin: bool) -> Iterable[str]:
        """The plain name, then such that no other field is likely to have."""
        plain = self._plain(field)
        if not twin:
            yield plain
        digest = hashlib.blake2b(field.encode("utf-8", "replace"), digest_size=4).hexdigest()
        for suffix in (token, digest):
            if suffix:
                yield self._with(plain, suffix)
        number = 2
        while True:
            yield self._with(plain, f"{digest}_{number}")
            number += 1

    def _with(self, plain: str, suffix: str) -> str:
        if not self._snake_case:
            return f"{plain} ({suffix})"
        return f"{plain[: LONGEST - len(suffix) - 1].rstrip('_')}_{suffix}"


class CrmNames(dict[str, str]):
    """The columns of one CRM's fields, by the names that its records have; filled as they come.

    Args:
        names: The columns of the stream.
        definitions: The fields of the CRM whose labels are to be their names, by increasing id.
    """

    def __init__(self, names: Names, definitions: Iterable[Definition]) -> None:
        super().__init__()
        self._names = names
        labels: set[str] = set()
        for label, lookup in definitions:
            # Of several fields with one label, the first has what the label names in other CRMs
            token = lookup.rpartition("__")[2]
            self[lookup] = names.column(label, label=True, token=token, twin=label in labels)
            labels.add(label)

    def __missing__(self, field: str) -> str:
        self[field] = self._names.column(field)
        return self[field]


def snake_case(text: str) -> str:
    """A name of at most 63 ASCII characters: small letters, digits, underscores, no digit first."""
    name = re.sub(r"[^a-z0-9_]+", "_", anyascii(text).lower())
    if name != text or not name:  # what Cube itself names so stays as it is
        name = name.strip("_") or "field"
    if name[0].isdigit():
        name = f"_{name}"
    return name[:LONGEST].rstrip("_") or "_" if len(name) > LONGEST else name
