"""Columns with their kinds, and the fields that own them."""

from __future__ import annotations

import re
from dataclasses import InitVar, dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_cube.schema import kinds
from tap_cube.schema.names import fold
from tap_cube.schema.pins import convert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_cube.schema.kinds import Property
    from tap_cube.schema.names import Naming


class Identity(NamedTuple):
    """What a field is recognised by within its CRM, whatever it is called later.

    Attributes:
        text: The id of its definition, or its name. If several definitions of a CRM share a label
            in flat records, their values cannot be told apart: all ids, joined by `+`.
        is_id: Whether `text` is an id.
    """

    text: str
    is_id: bool

    @classmethod
    def of(cls, ids: Iterable[str]) -> Identity:
        """What definitions are recognised by that share a label; usually it is one."""
        return cls("+".join(re.sub(r"[\\+]", r"\\\g<0>", id_) for id_ in ids), is_id=True)


@dataclass(slots=True, eq=False)
class Column:
    """A column of a stream.

    Attributes:
        name: Its name.
        field: What its field was called when the column was made.
        kind: Its kind; `None` if only empty values were seen so far.
        is_fixed: Whether its name is given: the tap's own and the documented columns.
        is_settled: Whether its kind no longer depends on the sample.
        is_pinned: Whether the user decides its kind.
        is_announced: Whether a SCHEMA or a catalog had it. Its kind is final then.
        text: The column with its misfits, if there is one.
        of: The column whose misfits it holds, if it is a text column.
        title: The label of its field.
        schema: JSON Schema that was given for it.
        owners: The fields that own it, by CRM.
    """

    name: str
    field: str
    kind: str | None = None
    is_fixed: bool = False
    is_settled: bool = False
    is_pinned: bool = False
    is_announced: bool = False
    text: Column | None = None
    of: Column | None = None
    title: str | None = None
    schema: Property | None = None
    owners: dict[str, set[Identity]] = dataclass_field(default_factory=dict)


#: In place of a CRM: columns are named alike for all CRMs, as no definitions are involved.
EVERY_CRM = "*"


@dataclass(slots=True, eq=False)
class Fields:
    """The fields of a CRM.

    Attributes:
        crm: The CRM, or `EVERY_CRM`.
        columns: The column of each field, by naming: fields have other columns under another one.
        open: Fields without a definition so far, which may get one: those that appeared since the
            definitions were read last.
        is_read: Whether the CRM's definitions were ever read.
    """

    crm: str
    columns: dict[str, dict[Identity, Column]] = dataclass_field(default_factory=dict)
    open: set[Identity] = dataclass_field(default_factory=set)
    is_read: bool = False

    def column(self, naming: str, identity: Identity) -> Column | None:
        """The column that a field has under a naming, if it has one."""
        return self.columns.get(naming, {}).get(identity)

    def know(self, identity: Identity) -> bool:
        """Whether a field has a column, under any naming."""
        return any(identity in columns for columns in self.columns.values())

    def take(self, naming: str, identity: Identity, column: Column) -> None:
        """Let a field own a column."""
        self.columns.setdefault(naming, {})[identity] = column
        column.owners.setdefault(self.crm, set()).add(identity)

    def may_take(self, identity: Identity, column: Column) -> bool:
        """Whether no other field of this CRM owns the column, under any naming."""
        return all(
            owners <= {identity}
            for crm, owners in column.owners.items()
            if crm == self.crm or EVERY_CRM in {crm, self.crm}
        )

    def hand_over(self, old: Identity, new: Identity) -> None:
        """Let a field that was known by its name be known by its definition from now on."""
        self.open.discard(old)
        for naming, columns in self.columns.items():
            if column := columns.pop(old, None):
                column.owners[self.crm].discard(old)
                self.take(naming, new, column)


