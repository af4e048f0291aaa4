"""What the real Bybit answered, where it is beside the repository."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

FOLDER = Path(__file__).parents[4].parent / "shared" / "recorded" / "bybit"


def recorded(test: Any) -> Any:
    """Mark a test that reads recorded answers; it is skipped where there are none."""
    absent = pytest.mark.skipif(not FOLDER.is_dir(), reason="the recorded data is not beside the repository")
    return pytest.mark.recorded(absent(test))


def held(name: str) -> Any:
    """Return one file."""
    return orjson.loads((FOLDER / name).read_bytes())


def answers(endpoint: str) -> Iterator[dict[str, Any]]:
    """Yield the recorded results of one endpoint, and those of its documentation."""
    for each in held("rest_ccxt_recorded.json"):
        if each["endpoint"] == endpoint:
            yield each["response"]["result"]
    for page in held("docs_rest_examples.json").values():
        if page["endpoint"] == endpoint:
            yield from (example["result"] for example in page["examples"] if example.get("result"))
