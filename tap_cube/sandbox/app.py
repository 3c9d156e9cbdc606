"""Cube's REST API, as far as it is documented, over what a `Cube` holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from tap_cube.sandbox.answers import json, page, problem
from tap_cube.sandbox.cube import encode
from tap_cube.sandbox.gate import Gate
from tap_cube.sandbox.journal import Journal
from tap_cube.sandbox.mishaps import Mishaps

if TYPE_CHECKING:
    from starlette.requests import Request

    from tap_cube.sandbox.cube import Crm, Cube


def create_app(cube: Cube) -> Starlette:
    """The ASGI application that answers in Cube's place."""
    api = _Api(cube)
    owner = "/data_owners/{owner:int}"
    routes = [
        Route(owner + "/crm/{crm_type}/customers/", api.customers),
        Route(owner + "/crm/{crm_type}/customers", _to_slash),
        Route(owner + "/crm/{crm_type}/customers/{key}", api.customer),
        Route(owner + "/crm/{crm_type}/customers/{key}/", api.customer),
        Route(owner + "/{crm_type}/crm_custom_fields/", api.custom_fields),
        Route(owner + "/{crm_type}/crm_custom_fields", _to_slash),
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
        exception_handlers={404: _not_found, 405: _not_allowed},
    )
    app.router.redirect_slashes = False
    return app


class _Api:
    """The endpoints."""

    def __init__(self, cube: Cube) -> None:
        self._cube = cube

    async def customers(self, request: Request) -> Response:
        number = request.query_params.get("page", "")
        return page(self._crm(request).rows(), number, self._cube.page_size, request.url)

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


async def _not_allowed(request: Request, _error: Exception) -> Response:
    allowed = {"Allow": "GET, HEAD"}
    return problem(405, f'Method "{request.method}" not allowed.', allowed)
