"""Requests to Cube: one call, from the link to the parsed body.

A request passes through four functions, top down: `get` (the paths that a resource may have),
`_with_retries` (the gate), `_attempt` (the status and the body) and `_send` (HTTP).
"""

from __future__ import annotations

import datetime as dt
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
import requests
import urllib3

from tap_cube.cube import failures
from tap_cube.cube.decoding import parse_object, parse_page
from tap_cube.cube.gate import Gate, Pace
from tap_cube.cube.pages import Page, local_link
from tap_cube.cube.resources import CAMPAIGNS, CUSTOMERS, Subject
from tap_cube.cube.session import CubeSession
from tap_cube.errors import (
    CubeError,
    NotFoundError,
    TapCubeError,
    TransientError,
    UnavailableError,
)

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from tap_cube.cube.connection import Connection
    from tap_cube.cube.decoding import Envelope
    from tap_cube.cube.pages import Link

T = TypeVar("T")

#: Longest pause between two attempts, in seconds, unless the server asks for a longer one.
_LONGEST_DELAY = 60.0
_CHUNK = 1 << 18
_CHANCE = random.SystemRandom()


@dataclass(frozen=True)
class Response(Generic[T]):
    """A parsed response.

    Attributes:
        link: The link that was requested.
        body: The parsed body.
        received_at: Time at which the response arrived, aware of its zone.
    """

    link: Link
    body: T
    received_at: dt.datetime


