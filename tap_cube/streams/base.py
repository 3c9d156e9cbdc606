"""A resource of Cube as a Singer stream: the only module that touches internals of the SDK."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import RESTStream
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from singer_sdk.singerlib import SchemaMessage, SelectionMask

from tap_cube.compat import override
from tap_cube.cube.decoding import parse_page
from tap_cube.cube.resources import Crm, Subject
from tap_cube.errors import (
    CredentialsRejectedError,
    CubeError,
    TapCubeError,
    frames,
    unexpected,
)
from tap_cube.output.progress import Progress
from tap_cube.readers.prefetched import Prefetched
from tap_cube.readers.sample import Sample
from tap_cube.schema.rows import as_dict
from tap_cube.streams.ahead import Ahead
from tap_cube.streams.batches import BatchFiles, located
from tap_cube.streams.bookmarks import COLUMNS, Bookmarks, place, resumable, version_left
from tap_cube.streams.definitions import Definitions
from tap_cube.streams.discovery import samples
from tap_cube.streams.tables import Memory, TableFactory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.mapper import StreamMap
    from singer_sdk.metrics import Counter
    from singer_sdk.singerlib import CatalogEntry

    from tap_cube.cube.decoding import Parser
    from tap_cube.cube.pages import Link, Page
    from tap_cube.cube.resources import Resource
    from tap_cube.readers.protocol import Reader, Request
    from tap_cube.schema.table import Batch, Table
    from tap_cube.streams.services import Services
    from tap_cube.streams.tables import Form


class CubeStream(RESTStream[Any]):
    """A stream, which has a reader for each CRM, a table, and a writer.

    Subclasses declare what the resource is, and implement `new_reader`.

    Args:
        tap: The tap.
        services: What all streams share.
    """

    # Values are fitted to their columns by the table: the SDK need not do it again
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    resource: Resource
    #: The forms that its records may have; the first one counts where nothing is known.
    forms: Sequence[Form]
    #: Whether discovery fails if no CRM can be read.
    essential: ClassVar[bool] = False
    #: Whether small CRMs are read as a whole before their turn comes.
    is_prefetched: ClassVar[bool] = True
    #: What the progress of a read is measured in.
    unit: ClassVar[str] = "records"

    def __init__(self, tap: Tap, services: Services) -> None:
        self.tap = tap
        self.services = services
        super().__init__(tap)
        self._complete = True
        self._states: dict[Crm | None, dict[str, Any]] = {}
        self._registered: dict[str, Any] | None = None
        interval = services.runtime.state_interval
        self._bookmarks = Bookmarks(self._state_of, self._write_state, interval)

    # What a resource implements

    def new_reader(self, crm: Crm | None, state: Mapping[str, Any]) -> Reader:
        """Return what reads the resource of a CRM.

        Args:
            crm: The CRM; `None` if the resource belongs to the account.
            state: What STATE says of the CRM.
        """
        raise NotImplementedError

    def request_sample(self, crm: Crm | None) -> Request:
        """Return what starts the requests for the list that discovery looks at."""
        return self.request(crm)

    def likely_forms(self) -> Sequence[Form]:
        """Return the forms that records may have, the likeliest first."""
        return self.forms

    def introduce(self, crms: Sequence[Crm | None]) -> None:
        """Log what users should know before the stream is read; optional."""

    def conclude(self) -> Iterable[CubeError]:
        """Return what is wrong with the stream, now that all CRMs were read."""
        return ()

    def bookmark(self, reader: Reader) -> Mapping[str, Any]:
        """Return what STATE has to say after what was written so far; `None` removes a key."""
        return place(reader.state, self._version)

    # Requests

    @property
    @override
    def url_base(self) -> str:
        return f"{self.services.client.connection.origin}/api/v1/"

    def request(self, crm: Crm | None, query: Mapping[str, str] | None = None) -> Request:
        """Return a function that starts the request for a page; `None` is the first one."""
        links = self.resource.links(crm, query)
        subject = Subject(self.resource, crm)
        client = self.services.client

        def start(link: Link | None) -> Future[Page]:
            known = [link] if link else links
            return client.submit(client.get_page, subject, known, self.parser(crm))

        return start

    # Schema

    @cached_property
    def _built(self) -> tuple[Form, Table]:
        """The form of the records, and the table: those that are known, or else discovered."""
        factory = TableFactory(self.likely_forms(), self.config, self._memory(), self.logger)
        form, table = (
            factory.known()
            if self._catalog_entry
            else factory.discovered(self.samples(), self._definitions.discover)
        )
        self.primary_keys = form.key.columns
        return form, table

    @property
    def form(self) -> Form:
        """What is known of the records beforehand."""
        return self._built[0]

    @property
    def table(self) -> Table:
        """The columns, and what admits records to them."""
        return self._built[1]

    @property
    def _catalog_entry(self) -> CatalogEntry | None:
        catalog = self.tap.input_catalog
        return catalog.get_stream(self.name) if catalog else None

    def _memory(self) -> Memory:
        entry = self._catalog_entry
        mask = entry.metadata.resolve_selection() if entry else {}
        properties = entry.schema.to_dict()["properties"] if entry else {}
        bookmarks = self.tap_state.get("bookmarks", {}).get(self.name)
        return Memory(
            state=None if bookmarks is None else bookmarks.get(COLUMNS, {}),
            catalog=self.services.catalog_columns.get(self.name),
            properties=properties,
            deselected=frozenset(name for name in properties if not mask["properties", name]),
        )

    @property
    @override
    def mask(self) -> SelectionMask:
        """Which columns the SDK leaves out: none, as the table leaves out what is deselected."""
        return SelectionMask({(): super().mask.get((), True)})

    @cached_property
    def _definitions(self) -> Definitions:
        return Definitions(
            self.services.account, self.resource, self.forms, self.config, self.logger
        )

    def samples(self) -> Iterator[tuple[Crm | None, Sequence[Page]]]:
        """Yield pages of each CRM, for discovery."""

        def start(crm: Crm | None) -> Sample:
            self._definitions.start(crm)
            return Sample(self.request_sample(crm), self.config["sample_size"])

        return samples(self.resource, start, self.services, self.logger, essential=self.essential)

    def parser(self, crm: Crm | None) -> Parser:
        """Return what parses the pages of a CRM, as far as the table is known by now."""
        return self.table.parser(crm) if "_built" in vars(self) else parse_page

    @property
    @override
    def schema(self) -> dict[str, Any]:
        return self.table.schema()

    @property
    @override
    def effective_schema(self) -> dict[str, Any]:
        return self.schema

    @property
    @override
    def stream_maps(self) -> list[StreamMap]:
        """The maps of the schema as it is now. The SDK keeps those of the first schema."""
        schema = self.table.selected_schema()
        if schema is not self._registered:
            self._registered = schema
            self.tap.mapper.register_raw_stream_schema(self.name, schema, self.primary_keys)
        return self.tap.mapper.stream_maps[self.name]

    @property
    def _aliases(self) -> list[StreamMap]:
        return [one for one in self.stream_maps if not isinstance(one, RemoveRecordTransform)]

    def _announce(self) -> None:
        """Write the SCHEMA as it is now."""
        keys = [self.replication_key] if self.replication_key else None
        for one in self._aliases:
            self.tap.write_message(
                SchemaMessage(
                    one.stream_alias, one.transformed_schema, one.transformed_key_properties, keys
                )
            )

    # Reading

    @property
    @override
    def partitions(self) -> list[dict[str, Any]] | None:
        if not self.resource.per_crm:
            return None
        return [crm._asdict() for crm in self.services.account.crms()]

    @property
    def _contexts(self) -> list[Context | None]:
        partitions = self.partitions
        return [None] if partitions is None else [*partitions]

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Write the records of one CRM, or hand them to the SDK where it changes them."""
        needs_the_sdk = self._needs_the_sdk
        with self._last_state():
            for batch, page in self._batches(context, self._bookmarks.commit_and_write):
                if needs_the_sdk:
                    self.services.writer.stamp(page.received_at, self._version)
                    yield from map(as_dict, batch.records)
                else:
                    self._write(batch, page)
            self._bookmarks.commit()

    @override
    def get_batches(
        self, batch_config: Any, context: Context | None = None
    ) -> Iterator[tuple[Any, list[str]]]:
        """Yield files of records. STATE covers records only once their file is complete."""
        files = BatchFiles(self.tap_name, self.name, batch_config)
        with self._last_state(), self.get_record_counter() as counter, self.get_sync_timer():
            try:
                for each in [context] if context else self._contexts:
                    for batch, _ in self._batches(each):
                        if files.waiting >= batch_config.batch_size:
                            yield from files.flush()
                        if not files.waiting:
                            self._bookmarks.commit()
                        files.add(map(as_dict, batch.records))
                        counter.increment(len(batch.records))
            except CredentialsRejectedError:
                yield from files.flush()
                raise
            yield from files.flush()
            self._bookmarks.commit()

    @override
    def get_batch_config(self, config: Mapping[str, Any]) -> Any:
        """Return the configuration of batches, unless `tap-cube --test` reads one record."""
        configured = None if self._is_test else super().get_batch_config(config)
        return located(configured) if configured else None

    @cached_property
    def _progress(self) -> Progress:
        return Progress(
            self.name,
            len(self._contexts),
            self.logger,
            self.unit,
            interval=self.services.runtime.log_interval,
            requests=lambda: self.services.client.requests_sent,
            shown=not self._is_test,
        )

    def _batches(
        self, context: Context | None, covered: Callable[[], None] = lambda: None
    ) -> Iterator[tuple[Batch, Page]]:
        """Yield the pages of one CRM. If it fails, the others are read, and the run fails.

        Args:
            context: The CRM.
            covered: Called once the bookmarks cover a page that was handed over.
        """
        crm = Crm(**context) if context else None
        subject = Subject(self.resource, crm)
        anonymous = 0
        _ = self._version  # while STATE still says what an interrupted read left
        with (
            self._failing_alone(subject),
            self._progress.reading(str(subject)) as progress,
        ):
            reader, table = self._readers.of(crm), self.table
            self._definitions.define(table, self.form, crm)
            try:
                for number, page in enumerate(reader):
                    if number == 0 and reader.resumed_at:
                        self.logger.info("%s: going on from page %d", subject, reader.resumed_at)
                    batch = table.admit(page, crm)
                    if batch.evolved:
                        self._announce()
                        self._remember_columns()
                    yield batch, page
                    reader.written(page)
                    self._bookmarks.cover(crm, self.bookmark(reader))
                    covered()  # before the wait for the next page, in which a signal may come
                    anonymous += batch.anonymous
                    progress.advance(len(batch.records), reader.done, reader.total)
                progress.advance(0, reader.done, reader.total)
            finally:
                # Also of a read that fails: windows of days before the failure count
                self._bookmarks.cover(crm, self.bookmark(reader))
                table.release(crm)
            self._report(subject, reader.doubts, anonymous)

    def _report(self, subject: Subject, doubts: Iterable[str], anonymous: int) -> None:
        """Warn of what is in doubt in the records of one CRM, and of what was left out."""
        for doubt in doubts:
            self._complete = False
            self._progress.anomaly("in doubt")
            self.logger.warning("%s: %s", subject, doubt)
        if anonymous:
            self._progress.anomaly("left out", anonymous)
            self.logger.warning(
                "%s: %d records have no `%s`, as anonymised customers: they are left out, since no "
                "table could tell them apart",
                subject,
                anonymous,
                self.primary_keys[-1],
            )

    @cached_property
    def _readers(self) -> Ahead[Reader]:
        """The readers of the CRMs, in the order in which the SDK asks for their records."""
        contexts = self._contexts
        crms = [Crm(**context) if context else None for context in contexts]
        self.introduce(crms)

        def start(crm: Crm | None) -> Reader:
            self._definitions.start(crm)
            if crm == crms[0]:
                # Pages that arrive before the columns are known are parsed in a slower way
                with suppress(CubeError):  # it is reported when the CRM is read
                    self._definitions.define(self.table, self.form, crm)
                    self.table.prepare(crm)
            reader = self.new_reader(crm, resumable(self._state_of(crm), self._version))
            if self.is_prefetched and crm != crms[0]:  # the turn of the first one has come
                reader = Prefetched(reader, self.services.records_ahead)
            reader.start()
            return reader

        return Ahead(crms, start, self.services.crms_ahead)

    def _state_of(self, crm: Crm | None) -> dict[str, Any]:
        # The SDK searches the list of all CRMs
        if crm not in self._states:
            self._states[crm] = self.get_context_state(crm._asdict() if crm else None)
        return self._states[crm]

    @contextmanager
    def _last_state(self) -> Iterator[None]:
        """Write a last STATE if the credentials are rejected, which ends the run."""
        try:
            yield
        except CredentialsRejectedError:
            self._bookmarks.commit()
            self._write_state()
            raise

    @contextmanager
    def _failing_alone(self, subject: Subject) -> Iterator[None]:
        """Report the failure of a CRM, so that the others are read; the run fails at its end."""
        try:
            yield
        except CubeError as error:
            failure = CubeError(f"{subject}: {error}")
        except TapCubeError:
            raise
        except Exception as error:  # noqa: BLE001  # a defect in reading one CRM spares the others
            self.logger.debug("Where it came from:\n%s", "".join(frames(error)))
            failure = CubeError(f"{subject}: {unexpected(error)}")
        else:
            return
        if self._is_test:
            raise failure from None
        self._fail(failure)

    def _fail(self, failure: CubeError) -> None:
        self.logger.error("%s", failure)
        self.services.failures.append(failure)
        self._progress.anomaly("failed")
        self._complete = False

    @property
    def _is_test(self) -> bool:
        return self.ABORT_AT_RECORD_COUNT is not None

    @property
    def _needs_the_sdk(self) -> bool:
        """Whether the SDK has to change or count each record."""
        (first, *others) = self.stream_maps
        return (
            bool(others)
            or type(first) is not SameRecordTransform
            or first.flattening_enabled
            or self._is_test
        )

    # Writing

    def _write(self, batch: Batch, page: Page) -> None:
        """Write records that the SDK would only hand on."""
        self.services.writer.write_records(
            self.name, batch.records, page.received_at, self._version
        )
        self._counter.increment(len(batch.records))
        # The SDK notes this for each record that it writes: otherwise it omits the last STATE
        self.state_manager.is_flushed = False

    @override
    def get_record_counter(self, **kwargs: Any) -> Counter:
        self._counter = super().get_record_counter(**kwargs)
        return self._counter

    def _write_state(self) -> None:
        self._remember_columns()
        self.tap.state_writer.write_state(self.tap_state)

    def _remember_columns(self) -> None:
        if remembered := self.table.remember():
            self.stream_state[COLUMNS] = remembered

    @override
    def _increment_stream_state(self, latest_record: Record, *, context: Any = None) -> None:
        """Do nothing: bookmarks move by windows of days, and not by records.

        The SDK would move them by each record that it writes, although earlier ones may still be
        missing. Private to the SDK; `test_sdk_internals` fails if it is no longer called.
        """

    # The end of a stream

    @cached_property
    def _version(self) -> int | None:
        """The version of all records: that of an interrupted read, if there is one."""
        if self.replication_method != "FULL_TABLE" or not self.emit_activate_version_messages:
            return None
        left = version_left(map(self.get_context_state, self._contexts))
        return left or self.tap.initialized_at // 1000

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        """Conclude the stream. The SDK calls this after the last record of all CRMs."""
        for failure in self.conclude():
            self._fail(CubeError(f"{self.name}: {failure}"))
        self._remember_columns()
        for column, count in sorted(self.table.lost.items()):
            self._progress.anomaly("values that fit no column", count)
            self.logger.warning("%s: %d values did not fit the column, and are null", column, count)
        if self._version is not None and self._complete:
            for one in self._aliases:
                self.services.writer.activate(one.stream_alias, self._version)
        elif self._version is not None:
            self.logger.warning("Nothing is deleted in targets: the read was not complete")
        self._progress.finish()
        super().finalize_state_progress_markers(state)
