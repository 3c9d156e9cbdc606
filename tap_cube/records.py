"""How records become messages: what columns there are, and what happens when one does not fit."""

from __future__ import annotations

import time
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from singer_sdk.exceptions import FatalAPIError
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform

from tap_cube import schema as js
from tap_cube.client import CubeClient
from tap_cube.compat import override
from tap_cube.errors import CredentialsRefusedError, UnavailableError
from tap_cube.progress import Progress

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Generator, Iterable, Iterator

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.metrics import Counter as Metric
    from singer_sdk.singerlib import RecordMessage

    from tap_cube.session import CubeResponse
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

SECONDS_BETWEEN_STATES = 5.0


class CubeStream(CubeClient):
    """A resource of Cube as a Singer stream: one table, whose columns are those of all its CRMs.

    Subclasses declare `name`, `path`, `primary_keys` and `documented`.
    """

    #: JSON Schema of the fields that Cube's documents describe, by name.
    documented: ClassVar[dict[str, Any]]
    #: Whether there is no point in going on where no CRM has it.
    essential: ClassVar[bool] = False

    # Values are conformed page by page, in `admit`: the SDK need not do it once more.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    received_at: dt.datetime
    record_counter: Metric

    # Columns

    def __init__(self, tap: TapCube) -> None:
        super().__init__(tap)
        self._complete = True
        self._lost: Counter[str] = Counter()
        self._refused: set[str] = set()
        self._state_written_at = time.monotonic()

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

        A CRM that fails is reported, and tried again when it is read.

        Raises:
            UnavailableError: If every CRM lacks the resource.
            FatalAPIError: If an essential resource fails in every CRM.
        """
        properties = {**(CRM_PROPERTIES if self.per_crm else {}), **self.documented}
        sample: list[Record] = []
        failures: list[FatalAPIError] = []
        contexts: list[Context | None] = [*self.partitions] if self.partitions else [None]
        for context in contexts:
            try:
                sample += self.sample(context)
                for name, described in self.defined(context).items():
                    properties.setdefault(name, described)
            except CredentialsRefusedError:
                raise
            except FatalAPIError as error:
                failures.append(type(error)(self.label(context) + str(error)))
        if len(failures) == len(contexts) and (
            self.essential or all(isinstance(failure, UnavailableError) for failure in failures)
        ):
            raise failures[0]
        for failure in failures:
            self.logger.error("%s", failure)
        columns = js.Columns(properties, self.pinned)
        for name, kind in columns.widening(columns.misfits(sample)).items():
            properties[name] = js.widened(properties.get(name, {}), kind)
        return {"type": "object", "properties": properties, "required": list(self.primary_keys)}

    def defined(self, context: Context | None) -> dict[str, js.Property]:  # noqa: ARG002  # a hook
        """The fields that the definitions of a CRM add to its records."""
        return {}

    # Records

    @property
    @override
    def partitions(self) -> list[dict[str, Any]] | None:
        return self.tap.crms if self.per_crm else None

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """The records of one CRM. If it fails, the others are still read, and the run fails."""
        try:
            for response in self.read(context):
                records = self.admit(self.parse_response(response), context)
                self.received_at = response.received_at
                if self._needs_the_sdk:
                    yield from records
                else:
                    self._write(records)
        except CredentialsRefusedError:
            raise
        except FatalAPIError as error:
            self.fail(type(error)(self.label(context) + str(error)))

    def read(self, context: Context | None) -> Iterator[CubeResponse]:
        """The pages of one CRM, as a run reads them. What is yielded is written before the next."""
        return self.pages(context)

    def fail(self, failure: FatalAPIError) -> None:
        """Report what went wrong, and read on: the run fails in its end."""
        if self.ABORT_AT_RECORD_COUNT is not None:  # `tap-cube --test` stops at the first
            raise failure from None
        self.logger.error("%s", failure)
        self.tap.failures.append(failure)
        self._complete = False

    @property
    def _needs_the_sdk(self) -> bool:
        """Whether anything has to be done for single records, which the SDK then does."""
        (first, *others) = self.stream_maps
        return bool(
            others
            or type(first) is not SameRecordTransform
            or first.flattening_enabled
            or not all(self.mask.values())
            or self.get_batch_config(self.config)
            or self.ABORT_AT_RECORD_COUNT is not None
        )

    def _write(self, records: list[Record]) -> None:
        """The short way to stdout, for records that the SDK would only hand on."""
        version = self._stream_version
        self.tap.message_writer.write_records(self.name, records, self.received_at, version)
        self.record_counter.increment(len(records))
        # As the SDK does after each record that it writes; else it would leave out the last STATE
        self.state_manager.is_flushed = False
        self.write_state_if_due()

    @override
    def get_record_counter(self, **kwargs: Any) -> Metric:
        """The counter of the run, kept at hand for the records that go the short way."""
        self.record_counter = super().get_record_counter(**kwargs)
        return self.record_counter

    @override
    def _generate_record_messages(self, record: Record) -> Generator[RecordMessage, None, None]:
        """As the SDK's, but each record was extracted when its page came, not when it is written.

        It is private, but the only place where the SDK makes these messages; `test_messages`
        fails if it changes.
        """
        for message in super()._generate_record_messages(record):
            message.time_extracted = self.received_at
            yield message

    def admit(self, records: list[Record], context: Context | None) -> list[Record]:
        """Make the records of a page fit the schema, in place, or the schema fit them.

        A field that is new, or a value that its column cannot hold, widens the schema: one new
        SCHEMA message goes out before the records of the page do.
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
            self._widen(widening)
        self._lost += self.columns.conform(misfits)
        return records

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

    def _widen(self, widening: dict[str, str]) -> None:
        properties = self.schema["properties"]
        for name, kind in widening.items():
            properties[name] = js.widened(properties.get(name, {}), kind)
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

    # The end of a run

    def write_state_if_due(self) -> None:
        """Let the target know how far the read came, now and then."""
        if time.monotonic() - self._state_written_at > SECONDS_BETWEEN_STATES:
            self._write_state_message()
            self._state_written_at = time.monotonic()

    @override
    def _write_activate_version_message(self, full_table_version: int) -> None:
        """Not yet: the SDK calls this before the first record, and the read may still fail.

        A target would delete all rows of earlier runs, and those of this one may never come.
        Private to the SDK; `test_versions` fails if it changes.
        """
        resumed = [Progress.version_in(self.get_context_state(c)) for c in self.partitions or ()]
        self._stream_version = min(filter(None, resumed), default=full_table_version)

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        """The SDK calls this once the stream was read: only now is it known what is gone."""
        for name, count in sorted(self._lost.items()):
            self.logger.warning(
                "%s: %d values did not fit the type that `field_types` pins, and are null",
                name,
                count,
            )
        if self._stream_version is not None:
            if self._complete:
                super()._write_activate_version_message(self._stream_version)
            else:
                self.logger.warning("Nothing is deleted in targets: the read was not complete")
        super().finalize_state_progress_markers(state)

    @override
    def log_sync_costs(self) -> None:
        """Fail the run in which a CRM failed: this is the last that the SDK calls in a run."""
        super().log_sync_costs()
        if failures := self.tap.failures:
            more = f" (and {len(failures) - 1} more errors above)" if len(failures) > 1 else ""
            raise FatalAPIError(f"{failures[0]}{more}")
