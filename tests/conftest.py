"""Settings every test shares: options, one event loop flavour, and where recorded venue answers lie."""

from collections.abc import Generator, Iterator
from decimal import getcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.guards import no_blocking_calls, only_loopback

RECORDED = Path(__file__).resolve().parents[2] / "shared" / "recorded"


# The same examples every time, so that a red run is red again; `scripts/fuzz.sh` looks for new ones.
# How long drawing them takes tells of the machine alone.
settings.register_profile(
    "suite", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("fuzz", deadline=None, max_examples=500, suppress_health_check=list(HealthCheck))
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cerberod")
    group.addoption("--kills", type=int, default=0, help="how often to kill a daemon whose bots trade; a few if 0")
    group.addoption("--every-point", action="store_true", help="kill every write at every point; else at some, in turn")
    group.addoption("--schedules", type=int, default=0, help="how many random schedules to play; a few if 0")
    group.addoption("--load", type=int, default=1, help="how many times the suite's size load tests take")
    group.addoption("--seed", type=int, default=1, help="where chance begins in tests that take one")


def pytest_make_parametrize_id(config: pytest.Config, val: object) -> str | None:
    """Name a case by what can be sent to another process: some texts here are no Unicode text."""
    return ascii(val) if isinstance(val, str) and not val.isascii() else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell what a test printed and logged in a form that can be sent to another process, for the same reason."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(scope="session", autouse=True)
def guards() -> Iterator[None]:
    """Nothing of ours blocks the event loop, and nothing leaves this machine."""
    with no_blocking_calls(), only_loopback():
        yield


@pytest.fixture(autouse=True)
def rounding() -> Iterator[None]:
    """Decimals are rounded after a test as before it: ccxt changes that for the whole process when it formats one."""
    context = getcontext()
    before = context.rounding
    yield
    context.rounding = before


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if RECORDED.is_dir():
        return
    absent = pytest.mark.skip(reason="recorded venue answers (../shared/recorded) are not beside this checkout")
    for item in items:
        if "recorded" in item.keywords:
            item.add_marker(absent)


@pytest.fixture
def recorded() -> Path:
    """The folder of recorded venue answers; only for tests marked `recorded`."""
    return RECORDED
