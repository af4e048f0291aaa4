"""One environment's Bybit over signed HTTP: what is asked, when, how often, and in whose time.

pybit says what a request looks like; it is sent here, once. Reads that failed without harm are asked again within their
deadline; writes never are. Requests are stamped in the venue's time, because a stamp a second ahead is refused whatever
the window says.
"""

import hashlib
import logging
import math
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus

from cerberod.clock import Clock
from cerberod.errors import (
    BadVenueData,
    ConnectionLost,
    DeadlinePassed,
    NoKeys,
    RpcError,
    UpstreamError,
    VenueDown,
    VenueRefused,
)
from cerberod.ids import Environment
from cerberod.rpc.call import Tally, current_tally
from cerberod.settings import Limits, Secret, UpstreamSettings
from cerberod.venues.backoff import Backoff, Chance
from cerberod.venues.bybit.bounds import Bounds
from cerberod.venues.bybit.errors import (
    KEY_REFUSED,
    READ_AGAIN,
    TIMESTAMP,
    TOO_MANY_VISITS,
    VENUE,
    Effect,
    known,
    refusal,
)
from cerberod.venues.bybit.instruments import Name, fetch_instrument, name_of
from cerberod.venues.bybit.limits import counts_each
from cerberod.venues.bybit.line import Place
from cerberod.venues.bybit.pacing import BANNED, Pacing
from cerberod.venues.bybit.wire import envelope
from cerberod.venues.bybit.wire.envelope import Answer
from cerberod.venues.bybit.wire.instruments import Instrument
from cerberod.venues.coalesce import Coalescer
from cerberod.venues.health import VenueStatus
from cerberod.venues.instrument_book import InstrumentBook
from cerberod.venues.sending import Marked, Watched
from cerberod.venues.venue_time import VenueTime

if TYPE_CHECKING:
    from cerberod.venues.bybit.sdk import Asked, Endpoints
    from cerberod.venues.http import HttpAnswer, HttpLink

__all__ = ["Bybit"]

logger = logging.getLogger("cerberod.venues.bybit")

WINDOW_MS = 5_000
"""How long after its stamp a request may still be taken by the venue."""
_RETRIES = 2
_FIRST_RETRY_S = 0.1
_PROBE_SHARE = 0.9
_KEY_AGAIN_S = 30.0
_NO_EFFECT_STATUS = frozenset({400, 401, 403, 404, 405})
"""HTTP statuses by which the venue says that a request was not taken."""
_TROUBLE = frozenset({429, *range(500, 600)})
"""HTTP statuses that say more about the venue than about the request."""