class CubeClient:
    """Sends requests, retries them, and reports failures in words.

    Args:
        connection: How Cube is reached.
        logger: Where retries are reported.
    """

    def __init__(self, connection: Connection, logger: logging.Logger) -> None:
        self.connection = connection
        self._logger = logger
        self._pace = Pace(connection.concurrency, connection.requests_per_second)
        self._gate = Gate(self._pace)
        self._pool = ThreadPoolExecutor(connection.concurrency, "tap-cube")
        self._session = CubeSession(
            connection.origin,
            {
                "Accept": "application/json",
                "Content-Type": "application/json",
                "User-Agent": connection.user_agent,
                "Authorization": connection.authorization,
            },
            connection.concurrency,
        )
        # Which of its paths an account offers, by resource: a hint that saves requests
        self._known_paths: dict[str, int] = {}
        # Whether there was any usable response, and what failed in a permanent way before
        self._found = False
        self._unreachable: CubeError | None = None

    @property
    def requests_sent(self) -> int:
        """Number of requests that were sent so far, repeated ones included."""
        return self._pace.total

    def submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Call a function that sends requests, on a worker."""
        return self._pool.submit(function, *arguments)

    def get_page(
        self,
        subject: Subject,
        links: Sequence[Link],
        parse: Callable[[bytes], Envelope[Any]] = parse_page,
    ) -> Page:
        """Request one page of a list. Arguments and errors are those of `get`."""
        response = self.get(subject, links, parse)
        body = response.body
        return Page(
            link=response.link,
            records=body.results or (),
            count=body.count,
            next=local_link(response.link, body.next) if body.next else None,
            previous=local_link(response.link, body.previous) if body.previous else None,
            received_at=response.received_at,
        )

    def get_single(self, subject: Subject, links: Sequence[Link]) -> Page:
        """Request a single record, as a page. Arguments and errors are those of `get`."""
        response = self.get(subject, links, parse_object)
        return Page(
            link=response.link,
            records=[response.body],
            count=None,
            next=None,
            previous=None,
            received_at=response.received_at,
        )

    def get(
        self, subject: Subject, links: Sequence[Link], parse: Callable[[bytes], T]
    ) -> Response[T]:
        """Request a link, and parse the response.

        Args:
            subject: What the request is about.
            links: The link, or the links that a resource may have: the first that exists counts.
            parse: Parses the body.

        Raises:
            CredentialsRejectedError: If the credentials were rejected.
            CubeError: If there is no usable response after all attempts.
        """
        name = subject.resource.name
        first = self._known_paths.get(name, 0) if len(links) > 1 else 0
        failure: UnavailableError | None = None
        for position in (first, *(n for n in range(len(links)) if n != first)):
            try:
                response = self._with_retries(subject, links[position], parse)
            except NotFoundError as error:
                failure = failure or error
            except UnavailableError as error:
                raise failure or error from None
            else:
                if len(links) > 1:
                    self._known_paths[name] = position
                return response
        if (
            isinstance(failure, NotFoundError)
            and subject.resource is CUSTOMERS
            and not self._is_cube()
        ):
            raise failures.wrong_host(self.connection)
        raise failure or AssertionError

    def _is_cube(self) -> bool:
        """Return whether anything was found so far; if not, look for the campaigns."""
        if not self._found:
            # A wrong host and a wrong CRM look alike, but the campaigns belong to no CRM
            try:
                self._with_retries(Subject(CAMPAIGNS), CAMPAIGNS.links()[0], lambda _: None)
            except NotFoundError:
                return False
            except TapCubeError:
                return True
        return True

    def _with_retries(
        self, subject: Subject, link: Link, parse: Callable[[bytes], T]
    ) -> Response[T]:
        number = self._gate.number()
        tries = 0
        while True:
            tries += 1
            # A failure ends the request only after it has made the others wait
            with self._gate.passed(number):
                if self._unreachable and not self._found:
                    raise CubeError(str(self._unreachable))
                try:
                    response = self._attempt(subject, link, parse)
                except TransientError as error:
                    most = min(error.tries or self.connection.max_tries, self.connection.max_tries)
                    if tries >= most:
                        times = "tried once" if tries == 1 else f"tried {tries} times"
                        failure = CubeError(f"{error} ({times})")
                        if error.tries:
                            self._unreachable = failure
                        raise failure from None
                    self._pause(subject, error, tries, most)
                else:
                    self._gate.succeeded()
                    self._found = True
                    return response

    def _pause(self, subject: Subject, error: TransientError, tries: int, most: int) -> None:
        # Not in step with other clients, and never earlier than the server asks for
        if error.retry_after:
            seconds = error.retry_after * _CHANCE.uniform(1, 1.1)
        else:
            delay = min(self.connection.first_delay * 2 ** (tries - 1), _LONGEST_DELAY)
            seconds = delay * _CHANCE.uniform(1, 1.5)
        self._gate.pause(seconds)
        self._logger.warning(
            "%s: %s: trying again in %.1f s (try %d of %d)",
            subject,
            error.cause,
            seconds,
            tries + 1,
            most,
        )

    def _attempt(self, subject: Subject, link: Link, parse: Callable[[bytes], T]) -> Response[T]:
        response, body = self._send(link)
        if response.status_code != HTTPStatus.OK:
            if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                self._gate.overloaded()
            raise failures.of_status(response, subject, self.connection)
        received_at = dt.datetime.now(dt.timezone.utc)
        try:
            parsed = parse(body)
        except msgspec.ValidationError as error:
            # msgspec names the place and the types, never the value
            msg = (
                f"the response does not have the documented form: {error}. Check the setting "
                f"{self.connection.origin_setting}; if it is right, report this to Cube"
            )
            raise CubeError(msg) from None
        except msgspec.DecodeError:
            advice = f": check the setting {self.connection.origin_setting}, or try again later"
            cause = "the response is not JSON, or was cut short"
            raise TransientError(cause, advice) from None
        return Response(link, parsed, received_at)

    def _send(self, link: Link) -> tuple[requests.Response, bytes]:
        """Send one request, and read the body.

        Raises:
            CubeError: If there is no complete response.
        """
        try:
            # Not `get`, which merges settings again that the session already has
            request = self._session.prepare_request(
                requests.Request("GET", self.connection.origin + link)
            )
            response = self._session.send(request, timeout=self.connection.timeout, stream=True)
            with response:
                return response, self._read(response)
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
            UnicodeError,
        ) as error:
            # Neither the cause nor its context, which quote the URL, may reach a log
            raise failures.of_exception(error, self.connection) from None

    def _read(self, response: requests.Response) -> bytes:
        """Read the body in pieces: the time-out of a socket limits each piece only."""
        deadline = time.monotonic() + failures.PATIENCE * self.connection.timeout
        pieces = []
        while piece := response.raw.read1(_CHUNK, decode_content=True):
            pieces.append(piece)
            if time.monotonic() > deadline:
                raise failures.TooSlowError
        return b"".join(pieces)
