"""One environment of the simulated Deribit (testnet or live): who may call what, and what a call answers.

`Environment.answer` is the venue without its sockets: a request and its caller in, a result or a VenueError out.
`serve` is the one seam every request of every transport passes, from the moment it was read to the moment its answer
is given back; what the fault plan spoils is spoiled there.
"""

import hashlib
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, Final

import orjson

from cerberod.clock import Clock
from cerberod.simulator.deribit.auth import Authority, Key, Token, read_signed_header, token_result
from cerberod.simulator.deribit.combo_methods import READS as COMBOS
from cerberod.simulator.deribit.combo_methods import WRITES as COMBO_WRITES
from cerberod.simulator.deribit.credits import CreditBook
from cerberod.simulator.deribit.disconnecting import METHODS as DISCONNECTING
from cerberod.simulator.deribit.disconnecting import SWITCHES, CancelOnDisconnect
from cerberod.simulator.deribit.exchange import Exchange
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.leg_prices import READS as LEG_PRICES
from cerberod.simulator.deribit.money import ACCOUNT_READS
from cerberod.simulator.deribit.orders import Order, UserTrade
from cerberod.simulator.deribit.params import Params
from cerberod.simulator.deribit.private import METHODS as TRADING
from cerberod.simulator.deribit.public import METHODS as PUBLIC
from cerberod.simulator.deribit.public import Call, Method
from cerberod.simulator.deribit.public_trades import METHODS as PUBLIC_TRADES
from cerberod.simulator.deribit.reports import ORDER_READS
from cerberod.simulator.deribit.series import METHODS as SERIES
from cerberod.simulator.deribit.session import WEBSOCKET_ONLY, Session
from cerberod.simulator.deribit.settlements import METHODS as SETTLEMENTS
from cerberod.simulator.deribit.spoiling import Way
from cerberod.simulator.deribit.spoiling import serve as serve_spoiled
from cerberod.simulator.deribit.subscriptions import METHODS as CHANNEL_METHODS
from cerberod.simulator.deribit.wire import Answer, Request, VenueError, write_answer
from cerberod.simulator.holding import Faults
from cerberod.simulator.received import Received, ReceivedLog

_LARGEST_KEPT = 4_096
_LONGEST_NAME = 100

_RIGHTS: Final[dict[str, tuple[str, str]]] = (
    dict.fromkeys(TRADING | COMBO_WRITES, ("trade", "read_write"))
    | dict.fromkeys(ORDER_READS | LEG_PRICES, ("trade", "read"))
    | dict.fromkeys(ACCOUNT_READS, ("account", "read"))
)
_METHODS: Final[dict[str, Method]] = (
    PUBLIC
    | PUBLIC_TRADES
    | SERIES
    | SETTLEMENTS
    | COMBOS
    | COMBO_WRITES
    | LEG_PRICES
    | TRADING
    | ORDER_READS
    | ACCOUNT_READS
)


@dataclass(frozen=True)
class Caller:
    """Where a request came from: `session` is the WebSocket connection, None over HTTP."""

    address: str
    session: Session | None = None
    authorization: str = ""
    signed_text: str = ""  # METHOD\nURI\nBODY\n of the HTTP request
    from_query: bool = False


