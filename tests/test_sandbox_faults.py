from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from contextlib import closing
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tap_cube.sandbox import Fault, Faults, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

LIST = "/api/v1/data_owners/2/crm/B2B/customers/"
CAMPAIGNS = "/api/v1/campaigns"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(customers=9, page_size=3) as running:
        yield running


def get(sandbox: Sandbox, url: str = LIST) -> requests.Response:
    headers = {"Authorization": f"Token {sandbox.token}"}
    full = url if url.startswith("http") else sandbox.url + url
    return requests.get(full, headers=headers, timeout=10)


def received(sandbox: Sandbox, target: str = LIST) -> tuple[bytes, bytes]:
    """All bytes that come until the server closes the connection: the head and the body."""
    host, port = sandbox.url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)), timeout=10)) as connection:
        lines = (
            f"GET {target} HTTP/1.1",
            f"Host: {host}:{port}",
            f"Authorization: Token {sandbox.token}",
        )
        connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
        with connection.makefile("rb") as answer:
            head, _, body = answer.read().partition(b"\r\n\r\n")
    return head, body


def pages(sandbox: Sandbox) -> list[dict[str, Any]]:
    read = [get(sandbox).json()]
    while read[-1]["next"]:
        read.append(get(sandbox, read[-1]["next"]).json())
    return read


def drawn(faults: Faults, *targets: str) -> list[str | None]:
    return [fault.what if fault else None for fault in map(faults.draw, targets)]


def test_shares_are_kept_and_a_seed_decides_which_requests_they_mean() -> None:
    shares = {"reset": 0.05, "429=2": 0.1, "500": 0.2}
    faults = Faults(shares, seed=1)
    outcome = drawn(faults, *["/x"] * 4000)
    assert outcome == drawn(Faults(shares, seed=1), *["/x"] * 4000)
    assert outcome != drawn(Faults(shares, seed=2), *["/x"] * 4000)
    for what, share in shares.items():
        assert faults.struck[what] == outcome.count(what)
        assert outcome.count(what) / 4000 == pytest.approx(share, rel=0.3)
    # Half the share strikes part of the same requests.
    fewer = drawn(Faults({"reset": 0.025}, seed=1), *["/x"] * 4000)
    assert {n for n, what in enumerate(fewer) if what} < {
        n for n, what in enumerate(outcome) if what == "reset"
    }


