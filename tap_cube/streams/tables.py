"""The table of a stream: from a catalog and STATE, or by discovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_cube.schema.announced import Policy
from tap_cube.schema.names import Naming
from tap_cube.schema.registry import Registry
from tap_cube.schema.rows import as_dict
from tap_cube.schema.table import Table

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from tap_cube.cube.pages import Page
    from tap_cube.cube.resources import Crm
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
        state: What STATE says of the columns; `None` if no run preceded.
        catalog: What the catalog's metadata says of them.
        properties: JSON Schema of the catalog's columns; empty without a catalog.
        deselected: Those that the user does not want.
    """

    state: Any
    catalog: Any
    properties: Properties
    deselected: frozenset[str]


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
        memory = self._memory
        # A column of a prefixed record may be called `id`, too
        form = self._remembered() or self._form_of(memory.properties) or self._forms[0]
        registry = self._registry(form)
        registry.restore(memory.state)
        earlier = registry.properties().keys() - {*registry.new_columns}
        chosen = self._chosen(registry.restore(memory.catalog))
        given = {place: memory.properties[names[0]] for place, names in chosen.items()}
        registry.restore_properties(given, is_first=memory.state is None)

        # Values that do not fit a column go where the column goes, if a catalog lacks their column
        texts = {text: of for text, of in registry.text_columns.items() if text not in chosen}
        picks = bool(memory.deselected)

        def is_selected(name: str) -> bool:
            names = chosen.get(texts.get(name, name))
            return names is None or not memory.deselected.issuperset(names)

        def is_wanted(name: str) -> bool:
            # Who picks columns wants no others, although an earlier run may have written some
            known = name in earlier and (not picks or texts.get(name) in chosen)
            return known or name in chosen or name in form.own or name in form.key.columns

        table = self._table(registry, form)
        policy = Policy(self._settings["new_fields"], picks=picks, selected=is_selected)
        table.announce(policy, filter(is_wanted, registry.properties()))
        return form, table

    def _chosen(self, held: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
        """Return for each column the columns of the catalog whose fields it has.

        They are called differently if a label was changed and the catalog was made without STATE.

        Args:
            held: For columns of the catalog, the columns of their fields.
        """
        places: dict[str, list[str]] = {}
        for name in self._memory.properties:
            for place in sorted(held.get(name, {name})):
                places.setdefault(place, []).append(name)
            if name not in held.get(name, {name}):
                self._logger.info(
                    "Column `%s` of the catalog has the name of an earlier run: %s",
                    name,
                    ", ".join(f"`{place}`" for place in sorted(held[name])),
                )
        return places

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
        table.announce(Policy(self._settings["new_fields"]))
        return form, table

    def _remembered(self) -> Form | None:
        """Return the form of an earlier run, or of discovery: a table has one key for ever."""
        memories = (self._memory.state, self._memory.catalog)
        keys = [memory.get("key") for memory in memories if isinstance(memory, dict)]
        forms = (form for key in keys for form in self._forms if key and form.key.field == key)
        return next(forms, None)

    def _new(self, form: Form) -> tuple[Form, Table]:
        registry = self._registry(form)
        registry.restore(self._memory.state)
        registry.restore(self._memory.catalog)
        return form, self._table(registry, form)

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
        return Registry(form.own, form.documented, naming=naming_of(form, config), pins=pins)


def naming_of(form: Form, config: Mapping[str, Any]) -> Naming:
    """Return how the fields of a stream are named."""
    return Naming(
        snake_case=config["field_names"] == "snake_case",
        prefixed=form.prefixed or not form.has_defined_fields,
        labels=form.prefixed
        and form.has_defined_fields
        and config["custom_field_names"] == "label",
    )
