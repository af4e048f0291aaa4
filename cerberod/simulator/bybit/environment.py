"""One environment of the simulated Bybit (testnet or mainnet): who may call what, and what a call answers.

`serve` is the venue without its sockets: a request as it was read in, an answer out. Checks come in the venue's order:
the route, the signature over the bytes received, the rate limit, the parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from cerberod.clock import Clock
from cerberod.simulator.bybit import account, batches, history, market_data, order_reads, positions, trading
from cerberod.simulator.bybit.auth import check, make_key
from cerberod.simulator.bybit.calls import Call, Method
from cerberod.simulator.bybit.exchange import Exchange
from cerberod.simulator.bybit.limits import Limits, Standing, size_of
from cerberod.simulator.bybit.params import Params
from cerberod.simulator.bybit.wire import (
    PARAMETER,
    TOO_MANY_VISITS,
    Answer,
    Reply,
    VenueError,
    write_refusal,
    write_reply,
)
from cerberod.simulator.holding import Faults
from cerberod.simulator.received import Received, ReceivedLog

_LARGEST_KEPT = 4_096
_LONGEST_NAME = 100

PUBLIC: Final[dict[str, Method]] = {**market_data.ROUTES, **history.ROUTES}
READS: Final[dict[str, Method]] = {**order_reads.ROUTES, **positions.READS, **account.ROUTES}
WRITES: Final[dict[str, Method]] = {**trading.ROUTES, **batches.ROUTES, **positions.WRITES}
BATCHES: Final = frozenset(batches.ROUTES)


@dataclass(frozen=True)
class Request:
    """One HTTP request, read."""

    method: str
    path: str
    query: bytes  # as it stood on the wire, without the question mark
    body: bytes
    headers: Mapping[str, str]
    address: str

    def params(self) -> dict[str, Any]:
        """Return what was asked, or refuse what cannot be read."""
        if self.method == "GET":
            return dict(parse_qsl(self.query.decode("utf-8", "replace"), keep_blank_values=True))
        try:
            body = orjson.loads(self.body or b"{}")
        except orjson.JSONDecodeError:
            raise VenueError(PARAMETER, "Request parameter error.") from None
        if not isinstance(body, dict):
            raise VenueError(PARAMETER, "Request parameter error.")
        return body


class Environment:
    """The key, the limits and the exchange of one environment."""

    def __init__(self, name: str, exchange: Exchange, clock: Clock, seed: int, user_id: int, faults: Faults) -> None:
        self.name = name
        self.faults = faults
        self.exchange = exchange
        self.clock = clock
        self.key = make_key(name, seed, user_id)
        self.limits = Limits()
        self.received = ReceivedLog()

    def refresh(self) -> None:
        """Bring the exchange up to now."""
        self.exchange.refresh()

    def reset(self) -> None:
        """Forget orders, trades, limits spent and requests received."""
        self.exchange.clear()
        self.limits.clear()
        self.received.clear()

    def told(self) -> dict[str, Any]:
        """Return every order and execution the venue knows, oldest first."""
        return self.exchange.told()

    def note(self, request: Request) -> None:
        """Record a request as received; neither its key nor its signature is in its parameters."""
        try:
            params = request.params()
        except VenueError:
            params = {"unreadable": True}
        if len(orjson.dumps(params)) > _LARGEST_KEPT:
            params = {"too_large_to_keep": True}
        self.received.add(Received(self.clock.now_ms(), request.path[:_LONGEST_NAME], "http", params))

    def refuse(self, error: VenueError) -> Answer:
        """Write a refusal that no request made."""
        headers = {}
        if error.code == TOO_MANY_VISITS:
            headers = Standing(size_of("", ""), 0, limited=True).headers(self.exchange.quotes.now_ms())
        return Answer(write_refusal(error, self.exchange.quotes.now_ms()), headers)

    async def answer(self, request: Request) -> Answer:
        """Carry out one request."""
        if not self.limits.admits(request.address, self.clock.monotonic()):
            return Answer(b"access too frequent", status=403)
        if request.method not in ("GET", "POST"):
            return Answer(b"bad request", status=400)
        if request.method == "GET" and request.body:
            return Answer(b"forbidden", status=403)
        expected = "POST" if request.path in WRITES else "GET"
        method = PUBLIC.get(request.path) or READS.get(request.path) or WRITES.get(request.path)
        if method is None or request.method != expected:
            return Answer(b"404 page not found", status=404)
        headers: dict[str, str] = {}
        try:
            if request.path not in PUBLIC:
                payload = request.query if request.method == "GET" else request.body
                check(self.key, request.headers, payload, (self.exchange.quotes.now_ms(), self.clock.now_ms()))
            params = request.params()
            units = 1
            if request.path not in PUBLIC:
                units, standing = self._spend(request.path, params)
                headers = standing.headers(self.exchange.quotes.now_ms())
                if units == 0:
                    raise VenueError(TOO_MANY_VISITS)
            reply = await self._carry_out(method, params, units)
        except VenueError as error:
            return Answer(write_refusal(error, self.exchange.quotes.now_ms()), headers)
        return Answer(write_reply(reply, self.exchange.quotes.now_ms()), headers)

    def _spend(self, path: str, params: dict[str, Any]) -> tuple[int, Standing]:
        category = params.get("category")
        category = category if isinstance(category, str) else ""
        batch = params.get("request") if path in BATCHES else None
        orders = max(1, len(batch)) if isinstance(batch, list) else 1
        wanted = 1 if category == "option" else orders  # an option batch costs one, whatever its length
        given, standing = self.limits.spend(path, category, wanted, self.clock.monotonic())
        return (orders if given and category == "option" else given), standing

    async def _carry_out(self, method: Method, params: dict[str, Any], units: int) -> Reply:
        self.exchange.refresh()
        outcome = method(Call(self.exchange, Params(params), self.key, units))
        return await outcome if isawaitable(outcome) else outcome
