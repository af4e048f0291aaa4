"""Daemons for functional tests: the real command, whose traces are examined when it has ended."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.command import Cerberod
from tests.support.daemon import Daemon
from tests.support.simulator import SimulatorProcess


class StartDaemon(Protocol):
    """Starts a daemon and waits until it serves."""

    def __call__(
        self, *arguments: str, ready: bool = True, module: str = "cerberod", **settings: str | None
    ) -> Daemon: ...


def _starter(folder: Path) -> Iterator[StartDaemon]:
    daemons: list[Daemon] = []

    def start(*arguments: str, ready: bool = True, module: str = "cerberod", **settings: str | None) -> Daemon:
        """`settings` are variables of its environment; None takes one away that every daemon here is given."""
        own = folder / f"daemon-{len(daemons)}"
        daemon = Daemon(own, *(arguments or ("serve", "--sim")), settings=settings, module=module)
        daemons.append(daemon)
        if ready:
            daemon.wait_ready()
        return daemon

    try:
        yield start
        for daemon in daemons:
            daemon.stop()
    finally:
        for daemon in daemons:
            daemon.kill()
    for daemon in daemons:
        daemon.check()


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[StartDaemon]:
    """Start daemons that end with the test: `start_daemon("serve", "--sim", LOG_LEVEL="debug")`."""
    yield from _starter(tmp_path)


@pytest.fixture
def daemon(start_daemon: StartDaemon) -> Daemon:
    """A fresh `serve --sim` of this test's own."""
    return start_daemon()


@pytest.fixture
def cerberod(tmp_path: Path) -> Cerberod:
    """Commands that know nothing of any daemon."""
    return Cerberod(tmp_path / "client")


@pytest.fixture(scope="session")
def shared_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One `serve --sim` for all tests that do not mind each other's calls."""
    starter = _starter(tmp_path_factory.mktemp("shared"))
    yield next(starter)()
    for _ in starter:
        raise AssertionError("a starter yields once")


@pytest.fixture(scope="session")
def simulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    """One simulator for every test that lets daemons trade on it; see `simulator`."""
    running = SimulatorProcess(tmp_path_factory.mktemp("simulator") / "work")
    yield running
    running.kill()
    assert running.stderr.data == b""


@pytest.fixture
def simulator(simulator_process: SimulatorProcess) -> SimulatorProcess:
    """The simulator as a process of its own, with nobody's orders in it."""
    simulator_process.reset()
    return simulator_process
