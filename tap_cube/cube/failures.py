"""What a failed request means: the cause in words, and whether another attempt makes sense."""

from __future__ import annotations

import datetime as dt
import math
import re
import socket
import ssl
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import IncompleteRead
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

from requests import exceptions as of_requests
from urllib3 import exceptions as of_urllib3

from tap_cube.errors import (
    CredentialsRejectedError,
    CubeError,
    NotFoundError,
    TapCubeError,
    TransientError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    if status in _PASSING or status >= _SERVER_ERRORS:
        return _passing(status, response.headers.get("Retry-After", ""))
    explain = _PERMANENT.get(status)
    if explain:
        return explain(subject, connection)
    return CubeError(
        f"Cube answered with status {status}: check the setting {connection.origin_setting}; if "
        "it is right, report this to Cube"
    )


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
        f"the credentials were rejected (401): check the setting {connection.credentials_setting}"
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
        "the request headers are too long (431): check the setting "
        f"{connection.credentials_setting}"
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
    chain = list(_chain(error))
    cause = next(
        cause for explain in _EXPLANATIONS if (cause := explain(chain, connection)) is not None
    )
    failure = TransientError(
        f"{connection.origin} cannot be read: {cause.text}", f". {cause.advice}", tries=cause.tries
    )
    return CubeError(str(failure)) if cause.tries == 1 else failure


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


Chain = list[BaseException]


def _find(chain: Chain, *kinds: type[BaseException]) -> BaseException | None:
    return next((one for one in chain if isinstance(one, kinds)), None)


def _check_setting(connection: Connection) -> str:
    return f"Check the setting {connection.origin_setting}"


def _headers(chain: Chain, connection: Connection) -> _Cause | None:
    # A host's name is encoded too, as `idna`
    in_latin = any(isinstance(e, UnicodeEncodeError) and e.encoding == "latin-1" for e in chain)
    if not in_latin and not _find(chain, of_requests.InvalidHeader):
        return None
    settings = f"`user_agent` and {connection.credentials_setting}"
    return _Cause(
        "a header holds characters that HTTP lacks", f"Check the settings {settings}", tries=1
    )


# A proxy's URL may hold a password, and is not quoted
_PROXY_VARIABLES = "Check the variables `HTTPS_PROXY` and `NO_PROXY`"
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")


def _proxy(chain: Chain, connection: Connection) -> _Cause | None:
    if not _find(chain, of_requests.ProxyError, of_urllib3.ProxyError):
        return None
    status = next((match[1] for one in chain if (match := _TUNNEL.search(str(one)))), "")
    if status == str(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED.value):
        variables = "Check user and password in the variable `HTTPS_PROXY`"
        return _Cause("the proxy rejected its credentials (407)", variables, tries=1)
    if status:
        return _Cause(f"the proxy does not connect (status {status})", _PROXY_VARIABLES)
    cause = _host(chain, connection) or _silence(chain, connection) or _broken(chain, connection)
    return cause._replace(
        text=f"the proxy cannot be reached: {cause.text}", advice=_PROXY_VARIABLES
    )


# Codes of OpenSSL
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_HOSTS = {62, 64}


def _certificate(chain: Chain, connection: Connection) -> _Cause | None:
    error = _find(chain, ssl.SSLCertVerificationError)
    if error is None:
        return None
    code = getattr(error, "verify_code", 0)
    if code in {_NOT_YET_VALID, _EXPIRED}:
        text = "has expired" if code == _EXPIRED else "is not valid yet"
        advice = "Check this machine's clock; if it is right, report this to Cube"
    elif code in _OTHER_HOSTS:
        text, advice = "is that of another host", _check_setting(connection)
    else:
        text = f"is signed by an unknown authority ({getattr(error, 'verify_message', code)})"
        advice = (
            f"{_check_setting(connection)}. If a proxy or an authority of your own signs "
            "certificates, name its file in the variable `REQUESTS_CA_BUNDLE`"
        )
    return _Cause(f"its certificate {text}", advice, _FEW_TRIES)


_PLAIN_PORT = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"}


def _tls(chain: Chain, connection: Connection) -> _Cause | None:
    error = _find(chain, ssl.SSLError)
    if not isinstance(error, ssl.SSLError) or isinstance(
        error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)
    ):
        return None
    if error.reason in _PLAIN_PORT:
        return _Cause("it does not speak TLS on this port", _check_setting(connection), _FEW_TRIES)
    text = f"TLS failed ({error.reason or 'no reason given'})"
    return _Cause(text, f"{_check_setting(connection)} and the network", _FEW_TRIES)


def _address(chain: Chain, connection: Connection) -> _Cause | None:
    if _find(chain, of_requests.TooManyRedirects):
        return _Cause("it redirects without end", _check_setting(connection), tries=1)
    if _find(chain, of_requests.InvalidURL, of_urllib3.LocationValueError, UnicodeError):
        return _Cause("this is no address of a host", _check_setting(connection), tries=1)
    return None


def _host(chain: Chain, connection: Connection) -> _Cause | None:
    if _find(chain, socket.gaierror, of_urllib3.NameResolutionError):
        return _Cause("host not found", f"{_check_setting(connection)} and the network", _FEW_TRIES)
    if _find(chain, ConnectionRefusedError):
        return _Cause("connection refused", f"{_check_setting(connection)} and the network")
    return None


def _silence(chain: Chain, connection: Connection) -> _Cause | None:
    network = f"{_check_setting(connection)} and the network"
    limit = f"the setting `request_timeout` ({connection.timeout:g} s)"
    if _find(chain, of_requests.ConnectTimeout, of_urllib3.ConnectTimeoutError):
        return _Cause(f"no connection within {limit}", network)
    if _find(chain, TooSlowError):
        return _Cause(f"the response took {PATIENCE} times {limit}", network)
    if _find(chain, TimeoutError, of_requests.Timeout, of_urllib3.ReadTimeoutError):
        return _Cause(f"no response within {limit}", network)
    return None


def _broken(chain: Chain, connection: Connection) -> _Cause:
    network = f"{_check_setting(connection)} and the network"
    if _find(chain, ConnectionResetError):
        return _Cause("the connection was reset", network)
    if _find(chain, IncompleteRead, of_urllib3.DecodeError):
        return _Cause("the response was cut short", network)
    return _Cause("the connection broke", network)


_EXPLANATIONS = (_headers, _proxy, _certificate, _tls, _address, _host, _silence, _broken)


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
