"""The control path: how a test or an operator asks the simulator what it saw, and makes the world move.

HTTP with JSON bodies, on loopback only, no authentication (it rules play money). Every error is `{"error": "…"}` with
status 400.

- `GET /received?environment=deribit_testnet&method=private/buy` → `{"deribit_testnet": {"count": n, "counts":
  {method: n}, "requests": [{at_ms, method, transport, params}]}}`: every request each environment's server received,
  noted when it had been read and before it had any effect (secrets left out). Both filters are optional; `count` is
  of all matching requests ever, `requests` holds the latest. A method of Bybit is its path: `/v5/order/create`.
- `GET /orders?environment=…` → `{"deribit_testnet": {"orders": [...], "trades": [...]}}`: what the venue knows,
  oldest first.
- `GET /state` → market time, whether it stands, index prices, open connections.
- `POST /market` with any of `{"asset": "BTC", "factor": 1.05, "advance_s": 60, "time_ms": …, "run": true}`: multiply an
  index from now on (all assets if none is named), move time on, jump to a moment, or let a standing clock run.
- `POST /drop` with `{"environment": "deribit_testnet"}` (or none, for all) → `{"dropped": n}`: cut the WebSockets
  (Bybit's HTTP connections) now, as a broken network would.
- `POST /faults` with a rule → `{"id": n}`: from now on matching requests go wrong. A rule is `verb` and, all optional,
  `environment`, `method` (`private/buy`, or `private/*` for all that begin so), `nth` (the first of the matching
  requests that goes wrong, 1) and `times` (how many from there on; all until lifted). The verbs:
  - `refuse`: new connections are cut before anything is said on them (names no method; `POST /drop` ends the old ones)
  - `cut_before`, `cut_after`: the connection is cut after the request was read, before or after its effect
  - `drop_answer`, `answer_twice`, `garbage` (no JSON), `half_answer` (then a cut): effect, and the answer spoiled
  - `answer_late`: effect, and the answer comes after `ms`, or on `POST /release` if no `ms` is given
  - `error` with `code`: the venue's own error, without effect unless `"effect": true`
  - `status` with `status`: an HTTP error, to HTTP requests and (in a rule without method) WebSocket handshakes
  - `silence`: no effect, and nothing is said on that connection any more, heartbeats included, until it ends
  - `rate_limit`: too many requests (Deribit's 10028, and the session is ended; Bybit's 10006 with a reset time)
  - `clock_offset` with `ms`: the clock of all simulated venues is so far off, in stamps and deadlines, until lifted
- `GET /faults` → `{"rules": [...], "held": n}`: the rules, how often each was `seen` and `hit`, and how many
  answers are held back.
- `DELETE /faults` (all) or `DELETE /faults?id=n` → `{"lifted": n}`. What is held stays held.
- `POST /release` → `{"released": n}`: let every held answer go.
- `POST /reset`: no faults, no orders, full balances, no tokens, no requests received, the market as at the start.

A bad day in one line: `curl -d '{"verb":"cut_after","method":"private/buy","times":1}' CONTROL/faults`, and the
next buy happens without the buyer being told.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import orjson
from aiohttp import web

from cerberod.simulator.faults import BadFault, Rule, read_fault
from cerberod.simulator.listening import listening
from cerberod.simulator.market import ASSETS
from cerberod.simulator.world import World

_FARTHEST_MS = 4_000_000_000_000
_WIDEST = 100.0


class ControlServer:
    """The control path's listener."""

    def __init__(self, world: World) -> None:
        self._world = world

    @asynccontextmanager
    async def listen(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve until the context ends; yield the port."""
        app = web.Application(client_max_size=65_536)
        app.router.add_get("/received", self._received)
        app.router.add_get("/orders", self._orders)
        app.router.add_get("/state", self._state)
        app.router.add_post("/market", self._market)
        app.router.add_post("/drop", self._drop)
        app.router.add_get("/faults", self._faults)
        app.router.add_post("/faults", self._add_fault)
        app.router.add_delete("/faults", self._lift_faults)
        app.router.add_post("/release", self._release)
        app.router.add_post("/reset", self._reset)
        async with listening(app, host, port) as bound:
            yield bound

    def _chosen(self, name: object) -> list[str]:
        if name is None:
            return list(self._world.venues)
        if name not in self._world.venues:
            raise _bad(f"environment must be one of {', '.join(self._world.venues)}")
        return [str(name)]

    async def _received(self, request: web.Request) -> web.Response:
        method = request.query.get("method")
        out: dict[str, Any] = {}
        for name in self._chosen(request.query.get("environment")):
            log = self._world.venues[name].received
            counts = dict(log.counts)
            out[name] = {
                "count": sum(counts.values()) if method is None else counts.get(method, 0),
                "counts": counts,
                "requests": [asdict(item) for item in log.latest if method in (None, item.method)],
            }
        return _json(out)

    async def _orders(self, request: web.Request) -> web.Response:
        out: dict[str, Any] = {}
        for name in self._chosen(request.query.get("environment")):
            out[name] = self._world.venues[name].told()
        return _json(out)

    async def _state(self, _request: web.Request) -> web.Response:
        world = self._world
        return _json(
            {
                "time_ms": world.time.now_ms(),
                "standing": world.time.standing,
                "chains": {coin: str(chain.path) for coin, chain in world.chains.items()},
                "index_prices": {coin: world.quotes.index(coin) for coin in ASSETS},
                "connections": {name: server.connections for name, server in world.servers.items()},
            }
        )

    async def _market(self, request: web.Request) -> web.Response:
        body = await _body(request, {"asset", "factor", "advance_s", "time_ms", "run"})
        asset = body.get("asset")
        if asset is not None and asset not in ASSETS:
            raise _bad(f"asset must be one of {', '.join(ASSETS)}")
        factor = _number(body, "factor", 1 / _WIDEST, _WIDEST)
        advance_s = _number(body, "advance_s", 0.0, 1e9)
        time_ms = _number(body, "time_ms", 1.0, _FARTHEST_MS)
        if body.get("run") not in (None, True):
            raise _bad("run must be true")
        if not body:
            raise _bad("name what to move: factor, advance_s, time_ms or run")
        world = self._world
        coins = list(ASSETS) if asset is None else [str(asset)]
        if factor is not None:
            together = [factor * world.market.moved(coin, world.time.now_ms()) for coin in coins]
            if not all(1 / _WIDEST <= moved <= _WIDEST for moved in together):
                raise _bad(f"factor: all moves together must stay within a factor of {_WIDEST:g}")
        if time_ms is not None:
            world.set_time(int(time_ms))
        if advance_s is not None:
            world.set_time(world.time.now_ms() + round(advance_s * 1_000))
        if factor is not None:
            for coin in coins:
                world.move(coin, factor)
        if body.get("run"):
            world.time.run()
        return await self._state(request)

    async def _drop(self, request: web.Request) -> web.Response:
        body = await _body(request, {"environment"})
        names = self._chosen(body.get("environment"))
        return _json({"dropped": sum(self._world.servers[name].drop() for name in names)})

    async def _faults(self, _request: web.Request) -> web.Response:
        faults = self._world.faults
        return _json({"rules": [_told(rule) for rule in faults.plan.rules], "held": faults.held})

    async def _add_fault(self, request: web.Request) -> web.Response:
        body = await _body(request, None)
        try:
            rule = self._world.faults.plan.add(read_fault(body, tuple(self._world.venues)))
        except BadFault as bad:
            raise _bad(str(bad)) from None
        return _json({"id": rule.id})

    async def _lift_faults(self, request: web.Request) -> web.Response:
        given = request.query.get("id")
        if given is not None and not (given.isascii() and given.isdigit() and len(given) < 10):
            raise _bad("id must be the number of a rule")
        return _json({"lifted": self._world.faults.plan.lift(None if given is None else int(given))})

    async def _release(self, request: web.Request) -> web.Response:
        await _body(request, set())
        return _json({"released": self._world.faults.release()})

    async def _reset(self, request: web.Request) -> web.Response:
        await _body(request, set())
        self._world.reset()
        return _json({"reset": True})


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def _bad(text: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=orjson.dumps({"error": text}).decode(), content_type="application/json")


def _told(rule: Rule) -> dict[str, Any]:
    given = {name: value for name, value in asdict(rule.fault).items() if value not in (None, False)}
    return {"id": rule.id, **given, "seen": rule.seen, "hit": rule.hit}


async def _body(request: web.Request, allowed: set[str] | None) -> dict[str, Any]:
    """Read a body; with `allowed` None, what it may hold is judged by whoever reads it on."""
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise _bad("the body must be JSON") from None
    if not isinstance(body, dict):
        raise _bad("the body must be an object")
    unknown = [] if allowed is None else sorted(set(body) - allowed)
    if unknown and allowed is not None:
        raise _bad(f"unknown field {unknown[0]}; allowed: {', '.join(sorted(allowed)) or 'none'}")
    return body


def _number(body: dict[str, Any], name: str, low: float, high: float) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise _bad(f"{name} must be a number from {low:g} to {high:g}")
    return float(value)
