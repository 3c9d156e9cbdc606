"""Discovery: which columns the records of all CRMs have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_cube.cube.resources import Subject
from tap_cube.errors import CubeError, UnavailableError
from tap_cube.output.progress import Progress
from tap_cube.streams.ahead import Ahead

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Sequence

    from tap_cube.cube.pages import Page
    from tap_cube.cube.resources import Crm, Resource
    from tap_cube.readers.sample import Sample
    from tap_cube.streams.services import Services


def samples(
    resource: Resource,
    start: Callable[[Crm | None], Sample],
    services: Services,
    logger: logging.Logger,
    *,
    essential: bool,
) -> Iterator[tuple[Crm | None, Sequence[Page]]]:
    """Yield a sample of each CRM's records.

    A CRM that fails is reported, and tried again when it is read.

    Args:
        resource: What is read.
        start: Starts the requests for a CRM's sample.
        services: What all streams share.
        logger: Where failures are reported.
        essential: Whether a failure of all CRMs is an error, whatever the failure.

    Raises:
        UnavailableError: If every CRM lacks the resource.
        CubeError: If an essential resource fails in every CRM.
    """
    crms: list[Crm | None] = [*services.account.crms()] if resource.per_crm else [None]
    failures: list[CubeError] = []
    ahead = Ahead(crms, start, services.crms_ahead)
    label = f"discovering {resource.name}"
    progress = Progress(resource.name, 1, logger, "CRMs", interval=services.runtime.log_interval)
    with progress.reading(label):
        for number, crm in enumerate(crms, 1):
            sample = ahead.of(crm)
            try:
                yield crm, list(sample)
            except CubeError as error:
                failures.append(type(error)(f"{Subject(resource, crm)}: {error}"))
            progress.advance(0, number, len(crms))
    progress.hide()
    if len(failures) == len(crms) and (
        essential or all(isinstance(failure, UnavailableError) for failure in failures)
    ):
        raise failures[0]
    services.undiscovered[resource.name] = failures
    for failure in failures:
        logger.error("%s", failure)
