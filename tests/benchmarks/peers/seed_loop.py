"""The loop of the API's own documentation, which is kept as it is, and a line for each record."""

from __future__ import annotations

import json
import sys
from typing import Any

import requests


def read_customers(url: str, headers: dict[str, str]) -> list[dict[str, Any]]:
    customer_retrieved: list[dict[str, Any]] = []

    response = requests.get(url=url, headers=headers)  # noqa: S113  # as it is documented
    customer_retrieved.extend(response.json().get("results"))

    while response.json().get("next") is not None:
        response = requests.get(url=response.json().get("next"), headers=headers)  # noqa: S113
        customer_retrieved.extend(response.json().get("results"))

    return customer_retrieved


def main(url: str, token: str) -> None:
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Authorization": f"Token {token}",
    }
    for customer in read_customers(url, headers):
        sys.stdout.write(json.dumps(customer) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
