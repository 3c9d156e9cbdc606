"""The settings: what they are called, what they mean, what they are by default."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

FIELD_TYPES = [
    "string",
    "integer",
    "number",
    "boolean",
    "date",
    "date-time",
    "object",
    "array",
]

SETTINGS: dict[str, Any] = th.PropertiesList(
    th.Property(
        "account",
        # Python's `$` alone would let a newline at the end pass
        th.StringType(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$(?!\n)"),
        title="Account",
        description="The subdomain of your Cube: `acme` for https://acme.headshed.com",
        examples=["acme"],
    ),
    th.Property(
        "api_url",
        th.StringType,
        title="API URL",
        description="A whole origin in place of `account`, for proxies and the sandbox. "
        "Plain `http://` is refused unless the host is this machine",
        examples=["http://127.0.0.1:8765"],
    ),
    th.Property(
        "auth_token",
        th.StringType,
        secret=True,
        title="Token",
        description="Sent as `Authorization: Token ...`; the vendor recommends this way",
    ),
    th.Property(
        "username",
        th.StringType,
        secret=True,
        title="User name",
        description="Sent with `password` as `Authorization: Basic ...`",
    ),
    th.Property(
        "password",
        th.StringType,
        secret=True,
        title="Password",
        description="The password that goes with `username`",
    ),
    th.Property(
        "basic_auth",
        th.StringType,
        secret=True,
        title="Basic credentials",
        description="The ready-made base64 string of Cube's documents, in place of `username` "
        "and `password`",
    ),
    th.Property(
        "crms",
        th.ArrayType(
            th.ObjectType(
                th.Property("data_owner_id", th.IntegerType, required=True, nullable=False),
                th.Property(
                    "crm_type",
                    th.StringType(min_length=1),
                    required=True,
                    nullable=False,
                ),
            )
        ),
        title="CRMs",
        description="The CRMs to read; by default every CRM that a campaign of yours names",
        examples=[[{"data_owner_id": 2, "crm_type": "B2B"}]],
    ),
    th.Property(
        "customer_ids",
        th.ArrayType(th.CustomType({"type": ["integer", "string"]})),
        title="Customer ids",
        description="Only these customers in `customer_details`; by default all",
        examples=[[971352, 971486]],
    ),
    th.Property(
        "customer_id_field",
        th.StringType,
        title="Customer id field",
        description="The field of the customer list that goes into the URL of a single customer; "
        "by default `id`, or `crm__customer_id` where customers have no `id`",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="The first day of `call_outcomes` and `product_registrations` that is read; "
        "by default 30 days ago",
        examples=["2024-01-31"],
    ),
    th.Property(
        "lookback_days",
        th.IntegerType(minimum=0),
        default=1,
        title="Lookback days",
        description="How many of the days that were read completely are read once more, for what "
        "was reported late or changed",
    ),
    th.Property(
        "sample_size",
        th.IntegerType(minimum=1),
        default=1000,
        title="Sample size",
        description="Records read for each CRM and stream to discover the fields "
        "(at most 50 for `customer_details`, where each is a request)",
    ),
    th.Property(
        "include_inactive_campaigns",
        th.BooleanType,
        default=True,
        title="Inactive campaigns",
        description="Whether `campaigns`, and the CRMs found by them, include inactive ones",
    ),
    th.Property(
        "new_fields",
        th.StringType,
        default="evolve",
        allowed_values=["evolve", "discard", "fail"],
        title="New fields",
        description="What a field does that discovery did not see: it is added to the schema "
        "(`evolve`), left out with a warning (`discard`), or fails the run (`fail`)",
    ),
    th.Property(
        "field_types",
        th.ArrayType(
            th.ObjectType(
                th.Property("field", th.StringType, required=True, nullable=False),
                th.Property(
                    "type",
                    th.StringType,
                    required=True,
                    nullable=False,
                    allowed_values=FIELD_TYPES,
                ),
            )
        ),
        title="Field types",
        description="Pins the types of fields: `string`, `integer`, `number`, `boolean`, `date`, "
        "`date-time`, `object` or `array`. A value that does not fit is null, and counted. Fields "
        "are named as their columns are",
        examples=[[{"field": "Antall år", "type": "integer"}]],
    ),
    th.Property(
        "field_names",
        th.StringType,
        default="source",
        allowed_values=["source", "snake_case"],
        title="Field names",
        description="What columns are called: as Cube calls the fields (`source`), or in ASCII "
        "snake case of at most 63 characters, never two alike (`snake_case`)",
    ),
    th.Property(
        "custom_field_names",
        th.StringType,
        default="id",
        allowed_values=["id", "label"],
        title="Custom field names",
        description="What `crm__custom_info__64` is called: that (`id`), or the label that the "
        "CRM's definitions give it (`label`)",
    ),
    th.Property(
        "emit_activate_version_messages",
        th.BooleanType,
        default=False,
        title="Activate versions",
        description="Whether targets learn, after a complete read, which customers are gone",
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=16),
        default=4,
        title="Concurrency",
        description="Requests in flight, 1 to 16; what comes out is the same",
    ),
    th.Property(
        "requests_per_second",
        th.NumberType(exclusive_minimum=0),
        title="Requests per second",
        description="For accounts with a quota: at most so many, over all requests in flight; "
        "by default no limit",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0),
        default=60,
        title="Request time-out",
        description="Seconds to wait for an answer to one request",
    ),
    th.Property(
        "max_tries",
        th.IntegerType(minimum=1),
        default=6,
        title="Tries",
        description="Attempts for a request that fails in a passing way",
    ),
    th.Property(
        "user_agent",
        th.StringType,
        title="User agent",
        description="The `User-Agent` header of each request; by default `tap-cube/{version}`",
    ),
).to_dict()
