from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest
import requests

from tap_cube.sandbox.account import TOKEN
from tests.sandbox.support import (
    CAMPAIGNS,
    COMMAND,
    CRM,
    CUSTOMERS,
    OUTCOMES,
    PREFIXED_CUSTOMERS,
    run,
)


def test_exec_gives_the_command_a_running_sandbox() -> None:
    script = (
        "import os, requests; e = os.environ; a = requests.get(e['TAP_CUBE_API_URL'] + "
        f"'{CRM}/customers/', headers={{'Authorization': 'Token ' + e['TAP_CUBE_AUTH_TOKEN']}});"
        "print(a.json()['count'], sorted(n for n in e if n.startswith('TAP_CUBE_')));"
        "raise SystemExit(7)"
    )
    names = ("ACCOUNT", "USERNAME", "PASSWORD", "BASIC_AUTH")
    conflicting = {f"TAP_CUBE_{name}": "x" for name in names}
    ended = run(
        "exec",
        "--customers",
        "3",
        *("--token", "t", "--", sys.executable, "-c", script),
        TAP_CUBE_X="",
        **conflicting,
    )
    assert ended.stdout == "3 ['TAP_CUBE_API_URL', 'TAP_CUBE_AUTH_TOKEN', 'TAP_CUBE_X']\n"
    assert (ended.returncode, ended.stderr) == (7, "")


def test_exec_without_a_command_to_run() -> None:
    ended = run("exec", "--customers", "3", "--", "no-such-command")
    assert ended.returncode == 127
    assert ended.stderr == "cube-sandbox: no-such-command: No such file or directory\n"


def test_exec_ends_as_the_command_does() -> None:
    assert run("exec", "--customers", "3", "--", "sh", "-c", "kill -9 $$").returncode == 137


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_exec_passes_signals_on(number: signal.Signals) -> None:
    script = (
        "import signal, sys; [signal.signal(n, lambda n, _: sys.exit(40 + n)) for n in (2, 15)];"
        "print('ready', flush=True); signal.pause()"
    )
    with subprocess.Popen(  # noqa: S603 - the sandbox itself
        [*COMMAND, "exec", "--customers", "3", "--", sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(20) == 40 + number


def test_serve_says_where_it_is_and_ends_at_sigterm() -> None:
    with subprocess.Popen(  # noqa: S603 - the sandbox itself
        [*COMMAND, "serve", "--port", "0", "--customers", "3"], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        said = [process.stderr.readline() for _ in range(5)]
        url = re.search(r"http://127\.0\.0\.1:\d+", said[0])
        assert url
        settings = dict(re.findall(r"(TAP_CUBE_\w+)=(\S+)", "".join(said)))
        address = url[0] + CAMPAIGNS
        assert settings["TAP_CUBE_API_URL"] == url[0]
        token = {"Authorization": f"Token {settings['TAP_CUBE_AUTH_TOKEN']}"}
        user = (settings["TAP_CUBE_USERNAME"].encode(), settings["TAP_CUBE_PASSWORD"].encode())
        assert requests.get(address, timeout=10).status_code == 401
        assert requests.get(address, headers=token, timeout=10).status_code == 200
        assert requests.get(address, auth=user, timeout=10).status_code == 200
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_says_what_to_type_next(arguments: list[str]) -> None:
    ended = run(*arguments)
    # Without arguments, the help is an error message.
    assert ended.returncode == (0 if arguments else 2)
    text = ended.stdout if arguments else ended.stderr
    commands = dict(re.findall(r"^ +cube-sandbox (serve|exec) (.*)$", text, re.MULTILINE))
    assert re.findall(r"^ +(TAP_CUBE_\w+)=(.*)$", text, re.MULTILINE) == [
        ("TAP_CUBE_API_URL", f"http://127.0.0.1:{commands['serve'].removeprefix('--port ')}"),
        ("TAP_CUBE_AUTH_TOKEN", TOKEN),
    ]
    separator, tap, *words = commands["exec"].split()
    assert (separator, tap) == ("--", "tap-cube")
    found = run("exec", "--customers", "3", "--", sys.executable, "-m", "tap_cube", *words)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["streams"]


def test_size_and_quota_on_the_command_line() -> None:
    script = f"""
import os, requests
headers = {{'Authorization': 'Token ' + os.environ['TAP_CUBE_AUTH_TOKEN']}}
for _ in range(3):
    answer = requests.get(os.environ['TAP_CUBE_API_URL'] + '{CAMPAIGNS}', headers=headers)
    print(answer.status_code, answer.headers.get('Retry-After'), len(answer.json()))
"""
    options = ("--crms", "9", "--quota", "0.1")
    ended = run("exec", *options, "--", sys.executable, "-c", script)
    assert (ended.stdout, ended.stderr) == ("200 None 9\n429 10 1\n429 10 1\n", "")
    for option in ("--crms", "--quota"):
        assert run("serve", option, "0").returncode == 2


def test_only_loopback_is_served() -> None:
    ended = run("exec", "--customers", "3", "--host", "192.0.2.1", "--", "true")
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "loopback" in ended.stderr


def test_the_command_line() -> None:
    script = f"""
import os, requests
headers = {{'Authorization': 'Token ' + os.environ['TAP_CUBE_AUTH_TOKEN']}}
for path in ('{PREFIXED_CUSTOMERS}', '{OUTCOMES}?from_date=20000101', '{CUSTOMERS}'):
    answer = requests.get(os.environ['TAP_CUBE_API_URL'] + path, headers=headers)
    print(answer.json().get('count'))
"""
    options = ("--customers", "3", "--shape", "prefixed", "--outcomes", "70")
    ended = run("exec", *options, "--", sys.executable, "-c", script)
    assert (ended.stdout, ended.stderr) == ("3\n70\nNone\n", "")
    text = run("serve", "--help").stdout
    assert "--shape [flat|prefixed]" in text
    assert "--outcomes INTEGER" in text


def test_faults_on_the_command_line_and_no_noise_from_them() -> None:
    script = f"""
import json, os, requests
url = os.environ['TAP_CUBE_API_URL'] + '{CUSTOMERS}'
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
lines = ('GET {CUSTOMERS} HTTP/1.1', 'Host: x', 'Authorization: Token sandbox-token', '', '')
request = '\\r\\n'.join(lines).encode()
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
