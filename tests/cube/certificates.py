"""Certificates of an invented authority."""

from __future__ import annotations

import datetime as dt
import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import trustme

#: A host that does not exist; only a proxy leads there.
HOST = "cube.example"


def server_context(authority: trustme.CA, *hosts: str, **more: Any) -> ssl.SSLContext:
    """What an HTTPS server with a certificate for these hosts needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts, **more).configure_cert(context)
    return context


def days_from_now(days: int) -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=days)


EXPIRED = {"not_before": days_from_now(-30), "not_after": days_from_now(-1)}
NOT_YET_VALID = {"not_before": days_from_now(1), "not_after": days_from_now(30)}
