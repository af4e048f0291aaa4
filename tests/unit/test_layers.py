"""The direction of imports, held against the code: the table is written here and nowhere else."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "cerberod"

BASE = {"errors", "clock", "ids", "logs", "settings", "state", "sdnotify"}
MAY_IMPORT: dict[str, set[str]] = {
    # Every part may import itself and the package's own `__init__`.
    "errors": set(),
    "clock": set(),
    "ids": set(),
    "settings": {"ids"},
    "state": set(),
    "sdnotify": set(),
    "stopping": set(),
    "logs": {"clock", "settings"},
    "analytics": {"errors"},
    "audit": {"clock", "ids"},
    "rpc": {"errors", "clock", "ids", "logs"},
    "trading": {"errors", "clock", "ids", "logs", "rpc", "audit"},
    "transport": {"errors", "clock", "ids", "logs", "settings", "rpc"},
    "venues": {"errors", "clock", "ids", "logs", "settings", "rpc", "trading", "analytics", "calculation"},
    "calculation": {"errors", "rpc", "analytics"},
    "simulator": {"clock", "analytics"},
    "lag": {"clock"},
    "metrics": {"rpc"},
    "vitals": {"clock", "ids", "lag", "logs", "metrics", "rpc", "trading", "transport", "venues"},
    "introspection": {"clock", "errors", "ids", "rpc", "audit", "trading", "transport", "venues"},
    "reloading": {"audit", "ids", "logs", "settings", "trading", "transport"},
    "watchdog": {"clock"},
    "migration": {"ids", "settings"},
    "app": {"*"},
    "daemon": {"*"},
    "cli": {"*"},
    "__main__": {"cli"},
    "client": {"clock"},
    "console": {"errors"},
    "arguments": set(),
    "grammar": set(),
    "reference": {"console", "rpc"},
}
THIRD_PARTIES: dict[str, set[str]] = {
    "errors": set(),
    "clock": set(),
    "ids": set(),
    "state": set(),
    "sdnotify": set(),
    "stopping": {"anyio"},
    "settings": {"pydantic"},
    "logs": {"orjson"},
    "analytics": {"numpy", "scipy", "statsmodels"},
    "audit": {"orjson"},
    "rpc": {"anyio", "jsonrpcserver", "orjson", "pydantic", "pydantic_core"},
    "trading": {"anyio", "orjson", "pydantic", "pydantic_core"},
    "transport": {"aiohttp", "anyio", "orjson", "websockets", "multidict", "yarl"},
    "venues": {"aiohttp", "anyio", "orjson", "pybit", "pydantic", "pydantic_core", "websockets", "yarl"},
    "calculation": {"anyio", "numpy", "pydantic"},
    "simulator": {"aiohttp", "anyio", "numpy", "orjson", "scipy"},
    "lag": {"anyio"},
    "metrics": {"prometheus_client"},
    "vitals": {"prometheus_client"},
    "introspection": {"pydantic"},
    "reloading": {"anyio"},
    "watchdog": {"anyio"},
    "migration": {"orjson"},
    "app": {"anyio", "orjson", "prometheus_client"},
    "daemon": {"anyio", "orjson"},
    "cli": {"anyio", "orjson"},
    "__main__": set(),
    "client": {"orjson", "websockets"},
    "console": {"orjson"},
    "arguments": {"orjson"},
    "grammar": set(),
    "reference": {"orjson"},
}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}


def parts() -> list[str]:
    names = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir()}
    return sorted(names - {"__init__", "__pycache__", "py"})


def files(part: str) -> list[Path]:
    folder = PACKAGE / part
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{part}.py"]


def imported(path: Path) -> Iterator[str]:
    """Yield every module a file imports, at whatever depth; relative imports are not used here."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=module, level=0, names=names):
                assert module is not None
                if module == "cerberod":
                    yield from (f"cerberod.{name.name}" for name in names)
                else:
                    yield module
            case ast.ImportFrom():
                raise AssertionError(f"{path}: relative import")


def test_the_table_names_every_part() -> None:
    assert parts() == sorted(MAY_IMPORT)
    assert sorted(THIRD_PARTIES) == sorted(MAY_IMPORT)


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_a_part_imports_only_what_lies_below_it(part: str) -> None:
    allowed = MAY_IMPORT[part]
    if "*" in allowed:
        return
    for path in files(part):
        for module in imported(path):
            if module.startswith("cerberod."):
                target = module.split(".")[1]
                known = target in {*allowed, part, "__version__"}
                assert known, f"{path.relative_to(PACKAGE)} imports {module}"


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_a_part_uses_only_its_third_parties(part: str) -> None:
    for path in files(part):
        for module in imported(path):
            top = module.split(".")[0]
            if top == "cerberod" or top in sys.stdlib_module_names:
                continue
            assert top in THIRD_PARTIES[part], f"{path.relative_to(PACKAGE)} imports {module}"


def test_venues_never_import_each_other() -> None:
    venues = [folder for folder in (PACKAGE / "venues").iterdir() if folder.is_dir() and folder.name != "__pycache__"]
    assert venues
    for venue in venues:
        others = {other.name for other in venues} - {venue.name}
        for path in venue.rglob("*.py"):
            for module in imported(path):
                assert module.split(".")[1:3] not in [["venues", other] for other in others], f"{path}: {module}"


def test_only_one_file_knows_jsonrpcserver() -> None:
    users = [path.name for path in PACKAGE.rglob("*.py") if "jsonrpcserver" in set(imported(path))]
    assert users == ["library.py"]


def test_no_module_is_named_after_nothing() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert path.stem not in FORBIDDEN_NAMES, path
