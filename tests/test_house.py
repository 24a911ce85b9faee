"""The house stands: imports point down, importing is free, and what is public is listed."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import samespace

PACKAGE = Path(samespace.__file__).parent

FLOORS = {
    "errors": 0,
    "types": 0,
    "space": 1,
    "forms": 1,
    "run": 1,
    "text": 2,
    "vectors": 2,
    "models": 3,
    "store": 3,
    "search": 4,
    "ingest": 5,
    "asking": 5,
    "collection": 5,
    "embedders": 5,
    "handed": 5,
    "together": 5,
    "verify": 5,
    "writing": 5,
    "evaluate": 6,
    "migrate": 6,
    "integrations": 7,
    "cli": 7,
}
ALONE = {("models", "store"), ("store", "models"), ("text", "vectors"), ("vectors", "text")}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_imports_point_down() -> None:
    wrong, looked = [], 0
    for path in PACKAGE.rglob("*.py"):
        here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        for module in imports(path):
            if not module.startswith("samespace"):
                continue
            there = room(module)
            if not there:
                assert here == "cli", f"{path} imports the façade"
                continue
            looked += 1
            if FLOORS[there] > FLOORS[here] or (here, there) in ALONE:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {module}")
    assert looked > 50
    assert wrong == []


def test_import_loads_no_runtime_no_store_no_client() -> None:
    code = "import samespace, sys; print(' '.join(sorted(sys.modules)))"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    heavy = {"numpy", "onnxruntime", "tokenizers", "tantivy", "sqlite3", "httpx", "torch"}
    heavy |= {"huggingface_hub", "click", "rich", "docutils", "selectolax", "asyncio"}
    assert loaded & heavy == set()


@pytest.mark.parametrize(
    ("command", "limit"),
    [
        ([sys.executable, "-c", "import samespace"], 0.15),
        ([sys.executable, "-m", "samespace.cli.main", "--help"], 0.5),
    ],
)
def test_starting_is_quick(command: list[str], limit: float) -> None:
    def once(arguments: list[str]) -> float:
        started = time.perf_counter()
        subprocess.run(arguments, check=True, capture_output=True)
        return time.perf_counter() - started

    bare = min(once([sys.executable, "-c", "pass"]) for _ in range(5))
    assert min(once(command) for _ in range(5)) - bare < limit


def test_public_names_are_sorted_and_there() -> None:
    assert samespace.__all__ == sorted(samespace.__all__)
    assert all(getattr(samespace, name) is not None for name in samespace.__all__)


def test_the_library_never_prints() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", f"{path}:{node.lineno}"
