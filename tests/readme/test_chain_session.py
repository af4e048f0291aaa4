"""The volatility trader's session of the README, typed as it stands. Its chain never changes, nor do its numbers."""

import re
from pathlib import Path

import orjson
import pytest

from tests.functional.conftest import StartDaemon
from tests.readme.document import ROOT
from tests.readme.likeness import MORE
from tests.readme.test_sessions import replayed
from tests.support.chains import build
from tests.support.command import Cerberod

CHAIN = ROOT / "tests" / "readme" / "chain.json"
_NUMBER = re.compile(r"-?\d+(\.\d+)?,?")


def test_the_chain_is_the_one_that_tests_construct() -> None:
    assert orjson.loads(CHAIN.read_bytes())["result"] == build()


def exactly(shown: str, output: str) -> str | None:
    """Compare lines word by word, numbers to nine digits; `…` stands for lines, or for the rest of one."""
    left = [line.split() for line in output.splitlines() if line.strip()]
    skipping = False
    for line in shown.splitlines():
        words = line.split()
        if words == [MORE]:
            skipping = True
            continue
        if not words:
            continue
        while left and not _same(words, left[0]) and skipping:
            left.pop(0)
        if not left or not _same(words, left[0]):
            return f"not printed: {line}\n--- came\n{output}"
        left.pop(0)
        skipping = False
    return f"not shown: {left[0]}" if left and not skipping else None


def _same(shown: list[str], real: list[str]) -> bool:
    if shown[-1:] == [MORE]:
        shown, real = shown[:-1], real[: len(shown) - 1]
    return len(shown) == len(real) and all(_equal(a, b) for a, b in zip(shown, real, strict=True))


def _equal(shown: str, real: str) -> bool:
    if _NUMBER.fullmatch(shown) and _NUMBER.fullmatch(real):
        return float(shown.rstrip(",")) == pytest.approx(float(real.rstrip(",")), rel=1e-9)
    return shown == real


@pytest.mark.parametrize(
    ("shown", "output", "same"),
    [
        ("a 1.5\n…\nb 2", "a 1.5000000000001\nx 7\nb 2", True),
        ("a 1.5", "a 1.51", False),
        ("a …", "a 1 2 3", True),
        ("a 1", "a 1\nb 2", False),
        ("…\nc 3", "a 1\nb 2", False),
        ("a 1\n…", "a 1\nb 2", True),
    ],
)
def test_sessions_are_compared_by_words_and_numbers(shown: str, output: str, same: bool) -> None:
    assert (exactly(shown, output) is None) is same


def test_the_chain_is_read_as_shown(cerberod: Cerberod, start_daemon: StartDaemon) -> None:
    daemon = start_daemon("serve", "--sim", "--sim-chain", str(CHAIN))
    at_daemon = {"CERBEROD_URL": daemon.url, "CERBEROD_TOKEN": daemon.token}
    replayed("console chain", Path(cerberod.folder), {**cerberod.settings, **at_daemon}, {}, exactly)
