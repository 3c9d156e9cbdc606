"""What columns a stream has: found by looking, called as the user wants, wider when need be."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from singer_sdk.exceptions import FatalAPIError
from singer_sdk.helpers._catalog import get_selected_schema

from tap_cube import schema as js
from tap_cube.client import CubeClient
from tap_cube.compat import override
from tap_cube.errors import CredentialsRefusedError, UnavailableError
from tap_cube.meter import Meter
from tap_cube.names import CrmNames, Definition, Names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk.helpers.types import Context, Record

    from tap_cube.tap import TapCube

CRM_PROPERTIES: dict[str, Any] = th.PropertiesList(
    th.Property(
        "data_owner_id",
        th.IntegerType,
        required=True,
        description="The data owner whose CRM the record belongs to",
    ),
    th.Property(
        "crm_type",
        th.StringType,
        required=True,
        description="The type of the CRM the record belongs to, such as B2B",
    ),
).to_dict()["properties"]


class CubeTable(CubeClient):
    """A resource of Cube as one table, whose columns are those of all its CRMs.

    Subclasses declare `name`, `path`, `primary_keys` and `documented`.
    """

    #: Whether there is no point in going on where no CRM has it.
    essential: ClassVar[bool] = False
    #: Whether its records have the fields that the CRMs define for themselves.
    has_defined_fields: ClassVar[bool] = False

    def __init__(self, tap: TapCube) -> None:
        super().__init__(tap)
        #: How many values of each column became null, as they did not fit a pinned type.
        self.lost: Counter[str] = Counter()
        self._refused: set[str] = set()
        self._crm_names: dict[tuple[Any, ...], CrmNames] = {}

    @property
    def documented(self) -> Mapping[str, Any]:
        """JSON Schema of the fields that Cube's documents describe, by name."""
        raise NotImplementedError

    @property
    def prefixed(self) -> bool:
        """Whether fields are called `crm__custom_info__64`, and not by their labels."""
        return True

    # Discovery

    @cached_property
    @override
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the stream: the catalog's, or else what is found by looking."""
        catalog = self.tap.input_catalog
        entry = catalog.get_stream(self.name) if catalog else None
        schema = dict(entry.schema.to_dict()) if entry else self.discover()
        for name in schema["properties"].keys() & self.pinned.keys():
            schema["properties"][name] = js.widened(schema["properties"][name], self.pinned[name])
        return schema

    @property
    @override
    def effective_schema(self) -> dict[str, Any]:
        """The schema as it is by now: it also grows when it came from a catalog."""
        return self.schema

    @cached_property
    def pinned(self) -> dict[str, str]:
        """The types of fields that the user decided on; a key has the type that it has."""
        pins = {pin["field"]: pin["type"] for pin in self.config.get("field_types", ())}
        return {name: type_ for name, type_ in pins.items() if name not in self.primary_keys}

    @cached_property
    def columns(self) -> js.Columns:
        """The columns of the schema as it is by now."""
        return js.Columns(self.schema["properties"], self.pinned)

    def discover(self) -> dict[str, Any]:
        """Find the columns: from the documents, the CRMs' definitions, and a sample.

        Raises:
            UnavailableError: If every CRM lacks the resource.
            FatalAPIError: If an essential resource fails in every CRM.
        """
        samples = self._samples()
        self.look_at([record for _, records in samples for record in records])
        properties = {**self.own_properties, **self.documented}
        for context, _ in samples:
            for definition in self._definitions(context):
                field = definition.lookup if self.prefixed else definition.label
                described = js.property_of(js.STRING, title=definition.label)
                properties.setdefault(self._column(field, context), described)
        columns = js.Columns(properties, self.pinned)
        sample = [record for c, records in samples for record in self.renamed(records, c)]
        self._widen(properties, columns.widening(columns.misfits(sample)))
        return {"type": "object", "properties": properties, "required": list(self.primary_keys)}

    def _samples(self) -> list[tuple[Context | None, list[Record]]]:
        """A sample of each CRM's records. A CRM that fails is reported, and tried when it is read.

        Raises:
            FatalAPIError: As `discover`.
        """
        samples: list[tuple[Context | None, list[Record]]] = []
        failures: list[FatalAPIError] = []
        contexts: list[Context | None] = [*self.partitions] if self.partitions else [None]
        with Meter(f"discovering {self.name}", self.logger, "CRMs", leave=False) as meter:
            for number, context in enumerate(contexts, 1):
                try:
                    samples.append((context, self.sample(context)))
                    self._definitions(context)  # asked for here, where a CRM may fail
                    meter.count(len(samples[-1][1]))
                except CredentialsRefusedError:
                    raise
                except FatalAPIError as error:
                    failures.append(type(error)(self.label(context) + str(error)))
                meter.reach(number, len(contexts))
        if not samples and (
            self.essential or all(isinstance(failure, UnavailableError) for failure in failures)
        ):
            raise failures[0]
        for failure in failures:
            self.logger.error("%s", failure)
        return samples

    def look_at(self, sample: list[Record]) -> None:
        """Find out by a sample what form the records have. A hook."""

    @property
    def own_properties(self) -> dict[str, Any]:
        """JSON Schema of the columns that the tap adds."""
        return CRM_PROPERTIES if self.per_crm else {}

    @property
    @override
    def partitions(self) -> list[dict[str, Any]] | None:
        return self.tap.crms if self.per_crm else None

    # Names

    @cached_property
    def names(self) -> Names:
        """What the columns are called."""
        snake_case = self.config["field_names"] == "snake_case"
        names = Names([*self.own_properties, *self.documented], snake_case=snake_case)
        if self.tap.input_catalog is not None:
            names.restore(self.schema["properties"])
        return names

    def _definitions(self, context: Context | None) -> list[Definition]:
        return self.tap.definitions(context) if self.has_defined_fields else []

    @property
    def _labels_wanted(self) -> bool:
        return self.prefixed and self.config["custom_field_names"] == "label"

    @property
    def renames(self) -> bool:
        """Whether columns are called otherwise than fields."""
        return self._labels_wanted or self.config["field_names"] == "snake_case"

    def _column(self, field: str, context: Context | None) -> str:
        return self._names_in(context)[field] if self.renames else field

    def _names_in(self, context: Context | None) -> CrmNames:
        crm = crm_of(context)
        if crm not in self._crm_names:
            labels = self._definitions(context) if self._labels_wanted else []
            self._crm_names[crm] = CrmNames(self.names, labels)
        return self._crm_names[crm]

    def renamed(self, records: list[Record], context: Context | None) -> list[Record]:
        """Records with the names of their columns in place of those of their fields."""
        for record in records:
            for name in record.keys() & (context or {}).keys():
                # The tap's own column has this name
                record[f"{name}_in_cube"] = record.pop(name)
        if not self.renames:
            return records
        names = self._names_in(context)
        return [{names[field]: value for field, value in record.items()} for record in records]

    # Evolving

    def admit(self, records: list[Record], context: Context | None) -> set[str]:
        """Make the records of a page fit the schema, in place, or the schema fit them.

        A field that is new, or a value that its column cannot hold, widens the schema: one new
        SCHEMA message goes out before the records of the page do.

        Returns:
            The columns that held something that needed a closer look.
        """
        for record in records:
            record.update(context or {})
        for key in self.primary_keys:
            if any(record.get(key) in (None, "") for record in records):
                msg = (
                    f"a record lacks `{key}`, by which records are told apart: the table would "
                    "not hold it. Report this to Cube"
                )
                raise FatalAPIError(msg)
        misfits = self.columns.misfits(records)
        if unwanted := self._unwanted({name for _, name in misfits}):
            for record, name in misfits:
                if name in unwanted:
                    del record[name]
            misfits = [(record, name) for record, name in misfits if name not in unwanted]
        if widening := self.columns.widening(misfits):
            self._evolve(self._as_defined(widening, context))
            misfits = self.columns.misfits(records)  # a wider column holds fewer values plainly
        self.lost += self.columns.conform(misfits)
        return {name for _, name in misfits}

    def _as_defined(self, widening: dict[str, str], context: Context | None) -> dict[str, str]:
        """The widening, where new fields that the CRM defines are what discovery would find."""
        if widening.keys() <= self.columns.kinds.keys():
            return widening
        new = widening.keys() - self.columns.kinds.keys() - self.pinned.keys()
        for definition in self._definitions(context):
            field = definition.lookup if self.prefixed else definition.label
            if (column := self._column(field, context)) in new:
                widening[column] = js.STRING
                self.names.titles.setdefault(column, definition.label)
        return widening

    def _unwanted(self, names: set[str]) -> set[str]:
        """Which fields are not to be emitted, of some that need a closer look.

        Raises:
            FatalAPIError: If there are new fields and the settings want none.
        """
        new = names - self.columns.kinds.keys()
        deselected = {name for name in names - new if not self.mask["properties", name]}
        if not new:
            return deselected
        policy = self.config["new_fields"]
        if policy == "fail":
            msg = (
                f"new fields that discovery did not see: {', '.join(sorted(new))}. Discover once "
                "more, or let the setting `new_fields` be `evolve`"
            )
            raise FatalAPIError(msg)
        if policy == "evolve" and self._picks_columns:
            if not self._refused:
                self.logger.warning(
                    "New fields are left out, as the catalog deselects some: %s, and more as they "
                    "come. Discover once more to choose among them",
                    ", ".join(sorted(new)),
                )
            self._refused |= new
        elif policy == "discard":
            for name in sorted(new - self._refused):
                self.logger.warning("A new field is left out, as `new_fields` is set: %s", name)
            self._refused |= new
        return deselected | (new & self._refused)

    @property
    def _picks_columns(self) -> bool:
        """Whether the user decides which columns there are, rather than takes what comes."""
        return not all(self.mask["properties", name] for name in self.schema["properties"])

    def _evolve(self, widening: dict[str, str]) -> None:
        self._widen(self.schema["properties"], widening)
        del self.columns
        self.logger.info(
            "The schema grows: %s",
            ", ".join(f"{name} ({kind})" for name, kind in sorted(widening.items())),
        )
        self.tap.mapper.register_raw_stream_schema(
            self.name,
            get_selected_schema(self.name, self.schema, self.mask),
            self.primary_keys,
        )
        # The SDK plans for one schema a run. Its cache of stream maps, and its way to write a
        # SCHEMA through them, are private; `test_new_fields` fails if they change.
        self._stream_maps = None
        self._write_schema_message()

    def _widen(self, properties: dict[str, Any], widening: dict[str, str]) -> None:
        for name, kind in widening.items():
            title = {"title": self.names.titles[name]} if name in self.names.titles else {}
            properties[name] = js.widened(properties.get(name, title), kind)


def crm_of(context: Context | None) -> tuple[Any, ...]:
    """What identifies a CRM, fit for a dictionary's key."""
    return tuple((context or {}).values())
