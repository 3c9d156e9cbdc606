"""Cube into a warehouse, every night, by batches of CRMs on any number of Airflow workers.

Airflow 3. The workers need the commands `tap-cube` and `target-postgres`. Airflow needs:

- a connection `cube`: the origin (https://acme.headshed.com) as its host, the token as its
  password, and further settings of the tap as its extra, such as {"requests_per_second": 5}. This
  limits one batch: divide the account's quota by the slots of the pool.
- a connection `cube_target`, with the settings of the target as its extra
- a variable `cube_folder`: where the catalog and the states are kept, in a place that all workers
  reach, such as s3://aws_default@acme-cube
- a pool `cube`, with a slot for each batch that may be read at a time
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from tempfile import TemporaryDirectory
from typing import Any

from airflow.sdk import (
    Connection,
    ObjectStoragePath,
    TriggerRule,
    Variable,
    dag,
    get_current_context,
    task,
)

TAP, TARGET = "tap-cube", "target-postgres"
CRMS_PER_BATCH = 15

log = logging.getLogger(__name__)


def kept(name: str) -> ObjectStoragePath:
    """Return the path of a file that outlives the run."""
    folder = ObjectStoragePath(Variable.get("cube_folder"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def environment(crms: list[dict] | None = None) -> dict[str, str]:
    """Return the environment of both commands. No secret is in a file, or on a command line."""
    cube, target = Connection.get("cube"), Connection.get("cube_target")
    tap_settings = {**cube.extra_dejson, "api_url": cube.host, "auth_token": cube.password}
    if crms is not None:
        tap_settings["crms"] = crms
    return {
        **os.environ,
        **variables("TAP_CUBE", tap_settings),
        **variables(TARGET.replace("-", "_").upper(), target.extra_dejson),
    }


def part(catalog: dict, *, of_account: bool) -> dict:
    """Return the streams of the account or of its CRMs: each batch would load the former again."""
    streams = catalog["streams"]
    return {"streams": [s for s in streams if (s["tap_stream_id"] == "campaigns") == of_account]}


def variables(prefix: str, settings: dict) -> dict[str, str]:
    """Return settings as the environment variables that Singer's programs read."""
    return {
        f"{prefix}_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }


def make_tables(catalog: dict, env: dict[str, str]) -> list[str]:
    """Let the target make the table of each selected stream, and return what failed."""
    messages = []
    for stream in catalog["streams"]:
        (root,) = (m["metadata"] for m in stream["metadata"] if not m["breadcrumb"])
        if root.get("selected", root["selected-by-default"]):
            message = {"type": "SCHEMA", "stream": stream["tap_stream_id"]}
            message |= {key: stream[key] for key in ("schema", "key_properties")}
            messages.append(json.dumps(message))
    target = Popen(
        [TARGET, "--config", "ENV"], env=env, stdin=PIPE, stdout=DEVNULL, stderr=PIPE, text=True
    )
    _, errors = target.communicate("\n".join(messages))
    relay(errors.splitlines())
    return [f"{TARGET} failed: see its log"] if target.returncode else []


def load(catalog: dict, env: dict[str, str], state: ObjectStoragePath | None = None) -> list[str]:
    """Pipe the tap into the target, and keep each STATE that the target confirms.

    Returns:
        What failed: the errors of the tap, which name CRMs and streams.
    """
    with TemporaryDirectory() as folder:
        tap_command = [TAP, "--config", "ENV", *file(folder, "catalog", catalog)]
        if state and state.exists():
            tap_command += file(folder, "state", json.loads(state.read_text()))
        pipes = {"env": env, "stdout": PIPE, "stderr": PIPE, "text": True}
        tap = Popen(tap_command, **pipes)
        target = Popen([TARGET, "--config", "ENV"], stdin=tap.stdout, **pipes)
        tap.stdout.close()  # so that the tap notices when the target ends
        with ThreadPoolExecutor() as threads:
            errors = threads.submit(relay, tap.stderr)
            threads.submit(relay, target.stderr)
            for line in target.stdout:
                if state:
                    state.write_text(line)
        failed = (errors.result() or [f"{TAP} failed: see its log"]) if tap.wait() else []
        return [*failed, f"{TARGET} failed: see its log"] if target.wait() else failed


def file(folder: str, option: str, content: dict) -> list[str]:
    """Return an option with the path of a file that has this content."""
    path = Path(folder, f"{option}.json")
    path.write_text(json.dumps(content))
    return [f"--{option}", str(path)]


def relay(lines: Iterable[str]) -> list[str]:
    """Write the log of a command into that of the task, and return its errors."""
    errors = []
    for line in lines:
        log.info("%s", line.rstrip())
        if " | ERROR " in line:
            errors.append(line.rstrip().split(" | ", 3)[-1])
    return list(dict.fromkeys(errors))  # the last line of a failed run repeats the first error


def run(*arguments: str, env: dict[str, str]) -> Any:
    """Return the JSON that the tap prints."""
    tap = Popen([TAP, "--config", "ENV", *arguments], env=env, stdout=PIPE, stderr=PIPE, text=True)
    with ThreadPoolExecutor() as thread:
        errors = thread.submit(relay, tap.stderr)
        printed = tap.stdout.read()
    if tap.wait():
        raise RuntimeError("\n".join(errors.result()))
    return json.loads(printed)


@dag(
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,  # another run waits: two of them would load the same rows at once
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
)
def cube_nightly():
    @task
    def list_batches() -> list[dict]:
        """List the CRMs in batches. A CRM stays in its batch, because its state is there."""
        crms = run("--crms", env=environment())
        plan = kept("batches.json")
        batches = json.loads(plan.read_text()) if plan.exists() else []
        for crm in crms:
            if not any(crm in batch for batch in batches):
                if not batches or len(batches[-1]) >= CRMS_PER_BATCH:
                    batches.append([])
                batches[-1].append(crm)
        plan.write_text(json.dumps(batches))
        there = [[crm for crm in batch if crm in crms] for batch in batches]
        return [{"name": f"batch-{n}", "crms": crms} for n, crms in enumerate(there) if crms]

    @task
    def discover(batches: list[dict]) -> None:
        """Discover one catalog for all batches, make the tables, and load what is of no CRM.

        Targets get in each other's way if they make a table, or add a column, at the same time.
        """
        env = environment([crm for batch in batches for crm in batch["crms"]])
        catalog = run("--discover", env=env)
        kept("catalog.json").write_text(json.dumps(catalog))
        errors = make_tables(catalog, env) or load(part(catalog, of_account=True), env)
        if errors:
            raise RuntimeError("\n".join(errors))

    @task(pool="cube", map_index_template="{{ batch_name }}")
    def read(batch: dict) -> str:
        """Load a batch. What was loaded before a failure is not read again."""
        context = get_current_context()
        context["batch_name"] = batch["name"]
        catalog = part(json.loads(kept("catalog.json").read_text()), of_account=False)
        errors = load(catalog, environment(batch["crms"]), kept(f"{batch['name']}.state.json"))
        if errors:
            context["ti"].xcom_push("errors", errors)
            raise RuntimeError("\n".join(errors))
        return batch["name"]

    @task(trigger_rule=TriggerRule.ALL_DONE, retries=0)
    def check(batches: list[dict] | None, finished: Iterable[str] | None) -> None:
        """Name what failed, for all batches in one place."""
        if not batches:
            raise RuntimeError("The CRMs are not known: see the task `list_batches`")
        done = set(finished or ())
        failed = {n: batch["name"] for n, batch in enumerate(batches) if batch["name"] not in done}
        for index, name in failed.items():
            errors = get_current_context()["ti"].xcom_pull(
                task_ids="read", key="errors", map_indexes=index
            )
            log.error("%s: %s", name, "; ".join(errors or ["see the log of its task"]))
        if failed:
            raise RuntimeError(f"Not loaded completely: {', '.join(failed.values())}")

    batches = list_batches()
    finished = read.expand(batch=batches)
    discover(batches) >> finished
    check(batches, finished)


cube_nightly()
