"""What identifies the records of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_cube.errors import ReadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    Record = dict[str, Any]

#: The key of records that Cube gives no id.
ROW_KEY = "row_key"
#: Maximum length of such a key.
ROW_KEY_LENGTH = 43


@dataclass(frozen=True)
class Key:
    """What identifies the records of a table.

    Attributes:
        columns: The key columns.
        field: The field that identifies a record within its CRM; `None` if the tap makes the key.
        other_shape: The field that records of the other shape have instead.
        may_be_missing: Whether records without the field are anonymised ones, to be left out.
    """

    columns: Sequence[str]
    field: str | None = None
    other_shape: str | None = None
    may_be_missing: bool = False

    def identified(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records that have their key.

        Raises:
            ReadError: If records have the other shape, or may not lack their key.
        """
        if self.field is None:
            return records
        missing = (None, "")  # no set: the value of a broken record may be a list
        found = [record for record in records if record.get(self.field) not in missing]
        if len(found) == len(records):
            return records
        if any(self.other_shape in record for record in records if self.field not in record):
            msg = (
                f"its records have the key `{self.other_shape}`, but the table has "
                f"`{self.field}`: Cube changed the form of the records, or the account has CRMs "
                "of both forms. Discover again without STATE, and load into a new table; read CRMs "
                "of the other form by a run of their own, by the setting `crms`"
            )
            raise ReadError(msg)
        if not self.may_be_missing:
            msg = (
                f"a record lacks `{self.field}`, which identifies it: no table could hold it. "
                "Report this to Cube"
            )
            raise ReadError(msg)
        return found
