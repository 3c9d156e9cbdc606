"""The fields that Cube's documents describe, with their types and what they mean."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th


def documented(*properties: th.Property[Any]) -> dict[str, Any]:
    """JSON Schema of fields, by name."""
    return dict(th.PropertiesList(*properties).to_dict()["properties"])


def text(name: str, description: str) -> th.Property[Any]:
    """A field that holds text."""
    return th.Property(name, th.StringType, description=description)


# The fields that a customer has in the list as well as in a record of its own
_FLAT_CUSTOMER = (
    th.Property("id", th.IntegerType, required=True, description="Cube's id of the customer"),
    th.Property("crm_type_id", th.IntegerType, description="Cube's id of the CRM"),
    text("name", "Name of the person or the company"),
    text("gender", "Gender"),
    th.Property("birth_date", th.DateType, description="Date of birth"),
    text("need_to_know", "What a caller needs to know"),
    text("care_of_name", "Care of"),
    text("zone_name", "Sales zone"),
    text("address_street", "Street"),
    th.Property("address_street_no", th.IntegerType, description="House number"),
    text("address_entrance", "Entrance, the letter behind the house number"),
    text("zip_code", "Postal code, with its leading zeros"),
    text("city", "Postal town"),
    text("municipality", "Municipality"),
    text("county", "County"),
    text("country", "Country"),
    text("phone_1", "First telephone number"),
    text("phone_2", "Second telephone number"),
    text("phone_3", "Third telephone number"),
    text("email", "E-mail address"),
    text("company", "Company"),
)

#: A customer as the list has it, in flat records.
LISTED_CUSTOMER = documented(
    _FLAT_CUSTOMER[0],
    th.Property("customer_id", th.IntegerType, description="Number of the customer"),
    *_FLAT_CUSTOMER[1:],
)

#: A customer as the record of its own has it, in flat records.
SINGLE_CUSTOMER = documented(
    *_FLAT_CUSTOMER,
    th.Property("external_customer_id", th.IntegerType, description="Number of the customer"),
)

_PREFIXED_CUSTOMER = (
    text("crm__standard_info__name", "Name of the person or the company"),
    text("crm__standard_info__phone_1", "First telephone number"),
    text("crm__standard_info__phone_2", "Second telephone number"),
    text("crm__standard_info__phone_3", "Third telephone number"),
    text("crm__standard_info__email", "E-mail address"),
)

#: A customer in prefixed records, whether listed or alone.
PREFIXED_CUSTOMER = documented(
    th.Property(
        "crm__customer_id",
        th.StringType,
        required=True,
        description="The id that the data owner gave the customer",
    ),
    *_PREFIXED_CUSTOMER,
)

_CALLED_CUSTOMER = (
    text("crm__customer_id", "The id that the data owner gave the customer"),
    *_PREFIXED_CUSTOMER,
    th.Property("crm__change_log__updated", th.DateType, description="Day of the last change"),
    text("crm__change_log__updated_by", "Who changed the customer last"),
    text("crm__change_log__update_method", "How the customer was changed last"),
)

_CAMPAIGN = (
    text("campaign__name", "Name of the campaign"),
    text("campaign__crm_type", "Type of the CRM that the campaign works on"),
    text("data_owner__name", "Name of the data owner"),
    text("segment__name", "Name of the segment"),
)

_OUTCOME = (
    *_CALLED_CUSTOMER,
    text("call_outcome__comment", "Comment of the caller"),
    text("call_outcome__report_as__submitted_by", "Who reported the outcome"),
    text("call_outcome__report_as__submitted_in_team", "The team of who reported it"),
    text("call_outcome__type", "What came of the call"),
    text("call_outcome__subtype", "What came of it, in more detail"),
    text("call_outcome__report_as__submitted_when", "When it was reported, in Cube's own time"),
    th.Property(
        "call_outcome__report_as__submitted_when_timestamp",
        th.DateTimeType,
        description="When it was reported, with its time zone",
    ),
    *_CAMPAIGN,
)

CALL_OUTCOME = documented(*_OUTCOME)

PRODUCT_REGISTRATION = documented(
    *_OUTCOME,
    text("product__code", "Code of the product"),
    text("product__title", "Name of the product"),
    th.Property("product__price", th.NumberType, description="Price of the product"),
)

CUSTOMER_STATUS = documented(
    *_CALLED_CUSTOMER,
    th.Property(
        "callflow__attempts_status__attempts", th.IntegerType, description="Calls made so far"
    ),
    text("callflow__callstate__name", "Where the customer stands"),
    text("callflow__last_change__user", "Who changed that last"),
    text("callflow__last_change__when", "When it was changed, in Cube's own time"),
    text("callflow__last_change__cause", "What changed it"),
    text("callflow__last_change__alternative", "The alternative that was chosen"),
    text("callflow__last_change__comment", "Comment on the change"),
    *_CAMPAIGN,
)

CAMPAIGN = documented(
    th.Property("campaign__id", th.IntegerType, required=True, description="Cube's id"),
    text("campaign__name", "Name of the campaign"),
    th.Property("campaign__start_date", th.DateType, description="First day"),
    th.Property("campaign__end_date", th.DateType, description="Last day"),
    th.Property("campaign__archived_date", th.DateType, description="Day of archiving"),
    th.Property("campaign__is_active", th.BooleanType, description="Whether it is active"),
    text("campaign__crm_type", "Type of the CRM that it works on"),
    th.Property("service__id", th.IntegerType, description="Id of the service"),
    text("service__name", "Name of the service"),
    th.Property("data_owner__id", th.IntegerType, description="Id of the data owner"),
    text("data_owner__name", "Name of the data owner"),
)

CUSTOM_FIELD = documented(
    th.Property("id", th.IntegerType, required=True, description="Cube's id of the field"),
    text("key", "Label of the field: its name in `customers`"),
    text("type", "Type of its values"),
    th.Property("max_length", th.IntegerType, description="Length limit of its values"),
    text("hint", "Hint for those who fill it in"),
    text("lookup__id", "Name of the field in accounts whose fields start with `crm__`"),
)
