"""Which trading is stopped: by venue, by bot, or all of it, in one environment. Pure.

A stop is set by anybody who may trade and lifted by the operator alone, so that a runaway bot cannot undo it. The
strictest of all stops that cover an order holds. Cancels are never asked about.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class TradingState(StrEnum):
    """What may be sent. From the loosest to the strictest."""

    ACTIVE = "active"
    REDUCE_ONLY = "reduce_only"
    """Only what cannot open or grow a position."""
    HALTED = "halted"
    """Only cancels."""


_STRICTNESS = {TradingState.ACTIVE: 0, TradingState.REDUCE_ONLY: 1, TradingState.HALTED: 2}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a stop covers: an environment, and within it one venue or all, one bot or all."""

    environment: str
    venue: str | None = None
    bot_tag: str | None = None

    def covers(self, environment: str, venue: str, bot_tag: str) -> bool:
        return self.environment == environment and self.venue in (None, venue) and self.bot_tag in (None, bot_tag)


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop in force."""

    scope: Scope
    state: TradingState
    actor: str
    """Who set it."""
    reason: str
    at: str
    """When, as ISO 8601 UTC."""

    def allows(self, *, reduces: bool) -> bool:
        """Tell whether an order passes that does, or does not, only reduce a position."""
        return self.state is TradingState.REDUCE_ONLY and reduces


class Guard:
    """The stops in force."""

    def __init__(self, stops: Iterable[Stop] = ()) -> None:
        self._stops = {stop.scope: stop for stop in stops}

    def set(self, stop: Stop) -> None:
        """Put a stop in the place of the one of the same scope; `active` lifts it."""
        if stop.state is TradingState.ACTIVE:
            self._stops.pop(stop.scope, None)
        else:
            self._stops[stop.scope] = stop

    def stops(self, environment: str) -> list[Stop]:
        """Return the stops of one environment, the oldest first."""
        return sorted((stop for stop in self._stops.values() if stop.scope.environment == environment), key=_by_time)

    def strictest(self, environment: str, venue: str, bot_tag: str) -> Stop | None:
        """Return the stop that decides about an order; None when nothing is stopped."""
        covering = [stop for stop in self._stops.values() if stop.scope.covers(environment, venue, bot_tag)]
        return max(covering, key=lambda stop: _STRICTNESS[stop.state], default=None)


def _by_time(stop: Stop) -> str:
    return stop.at