def test_faults_of_some_requests_only() -> None:
    faults = Faults(
        Fault("503=1", first=2), Fault("500", match=r"page=7$"), Fault("empty", match="page=8")
    )
    targets = [f"{LIST}?page={page}" for page in (7, 70, 7, 71, 7, 8)]
    assert drawn(faults, *targets) == ["503=1", "503=1", "500", None, "500", "empty"]
    targets = [f"{LIST}?page=8&part=2", "/api/v1/campaigns?page=8", "/x/customers?page=8"]
    assert drawn(faults, *targets) == [None, None, None]
    later = Faults(Fault("429", match="b", first=1))
    assert drawn(later, "a", "b", "b") == [None, "429", None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("foo:0.1", "no fault 'foo'; there are reset, cut,"),
        ("600", "no fault '600'"),
        ("reset=1", "must be just 'reset'"),
        ("slow=-1", "write it as slow=3"),
        ("429=soon", "write it as 429=2 or 429=date+2"),
        ("503:1.5", "from 0 to 1, not 1.5"),
        ("503:nan", "from 0 to 1, not nan"),
        ("503:many", "'many' in '503:many' is not a share"),
    ],
)
def test_what_is_no_fault(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Fault.parse(text)


def test_shares_of_more_than_all() -> None:
    Faults({"reset": 0.9, "cut": 0.1}, Fault("500", match="x"), Fault("503", first=1))
    with pytest.raises(ValueError, match=r"1\.2, which is more than 1"):
        Faults({"reset": 0.9, "cut": 0.3})


@pytest.mark.parametrize("status", [200, 403, 429, 500, 503, 599])
def test_a_status_comes_with_a_customer_of_the_page_in_its_body(
    sandbox: Sandbox, status: int
) -> None:
    sandbox.faults = Faults(Fault(str(status)))
    answer = get(sandbox, f"{LIST}?page=2")
    assert answer.status_code == status
    assert answer.json()["customer"] == sandbox.crms[2, "B2B"].customers()[3]
    assert "Retry-After" not in answer.headers
    assert get(sandbox, CAMPAIGNS).json()["customer"] == sandbox.crms[2, "B2B"].customers()[0]
    sandbox.faults = None
    assert get(sandbox).json()["count"] == 9


@pytest.mark.parametrize("status", ["204", "304"])
def test_a_status_without_a_body_leaves_the_connection_usable(
    sandbox: Sandbox, status: str
) -> None:
    sandbox.faults = Faults(Fault(status, first=1))
    with requests.Session() as session:
        session.headers["Authorization"] = f"Token {sandbox.token}"
        answers = [session.get(sandbox.url + LIST, timeout=10) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [int(status), 200]


def test_retry_after_in_both_of_its_forms(sandbox: Sandbox) -> None:
    sandbox.faults = Faults(Fault("429=7", first=1), Fault("503=date+120"))
    assert get(sandbox).headers["Retry-After"] == "7"
    date = get(sandbox).headers["Retry-After"]
    assert date.endswith(" GMT")
    assert 118 <= parsedate_to_datetime(date).timestamp() - time.time() <= 121


def test_a_reset_ends_the_connection_without_an_answer(sandbox: Sandbox) -> None:
    sandbox.faults = Faults(Fault("reset", first=1))
    with pytest.raises(ConnectionResetError):
        received(sandbox)
    assert get(sandbox).status_code == 200


def test_a_cut_leaves_part_of_the_page_behind_a_head_that_promises_all(sandbox: Sandbox) -> None:
    whole = get(sandbox)
    sandbox.faults = Faults(Fault("cut"))
    head, body = received(sandbox)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"content-length: {len(whole.content)}".encode() in head.lower()
    assert body == whole.content[: len(whole.content) // 2]
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(sandbox)


def test_slow_answers_are_whole(sandbox: Sandbox) -> None:
    sandbox.faults = Faults(Fault("slow=0.3", first=1))
    begun = time.monotonic()
    assert get(sandbox).json()["count"] == 9
    assert time.monotonic() - begun >= 0.3


def test_a_web_page_in_place_of_json(sandbox: Sandbox) -> None:
    sandbox.faults = Faults(Fault("html"))
    answer = get(sandbox)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<!DOCTYPE html>")
    assert str(sandbox.crms[2, "B2B"].customers()[0]["id"]) in answer.text


def test_links_that_lead_nowhere_new(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}{LIST}"
    real = get(sandbox, f"{LIST}?page=3").json()
    for what, link in (
        ("self-link", f"{url}?page=3"),
        ("cycle", url),
        ("cycle=2", f"{url}?page=2"),
    ):
        sandbox.faults = Faults(Fault(what))
        assert get(sandbox, f"{LIST}?page=3").json() == real | {"next": link}
        assert isinstance(get(sandbox, CAMPAIGNS).json(), list)
        assert get(sandbox, f"{LIST}?page=4").json() == {"detail": "Invalid page."}


def test_empty_pages_come_before_those_with_the_customers(sandbox: Sandbox) -> None:
    real = pages(sandbox)
    sandbox.faults = Faults(Fault("empty"))
    read = pages(sandbox)
    assert [len(page["results"]) for page in read] == [0, 3, 0, 3, 0, 3]
    assert read[1::2] == real
    assert read[2] == real[1] | {"results": [], "next": f"{sandbox.url}{LIST}?page=2&part=2"}
    sandbox.faults = Faults(Fault("empty", match=r"page=2$"))
    assert [len(page["results"]) for page in pages(sandbox)] == [3, 0, 3, 3]


def test_credentials_come_first(sandbox: Sandbox) -> None:
    sandbox.faults = Faults(Fault("html"))
    assert requests.get(sandbox.url + LIST, timeout=10).status_code == 401


def test_requests_are_noted_and_announced(sandbox: Sandbox) -> None:
    seen: list[tuple[int, str]] = []
    crm = sandbox.crms[2, "B2B"]
    before = [row["id"] for row in crm.customers()]

    def delete_one(number: int, target: str) -> None:
        seen.append((number, target))
        if number == 2:
            crm.delete(before[0])
            crm.update(before[4], Nytt=1)

    sandbox.before_request = delete_one
    read = pages(sandbox)
    assert [page["count"] for page in read] == [9, 8, 8]
    # Customer 3 has moved to the first page after it was read.
    assert [row["id"] for page in read for row in page["results"]] == before[:3] + before[4:]
    assert read[1]["results"][0]["Nytt"] == 1
    assert seen == [(1, LIST), (2, f"{LIST}?page=2"), (3, f"{LIST}?page=3")]
    assert sandbox.requests == [("GET", target) for _, target in seen]
    sandbox.requests.clear()
    requests.head(sandbox.url + "/å?x=%C3%A5", timeout=10)
    assert sandbox.requests == [("HEAD", "/%C3%A5?x=%C3%A5")]
    assert seen[3][0] == 4


def test_a_restless_crm_changes_while_it_is_read() -> None:
    def histories(**options: Any) -> list[list[dict[str, Any]]]:
        with Sandbox(customers=40, page_size=5, **options) as sandbox:
            read = [get(sandbox).json()["results"] for _ in range(60)]
            return [*read, sandbox.crms[2, "B2B"].customers(), sandbox.crms[1, "B2B"].customers()]

    still, restless = histories(), histories(restless=1.0)
    assert restless == histories(restless=1.0)
    assert restless != histories(restless=1.0, seed=1)
    before, after = ({row["id"]: row for row in history[-2]} for history in (still, restless))
    assert after.keys() - before.keys()
    assert before.keys() - after.keys()
    kept = [(before[number], after[number]) for number in before.keys() & after.keys()]
    assert any(old["need_to_know"] != new["need_to_know"] for old, new in kept)
    assert any(new.keys() - old.keys() for old, new in kept)
    assert restless[-1] == still[-1]


def test_a_restless_crm_can_lose_its_last_customer() -> None:
    with Sandbox(customers=1, restless=1.0) as sandbox:
        assert {get(sandbox).json()["count"] for _ in range(40)} > {0, 1}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tap_cube.sandbox", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603


def test_faults_on_the_command_line_and_no_noise_from_them() -> None:
    script = f"""
import json, os, requests
url = os.environ['TAP_CUBE_API_URL'] + '{LIST}'
headers = {{'Authorization': 'Token ' + os.environ['TAP_CUBE_AUTH_TOKEN']}}
outcomes = []
for _ in range(150):
    try:
        answer = requests.get(url, headers=headers, timeout=0.5)
        outcomes.append(str(answer.status_code) + answer.headers.get('Retry-After', ''))
    except requests.RequestException as error:
        outcomes.append(type(error).__name__)
print(json.dumps(outcomes))
"""
    faults = ["503:0.2", "429=2:0.2", "reset:0.1", "cut:0.1", "slow=60:0.02"]
    options = [option for fault in faults for option in ("--fault", fault)]
    ended = run("exec", "--customers", "9", *options, "--", sys.executable, "-c", script)
    outcomes = json.loads(ended.stdout)
    expected = {"503", "4292", "ConnectionError", "ChunkedEncodingError", "ReadTimeout", "200"}
    assert set(outcomes) == expected
    assert (ended.returncode, ended.stderr) == (0, "")


def test_ending_while_clients_wait_is_quiet() -> None:
    script = f"""
import os, socket, time
host, port = os.environ['TAP_CUBE_API_URL'][7:].split(':')
request = b'GET {LIST} HTTP/1.1\\r\\nHost: x\\r\\nAuthorization: Token sandbox-token\\r\\n\\r\\n'
connection = socket.create_connection((host, int(port)))
connection.sendall(request)
os.set_inheritable(connection.fileno(), True)
if not os.fork():
    connection.settimeout(20)
    connection.recv(1)
else:
    time.sleep(0.3)
    os._exit(0)
"""
    ended = run("exec", "--fault", "slow=60", "--", sys.executable, "-c", script)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "faults"),
    [("serve", ["nonsense:0.1"]), ("exec", ["503:x"]), ("exec", ["503", "reset"])],
)
def test_bad_faults_end_with_one_line(command: str, faults: list[str]) -> None:
    options = [option for fault in faults for option in ("--fault", fault)]
    ended = run(command, *options, *(["--", "true"] if command == "exec" else []))
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith("Error: ")


@pytest.mark.parametrize("command", ["serve", "exec"])
def test_help_names_every_fault(command: str) -> None:
    text = run(command, "--help").stdout
    kinds = ("503=2", "503=date+2", "reset", "cut", "slow=3", "html", "self-link", "cycle", "empty")
    for kind in kinds:
        assert f"\n    {kind}" in text
