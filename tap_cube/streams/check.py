"""What `tap-cube --test` tells people: whether access works, and what a run would read."""

from __future__ import annotations

import io
import logging
import os
import sys
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from tap_cube.cube.resources import CUSTOMERS, Subject
from tap_cube.errors import CubeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_cube.streams.base import CubeStream
    from tap_cube.streams.services import Services


def report(
    services: Services, streams: Sequence[CubeStream], read_one: Callable[[CubeStream], object]
) -> Iterator[str]:
    """Yield lines about the account, its CRMs and its streams. Failures go to `services`.

    Args:
        services: What all streams share.
        streams: The streams to read a record of.
        read_one: Reads one record of a stream.

    Raises:
        CubeError: If no CRM is known.
    """
    connection = services.client.connection
    yield f"{connection.origin} accepts the credentials of {connection.credentials_settings}."
    yield ""
    yield from _crms(services)
    yield ""
    yield from _streams(services, streams, read_one)
    yield ""
    if not services.failures:
        yield "Everything works."


def _crms(services: Services) -> Iterator[str]:
    client = services.client
    subjects = [Subject(CUSTOMERS, crm) for crm in services.account.crms()]
    pages = [
        client.submit(client.get_page, subject, CUSTOMERS.links(subject.crm))
        for subject in subjects
    ]
    width = max(len("CRM"), *(len(str(subject.crm)) for subject in subjects))
    yield f"{'CRM':{width}}  customers"
    for subject, page in zip(subjects, pages, strict=True):
        try:
            count = page.result().count
        except CubeError as error:
            yield f"{subject.crm!s:{width}}  {_failed(services, f'{subject}: {error}')}"
        else:
            yield f"{subject.crm!s:{width}}  {'unknown' if count is None else f'{count:,}':>9}"


def _streams(
    services: Services, streams: Sequence[CubeStream], read_one: Callable[[CubeStream], object]
) -> Iterator[str]:
    width = max(len("stream"), *(len(stream.name) for stream in streams))
    yield f"{'stream':{width}}  one record"
    for stream in streams:
        wanted = "" if stream.selected_by_default else " (not selected by default)"
        try:
            read_one(stream)
        except CubeError as error:
            yield f"{stream.name:{width}}  {_failed(services, str(error))}"
        else:
            for failure in services.undiscovered.get(stream.name, ()):
                yield f"{stream.name:{width}}  {_failed(services, str(failure))}"
            if not services.undiscovered.get(stream.name):
                yield f"{stream.name:{width}}  ok{wanted}"


def _failed(services: Services, sentence: str) -> str:
    services.failures.append(CubeError(sentence))
    return f"failed: {sentence}"


@contextmanager
def for_people() -> Iterator[None]:
    """Hide what is not for people: lines of the log, and messages on a terminal."""
    threshold = logging.INFO if logging.getLogger().level >= logging.INFO else logging.NOTSET
    logging.disable(threshold)
    try:
        if sys.stdout.isatty():
            with (
                Path(os.devnull).open("wb") as nowhere,
                redirect_stdout(io.TextIOWrapper(nowhere)),
            ):
                yield
        else:
            yield
    finally:
        logging.disable(logging.NOTSET)