@dataclass(eq=False)
class Columns:
    """The columns of a stream, with their kinds.

    Args:
        own: JSON Schema of the columns that the tap adds. No field of Cube gets one of them.
        documented: JSON Schema of the documented fields, whose columns are named like the fields.
        naming: How all other columns are named.
        pins: The kinds that the user decides on, by the name of a column or a field. None is a
            key.
    """

    own: InitVar[Mapping[str, Property]]
    documented: InitVar[Mapping[str, Property]]
    naming: Naming
    pins: Mapping[str, str] = dataclass_field(default_factory=dict)

    def __post_init__(
        self, own: Mapping[str, Property], documented: Mapping[str, Property]
    ) -> None:
        self._used_pins: set[str] = set()
        self._columns: dict[str, Column] = {}
        self._by_fold: dict[str, Column] = {}
        self._own = {fold(name) for name in own}
        self._given = {**own, **documented}
        self._documented = documented.keys() - own.keys()
        for name, schema in self._given.items():
            kind = kinds.kind_of_property(schema)
            column = Column(name, name, kind, is_fixed=True, is_settled=True, schema=schema)
            self._add(column)

    def _add(self, column: Column) -> Column:
        self._columns[column.name] = column
        self._by_fold[fold(column.name)] = column
        for pin in (column.name, column.field):
            if pin in self.pins and not column.of and fold(column.name) not in self._own:
                column.kind, column.is_settled, column.is_pinned = self.pins[pin], True, True
                self._used_pins.add(pin)
        return column

    # Kinds

    def kind(self, name: str) -> str:
        """The kind of a column: a string if only empty values were seen."""
        return kinds.STRING if (kind := self._columns[name].kind) is None else kind

    @property
    def used_pins(self) -> frozenset[str]:
        """The pins of columns that exist so far."""
        return frozenset(self._used_pins)

    def join(self, name: str, kind: str | None) -> None:
        """Let a column hold values of a kind too, if its kind still depends on the sample."""
        column = self._columns[name]
        if not self.is_final(name):
            column.kind = kinds.join(column.kind, kind)

    def is_final(self, name: str) -> bool:
        """Whether the kind of a column no longer depends on the sample."""
        return self._columns[name].is_settled or self._columns[name].is_announced

    def hold(self, name: str, value: Any) -> Any:
        """The value as a column holds it, or `MISFIT`: it belongs into the text column then."""
        return (convert if self.is_pinned(name) else kinds.conform)(self.kind(name), value)

    def is_pinned(self, name: str) -> bool:
        """Whether the user decides the kind of a column, so that values are converted."""
        return self._columns[name].is_pinned

    def text_column(self, name: str) -> str:
        """The column for the misfits of a column, which is made if there is none."""
        column = self._columns[name]
        if column.text is None:
            text = next(t for t in self.naming.text_names(name) if fold(t) not in self._by_fold)
            return self._add_text(column, text).name
        return column.text.name

    @property
    def text_columns(self) -> dict[str, str]:
        """The columns for misfits, and those whose misfits they hold."""
        return {name: column.of.name for name, column in self._columns.items() if column.of}

    def _add_text(self, column: Column, name: str) -> Column:
        column.text = self._add(Column(name, name, kinds.STRING, is_settled=True, of=column))
        return column.text

    # Announcing

    @property
    def new_columns(self) -> list[str]:
        """The columns that were not announced so far; in the order in which they appeared."""
        return [name for name, column in self._columns.items() if not column.is_announced]

    def freeze(self, names: Iterable[str] | None = None) -> None:
        """Fix the kinds of columns that are announced: these, or all."""
        for name in self._columns if names is None else names:
            column = self._columns[name]
            column.kind = self.kind(name)
            column.is_announced = True

    def properties(self) -> dict[str, Property]:
        """JSON Schema of all columns: the given ones first, new ones last.

        Targets that write files by position would shift the values of rows that came before.
        """
        return {
            name: self._property(column)
            if column.of is None
            else kinds.property_of(
                kinds.STRING, description=f"Values that do not fit `{column.of.name}`, as text"
            )
            for name, column in self._columns.items()
        }

    def _property(self, column: Column) -> Property:
        kind = self.kind(column.name)
        schema = column.schema or {}
        if column.schema is not None and kinds.kind_of_property(schema) == kind:
            return {**schema}
        title = column.title or (column.field if column.field != column.name else None)
        about = {"title": title, **schema}
        texts = {name: about[name] for name in ("title", "description") if about.get(name)}
        return kinds.property_of(kind, **texts)
