"""The client of one environment's Deribit: deadlines, credits, shared reads, and one place where writes leave.

Methods and finders ask it in the venue's own words and get plain JSON with the venue's time; what that means is read in
`wire`. It never repeats a write. A read is repeated a few times within its deadline, after a lost connection or a
refusal that passes.
"""

import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import anyio
import orjson
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
from cerberod.settings import Limits, UpstreamSettings
from cerberod.venues.backoff import Backoff, Chance
from cerberod.venues.coalesce import Coalescer
from cerberod.venues.credits import Credits
from cerberod.venues.deribit.errors import INSTRUMENT_CHANGED, NOT_AUTHENTICATED, READ_AGAIN, TOO_MANY_REQUESTS, VENUE
from cerberod.venues.deribit.limits import ALLOWANCES, KEPT_FOR_CANCELS, KEPT_FOR_DELAYS, Class, class_of, is_cancel
from cerberod.venues.deribit.link import CLOSING, NOT_CONNECTED_YET, Link
from cerberod.venues.deribit.login import Credentials, Login
from cerberod.venues.deribit.wire.account import matching_allowances
from cerberod.venues.deribit.wire.frames import Answer
from cerberod.venues.deribit.wire.market import Instrument, instrument
from cerberod.venues.deribit.wire.reading import Fields
from cerberod.venues.health import VenueStatus
from cerberod.venues.instrument_book import InstrumentBook
from cerberod.venues.sending import Marked, Watched

__all__ = ["Credentials", "Deribit"]

logger = logging.getLogger("cerberod.venues.deribit")

_RETRIES = 2
_FIRST_RETRY_S = 0.1
_PROBE_SHARE = 0.9
"""Part of the time given to a probe that the venue has, so that whoever waits for it hears what the matter is."""
_PATIENCE_SHARE = 0.2
"""Part of a deadline that may be spent waiting for the connection; then the caller hears that the venue is down."""


