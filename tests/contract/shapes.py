"""What two JSON answers have in common: their keys and types.

Types are compared as JSON has them; a number may be whole on one side, as the venue mixes them, and null stands where
either side may have no value.
"""

from pathlib import Path
from typing import Any

import orjson


def shape(value: object) -> object:
    """Return keys and types; a list is described by its first item."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if value is None or isinstance(value, bool):
        return type(value).__name__
    return "number" if isinstance(value, int | float) else type(value).__name__


def differences(ours: object, theirs: object, where: str = "") -> list[str]:
    """Return where two shapes differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found = [f"{where}.{key} is only ours" for key in sorted(ours.keys() - theirs.keys())]
        found += [f"{where}.{key} is only theirs" for key in sorted(theirs.keys() - ours.keys())]
        for key in sorted(ours.keys() & theirs.keys()):
            found += differences(ours[key], theirs[key], f"{where}.{key}")
        return found
    if isinstance(ours, list) and isinstance(theirs, list):
        return differences(ours[0], theirs[0], where + "[]") if ours and theirs else []
    if ours == theirs or "NoneType" in (ours, theirs):
        return []
    return [f"{where}: {ours} here, {theirs} there"]


def same(ours: object, theirs: object) -> None:
    assert differences(shape(ours), shape(theirs)) == []


def load(recorded: Path, name: str) -> Any:
    return orjson.loads((recorded / "deribit" / name).read_bytes())
