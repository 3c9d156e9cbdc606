"""The table of a stream: from a catalog and STATE, or by discovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_cube.schema.names import Naming
from tap_cube.schema.registry import Registry
from tap_cube.schema.rows import as_dict
from tap_cube.schema.table import Table

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from tap_cube.cube.pages import Page
    from tap_cube.cube.resources import Crm
    from tap_cube.schema.announced import Policy
    from tap_cube.schema.keys import Key

    Properties = Mapping[str, dict[str, Any]]


@dataclass(frozen=True)
class Form:
    """What is known of a resource's records beforehand.

    Attributes:
        key: What identifies them.
        own: JSON Schema of the columns that the tap adds.
        documented: JSON Schema of the documented fields.
        prefixed: Whether defined fields are named `crm__custom_info__64`, and not by labels.
        has_defined_fields: Whether records have the fields that CRMs define for themselves.
    """

    key: Key
    own: Properties
    documented: Properties
    prefixed: bool = True
    has_defined_fields: bool = False


@dataclass(frozen=True)
class Memory:
    """What is remembered of a stream's columns.

    Attributes:
        state: What STATE says of the columns.
        catalog: What the catalog's metadata says of them.
        properties: JSON Schema of the catalog's columns; `None` without a catalog.
        policy: What happens to columns that the catalog deselects, or does not have.
    """

    state: Any
    catalog: Any
    properties: Properties | None
    policy: Policy


class TableFactory:
    """Makes the table of a stream.

    Args:
        forms: The forms that its records may have.
        config: The settings.
        memory: What is remembered of its columns.
        logger: Where new columns and failures are reported.
    """

    def __init__(
        self,
        forms: Sequence[Form],
        config: Mapping[str, Any],
        memory: Memory,
        logger: logging.Logger,
    ) -> None:
        self._forms = forms
        self._settings = config
        self._memory = memory
        self._logger = logger

    def known(self) -> tuple[Form, Table]:
        """Return the table of the catalog, extended by what STATE remembers."""
        properties = self._memory.properties or {}
        # A column of a prefixed record may be called `id`, too
        form = self._remembered() or self._form_of(properties) or self._forms[0]
        registry = self._registry(form)
        registry.restore_properties(properties)
        table = self._table(registry, form)
        policy = self._memory.policy
        new = set(registry.new_columns) - form.own.keys()
        known = [name for name in registry.properties() if name not in new]
        # Who picks columns wants no others, although an earlier run may have written some
        table.announce(
            policy,
            [name for name in known if name in properties or name in form.own or not policy.picks],
        )
        return form, table

    def discovered(
        self,
        samples: Iterable[tuple[Crm | None, Sequence[Page]]],
        define: Callable[[Table, Form, Crm | None], bool],
    ) -> tuple[Form, Table]:
        """Return the table of what the CRMs' records and definitions show.

        Args:
            samples: Pages of each CRM.
            define: Tells a table which fields a CRM defines, and returns whether that is known.
        """
        remembered = self._remembered()
        found = self._new(remembered) if remembered else None
        empty: list[Crm | None] = []
        for crm, pages in samples:
            records = [as_dict(record) for page in pages for record in page.records]
            fields = {field for record in records for field in record}
            if not found and not self._form_of(fields):
                empty.append(crm)
                continue
            form, table = found = found or self._new(self._form_of(fields) or self._forms[0])
            if self._form_of(fields) in (form, None) and define(table, form, crm):
                table.discover(crm, records)
        form, table = found or self._new(self._forms[0])
        for crm in empty:
            define(table, form, crm)
        table.announce(self._memory.policy)
        return form, table

    def _remembered(self) -> Form | None:
        """Return the form of an earlier run, or of discovery: a table has one key for ever."""
        memories = (self._memory.state, self._memory.catalog)
        keys = [memory.get("key") for memory in memories if isinstance(memory, dict)]
        forms = (form for key in keys for form in self._forms if key and form.key.field == key)
        return next(forms, None)

    def _new(self, form: Form) -> tuple[Form, Table]:
        return form, self._table(self._registry(form), form)

    def _table(self, registry: Registry, form: Form) -> Table:
        return Table(registry, form.key, form.own, form.documented, self._logger)

    def _form_of(self, fields: Collection[str]) -> Form | None:
        """Return the form of records with these fields; `None` if they do not tell."""
        if len(self._forms) == 1:
            return self._forms[0]
        return next((form for form in self._forms if form.key.field in fields), None)

    def _registry(self, form: Form) -> Registry:
        config = self._settings
        pins = {pin["field"]: pin["type"] for pin in config.get("field_types", ())}
        registry = Registry(form.own, form.documented, naming=naming_of(form, config), pins=pins)
        registry.restore(self._memory.state)
        registry.restore(self._memory.catalog)
        return registry


def naming_of(form: Form, config: Mapping[str, Any]) -> Naming:
    """Return how the fields of a stream are named."""
    return Naming(
        snake_case=config["field_names"] == "snake_case",
        prefixed=form.prefixed or not form.has_defined_fields,
        labels=form.prefixed
        and form.has_defined_fields
        and config["custom_field_names"] == "label",
    )
