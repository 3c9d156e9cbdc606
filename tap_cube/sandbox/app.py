"""The ASGI application: Cube's REST API, as far as it is documented."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from tap_cube.sandbox.fault_injection import FaultInjection
from tap_cube.sandbox.json_codec import encode
from tap_cube.sandbox.middleware import (
    authentication,
    latency,
    quota,
    request_log,
    response_hook,
)
from tap_cube.sandbox.responses import error, json, page

if TYPE_CHECKING:
    from starlette.requests import Request

    from tap_cube.sandbox.account import Account
    from tap_cube.sandbox.crm import Crm

_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)
# From the outermost to the innermost.
_MIDDLEWARE = (request_log, latency, authentication, quota, FaultInjection, response_hook)


def create_app(account: Account) -> Starlette:
    """Return the application that serves this account."""
    api = _Api(account)
    owner = "/data_owners/{owner:int}"
    crm = owner + "/crm/{crm_type}"
    customers = (crm if account.shape == "flat" else owner + "/{crm_type}") + "/customers"
    lists = {
        customers: api.customers,
        crm + "/call_outcomes": api.call_outcomes,
        crm + "/product_registrations": api.product_registrations,
        crm + "/callflow_customers": api.statuses,
        owner + "/{crm_type}/crm_custom_fields": api.custom_fields,
    }
    routes = [
        *(Route(path + "/", endpoint) for path, endpoint in lists.items()),
        *(Route(path, _add_slash) for path in lists),
        Route(customers + "/{key}", api.customer),
        Route(customers + "/{key}/", api.customer),
        Route("/campaigns", api.campaigns),
        Route("/campaigns/", api.campaigns),
    ]
    app = Starlette(
        routes=[Mount("/api/v1", routes=routes)],
        middleware=[Middleware(layer, account=account) for layer in _MIDDLEWARE],
        exception_handlers={400: _bad_request, 404: _not_found, 405: _not_allowed},
    )
    app.router.redirect_slashes = False
    return app


class _Api:
    """The endpoints."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def customers(self, request: Request) -> Response:
        crm = self._crm(request)
        if self._account.random_changes is not None:
            self._account.random_changes.maybe_change(crm)
        return self._page(request, crm.rows())

    async def customer(self, request: Request) -> Response:
        row = self._crm(request).row(request.path_params["key"])
        if row is None:
            raise HTTPException(404)
        return json(row)

    async def call_outcomes(self, request: Request) -> Response:
        rows = self._crm(request).call_outcome_rows(*self._days(request))
        return self._page(request, rows)

    async def product_registrations(self, request: Request) -> Response:
        rows = self._crm(request).product_registration_rows(*self._days(request))
        return self._page(request, rows)

    async def statuses(self, request: Request) -> Response:
        return self._page(request, self._crm(request).status_rows())

    async def custom_fields(self, request: Request) -> Response:
        return json(encode(self._crm(request).definitions))

    async def campaigns(self, request: Request) -> Response:
        inactive = request.query_params.get("include_inactive_campaigns") == "True"
        listed = [
            campaign
            for campaign in self._account.campaigns.copy()
            if inactive or campaign.get("campaign__is_active") is not False
        ]
        return json(encode(listed))

    def _page(self, request: Request, rows: list[bytes]) -> Response:
        number = request.query_params.get("page", "")
        return page(rows, number, self._account.page_size, request.url)

    def _days(self, request: Request) -> tuple[date, date]:
        return self._day(request, "from_date"), self._day(request, "to_date")

    def _day(self, request: Request, name: str) -> date:
        text = request.query_params.get(name)
        if text is None:
            return self._account.today
        digits = _DATE.fullmatch(text)
        with suppress(ValueError):
            if digits:
                return date(*map(int, digits.groups()))
        raise HTTPException(400, f"{name} must be a date such as 20240501.")

    def _crm(self, request: Request) -> Crm:
        owner, crm_type = request.path_params["owner"], request.path_params["crm_type"]
        try:
            return self._account.crms[owner, crm_type]
        except KeyError:
            raise HTTPException(404) from None


async def _add_slash(request: Request) -> Response:
    return RedirectResponse(request.url.replace(path=request.url.path + "/"), 301)


async def _not_found(_request: Request, _error: Exception) -> Response:
    return error(404, "Not found.")


async def _bad_request(_request: Request, problem: Exception) -> Response:
    return error(400, problem.detail if isinstance(problem, HTTPException) else "Bad request.")


async def _not_allowed(request: Request, _error: Exception) -> Response:
    return error(405, f'Method "{request.method}" not allowed.', {"Allow": "GET, HEAD"})
