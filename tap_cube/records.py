"""How records become messages: the short way to stdout, versions, and the end of a run."""

from __future__ import annotations

import math
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.batch import Batcher
from singer_sdk.exceptions import FatalAPIError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform

from tap_cube.compat import override
from tap_cube.errors import CredentialsRefusedError
from tap_cube.meter import Meter
from tap_cube.progress import Progress
from tap_cube.rows import RowType, suits
from tap_cube.table import CubeTable

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.metrics import Counter as Metric
    from singer_sdk.singerlib import RecordMessage

    from tap_cube.session import CubeResponse
    from tap_cube.tap import TapCube


SECONDS_BETWEEN_STATES = 5.0


class CubeStream(CubeTable):
    """A resource of Cube as a Singer stream: its records become messages."""

    # Values are conformed page by page, in `admit`: the SDK need not do it once more.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    #: Whether there are so many records that they are worth being parsed into rows.
    as_rows: ClassVar[bool] = False

    #: What the progress of a read is measured in.
    metered_in: ClassVar[str] = "records"

    received_at: dt.datetime
    record_counter: Metric

    def __init__(self, tap: TapCube) -> None:
        super().__init__(tap)
        self._complete = True
        self._state_written_at = time.monotonic()

    # Records

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """The records of one CRM. If it fails, the others are still read, and the run fails."""
        self._expect_anything()
        self.meter = Meter(self.label(context).removesuffix(": "), self.logger, self.metered_in)
        try:
            with self.meter:
                for response in self.read(context):
                    self.received_at = response.received_at
                    if self._needs_the_sdk:
                        records = self._records(response, context)
                        yield from records
                        self.meter.count(len(records))
                    elif self.row_type and self.row_type.settle(response.body.results or ()):
                        self._write(response.body.results or ())
                    else:
                        self._write(self._records(response, context))
        except CredentialsRefusedError:
            raise
        except FatalAPIError as error:
            self.fail(type(error)(self.label(context) + str(error)))

    def read(self, context: Context | None) -> Iterator[CubeResponse]:
        """The pages of one CRM, as a run reads them. What is yielded is written before the next."""
        done = 0
        for response in self.pages(context):
            yield response
            done += len(response.body.results or ())
            self.meter.reach(done, response.body.count)

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

    def _records(self, response: CubeResponse, context: Context | None) -> list[Record]:
        records = self.renamed(self.parse_response(response), context)
        fields = next(iter(records), {}).keys()
        order = [name for name in fields if name not in (context or {})]
        misfits = self.admit(records, context)
        if self.as_rows and not self.renames and suits(self.columns.kinds):
            self._expect_rows(order, misfits, context)
        return records

    def _expect_anything(self) -> None:
        """Let pages be parsed into dicts: another CRM has other fields, in another order."""
        self.row_type = None

    def _expect_rows(self, order: list[str], misfits: set[str], context: Context | None) -> None:
        """Let the pages to come be parsed by what is known of the columns by now."""
        known = self.row_type
        loose = misfits | (known.loose if known else set())
        if known is None or known.columns is not self.columns or loose != known.loose:
            self.row_type = RowType(
                self.columns,
                keys=self.primary_keys,
                added=context or {},
                order=[name for name in order if name in self.columns.kinds],
                loose=loose & self.columns.kinds.keys(),
            )

    def _write(self, records: Sequence[Any]) -> None:
        """The short way to stdout, for records that the SDK would only hand on."""
        self.tap.message_writer.write_records(
            self.name, records, self.received_at, self._stream_version
        )
        self.record_counter.increment(len(records))
        self.meter.count(len(records))
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

    @override
    def get_batches(
        self, batch_config: BatchConfig, context: Context | None = None
    ) -> Iterator[tuple[BaseBatchFileEncoding, list[str]]]:
        """As the SDK's, but no column is lost in Parquet that a file's first record lacks.

        `_sync_records` is private to the SDK; `test_batch` fails if it changes.
        """
        batcher = Batcher(self.tap_name, self.name, batch_config)
        records: Iterator[Record] = iter(self._sync_records(context, write_messages=False))
        if batch_config.encoding.format == "parquet":
            records = _with_all_columns(records, batch_config.batch_size)
        for manifest in batcher.get_batches(records):
            yield batch_config.encoding, manifest

    # The end of a run

    def state_is_due(self) -> None:
        """Let the target know after the next page how far the read came."""
        self._state_written_at = -math.inf

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
        for name, count in sorted(self.lost.items()):
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


def _with_all_columns(records: Iterator[Record], size: int) -> Iterator[Record]:
    """The records, the first of each `size` of them with all columns that any of those has.

    The SDK's Parquet files have the columns of their first record, and no others.
    """
    while chunk := list(islice(records, size)):
        chunk[0] = {name: None for record in chunk for name in record} | chunk[0]
        yield from chunk