class Bybit:
    """One environment's Bybit. Start `run` in a task group; then `read` and `write`."""

    def __init__(
        self,
        *,
        url: str,
        environment: Environment,
        api_key: Secret | None,
        api_secret: Secret | None,
        clock: Clock,
        read_deadline_s: float = 10.0,
        write_deadline_s: float = 15.0,
        chance: Chance | None = None,
    ) -> None:
        """Make a client; nothing is connected yet."""
        self.environment = environment
        self._api_key, self._api_secret = api_key, api_secret
        self._clock = clock
        self._read_deadline_s = read_deadline_s
        self._write_deadline_s = write_deadline_s
        self._chance = chance or secrets.SystemRandom().random
        self._url = url
        self._link: HttpLink | None = None
        self._time = VenueTime()
        self._coalescer = Coalescer()
        self.pacing = Pacing(clock)
        self._endpoints: Endpoints | None = None
        self._latency_ms: float | None = None
        self._failure: str | None = "not_asked_yet"
        self._losses = 0
        self._used = False
        self._key_refusal: str | None = None
        self._key_taken = False
        self._key_asked_at = -math.inf
        self._loading = anyio.Lock()
        self._running = False
        self._loaded = anyio.Event()
        self._alarmed: set[str] = set()
        self.instruments: InstrumentBook[Name, Instrument] = InstrumentBook(self._fetch_instrument, name_of, clock)
        self.bounds = Bounds(self.read, clock)

    @classmethod
    def configured(cls, upstream: UpstreamSettings, limits: Limits, clock: Clock) -> "Bybit":
        """Make the client that the settings describe."""
        keys = upstream.credentials or {}
        return cls(
            url=upstream.url,
            environment=upstream.environment,
            api_key=keys.get("api_key"),
            api_secret=keys.get("api_secret"),
            clock=clock,
            read_deadline_s=limits.read_deadline_s,
            write_deadline_s=limits.write_deadline_s,
        )

    # -- who and when --------------------------------------------------------------------------------------------------

    @property
    def account(self) -> str:
        """A name for the account our key belongs to, stable and not secret. Raises `NoKeys` without keys."""
        if self._api_key is None:
            raise NoKeys(VENUE)
        return "key-" + hashlib.sha256(b"bybit key" + self._api_key.reveal().encode()).hexdigest()[:16]

    @property
    def write_valid_ms(self) -> int:
        """How long after its stamp a write may still be taken by the venue."""
        return min(WINDOW_MS, round(self._write_deadline_s * 1000))

    @property
    def write_over_ms(self) -> int:
        """How long from now on a write that is prepared now may still be taken by the venue."""
        return round(self._write_deadline_s * 1000) + self.write_valid_ms

    @property
    def offset_ms(self) -> float | None:
        """Bybit's clock minus ours; None before the first answer."""
        return self._time.offset_ms(self._clock.monotonic(), self._clock.now_ms())

    @property
    def clock_is_steady(self) -> bool:
        """Tell whether the venue's time is known, from a clock that has not jumped a moment ago."""
        return self._time.steady

    def now(self) -> datetime:
        """Return our own wall time, as records have it."""
        return self._clock.now()

    def venue_ms(self) -> int:
        """Return Bybit's time in milliseconds since 1970, ours until its first answer."""
        theirs = self._time.now_ms(self._clock.monotonic())
        return self._clock.now_ms() if theirs is None else theirs

    def alarms_first(self, link_id: str) -> bool:
        """Tell whether this link id is alarmed about for the first time, so that polling does not fill the log."""
        first = link_id not in self._alarmed
        self._alarmed.add(link_id)
        return first

    async def clock_objection(self) -> str | None:
        """Tell why no order can be stamped in the venue's time now, or None. Raises `VenueDown`."""
        for _ in range(3):  # a clock that has jumped is steady again once answers agree
            if self._time.steady:
                return None
            with suppress(BadVenueData, VenueRefused, ConnectionLost):
                await self.read("get_server_time", urgent=True)
        return self._time.objection

    @property
    def in_use(self) -> bool:
        """Tell whether it has keys or has been asked something; until then nothing is sent to the venue."""
        return self._api_key is not None or self._used

    # -- life ----------------------------------------------------------------------------------------------------------

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Learn the venue's time and try the key as soon as requests can be made, then wait to be cancelled."""
        self._running = True
        try:
            task_status.started()
            await self._loaded.wait()
            if self._api_key is not None:
                with suppress(RpcError):
                    await self.read("get_server_time", urgent=True)
                    await self._try_key()
            await anyio.sleep_forever()
        finally:
            self._running = False

    async def prepare(self) -> None:
        """Load pybit and the HTTP client where there are keys; else, or without this, the first request does."""
        if self._api_key is not None:
            await self._sdk()

    async def aclose(self) -> None:
        """Close the connections. What waits for an answer ends with `ConnectionLost`."""
        self._running = False
        if self._link is not None:
            await self._link.aclose()

    async def probe(self, timeout_s: float) -> VenueStatus:
        """Ask the venue for a sign of life and return the status after it, within the time given."""
        try:
            with anyio.fail_after(timeout_s * _PROBE_SHARE):
                await self.read("get_server_time", urgent=True)
                with suppress(VenueRefused):
                    await self._try_key()
        except TimeoutError:
            return self._unhealthy("no_answer")
        except RpcError as error:
            return self._unhealthy(str(error.data.get("reason", "no_usable_answer")))
        return self.status()

    async def _try_key(self) -> None:
        """Find out whether the venue takes our key, where no answer has told yet; not more than twice a minute."""
        now = self._clock.monotonic()
        if self._api_key is None or self._key_taken or now - self._key_asked_at < _KEY_AGAIN_S:
            return
        self._key_asked_at = now
        await self.read("get_account_info", urgent=True)

    def status(self) -> VenueStatus:
        """Tell how this client is, without asking the venue."""
        offset = self.offset_ms
        connected = self._failure is None
        reason = self._failure or self._key_refusal
        return VenueStatus(
            exchange=VENUE,
            env=self.environment,
            healthy=reason is None,
            latency_ms=None if self._latency_ms is None else round(self._latency_ms, 3),
            reason=reason or self._time.trouble(self._clock.monotonic(), self._clock.now_ms()),
            connected=connected,
            authenticated=connected and self._key_taken,
            reconnects=self._losses,
            late_answers=0,
            offset_ms=None if offset is None else round(offset, 3),
            credits_left=self.pacing.left(),
        )

    # -- asking --------------------------------------------------------------------------------------------------------

    async def read(self, call: str, *, urgent: bool = False, **params: Any) -> Answer:
        """Ask a question, named as pybit names it, and return its answer. Equal questions in flight are asked once.

        An urgent one does not wait for credit and is not repeated. Raises `NoKeys`, `VenueDown`, `ConnectionLost`,
        `DeadlinePassed`, `VenueRefused`, `BadVenueData`.
        """
        if not self._running:
            raise VenueDown(VENUE, "closed")
        asked = await self._asked(call, params)
        key = (asked.path, asked.payload, urgent)
        return await self._coalescer.fetch(key, lambda: self._read(asked, params.get("category"), urgent))

    async def write(
        self, call: str, params: dict[str, Any], sent: Marked, *, within_s: float = math.inf, in_line: bool = False
    ) -> Answer:
        """Send a write, once, and return its answer. A batch stands `in_line` and has its credit (see `line_up`).

        `sent` is marked just before the first byte. A code that says "already as asked" is an answer like success.
        Raises what `read` raises; before the mark nothing has left, after it the outcome is the venue's to tell.
        """
        if not self._running:
            raise VenueDown(VENUE, "closed")
        asked = await self._asked(call, dict(params))
        watched = Watched(sent)
        category = params.get("category")

        async def attempt() -> Answer:
            if in_line:
                await self.pacing.signed(asked.path)
            else:
                await self._pace(asked, category)
            return await self._exchange(asked, category, watched)

        return await self._within(min(within_s, self._write_deadline_s), attempt, watched)

    async def line_up(self, call: str, category: str, orders: int, *, eager: bool) -> AbstractContextManager[Place]:
        """Return what takes a place in line for the orders of a batch; see `Line.join`. Raises `NoKeys`."""
        asked = await self._asked(call, {"category": category, "request": []})
        return self.pacing.line(asked.path, category).join(orders, counted=counts_each(category), eager=eager)

    async def _fetch_instrument(self, name: Name) -> Instrument:
        return await fetch_instrument(self.read, name)

    async def _asked(self, call: str, params: dict[str, Any]) -> "Asked":
        """Return the request as pybit makes it. Raises `NoKeys` where one is private and there are no keys."""
        endpoints = self._endpoints or await self._sdk()
        asked: Asked = getattr(endpoints, call)(**params)
        if asked.private and self._api_key is None:
            raise NoKeys(VENUE)
        return asked

    async def _sdk(self) -> "Endpoints":
        async with self._loading:
            endpoints = self._endpoints
            if endpoints is None:
                # pybit and an HTTP client take half a second to import, which daemons that never ask are spared.
                loaded: tuple[Endpoints, HttpLink] = await anyio.to_thread.run_sync(self._load)
                endpoints, self._link = loaded
                self._endpoints = endpoints
                self._loaded.set()
        return endpoints

    def _load(self) -> "tuple[Endpoints, HttpLink]":
        from cerberod.venues.bybit.sdk import Endpoints
        from cerberod.venues.http import HttpLink

        key = None if self._api_key is None else self._api_key.reveal()
        return Endpoints(key, self._api_secret), HttpLink(VENUE, self._url)

    async def _read(self, asked: "Asked", category: str | None, urgent: bool) -> Answer:
        watched = Watched(None)

        async def attempt() -> Answer:
            again = Backoff(self._chance, first_s=_FIRST_RETRY_S)
            while True:
                try:
                    await self._pace(asked, category, urgent=urgent)
                    return await self._exchange(asked, category, watched)
                except UpstreamError as failure:
                    if urgent or not self._running or again.failures >= _RETRIES or not _passes(failure):
                        raise
                await anyio.sleep(again.next_s())

        return await self._within(self._read_deadline_s, attempt, watched)

    async def _within(self, seconds: float, attempt: Callable[[], Awaitable[Answer]], watched: Watched) -> Answer:
        with anyio.move_on_after(seconds):
            return await attempt()
        if watched.marked:
            self._failure = "no_answer"
        raise DeadlinePassed(VENUE, sent=watched.marked)

    async def _pace(self, asked: "Asked", category: str | None, *, urgent: bool = False) -> None:
        if asked.private:
            await self.pacing.private(asked.path, category, urgent=urgent)
        else:
            await self.pacing.public(urgent=urgent)

    def _learn_key(self, code: int) -> None:
        if code in KEY_REFUSED:
            self._key_refusal, self._key_taken = known(code).word, False
        elif code == 0:
            self._key_refusal, self._key_taken = None, True

    # -- one exchange --------------------------------------------------------------------------------------------------

    async def _exchange(self, asked: "Asked", category: str | None, watched: Watched) -> Answer:
        assert self._endpoints is not None, "a request was made of them"
        assert self._link is not None, "it came with them"
        self._used = True
        posts = asked.method == "POST"
        headers = {"Content-Type": "application/json"} if posts else {}
        if asked.private:
            headers |= self._endpoints.sign(asked, self.venue_ms(), self.write_valid_ms if posts else WINDOW_MS)
        tally = current_tally.get() or Tally()
        began, before = self._clock.monotonic(), watched.marks
        try:
            answer = await self._link.exchange(
                asked.method,
                asked.path,
                "" if posts else asked.payload,
                asked.payload.encode() if posts else None,
                headers,
                watched,
            )
        except (ConnectionLost, VenueDown) as failure:
            self._losses += isinstance(failure, ConnectionLost)
            self._failure = str(failure.data["reason"])
            raise
        finally:
            if watched.marks > before:
                tally.calls += watched.marks - before
                tally.seconds += self._clock.monotonic() - began
        return self._judge(asked, category, answer, began)

    def _judge(self, asked: "Asked", category: str | None, answer: "HttpAnswer", began: float) -> Answer:
        """Turn what came back into an answer, or raise what it means."""
        ended = self._clock.monotonic()
        if answer.status == 403:
            # Too many requests from this address, or an address the venue does not serve.
            self.pacing.ban()
            self._failure = BANNED
        elif answer.status in _TROUBLE:
            self._failure = f"http_{answer.status}"
        if answer.status != 200:
            raise VenueRefused(
                VENUE,
                f"http_{answer.status}",
                "http_status",
                effect_possible=asked.method == "POST" and answer.status not in _NO_EFFECT_STATUS,
            )
        self._failure = "no_usable_answer"
        found = envelope.read(answer.body)
        self._failure = None
        self._latency_ms = (ended - began) * 1000
        if found.time_ms is not None:
            self._time.learn(began, ended, float(found.time_ms), float(found.time_ms))
        if asked.private:
            self.pacing.learn(asked.path, category, answer.headers)
            self._learn_key(found.code)
        if TOO_MANY_VISITS in (found.code, *found.codes):
            self.pacing.refused(asked.path, category, answer.headers, self.venue_ms())
        if found.code == TIMESTAMP:
            self._time.restart()
        if found.code != 0 and known(found.code).effect is not Effect.DONE:
            raise refusal(found.code)
        return found

    def _unhealthy(self, reason: str) -> VenueStatus:
        status = self.status()
        return replace(status, healthy=False, connected=False, reason=reason) if status.healthy else status


def _passes(failure: UpstreamError) -> bool:
    """Tell whether a read that failed so is worth asking again."""
    match failure:
        case ConnectionLost():
            return True
        case VenueRefused():
            code = failure.venue_code
            return code.startswith("http_5") or (code.lstrip("-").isdigit() and int(code) in READ_AGAIN)
        case _:
            return False
