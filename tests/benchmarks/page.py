"""How many functions a page of customers passes through: `python -m tests.benchmarks.page [ROOT]`.

It counts, for the first page and for later ones, the tap's own functions, their modules, and how
often the control passes from a module to another one. Comprehensions belong to their functions.
ROOT is the root of another version of the project.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tap_cube.sandbox import Sandbox
from tests.support import select
from tests.targets import ROOT

_PAGES = 8
# A page ends when its records are written
_PROGRAM = """
import json, os, runpy, sys, threading
root = os.path.join(os.environ["PYTHONPATH"], "tap_cube") + os.sep
calls, pages, leave = [], [], os._exit
def note(frame, event, _):
    code = frame.f_code
    if not code.co_filename.startswith(root) or code.co_name.startswith("<"):
        return
    module = code.co_filename[len(root):]
    if event == "call":
        calls.append((threading.get_ident(), module, code.co_name, code.co_firstlineno))
    elif event == "return" and code.co_name == "write_records":
        pages.append(calls[:])
        calls.clear()
def figures(page):
    functions = {call[1:] for call in page}
    changes = 0
    for thread in {call[0] for call in page}:
        modules = [call[1] for call in page if call[0] == thread]
        changes += sum(one != other for one, other in zip(modules, modules[1:]))
    return len(functions), len({f[0] for f in functions}), changes, sorted(map(str, functions))
def end(status):
    sys.setprofile(None)
    threading.setprofile(None)
    with open("pages.json", "w") as file:
        json.dump([figures(page) for page in pages], file)
    leave(status)
os._exit = end
sys.argv = ["tap-cube", "--config", "config.json", "--catalog", "catalog.json"]
threading.setprofile(note)
sys.setprofile(note)
runpy.run_module("tap_cube", run_name="__main__")
"""


def main(root: Path = ROOT) -> None:
    """Print a line for each page, and the functions of a later one."""
    with TemporaryDirectory() as name, Sandbox(customers=50 * _PAGES, page_size=50) as cube:
        folder = Path(name)
        config = {
            "api_url": cube.url,
            "auth_token": cube.token,
            "crms": [{"data_owner_id": 2, "crm_type": "B2B"}],
            "concurrency": 1,
        }
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(root)}

        def call(*arguments: str) -> bytes:
            return subprocess.run(  # noqa: S603  # this project's own program
                [sys.executable, *arguments],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
            ).stdout

        discovered = call("-m", "tap_cube", "--config", "config.json", "--discover")
        catalog = select(json.loads(discovered), "customers")
        (folder / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
        call("-c", _PROGRAM)
        pages = json.loads((folder / "pages.json").read_bytes())
    for number, (functions, modules, changes, _) in enumerate(pages, 1):
        sys.stdout.write(
            f"page {number}: {functions} functions, {modules} modules, {changes} changes\n"
        )
    sys.stdout.write("\n".join(pages[_PAGES // 2][3]) + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