class Environment:
    """Keys, tokens, credits and the exchange of one environment."""

    def __init__(
        self, name: str, exchange: Exchange, clock: Clock, seed: int, testnet: bool, faults: Faults | None = None
    ) -> None:
        self.name = name
        self.faults = Faults() if faults is None else faults
        self.exchange = exchange
        self.clock = clock
        self.testnet = testnet
        self.key = _make_key(name, seed)
        self.authority = Authority([self.key])
        self.credits = CreditBook()
        self.received = ReceivedLog()
        self.sessions: set[Session] = set()
        self.cancel_on_disconnect = CancelOnDisconnect()
        exchange.blotter.listener = self._tell

    def reset(self) -> None:
        """Forget orders, trades, tokens, credits spent and requests received; connections stay."""
        self.exchange.clear()
        self.exchange.catalogue.clear()
        self.cancel_on_disconnect = CancelOnDisconnect()
        self.authority.clear()
        self.credits.clear()
        self.received.clear()

    def told(self) -> dict[str, Any]:
        """Return every order and trade the venue knows, oldest first."""
        return {
            "orders": [order.record() for order in self.exchange.blotter.orders.values()],
            "trades": [trade.fields for trade in self.exchange.trades],
        }

    def opened(self, session: Session) -> None:
        """Take in a new connection."""
        session.cancels_on_disconnect = self.cancel_on_disconnect.account
        self.sessions.add(session)

    def closed(self, session: Session) -> None:
        """Let a connection go, with its orders if it was asked to; after a logout they stay."""
        self.sessions.discard(session)
        self.authority.end_connection(session.id)
        if session.cancels_on_disconnect and not session.silenced:
            self.exchange.cancel_connection(session.id)

    def _tell(self, instrument: Instrument, orders: list[Order], trades: list[UserTrade]) -> None:
        for session in self.sessions:
            session.subscriptions.tell(self.exchange, instrument, orders, trades)

    def now_us(self) -> int:
        """Return the real time in microseconds, for usIn and usOut."""
        return round(self.clock.now().timestamp() * 1_000_000)

    async def serve(self, request: Request, caller: Caller, way: Way) -> None:
        """Take one request that was read, and send its answer: every request of this venue passes here."""
        us_in = self.now_us()
        self.note(request, caller)

        def written(outcome: Any) -> Answer:
            return write_answer(request, outcome, us_in=us_in, us_out=self.now_us(), testnet=self.testnet)

        async def act() -> Answer | None:
            outcome = await self.answer(request, caller)
            # A logout is never answered.
            return None if caller.session is not None and caller.session.silenced else written(outcome)

        fault = self.faults.plan.at_request(self.name, request.method, http=caller.session is None)
        await serve_spoiled(fault, way, act, written, self.faults)

    def note(self, request: Request, caller: Caller) -> None:
        """Record a request as received, with secrets left out."""
        params = {
            k: v for k, v in request.params.items() if k not in ("client_secret", "access_token", "refresh_token")
        }
        if len(orjson.dumps(params)) > _LARGEST_KEPT:
            params = {"too_large_to_keep": True}
        transport = "websocket" if caller.session is not None else "http"
        self.received.add(Received(self.clock.now_ms(), request.method[:_LONGEST_NAME], transport, params))

    def refuse(self, error: VenueError) -> Answer:
        """Write the answer to something that could not be read as a request."""
        now = self.now_us()
        return write_answer(error.request, error, us_in=now, us_out=now, testnet=self.testnet)

    async def answer(self, request: Request, caller: Caller) -> Any:
        """Return the result, or the VenueError, of one request."""
        try:
            outcome = self._answer(request, caller)
            return await outcome if isawaitable(outcome) else outcome
        except VenueError as error:
            if error.code == 10028 and caller.session is not None:
                caller.session.end()
            return error

    def _answer(self, request: Request, caller: Caller) -> Any:
        name, session, now_s = request.method, caller.session, self.clock.monotonic()
        params = Params(request.params, caller.from_query)
        token = self._token(request, caller, now_s)
        payer = token.account if token is not None else f"address {caller.address}"
        if not self.credits.spend(payer, name, params.has("currency"), now_s):
            raise VenueError(10028)
        if name in WEBSOCKET_ONLY or name in CHANNEL_METHODS:
            if session is None:
                raise VenueError(10030)
            if name.startswith("private/"):
                self._demand(token, request, caller, now_s)
            if name in CHANNEL_METHODS:
                reads_trades = token is not None and token.allows("trade", "read")
                return session.subscriptions.call(name, params, self.exchange, reads_trades)
            return session.call(name, params, self.authority, now_s)
        if name in DISCONNECTING:
            level = "read_write" if name in SWITCHES else "read"
            if not self._demand(token, request, caller, now_s).allows("account", level):
                raise VenueError(13009, data={"reason": "scope"})
            return self.cancel_on_disconnect.call(name, params, session)
        if name == "public/auth":
            return self._auth(params, session, now_s)
        if name == "public/test" and session is not None:
            session.heard_test()
        method = _METHODS.get(name)
        if method is None:
            raise VenueError(-32601)
        if name in _RIGHTS:
            area, level = _RIGHTS[name]
            if not self._demand(token, request, caller, now_s).allows(area, level):
                raise VenueError(13009, data={"reason": "scope"})
            self.exchange.refresh()
        return method(Call(self.exchange, params, None if session is None else session.id))

    # Who is calling

    def _token(self, request: Request, caller: Caller, now_s: float) -> Token | None:
        """Return the caller's token if there is a good one; a bad one is only refused where one is needed."""
        try:
            return self._demand(None, request, caller, now_s)
        except VenueError:
            return None

    def _demand(self, token: Token | None, request: Request, caller: Caller, now_s: float) -> Token:
        """Return the caller's token, or refuse."""
        if token is not None:
            return token
        connection = None if caller.session is None else caller.session.id
        given = request.params.get("access_token")
        if given is not None:
            return self.authority.check(given, connection, now_s)
        if caller.session is not None:
            return self.authority.check(caller.session.access_token, connection, now_s)
        scheme, _, rest = caller.authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self.authority.check(rest.strip(), None, now_s)
        if scheme.lower() == "basic":
            return self._passing(self.authority.by_basic(rest.strip()), now_s)
        if scheme.lower() == "deri-hmac-sha256":
            parts = read_signed_header(rest)
            key = self.authority.by_signature(
                parts.get("id"),
                parts.get("ts"),
                parts.get("nonce"),
                parts.get("sig"),
                caller.signed_text,
                self._clocks(),
            )
            return self._passing(key, now_s)
        raise VenueError(13009, data={"reason": "invalid_token"})

    def _passing(self, key: Key, now_s: float) -> Token:
        """Return a token for one request, which nobody keeps."""
        token = self.authority.grant(key, None, None, now_s)
        self.authority.end(token)
        return token

    def _clocks(self) -> tuple[int, int]:
        return self.clock.now_ms(), self.exchange.quotes.now_ms()

    def _auth(self, params: Params, session: Session | None, now_s: float) -> dict[str, object]:
        raw = params.raw
        grant = params.choice("grant_type", ("client_credentials", "client_signature", "refresh_token"))
        connection = None if session is None else session.id
        if grant == "client_credentials":
            token = self.authority.grant(
                self.authority.by_secret(raw.get("client_id"), raw.get("client_secret")),
                raw.get("scope"),
                connection,
                now_s,
            )
        elif grant == "client_signature":
            data = params.text("data") or ""
            key = self.authority.by_signature(
                raw.get("client_id"),
                raw.get("timestamp"),
                raw.get("nonce", ""),
                raw.get("signature"),
                data,
                self._clocks(),
            )
            token = self.authority.grant(key, raw.get("scope"), connection, now_s)
        elif grant == "refresh_token":
            token = self.authority.refresh(raw.get("refresh_token"), connection, now_s)
        else:
            raise VenueError(-32602, data={"reason": "value required", "param": "grant_type"})
        if session is not None:
            session.access_token = token.access
        result = token_result(token)
        state = params.text("state")
        return result if state is None else result | {"state": state}


def _make_key(environment: str, seed: int) -> Key:
    """Make the environment's one key: play money on loopback, the same for one seed so that scripts can name it."""
    digest = hashlib.sha256(f"cerberod simulator {environment} {seed}".encode()).hexdigest()
    return Key(client_id=f"sim{digest[:8]}", client_secret=digest[8:51], account=f"{environment}-main")
