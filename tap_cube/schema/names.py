"""Column names: as Cube calls a field, by its label, or in ASCII snake case.

These functions only propose names. The registry decides which column a field gets.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from anyascii import anyascii

from tap_cube.schema.kinds import storable_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: The maximum length of a name in snake case: PostgreSQL truncates names of more than 63 bytes, and
#: PipelineWise's target abbreviates those of 63.
LONGEST = 62

_LONGEST_SUFFIX = 24
# Targets add columns with this prefix, and overwrite or remove those of a tap
_OF_TARGETS = "_sdc_"


class Definition(NamedTuple):
    """A field that a CRM defines for itself.

    Attributes:
        id: Its id within the CRM, as text.
        label: Its label, and its name in flat records.
        lookup: Its name in prefixed records.
        is_text: Whether the CRM declares its values as text.
    """

    id: str
    label: str
    lookup: str
    is_text: bool = True

    @staticmethod
    def of(records: Iterable[Mapping[str, Any]]) -> list[Definition]:
        """The definitions in records of `crm_custom_fields`, by increasing id.

        Records without an id or a label are left out. Of several with one id, the first counts.
        """
        found: dict[str, Definition] = {}
        for record in records:
            id_, label, lookup = (record.get(name) for name in ("id", "key", "lookup__id"))
            if isinstance(id_, bool) or not isinstance(id_, (int, str)) or id_ == "":
                continue
            if not isinstance(label, str) or not label:
                continue
            id_ = storable_text(str(id_))
            if not isinstance(lookup, str) or not lookup:
                lookup = f"{CUSTOM_INFO}{id_}"
            is_text = record.get("type", "text") == "text"
            found.setdefault(id_, Definition(id_, label, lookup, is_text))
        return sorted(found.values(), key=_by_id)


#: What precedes the id in the names of custom fields in prefixed records.
CUSTOM_INFO = "crm__custom_info__"


def _by_id(definition: Definition) -> tuple[int, str]:
    """Numbers by their value, then all other ids."""
    id_ = definition.id
    is_number = id_.isascii() and id_.isdigit() and len(id_) < LONGEST
    return (int(id_), "") if is_number else (10**LONGEST, id_)


class Naming(NamedTuple):
    """How the fields of a stream are named.

    Attributes:
        snake_case: Whether names become ASCII snake case (`field_names`).
        prefixed: Whether records name custom fields by id (`crm__custom_info__64`), or else by
            their labels. True for streams whose records have no custom fields.
        labels: Whether columns are named by labels in prefixed records (`custom_field_names`).
    """

    snake_case: bool = False
    prefixed: bool = True
    labels: bool = False

    @property
    def by_definitions(self) -> bool:
        """Whether the CRM's definitions are needed to tell which column a field has."""
        return self.labels or not self.prefixed

    @property
    def code(self) -> str:
        """What columns are remembered under: another naming has other columns."""
        source = ("label" if self.labels else "id") if self.prefixed else "flat"
        return f"{source} snake_case" if self.snake_case else source

    def plain(self, field: str) -> str:
        """The name of a field's column if no other field has it."""
        name = snake_case(field) if self.snake_case else storable_text(field)
        return name.lstrip("_") if fold(name).startswith(_OF_TARGETS) else name

    def candidates(self, field: str, id_: str | None, own: Iterable[str]) -> Iterator[str]:
        """Possible names of a field's column, in the order of preference.

        Args:
            field: What the field is called.
            id_: The id of its definition, if the CRM defines it.
            own: The tap's own columns, folded. `crm_type` becomes `crm_type_in_cube`.
        """
        plain = self.plain(field)
        yield self._joined(plain, "_in_cube") if fold(plain) in own else plain
        digest = digest_of(field)
        if id_ is not None:
            yield self._with_suffix(plain, id_)
        yield self._with_suffix(plain, digest)
        for number in count(2):
            yield self._with_suffix(plain, f"{digest}_{number}")

    def text_names(self, column: str) -> Iterator[str]:
        """Possible names of a column's text column, in the order of preference."""
        yield self._joined(column, "__text")
        for number in count(2):
            yield self._joined(column, f"{self._suffix(str(number))}__text")

    def _with_suffix(self, plain: str, suffix: str) -> str:
        return self._joined(plain, self._suffix(suffix))

    def _suffix(self, suffix: str) -> str:
        if self.snake_case:
            suffix = snake_case(suffix).strip("_")
        if len(suffix) > _LONGEST_SUFFIX:
            suffix = digest_of(suffix)
        return f"_{suffix}" if self.snake_case else f" ({suffix})"

    def _joined(self, name: str, end: str) -> str:
        if self.snake_case and len(name) + len(end) > LONGEST:
            name = name[: LONGEST - len(end)].rstrip("_")
        return name + end


def fold(name: str) -> str:
    """Equal for names that a database may not tell apart: by case, or by Unicode composition."""
    folded = unicodedata.normalize("NFD", name).upper().casefold()
    return unicodedata.normalize("NFD", folded)


def digest_of(text: str) -> str:
    """Eight hexadecimal digits that tell apart what looks alike."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


def key_of(field: str) -> str:
    """A field's name as it can be stored in STATE: distinct for distinct names."""
    key = storable_text(field)
    return key if key == field else f"{key} {digest_of(field)}"


def snake_case(text: str) -> str:
    """A name of at most 62 ASCII characters: lower case, digits, underscores, no digit first."""
    name = re.sub(r"[^a-z0-9_]+", "_", anyascii(text).lower())
    if name != text or not name:  # a name that is in snake case stays as it is
        name = name.strip("_") or "field"
    if name[0].isdigit():
        name = f"_{name}"
    return name[:LONGEST].rstrip("_") or "_" if len(name) > LONGEST else name
