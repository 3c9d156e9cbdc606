"""Files of records, for BATCH messages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singer_sdk.batch import Batcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Record = dict[str, Any]


class BatchFiles:
    """Collects the records of a stream, and writes them into files.

    Args:
        tap: Name of the tap.
        stream: Name of the stream.
        config: Format and place of the files, and the maximum number of records in each.
    """

    def __init__(self, tap: str, stream: str, config: Any) -> None:
        self._settings = config
        self._batcher = Batcher(tap, stream, config)
        self._waiting: list[Record] = []

    @property
    def waiting(self) -> int:
        """Number of records that are in no file yet."""
        return len(self._waiting)

    def add(self, records: Iterable[Record]) -> None:
        """Add the records of a page."""
        self._waiting += records

    def flush(self) -> Iterator[tuple[Any, list[str]]]:
        """Write all records that wait, and yield encoding and names of the files."""
        records: Iterable[Record] = self._waiting
        if self._settings.encoding.format == "parquet":
            records = with_all_columns(self._waiting, self._settings.batch_size)
        for names in self._batcher.get_batches(iter(records)):
            yield self._settings.encoding, names
        self._waiting = []


def located(config: Any) -> Any:
    """Return a configuration whose files are named by URLs.

    The SDK escapes the names of files in a folder that is given by its path, and targets that open
    them do not find them.
    """
    root = config.storage.root
    if "://" in root:
        return config
    return replace(config, storage=replace(config.storage, root=f"file://{Path(root).absolute()}"))


def with_all_columns(records: list[Record], size: int) -> Iterator[Record]:
    """Yield the records, and give the first one of each file all columns of the file.

    The SDK's Parquet files have the columns of their first record, and no others.
    """
    for start in range(0, len(records), size):
        first, *others = chunk = records[start : start + size]
        yield {name: None for record in chunk for name in record} | first
        yield from others
