"""Cube's REST API, as far as it is documented, over what a `Cube` holds."""

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

from tap_cube.sandbox.answers import json, page, problem
from tap_cube.sandbox.coding import encode
from tap_cube.sandbox.gate import Gate
from tap_cube.sandbox.journal import Journal
from tap_cube.sandbox.mishaps import Mishaps

if TYPE_CHECKING:
    from starlette.requests import Request

    from tap_cube.sandbox.cube import Crm, Cube
    from tap_cube.sandbox.events import Days

_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)


def create_app(cube: Cube) -> Starlette:
    """The ASGI application that answers in Cube's place."""
    api = _Api(cube)
    owner = "/data_owners/{owner:int}"
    crm = owner + "/crm/{crm_type}"
    customers = (crm if cube.shape == "flat" else owner + "/{crm_type}") + "/customers"
    lists = {
        customers: api.customers,
        crm + "/call_outcomes": api.call_outcomes,
        crm + "/product_registrations": api.product_registrations,
        crm + "/callflow_customers": api.statuses,
        owner + "/{crm_type}/crm_custom_fields": api.custom_fields,
    }
    routes = [
        *(Route(path + "/", answer) for path, answer in lists.items()),
        *(Route(path, _to_slash) for path in lists),
        Route(customers + "/{key}", api.customer),
        Route(customers + "/{key}/", api.customer),
        Route("/campaigns", api.campaigns),
        Route("/campaigns/", api.campaigns),
    ]
    app = Starlette(
        routes=[Mount("/api/v1", routes=routes)],
        middleware=[
            Middleware(Journal, cube=cube),
            Middleware(Gate, cube=cube),
            Middleware(Mishaps, cube=cube),
        ],
        exception_handlers={400: _bad_request, 404: _not_found, 405: _not_allowed},
    )
    app.router.redirect_slashes = False
    return app


class _Api:
    """The endpoints."""

    def __init__(self, cube: Cube) -> None:
        self._cube = cube

    async def customers(self, request: Request) -> Response:
        return self._page(request, self._crm(request).rows())

    async def call_outcomes(self, request: Request) -> Response:
        return self._dated_page(request, self._crm(request).outcome_days)

    async def product_registrations(self, request: Request) -> Response:
        return self._dated_page(request, self._crm(request).registration_days)

    async def statuses(self, request: Request) -> Response:
        return self._page(request, self._crm(request).status_rows())

    async def customer(self, request: Request) -> Response:
        row = self._crm(request).row(request.path_params["key"])
        if row is None:
            raise HTTPException(404)
        return json(row)

    async def custom_fields(self, request: Request) -> Response:
        return json(encode(self._crm(request).definitions))

    async def campaigns(self, request: Request) -> Response:
        inactive = request.query_params.get("include_inactive_campaigns") == "True"
        shown = [
            campaign
            for campaign in self._cube.campaigns.copy()
            if inactive or campaign.get("campaign__is_active") is not False
        ]
        return json(encode(shown))

    def _page(self, request: Request, rows: list[bytes]) -> Response:
        number = request.query_params.get("page", "")
        return page(rows, number, self._cube.page_size, request.url)

    def _dated_page(self, request: Request, days: Days) -> Response:
        first, last = self._date(request, "from_date"), self._date(request, "to_date")
        return self._page(request, days.rows(first, last))

    def _date(self, request: Request, name: str) -> date:
        text = request.query_params.get(name)
        if text is None:
            return self._cube.today
        digits = _DATE.fullmatch(text)
        with suppress(ValueError):
            if digits:
                return date(*map(int, digits.groups()))
        raise HTTPException(400, f"{name} must be a date such as 20240501.")

    def _crm(self, request: Request) -> Crm:
        owner, crm_type = request.path_params["owner"], request.path_params["crm_type"]
        try:
            return self._cube.crms[owner, crm_type]
        except KeyError:
            raise HTTPException(404) from None


async def _to_slash(request: Request) -> Response:
    return RedirectResponse(request.url.replace(path=request.url.path + "/"), 301)


async def _not_found(_request: Request, _error: Exception) -> Response:
    return problem(404, "Not found.")


async def _bad_request(_request: Request, error: Exception) -> Response:
    return problem(400, error.detail if isinstance(error, HTTPException) else "Bad request.")


async def _not_allowed(request: Request, _error: Exception) -> Response:
    allowed = {"Allow": "GET, HEAD"}
    return problem(405, f'Method "{request.method}" not allowed.', allowed)