class Deribit:
    """One environment's Deribit. Start `run` in a task group; then `read` and `write`."""

    def __init__(
        self,
        *,
        url: str,
        environment: Environment,
        credentials: Credentials | None,
        clock: Clock,
        read_deadline_s: float = 10.0,
        write_deadline_s: float = 15.0,
        heartbeat_s: int = 10,
        silent_after_s: float | None = None,
        open_timeout_s: float = 10.0,
        chance: Chance | None = None,
        reconnect: Backoff | None = None,
    ) -> None:
        """Make a client; nothing is connected yet.

        `silent_after_s` is how long nothing may arrive, two heartbeats unless given.
        """
        chance = chance or secrets.SystemRandom().random
        self._chance = chance
        self.environment = environment
        self._credentials = credentials
        self._clock = clock
        self._read_deadline_s = read_deadline_s
        self._write_deadline_s = write_deadline_s
        login = None if credentials is None else Login(credentials, Backoff(chance), lambda: secrets.token_hex(8))
        self._link = Link(
            url=url,
            environment=environment,
            login=login,
            clock=clock,
            backoff=reconnect or Backoff(chance),
            spent=self._spend,
            heartbeat_s=heartbeat_s,
            silent_after_s=2 * heartbeat_s if silent_after_s is None else silent_after_s,
            open_timeout_s=open_timeout_s,
        )
        now = clock.monotonic()
        self._credits = {kind: Credits(allowance, now) for kind, allowance in ALLOWANCES.items()}
        self._queues = {kind: anyio.Lock() for kind in Class}
        self._coalescer = Coalescer()
        self._running = False
        self._alarmed: set[str] = set()
        self.instruments = InstrumentBook(self._fetch_instrument, lambda known: known.instrument_name, clock)

    @classmethod
    def configured(cls, upstream: UpstreamSettings, limits: Limits, clock: Clock) -> "Deribit":
        """Make the client that the settings describe."""
        keys = upstream.credentials
        return cls(
            url=upstream.url,
            environment=upstream.environment,
            credentials=None if keys is None else Credentials(keys["client_id"], keys["client_secret"]),
            clock=clock,
            read_deadline_s=limits.read_deadline_s,
            write_deadline_s=limits.write_deadline_s,
        )

    @property
    def account(self) -> str:
        """A name for the account our key belongs to, stable and not secret. Raises `NoKeys` without keys."""
        if self._credentials is None:
            raise NoKeys(VENUE)
        digest = hashlib.sha256(b"deribit key" + self._credentials.client_id.reveal().encode())
        return "key-" + digest.hexdigest()[:16]

    @property
    def write_valid_ms(self) -> int:
        """How long a write may still take effect: no longer than its caller waits for it."""
        return round(self._write_deadline_s * 1000)

    @property
    def offset_ms(self) -> float | None:
        """Deribit's clock minus ours; None before the first answer."""
        return self._link.time.offset_ms(self._clock.monotonic(), self._clock.now_ms())

    def now(self) -> datetime:
        """Return our own wall time, as records have it."""
        return self._clock.now()

    def alarms_first(self, label: str) -> bool:
        """Tell whether this label is alarmed about for the first time, so that polling does not fill the log."""
        first = label not in self._alarmed
        self._alarmed.add(label)
        return first

    def venue_ms(self) -> int:
        """Return Deribit's time in milliseconds since 1970, by its own stamps as soon as there are any."""
        return self._link.venue_ms()

    @property
    def in_use(self) -> bool:
        """Tell that its health matters: its connection is kept with or without keys."""
        return True

    async def clock_objection(self) -> str | None:
        """Tell why no order can be stamped in the venue's time now, or None. Raises `VenueDown` without a connection.

        A clock that has jumped is asked again, so that whoever tries again finds it steady soon.
        """
        await self._link.ready(self._write_deadline_s * _PATIENCE_SHARE)
        if not self.clock_is_steady:
            with suppress(UpstreamError):
                await self.read("public/test", {}, urgent=True)
        return self._link.time.objection

    @property
    def clock_is_steady(self) -> bool:
        """Tell whether the venue's time is known, from a clock that has not jumped a moment ago."""
        return self._link.time.steady

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the connection until cancelled or closed; reports started at once, connected or not."""
        self._running = True
        try:
            await self._link.run(task_status=task_status)
        finally:
            self._running = False

    async def prepare(self) -> None:
        """Do nothing: all that a request needs is here from the start."""

    async def aclose(self) -> None:
        """Close the connection and end `run`. What waits for an answer ends with `ConnectionLost`."""
        await self._link.aclose()

    async def read(self, method: str, params: Mapping[str, Any], *, urgent: bool = False) -> Answer:
        """Ask a question and return its answer. Equal questions in flight are asked once.

        An urgent one is asked for a cancel's sake: it does not wait for credit and is not repeated. Raises `NoKeys`,
        `VenueDown`, `ConnectionLost`, `DeadlinePassed`, `VenueRefused`, `BadVenueData`.
        """
        self._need_keys(method)
        if not self._running:
            raise VenueDown(VENUE, "closed")
        key = (method, urgent, orjson.dumps(params, default=str, option=orjson.OPT_SORT_KEYS))
        return await self._coalescer.fetch(key, lambda: self._read(method, params, urgent))

    async def write(self, method: str, params: Mapping[str, Any], sent: Marked) -> Answer:
        """Send a write, once, and return its answer. `sent` is marked just before the first byte.

        Orders leave room in the pool for cancels, and cancels wait for nothing but the venue's own limit. Raises what
        `read` raises; before the mark nothing has left, after it the outcome is the venue's to tell.
        """
        self._need_keys(method)
        watched = Watched(sent)

        async def attempt() -> Answer:
            await self._ready(method, self._write_deadline_s)
            await self._credit(method)
            return await self._exchange(method, params, watched)

        try:
            return await self._within(self._write_deadline_s, attempt, watched)
        except VenueRefused as refused:
            code = int(refused.venue_code)
            if code in INSTRUMENT_CHANGED and isinstance(name := params.get("instrument_name"), str):
                self.instruments.forget(name)
            raise

    async def reachable(self) -> None:
        """Return once there is a connection, as long as a write waits for one; raises `VenueDown`."""
        await self._link.ready(self._write_deadline_s * _PATIENCE_SHARE)

    async def probe(self, timeout_s: float) -> VenueStatus:
        """Ask the venue for a sign of life and return the status after it, within the time given.

        A connection that is known to be lost is told at once, with its reason.
        """
        if not self._link.up and self._link.down_reason != NOT_CONNECTED_YET:
            return self._unhealthy("connecting")
        try:
            with anyio.fail_after(timeout_s * _PROBE_SHARE):
                await self.read("public/test", {}, urgent=True)
        except TimeoutError:
            return self._unhealthy("no_answer")
        except RpcError as error:
            return self._unhealthy(str(error.data.get("reason", "no_usable_answer")))
        return self.status()

    def status(self) -> VenueStatus:
        """Tell how this client is, without asking the venue."""
        link, now = self._link, self._clock.monotonic()
        login = link.login
        reason = link.down_reason
        if reason is None and login is not None:
            reason = login.reason
        latency = link.latency_ms
        offset = self.offset_ms
        return VenueStatus(
            exchange=VENUE,
            env=self.environment,
            healthy=reason is None,
            latency_ms=None if latency is None else round(latency, 3),
            reason=reason or link.time.trouble(now, self._clock.now_ms()),
            connected=link.up,
            authenticated=login is not None and link.up and login.granted,
            reconnects=link.losses,
            late_answers=link.late_answers,
            offset_ms=None if offset is None else round(offset, 3),
            credits_left={kind.value: round(credits.left(now), 1) for kind, credits in self._credits.items()},
        )

    def learn_limits(self, summary: object) -> None:
        """Take over this account's own request limits from an account summary."""
        now = self._clock.monotonic()
        try:
            told = matching_allowances(summary)
        except BadVenueData as bad:
            logger.warning("request limits are not understood", extra={"venue": VENUE, "field": bad.data["field"]})
            return
        for name, allowance in told.items():
            credits = self._credits[Class(name)]
            if credits.allowance != allowance:
                credits.adopt(allowance, now)

    async def _read(self, method: str, params: Mapping[str, Any], urgent: bool) -> Answer:
        watched = Watched(None)

        async def attempt() -> Answer:
            again = Backoff(self._chance, first_s=_FIRST_RETRY_S)
            while True:
                try:
                    return await self._read_once(method, params, watched, urgent=urgent)
                except UpstreamError as failure:
                    if urgent or not self._running or again.failures >= _RETRIES or not _passes(failure):
                        raise
                await anyio.sleep(again.next_s())

        return await self._within(self._read_deadline_s, attempt, watched)

    async def _read_once(self, method: str, params: Mapping[str, Any], watched: Watched, *, urgent: bool) -> Answer:
        """Ask once, and once more when the venue took our token no longer and gave us a new one."""
        await self._ready(method, self._read_deadline_s)
        await self._credit(method, urgent=urgent)
        login = self._link.login
        grants = 0 if login is None else login.grants
        try:
            return await self._exchange(method, params, watched)
        except VenueRefused as refused:
            if int(refused.venue_code) not in NOT_AUTHENTICATED or not await self._link.renew_login(grants):
                raise
        await self._credit(method, urgent=urgent)
        return await self._exchange(method, params, watched)

    async def _within(self, seconds: float, attempt: Callable[[], Awaitable[Answer]], watched: Watched) -> Answer:
        with anyio.move_on_after(seconds):
            return await attempt()
        raise DeadlinePassed(VENUE, sent=watched.marked)

    async def _ready(self, method: str, deadline_s: float) -> None:
        await self._link.ready(deadline_s * _PATIENCE_SHARE)
        login = self._link.login
        if login is None or not method.startswith("private/"):
            return
        if not login.granted:
            await self._link.login_attempt_over()
        if not login.granted:
            raise VenueDown(VENUE, login.reason or "not_logged_in")

    async def _credit(self, method: str, *, urgent: bool = False) -> None:
        """Take the credit a request costs, waiting for it in turn."""
        kind = class_of(method)
        credits = self._credits[kind]
        if urgent:
            self._spend(method)
        elif is_cancel(method):
            await self._wait_for(credits)  # out of turn: orders that queue leave a part of the pool alone
        else:
            allowance = credits.allowance
            share = KEPT_FOR_CANCELS if kind is Class.MATCHING else KEPT_FOR_DELAYS
            keep = share * allowance.pool / allowance.cost
            async with self._queues[kind]:
                await self._wait_for(credits, keep=keep)

    async def _wait_for(self, credits: Credits, *, keep: float = 0.0) -> None:
        wait_s = credits.take(self._clock.monotonic(), keep=keep)
        while wait_s:
            await anyio.sleep(wait_s)
            wait_s = credits.take(self._clock.monotonic(), keep=keep)

    def _spend(self, method: str) -> None:
        self._credits[class_of(method)].charge(self._clock.monotonic())

    async def _exchange(self, method: str, params: Mapping[str, Any], watched: Watched) -> Answer:
        tally = current_tally.get() or Tally()
        began = self._clock.monotonic()
        try:
            return await self._link.exchange(method, params, watched)
        except VenueRefused as refused:
            if int(refused.venue_code) == TOO_MANY_REQUESTS:
                self._drain(class_of(method))
            raise
        finally:
            if watched.marked:
                tally.calls += 1
                tally.seconds += self._clock.monotonic() - began

    def _drain(self, kind: Class) -> None:
        """Believe the venue that the pool is empty, and stay away until it is full if it hangs up on us."""
        credits = self._credits[kind]
        credits.drain(self._clock.monotonic())
        self._link.hold(credits.allowance.full_after_s)

    def _need_keys(self, method: str) -> None:
        if self._credentials is None and method.startswith("private/"):
            raise NoKeys(VENUE)

    async def _fetch_instrument(self, name: str) -> Instrument:
        answer = await self.read("public/get_instrument", {"instrument_name": name})
        found = instrument(Fields(answer.result, "result"))
        if found.instrument_name != name:
            raise BadVenueData(VENUE, "result.instrument_name", "the instrument that was asked for")
        return found

    def _unhealthy(self, reason: str) -> VenueStatus:
        status = self.status()
        return replace(status, healthy=False, reason=reason) if status.healthy else status


def _passes(failure: UpstreamError) -> bool:
    """Tell whether a read that failed so is worth asking again."""
    match failure:
        case ConnectionLost():
            return True
        case VenueDown():
            return bool(failure.data["reason"] == CLOSING)
        case VenueRefused():
            return int(failure.venue_code) in READ_AGAIN
        case _:
            return False
