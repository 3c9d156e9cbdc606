from __future__ import annotations

import ast
from pathlib import Path

import tap_cube.sandbox


def test_the_sandbox_needs_nothing_of_the_tap() -> None:
    folder = Path(tap_cube.sandbox.__file__).parent
    imported = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + f"{node.module}"
                imported |= {f"{module}.{name.name}" for name in node.names}
    assert not {name for name in imported if name.startswith(".")}
    of_the_project = {name for name in imported if name.split(".")[0] == "tap_cube"}
    assert of_the_project
    assert all(
        name.startswith(("tap_cube.sandbox.", "tap_cube.compat.")) for name in of_the_project
    )
