"""The example bot, run through what it is an example for. Whatever happens, the venue gets one order."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.functional.conftest import StartDaemon
from tests.readme.generated import BOT
from tests.support.command import ENDS_S, Cerberod
from tests.support.daemon import Daemon
from tests.support.simulator import LIVE, TESTNET, SimulatorProcess
from tests.support.vps import free_port

MAINNET_TOKEN = "Tk7-readme-mainnet-zR4yB8nH2sLdQe6w"
TOOK = re.compile(r"the venue took the order; its label there is \w+\n")


class Buyer:
    """Runs the bot against one daemon."""

    def __init__(self, cerberod: Cerberod, daemon: Daemon) -> None:
        self._settings = cerberod.settings | {"CERBEROD_URL": daemon.url, "CERBEROD_TOKEN": daemon.token}
        self._folder = cerberod.folder / "work"

    @contextmanager
    def started(self, **settings: str) -> Iterator["subprocess.Popen[str]"]:
        process = subprocess.Popen(
            [sys.executable, str(BOT)],
            cwd=self._folder,
            env={**self._settings, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def __call__(self, **settings: str) -> tuple[int, str, str]:
        with self.started(**settings) as process:
            out, err = process.communicate(timeout=ENDS_S)
        assert "Traceback" not in err, err
        return process.returncode, out, err


@pytest.fixture
def daemon(start_daemon: StartDaemon, simulator: SimulatorProcess) -> Daemon:
    """A daemon on a simulator that outlives it, on a port that stays the same over a restart."""
    return start_daemon("serve", PORT=str(free_port()), MAINNET_TOKEN=MAINNET_TOKEN, **simulator.settings)


@pytest.fixture
def buyer(cerberod: Cerberod, daemon: Daemon) -> Buyer:
    return Buyer(cerberod, daemon)


def test_it_buys_once_however_often_it_is_run(buyer: Buyer, simulator: SimulatorProcess) -> None:
    for _ in range(2):
        status, out, err = buyer()
        assert (status, err) == (0, "")
        assert TOOK.fullmatch(out)
    assert len(simulator.orders(TESTNET)) == 1


def test_it_refuses_the_wrong_environment(buyer: Buyer, simulator: SimulatorProcess) -> None:
    assert buyer(CERBEROD_TOKEN=MAINNET_TOKEN) == (1, "", "this bot is for testnet, and the token is for mainnet\n")
    assert simulator.orders(LIVE) == simulator.orders(TESTNET) == []


def test_it_stops_when_its_token_is_refused(buyer: Buyer) -> None:
    status, out, err = buyer(CERBEROD_TOKEN="Tk7-nobody-has-given-this-token-out-xx")
    assert (status, out) == (1, "")
    assert "not let in" in err


def test_it_learns_what_the_venue_did_not_say(buyer: Buyer, daemon: Daemon, simulator: SimulatorProcess) -> None:
    daemon.announce("connection down")
    simulator.fault("cut_after", method="private/buy", times=1)
    status, out, err = buyer()
    assert (status, err) == (0, "")
    assert out.startswith("no answer from the venue yet")
    assert TOOK.search(out)
    assert len(simulator.orders(TESTNET)) == 1


def test_it_learns_what_became_of_its_order_from_a_daemon_that_was_killed(
    buyer: Buyer, daemon: Daemon, simulator: SimulatorProcess
) -> None:
    simulator.fault("drop_answer", method="private/buy", times=1)
    with buyer.started() as bot:
        while not simulator.received(TESTNET).get("private/buy"):
            assert bot.poll() is None
        daemon.kill()
        daemon.restart()
        out, err = bot.communicate(timeout=ENDS_S)
    assert (bot.returncode, err) == (0, "")
    assert out.startswith("no connection; the same intent is asked for again")
    assert TOOK.search(out)
    assert len(simulator.orders(TESTNET)) == 1


def test_it_tells_why_the_daemon_refused(buyer: Buyer, cerberod: Cerberod, daemon: Daemon) -> None:
    cerberod.settings["STATE_DIR"] = str(daemon.state)
    assert cerberod("halt", "--env", "testnet").returncode == 0
    status, out, err = buyer()
    assert (status, out) == (1, "")
    assert "the daemon refused" in err
    assert "halted" in err
