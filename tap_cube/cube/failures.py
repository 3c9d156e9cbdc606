"""What a failed request means: the cause in words, and whether another attempt makes sense."""

from __future__ import annotations

import datetime as dt
import math
import re
import socket
import ssl
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPException, IncompleteRead
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

from requests import exceptions as of_requests
from urllib3 import exceptions as of_urllib3

from tap_cube.cube.variables import proxy_variable
from tap_cube.errors import (
    CredentialsRejectedError,
    CubeError,
    NotFoundError,
    TapCubeError,
    TransientError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import requests

    from tap_cube.cube.connection import Connection
    from tap_cube.cube.resources import Subject

#: Longest pause, in seconds, that a server gets by asking for it.
LONGEST_PAUSE = 300.0
#: A response may take this many times `request_timeout` in total.
PATIENCE = 10
#: Attempts for what rarely passes within a run.
_FEW_TRIES = 2

_PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}
_SERVER_ERRORS = 500


class TooSlowError(OSError):
    """A response that keeps coming, but for too long."""


def of_status(response: requests.Response, subject: Subject, connection: Connection) -> Exception:
    """Return the error for a status other than 200. Body, headers and URL are not quoted."""
    status = response.status_code
    if response.is_redirect:
        return _redirected(response, connection)
    if _may_pass(status):
        return _passing(status, response.headers.get("Retry-After", ""))
    explain = _PERMANENT.get(status)
    if explain:
        return explain(subject, connection)
    return CubeError(
        f"Cube answered with status {status}: check the setting {connection.origin_setting}; if "
        "it is right, report this to Cube"
    )


def _may_pass(status: int) -> bool:
    return status in _PASSING or status >= _SERVER_ERRORS


def _redirected(response: requests.Response, connection: Connection) -> CubeError:
    """Return the error for a redirect that was not followed."""
    status = response.status_code
    here = urlsplit(connection.origin)
    try:
        there = urlsplit(urljoin(connection.origin, response.headers["Location"]))
    except ValueError:
        there = urlsplit("")
    if there.hostname == here.hostname and (here.scheme, there.scheme) == ("http", "https"):
        return CubeError(
            f"Cube redirects to https:// ({status}): begin the setting {connection.origin_setting} "
            "with https://"
        )
    where = "port of its host" if there.hostname == here.hostname else "host"
    return CubeError(
        f"Cube redirects to another {where} ({status}), where neither credentials nor customers "
        f"belong: check the setting {connection.origin_setting}"
    )


def _passing(status: int, wait: str) -> TransientError:
    cause, advice = (
        ("Cube asks for fewer requests (429)", ": set `requests_per_second`")
        if status == HTTPStatus.TOO_MANY_REQUESTS
        else (f"Cube answered with status {status}", ": try again later")
    )
    return TransientError(cause, advice, retry_after=retry_after(wait))


def _rejected(_: Subject, connection: Connection) -> TapCubeError:
    return CredentialsRejectedError(
        f"the credentials were rejected (401): check {connection.credentials_settings}"
    )


def _forbidden(subject: Subject, _: Connection) -> TapCubeError:
    per_crm = ", or list only CRMs that are open to them in the setting `crms`"
    return UnavailableError(
        f"no access (403): ask Cube to open {subject.resource.name} to these credentials"
        + (per_crm if subject.crm else "")
    )


def _missing(subject: Subject, connection: Connection) -> TapCubeError:
    setting = "the setting `crms`, capitals included, and" if subject.crm else "the setting"
    return NotFoundError(f"not found (404): check {setting} {connection.origin_setting}")


def _too_long(_: Subject, connection: Connection) -> TapCubeError:
    return CubeError(
        f"the request headers are too long (431): check {connection.credentials_settings}"
    )


_PERMANENT: dict[int, Callable[[Subject, Connection], TapCubeError]] = {
    HTTPStatus.UNAUTHORIZED: _rejected,
    HTTPStatus.FORBIDDEN: _forbidden,
    HTTPStatus.NOT_FOUND: _missing,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: _too_long,
}


def wrong_host(connection: Connection) -> NotFoundError:
    """Return the error for a host that knows nothing of Cube's API."""
    return NotFoundError(
        f"{connection.origin} is not Cube: nothing was found (404), not even the campaigns. Check "
        f"the setting {connection.origin_setting}"
    )


def of_exception(error: Exception, connection: Connection) -> TapCubeError:
    """Return the error for a request without a complete response."""
    check = f"Check the setting {connection.origin_setting}"
    network = f"{check} and the network"
    proxy = proxy_variable(connection.origin)
    if proxy:
        network = f"{check}, the variable `{proxy}` and the network"
        check += f" and the variable `{proxy}`"
    failed = _Failed(list(_chain(error)), connection, proxy, check, network)
    cause = _cause(failed, _EXPLANATIONS) or _broken(failed)
    failure = TransientError(
        f"{connection.origin} cannot be read: {cause.text}", f". {cause.advice}", tries=cause.tries
    )
    return CubeError(str(failure)) if cause.tries == 1 else failure


class _Failed(NamedTuple):
    """A request that failed.

    Attributes:
        chain: The error, and all errors that led to it.
        connection: How Cube is reached.
        proxy: The variable that holds the proxy, if there is one.
        check: What to check if the other side is another one than expected.
        network: What to check if the other side is not reached.
    """

    chain: list[BaseException]
    connection: Connection
    proxy: str | None
    check: str
    network: str

    def find(self, *kinds: type[BaseException]) -> BaseException | None:
        return next((one for one in self.chain if isinstance(one, kinds)), None)


