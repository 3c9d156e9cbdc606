"""STATE holds no customer's id, and no digest that could be reversed to one by trying all ids."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import re
import signal
import zlib
from itertools import product
from typing import TYPE_CHECKING

import pytest

from tap_cube.sandbox import Sandbox
from tests.support import Run, program, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_cube.sandbox.shapes import Shape
    from tests.support import Tap

FIRST_ID = 7_351_924
IDS = range(FIRST_ID, FIRST_ID + 12)
STREAMS = (
    *("customers", "customer_details", "custom_fields", "campaigns"),
    *("call_outcomes", "product_registrations", "customer_statuses"),
)
SEPARATORS = ("", "|", ",", ";", "/", "-", ":", "_", " ", "\0", "\x1f", "\n")
ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "blake2b")


def forms(id_: int) -> Iterator[bytes]:
    """What a digest may be of: the id alone, and with its CRM."""
    for id_form in (id_, str(id_)):
        key = {"data_owner_id": 2, "crm_type": "B2B", "id": id_form}
        for value in (id_form, [2, "B2B", id_form], ["2", "B2B", id_form], key):
            yield json.dumps(value).encode()
            yield json.dumps(value, separators=(",", ":")).encode()
            yield repr(value).encode()
        yield repr((2, "B2B", id_form)).encode()
    for separator in SEPARATORS:
        yield separator.join(("2", "B2B", str(id_))).encode()
    for size, order in product((4, 8, 16), ("big", "little")):
        yield id_.to_bytes(size, "big" if order == "big" else "little")


def digests(form: bytes) -> Iterator[bytes]:
    for name in ALGORITHMS:
        yield hashlib.new(name, form).digest()
    for size in (4, 8, 12, 16, 20, 32):  # the size is part of what is hashed
        yield hashlib.blake2b(form, digest_size=size).digest()
        yield hashlib.blake2s(form, digest_size=size).digest()
    for checksum in (zlib.crc32(form), zlib.adler32(form)):
        yield checksum.to_bytes(4, "big")


def texts(digest: bytes) -> Iterator[str]:
    yield digest.hex()
    yield digest[::-1].hex()
    yield base64.b64encode(digest).decode()
    yield base64.urlsafe_b64encode(digest).decode()
    yield base64.b32encode(digest).decode()
    for size in (4, 8, len(digest)):
        yield str(int.from_bytes(digest[:size], "big"))
        yield str(int.from_bytes(digest[:size], "little"))


def reversed_ids(state: str, ids: Iterable[int]) -> set[int]:
    """The ids that someone finds who compares the words of STATE with digests of all ids.

    A word may be any part of a digest's text, of eight characters or more; a number is a whole one.
    """
    words = {word.lower() for word in re.findall(r"[\w+/=-]{8,}", state)}
    words = {f"\n{word}\n" if word.isdecimal() else word for word in words}
    found = set()
    for id_ in ids:
        every = {digest for form in forms(id_) for digest in digests(form)}
        candidates = "".join(f"\n{text.lower()}\n" for digest in every for text in texts(digest))
        if any(word in candidates for word in words):
            found.add(id_)
    return found


def spelled_ids(state: str, ids: Iterable[int]) -> set[int]:
    """The ids that STATE spells in some way."""
    return {
        id_
        for id_ in ids
        if any(
            spelling in state.lower()
            for spelling in (
                str(id_),
                str(id_)[::-1],
                f"{id_:x}",
                f"{id_:,}",
                base64.b64encode(str(id_).encode()).decode().rstrip("=").lower(),
                str(id_).encode().hex(),
            )
        )
    }


@pytest.mark.parametrize(
    ("digest", "form"),
    [("sha1", b"%d"), ("blake2b", b"2|B2B|%d"), ("md5", b'[2,"B2B",%d]')],
)
def test_digests_can_be_reversed(digest: str, form: bytes) -> None:
    """That the search finds what it is meant to find."""
    whole, ids = hashlib.new(digest, form % IDS[1]).digest(), IDS[:3]
    for mark in (
        whole.hex(),
        whole.hex()[:10],
        base64.b64encode(whole[:9]).decode(),
        zlib.crc32(form % IDS[1]),
    ):
        assert reversed_ids(json.dumps({"mark": mark}), ids) == {IDS[1]}
    assert not reversed_ids(json.dumps({"mark": "crm__custom_info__64", "page": 12345678}), ids)


def cube_of(shape: Shape) -> Sandbox:
    """A Cube in which these ids are the only ones, in customers and in events."""
    cube = Sandbox(customers=0, page_size=2, shape=shape, latency=0.01)
    crm = cube.crms[2, "B2B"]
    for id_ in IDS:
        if shape == "flat":
            crm.add(id=id_, customer_id=id_)
        else:
            crm.add(crm__customer_id=str(id_))
    now = dt.datetime.now(dt.timezone.utc)
    for number, id_ in enumerate(IDS):
        when, customer = now - dt.timedelta(days=number), {"crm__customer_id": str(id_)}
        crm.add_outcome(when, **customer)
        crm.add_registration(when, **customer)
        crm.add_status(**customer)
    return cube


@pytest.mark.parametrize("shape", ["flat", "prefixed"])
def test_no_id_can_be_found_in_state(tap: Tap, shape: Shape) -> None:
    """In no STATE of a complete run, which are those of runs broken off, nor after a signal."""
    with cube_of(shape) as cube:
        access = {"api_url": cube.url, "auth_token": cube.token}
        config = {**access, "crms": [{"data_owner_id": 2, "crm_type": "B2B"}]}
        catalog = select(tap.discover(config), *STREAMS)
        tap.program = ("-c", program(state_interval=0))
        complete = tap(config, catalog=catalog).check()
        process = tap.start(config=config, catalog=catalog)
        assert process.stdout
        for line in process.stdout:
            if b'"reading"' in line:
                break
        process.send_signal(signal.SIGTERM)
        rest, log = process.communicate(timeout=30)
        broken_off = Run(process.returncode, line + rest, log.decode())
    assert broken_off.status == 143
    assert len(complete.records("customer_details")) == len(IDS)
    states = [m["value"] for run in (complete, broken_off) for m in run.messages if "value" in m]
    text = "\n".join({json.dumps(state) for state in states})
    for stream in ("customers", "customer_details"):
        assert any("reading" in json.dumps(state["bookmarks"].get(stream)) for state in states)
    assert not spelled_ids(text, IDS)
    assert not reversed_ids(text, IDS)
    row_keys = {
        record["row_key"].partition("-")[0]
        for stream in ("call_outcomes", "product_registrations", "customer_statuses")
        for record in complete.records(stream)
    }
    assert len(row_keys) >= len(IDS)
    assert not any(key in text for key in row_keys)
