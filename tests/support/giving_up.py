"""`python -m tests.support.giving_up serve …`: the whole daemon, which gives up waiting for a venue when it is told to.

SIGUSR1, which the daemon ignores, ends the time of every request that a venue has not answered yet and of every order
that is followed, and of nothing else; what comes then is what comes after a deadline. So a test whose venue stays
silent says itself when the time is over, and the deadlines can be so long that nothing that is only slow ever meets
them. For the same reason reads are given long when the daemon stops, unless it is told to hurry. A lost connection is
replaced at once.
"""

import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakSet

import anyio

from cerberod import daemon
from cerberod.cli import main
from cerberod.stopping import Stop
from cerberod.venues.backoff import Backoff
from cerberod.venues.bybit import following
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.link import Link

GIVE_UP = signal.SIGUSR1
_waiting: set[anyio.CancelScope] = set()
_following: WeakSet[anyio.CancelScope] = WeakSet()


def _until_told(within: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def wrapped(self: object, seconds: float, attempt: Callable[[], Awaitable[Any]], watched: object) -> Any:
        with anyio.CancelScope() as scope:
            _waiting.add(scope)
            try:
                return await within(self, seconds, attempt, watched)
            finally:
                _waiting.discard(scope)
        return await within(self, 0.0, anyio.sleep_forever, watched)

    return wrapped


def _followed_until_told(patience: Callable[[], anyio.CancelScope]) -> Callable[[], anyio.CancelScope]:
    def wrapped() -> anyio.CancelScope:
        scope = patience()
        _following.add(scope)
        return scope

    return wrapped


def give_up_when_told() -> None:
    """Let the signal be the end of every deadline that runs at a venue."""
    for client in (Deribit, Bybit):
        # The real method, with one end more.
        client._within = _until_told(client._within)  # type: ignore[assignment,method-assign]  # of two clients
    following.FOLLOWED_S = 60.0
    following._patience = _followed_until_told(following._patience)
    take = Stop._take

    def wrapped(self: Stop, number: signal.Signals) -> None:
        if number is not GIVE_UP:
            take(self, number)
            return
        for scope in [*_waiting, *_following]:
            scope.cancel()

    Stop._take = wrapped  # type: ignore[method-assign]  # the real method, which hears one signal more


def hurry_reconnects(longest_s: float = 0.2) -> None:
    """Let a lost connection be replaced at once, also where the venue asked us to stay away."""
    made, held = Link.__init__, Link.hold

    def wrapped(self: Link, **given: Any) -> None:
        made(self, **given | {"backoff": Backoff(lambda: 0.0, first_s=0.02, cap_s=longest_s)})

    def wrapped_hold(self: Link, seconds: float) -> None:
        held(self, min(seconds, longest_s))

    Link.__init__ = wrapped  # type: ignore[method-assign]  # the real object, with a shorter pause
    Link.hold = wrapped_hold  # type: ignore[method-assign]  # the real method, told a shorter time


if __name__ == "__main__":
    hurry_reconnects()
    give_up_when_told()
    daemon.READS_GRACE_S = 60.0
    sys.exit(main())