class _Cause(NamedTuple):
    """Why a request failed.

    Attributes:
        text: The cause.
        advice: The way out.
        tries: Maximum attempts; `None` for the setting `max_tries`.
    """

    text: str
    advice: str
    tries: int | None = None


def _cause(
    failed: _Failed, explanations: Iterable[Callable[[_Failed], _Cause | None]]
) -> _Cause | None:
    """Return what the first explanation says that fits."""
    return next(filter(None, (explain(failed) for explain in explanations)), None)


def _headers(failed: _Failed) -> _Cause | None:
    # A host's name is encoded too, as `idna`
    in_latin = any(
        isinstance(one, UnicodeEncodeError) and one.encoding == "latin-1" for one in failed.chain
    )
    if not in_latin and not failed.find(of_requests.InvalidHeader):
        return None
    settings = f"the setting `user_agent` and {failed.connection.credentials_settings}"
    return _Cause("a header holds characters that HTTP lacks", f"Check {settings}", tries=1)


_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")


def _proxy(failed: _Failed) -> _Cause | None:
    if not failed.find(of_requests.ProxyError, of_urllib3.ProxyError):
        return None
    # Its URL may hold a password, and is not quoted
    check = f"Check the variables `{failed.proxy}` and `NO_PROXY`"
    matches = (_TUNNEL.search(str(one)) for one in failed.chain)
    status = next((int(match[1]) for match in matches if match), None)
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        credentials = f"Check user and password in the variable `{failed.proxy}`"
        return _Cause("the proxy rejected its credentials (407)", credentials, tries=1)
    if status:
        tries = None if _may_pass(status) else _FEW_TRIES
        return _Cause(f"the proxy does not connect (status {status})", check, tries)
    # A connection that breaks may also have reached Cube
    cause = _cause(failed._replace(check=check, network=check), _UNREACHED)
    return cause and cause._replace(text=f"the proxy cannot be reached: {cause.text}")


# Codes of OpenSSL
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_HOSTS = {62, 64}


def _certificate(failed: _Failed) -> _Cause | None:
    error = failed.find(ssl.SSLCertVerificationError)
    if error is None:
        return None
    code = getattr(error, "verify_code", 0)
    if code in {_NOT_YET_VALID, _EXPIRED}:
        text = "has expired" if code == _EXPIRED else "is not valid yet"
        advice = "Check this machine's clock; if it is right, report this to Cube"
    elif code in _OTHER_HOSTS:
        text, advice = "is that of another host", failed.check
    else:
        text = f"is signed by an unknown authority ({getattr(error, 'verify_message', code)})"
        advice = (
            f"{failed.check}. If a proxy or an authority of your own signs certificates, name "
            "its file in the variable `REQUESTS_CA_BUNDLE`"
        )
    return _Cause(f"its certificate {text}", advice, _FEW_TRIES)


_PLAIN_PORT = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"}


def _tls(failed: _Failed) -> _Cause | None:
    error = failed.find(ssl.SSLError)
    if not isinstance(error, ssl.SSLError) or isinstance(
        error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)
    ):
        return None
    if error.reason in _PLAIN_PORT:
        return _Cause("it does not speak TLS on this port", failed.check, _FEW_TRIES)
    text = f"TLS failed ({error.reason or 'no reason given'})"
    return _Cause(text, failed.network, _FEW_TRIES)


def _address(failed: _Failed) -> _Cause | None:
    if failed.find(of_requests.TooManyRedirects):
        return _Cause("it redirects without end", failed.check, tries=1)
    if failed.find(of_requests.InvalidURL, of_urllib3.LocationValueError, UnicodeError):
        return _Cause("this is no address of a host", failed.check, tries=1)
    return None


def _host(failed: _Failed) -> _Cause | None:
    if failed.find(socket.gaierror, of_urllib3.NameResolutionError):
        return _Cause("host not found", failed.network, _FEW_TRIES)
    if failed.find(ConnectionRefusedError):
        return _Cause("connection refused", failed.network)
    return None


def _silence(failed: _Failed) -> _Cause | None:
    limit = f"the setting `request_timeout` ({failed.connection.timeout:g} s)"
    if failed.find(of_requests.ConnectTimeout, of_urllib3.ConnectTimeoutError):
        return _Cause(f"no connection within {limit}", failed.network)
    if failed.find(TooSlowError):
        return _Cause(f"the response took {PATIENCE} times {limit}", failed.network)
    if failed.find(TimeoutError, of_requests.Timeout, of_urllib3.ReadTimeoutError):
        return _Cause(f"no response within {limit}", failed.network)
    return None


def _broken(failed: _Failed) -> _Cause:
    if failed.find(ConnectionResetError):
        return _Cause("the connection was reset", failed.network)
    if failed.find(IncompleteRead, of_urllib3.DecodeError):
        return _Cause("the response was cut short", failed.network)
    if failed.find(HTTPException):
        # Of a proxy, to CONNECT: nothing between Cube and the tap can garble what TLS protects
        tries = _FEW_TRIES if failed.proxy else None
        return _Cause("the response is not HTTP", failed.network, tries)
    return _Cause("the connection broke", failed.network)


_UNREACHED = (_certificate, _tls, _address, _host, _silence)
_EXPLANATIONS = (_headers, _proxy, *_UNREACHED)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Return an error with all errors that it was raised from, or that its arguments hold."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]


def retry_after(value: str) -> float:
    """Return the seconds that a server asks to wait, for both forms of `Retry-After`."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            then = parsedate_to_datetime(value)
        except ValueError:
            return 0.0
        if then.tzinfo is None:
            then = then.replace(tzinfo=dt.timezone.utc)
        seconds = (then - dt.datetime.now(dt.timezone.utc)).total_seconds()
    return 0.0 if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_PAUSE)
