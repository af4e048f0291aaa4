"""The simulator's fault plan as a test writes it, over the control path of a simulator in a process of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

import orjson

from tests.support.simulator import TESTNET, SimulatorProcess

_ANSWERS_S = 60


class Orders(dict[str, dict[str, Any]]):
    """The venue's orders by their ids, and beside them what is set, where the venue tells."""

    settings: dict[str, Any]


class BadDay:
    """What goes wrong at one environment of a simulator, and how it is put right again."""

    def __init__(self, simulator: SimulatorProcess, environment: str = TESTNET) -> None:
        self._simulator = simulator
        self._environment = environment
        self.label = "orderLinkId" if environment.startswith("bybit") else "label"
        """What the venue calls our id of an order."""
        self._id = "orderId" if environment.startswith("bybit") else "order_id"

    def add(self, verb: str, **more: Any) -> int:
        """Let matching requests go wrong from now on; return the rule's number."""
        if verb != "clock_offset":  # the one clock of all venues
            more = {"environment": self._environment, **more}
        number: int = self._call("POST", "/faults", {"verb": verb, **more})["id"]
        return number

    def lift(self, number: int) -> None:
        self._call("DELETE", f"/faults?id={number}")

    @contextmanager
    def day(self, *rules: dict[str, Any]) -> Iterator[None]:
        """Let these rules hold for the length of the block."""
        numbers = [self.add(**rule) for rule in rules]
        try:
            yield
        finally:
            for number in numbers:
                self.lift(number)

    def release(self) -> int:
        """Let held answers go; return how many there were."""
        released: int = self._call("POST", "/release", {})["released"]
        return released

    def drop(self) -> None:
        """Cut the open connections."""
        self._call("POST", "/drop", {"environment": self._environment})

    def let_time_pass(self, seconds: int) -> None:
        """Move the venue's clock on, for good."""
        self.add("clock_offset", ms=seconds * 1000)

    def count(self, method: str) -> int:
        """Return how many requests with this method have been read by the venue."""
        here = self._environment
        count: int = self._call("GET", f"/received?environment={here}&method={method}")[here]["count"]
        return count

    def orders(self) -> Orders:
        """Return every order of the venue by its id."""
        told = self._call("GET", f"/orders?environment={self._environment}")[self._environment]
        orders = Orders((order[self._id], order) for order in told["orders"])
        orders.settings = told.get("settings", {})
        return orders

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else orjson.dumps(body)
        with urlopen(Request(self._simulator.control + path, data=data, method=method), timeout=_ANSWERS_S) as answer:
            found: dict[str, Any] = orjson.loads(answer.read())
        return found
