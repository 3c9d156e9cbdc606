"""How Cube is talked to: requests, retries, errors, pages."""

from __future__ import annotations

import random
from contextlib import suppress
from decimal import Decimal
from functools import cached_property, partial
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import ParseResult, quote, urlparse

import backoff
import msgspec
import requests
from singer_sdk import RESTStream
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError
from singer_sdk.streams.rest import HTTPRequest, PageContext

from tap_cube.bodies import parse
from tap_cube.compat import override
from tap_cube.config import credentials_setting, origin, origin_setting
from tap_cube.errors import CredentialsRefusedError, NotFoundError, UnavailableError
from tap_cube.pagination import NextLinkPaginator, Page, sample_links
from tap_cube.reading import ListReader, in_order
from tap_cube.rows import as_dicts
from tap_cube.throttle import retry_after

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record

    from tap_cube.auth import CubeAuthenticator
    from tap_cube.reading import Fetch
    from tap_cube.rows import RowType
    from tap_cube.session import CubeResponse
    from tap_cube.tap import TapCube

RETRIED = (
    RetriableAPIError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ConnectionError,
    requests.exceptions.ContentDecodingError,
    requests.exceptions.Timeout,
)


class CubeClient(RESTStream[Any]):
    """A resource of Cube: its requests, its errors, its pages.

    Args:
        tap: The tap, which knows the account and its CRMs.
    """

    #: Where some accounts have the resource instead of at `path`.
    other_path: ClassVar[str | None] = None
    #: Whether each CRM has a resource of its own.
    per_crm: ClassVar[bool] = True
    #: What the body of an answer is parsed into.
    decoder: ClassVar[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(
        Page[dict[str, Any]], float_hook=Decimal
    )
    #: What pages are parsed into where they can be, as that is faster.
    row_type: RowType | None = None
    #: Seconds before the second attempt; each further pause is twice as long.
    backoff_factor: ClassVar[float] = 1

    def __init__(self, tap: TapCube) -> None:
        self.tap = tap
        super().__init__(tap)

    # Requests

    @property
    @override
    def url_base(self) -> str:
        return f"{origin(self.config)}/api/v1/"

    @property
    @override
    def authenticator(self) -> CubeAuthenticator:
        return self.tap.authenticator

    @property
    @override
    def requests_session(self) -> requests.Session:
        return self.tap.session

    @property
    @override
    def http_headers(self) -> dict[str, str]:
        return {"Accept": "application/json", "Content-Type": "application/json"}

    @cached_property
    @override
    def user_agent(self) -> str:
        return str(self.config.get("user_agent") or f"tap-cube/{version('tap-cube')}")

    @property
    @override
    def timeout(self) -> float:  # type: ignore[override]  # requests takes fractions
        return float(self.config["request_timeout"])

    @override
    def get_url(self, context: Context | None) -> str:
        return self._url_of(self.path, context)

    def _url_of(self, path: str, context: Context | None) -> str:
        values = {key: quote(str(value), safe="") for key, value in (context or {}).items()}
        return self.url_base + path.format(**values)

    @override
    def get_http_request(self, *, page: PageContext[ParseResult]) -> HTTPRequest:
        request = super().get_http_request(page=page)
        if page.next_page_token is not None:
            request.url = page.next_page_token.geturl()
            request.params = {}  # a link has its parameters in it: they would go out twice
        return request

    @override
    def get_new_paginator(self) -> NextLinkPaginator:
        return NextLinkPaginator(origin(self.config))

    def fetch(self, context: Context | None, link: ParseResult | None = None) -> CubeResponse:
        """Ask Cube, as often as the settings allow, and parse the answer.

        Args:
            context: The CRM.
            link: Where a link leads; by default the start of this resource.

        Raises:
            FatalAPIError: If there is no answer of the expected form.
        """
        path = self.path  # another thread may find the other one meanwhile
        try:
            return self._fetch(context, link)
        except NotFoundError as error:
            if link is not None or self.other_path in {None, path}:
                raise
            other_url = urlparse(self._url_of(str(self.other_path), context))
            try:
                response = self._fetch(context, other_url)
            except UnavailableError:
                raise error from None
            self.path = str(self.other_path)
            return response

    def _fetch(self, context: Context | None, link: ParseResult | None) -> CubeResponse:
        page = PageContext(stream_context=context, next_page_token=link)
        request = self.get_http_request(page=page)
        prepared = self.build_prepared_request(
            request.method, request.url, headers=request.headers, params=request.encode_params()
        )
        try:
            response = self.request_decorator(self._send)(prepared, context)
        except RetriableAPIError as error:
            # Neither the cause nor its context, which quote the URL, may reach a log
            raise FatalAPIError(f"{error} ({self._tries})") from None
        except requests.RequestException as error:
            raise FatalAPIError(self._unreachable(error)) from None
        return cast("CubeResponse", response)

    def _send(
        self, request: requests.PreparedRequest, _context: Context | None
    ) -> requests.Response:
        self.tap.throttle.wait()
        response = self.requests_session.send(request, timeout=self.timeout)
        self.validate_response(response)
        return response

    @override
    def validate_response(self, response: requests.Response) -> None:
        """Raise what went wrong, or else parse the body: an answer cut short is tried again."""
        status = response.status_code
        msg = self.response_error_message(response)
        if status == HTTPStatus.UNAUTHORIZED:
            raise CredentialsRefusedError(msg)
        if status == HTTPStatus.FORBIDDEN:
            raise UnavailableError(msg)
        if status == HTTPStatus.NOT_FOUND:
            raise NotFoundError(msg)
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise RetriableAPIError(msg, response)
        if status != HTTPStatus.OK:
            raise FatalAPIError(msg)
        try:
            cast("CubeResponse", response).body = parse(
                response.content, self.decoder, self.row_type.decoder if self.row_type else None
            )
        except msgspec.ValidationError as error:
            # msgspec names the place and the types, never the value
            msg = (
                f"the answer has another form than Cube's documents say: {error}. Check the "
                f"setting {origin_setting(self.config)}; if it is right, report this to Cube"
            )
            raise FatalAPIError(msg) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            msg = (
                "the answer is not JSON, or was cut short: check the setting "
                f"{origin_setting(self.config)}, or try again later"
            )
            raise RetriableAPIError(msg, response) from None

    @override
    def response_error_message(self, response: requests.Response) -> str:
        """A sentence for an unwelcome status: neither body, headers nor URL are quoted."""
        status = response.status_code
        sentences = {
            401: "Cube refused the credentials (401): check the setting "
            f"{credentials_setting(self.config)}",
            403: f"no access (403): ask Cube to open {self.name} to these credentials"
            + (", or list only CRMs that are open to them in the setting `crms`" * self.per_crm),
            404: "not found (404): check "
            + (
                "the setting `crms`, capitals included"
                if self.per_crm
                else f"the setting {origin_setting(self.config)}"
            ),
            429: "Cube asks for fewer requests (429): set `requests_per_second`",
        }
        if response.is_redirect:
            return (
                f"Cube redirects to another host ({status}), where neither credentials nor "
                f"customers belong: check the setting {origin_setting(self.config)}"
            )
        return sentences.get(status, f"Cube answered with status {status}: try again later")

    def _unreachable(self, error: requests.RequestException) -> str:
        problem = {
            requests.exceptions.SSLError: "its certificate was not accepted",
            requests.exceptions.ReadTimeout: "it did not answer within the setting "
            f"`request_timeout` ({self.timeout:g} s)",
            requests.exceptions.ConnectTimeout: "no connection came about within the setting "
            f"`request_timeout` ({self.timeout:g} s)",
            requests.exceptions.ChunkedEncodingError: "it cut its answer short",
            requests.exceptions.TooManyRedirects: "it redirects without end",
        }.get(type(error), "no connection came about, or it broke")
        return (
            f"{origin(self.config)} could not be read, {problem}: check the setting "
            f"{origin_setting(self.config)} and the network ({self._tries})"
        )

    @property
    def _tries(self) -> str:
        tries = self.backoff_max_tries()
        return "tried once" if tries == 1 else f"tried {tries} times"

    # Retries

    @override
    def request_decorator(self, func: Any) -> Any:  # the SDK's own type is as wide
        """As the SDK's, but without its logger, to which it would hand the URL."""
        return backoff.on_exception(
            self.backoff_wait_generator,
            RETRIED,
            max_tries=self.backoff_max_tries,
            on_backoff=self.backoff_handler,
            jitter=self.backoff_jitter,
            logger=None,
        )(func)

    @override
    def backoff_max_tries(self) -> int:
        return int(self.config["max_tries"])

    @override
    def backoff_wait_generator(self) -> Any:
        """Exponentially longer pauses, but none shorter than the server asks for."""
        delays = backoff.expo(factor=self.backoff_factor, max_value=60)
        next(delays)
        error = yield
        while True:
            error = yield max(next(delays), retry_after(error))

    @override
    def backoff_jitter(self, value: float) -> float:
        """Up to half as much again, so that nothing comes back in step, and nothing too early."""
        return float(random.uniform(value, value * 1.5))  # noqa: S311  # not for secrets

    @override
    def backoff_handler(self, details: Any) -> None:
        self.tap.throttle.pause(details["wait"])
        error = details["exception"]
        _request, context = details["args"]
        self.logger.warning(
            "%s%s: trying again in %.1f s (try %d of %d)",
            self.label(context),
            error if isinstance(error, RetriableAPIError) else "the connection failed",
            details["wait"],
            details["tries"] + 1,
            self.config["max_tries"],
        )

    # Pages

    @property
    def window(self) -> int:
        """Answers at most that are under way or not yet written: no worker waits for the writer."""
        return 2 * int(self.config["concurrency"])

    def pages(self, context: Context | None) -> Iterator[CubeResponse]:
        """Each page of the list, in order, and again what may have changed meanwhile."""
        return iter(self.reader(context))

    def reader(self, context: Context | None, fetch: Fetch | None = None) -> ListReader:
        """What reads the list, from its start unless it is told where to go on."""
        fetch = fetch or partial(self.fetch, context)
        return ListReader(self.get_new_paginator(), fetch, self.tap.pool, self.window)

    def sample(self, context: Context | None) -> list[Record]:
        """Records from all over the list, some `sample_size` of them, the last page included."""
        first = self.fetch(context)
        links = sample_links(first, origin(self.config), self.config["sample_size"])
        if links is None:
            return self._head(context)
        pages = in_order(self.tap.pool, partial(self._fetch_if_there, context), links, self.window)
        return [record for page in (first, *pages) if page for record in self.parse_response(page)]

    def _fetch_if_there(self, context: Context | None, link: ParseResult) -> CubeResponse | None:
        with suppress(NotFoundError):  # the list became shorter
            return self.fetch(context, link)
        return None

    def _head(self, context: Context | None) -> list[Record]:
        records: list[Record] = []
        for response in self.pages(context):
            records += self.parse_response(response)
            if len(records) >= self.config["sample_size"]:
                break
        return records

    @override
    def parse_response(self, response: requests.Response) -> list[Record]:
        body = cast("CubeResponse", response).body
        body.results = as_dicts(body.results or ())
        return cast("list[Record]", body.results)

    # Reporting

    def label(self, context: Context | None) -> str:
        """Which CRM and stream a sentence in the log is about."""
        crm = f"CRM {context['data_owner_id']}/{context['crm_type']}, " if context else ""
        return f"{crm}{self.name}: "
