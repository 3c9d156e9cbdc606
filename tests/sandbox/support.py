"""A plain HTTP client for the sandbox, and its command."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from tap_cube.sandbox import Sandbox

TODAY = date(2024, 5, 20)

API = "/api/v1"
OWNER = f"{API}/data_owners/2"
CRM = f"{OWNER}/crm/B2B"
CUSTOMERS = f"{CRM}/customers/"
PREFIXED_CUSTOMERS = f"{OWNER}/B2B/customers/"
OUTCOMES = f"{CRM}/call_outcomes/"
REGISTRATIONS = f"{CRM}/product_registrations/"
STATUSES = f"{CRM}/callflow_customers/"
CAMPAIGNS = f"{API}/campaigns"

FLAT_FIELDS = [
    "id",
    "customer_id",
    "crm_type_id",
    "name",
    "gender",
    "birth_date",
    "need_to_know",
    "care_of_name",
    "zone_name",
    "address_street",
    "address_street_no",
    "address_entrance",
    "zip_code",
    "city",
    "municipality",
    "county",
    "country",
    "phone_1",
    "phone_2",
    "phone_3",
    "email",
    "company",
]
PREFIXED_FIELDS = [
    "crm__customer_id",
    *(f"crm__standard_info__{f}" for f in ("name", "phone_1", "phone_2", "phone_3", "email")),
    *(f"crm__custom_info__{number}" for number in range(64, 72)),
]
CHANGE_FIELDS = [f"crm__change_log__{x}" for x in ("updated", "updated_by", "update_method")]
SUBMITTED = "call_outcome__report_as__submitted_"
COMMENT = "call_outcome__comment"
COMMAND = [sys.executable, "-m", "tap_cube.sandbox"]


def get(sandbox: Sandbox, path: str = CUSTOMERS, **options: Any) -> requests.Response:
    options.setdefault("headers", {"Authorization": f"Token {sandbox.token}"})
    url = path if path.startswith("http") else sandbox.url + path
    return requests.request(
        options.pop("method", "GET"), url, timeout=10, allow_redirects=False, **options
    )


def pages(sandbox: Sandbox, path: str = CUSTOMERS) -> list[dict[str, Any]]:
    read = [get(sandbox, path).json(parse_float=Decimal)]
    while read[-1]["next"]:
        read.append(get(sandbox, read[-1]["next"]).json(parse_float=Decimal))
    return read


def records(sandbox: Sandbox, path: str = CUSTOMERS) -> list[dict[str, Any]]:
    return [record for page in pages(sandbox, path) for record in page["results"]]


def detail(response: requests.Response) -> tuple[int, Any]:
    assert response.headers["Content-Type"] == "application/json"
    return response.status_code, response.json()["detail"]


def is_missing(sandbox: Sandbox, path: str) -> bool:
    return detail(get(sandbox, path)) == (404, "Not found.")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the sandbox itself
        [*COMMAND, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def day_of(event: dict[str, Any]) -> date:
    return datetime.fromisoformat(event[f"{SUBMITTED}when"]).date()
