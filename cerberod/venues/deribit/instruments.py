"""What is known of instruments, by name, for as long as it may be trusted.

Orders are checked against it before they are sent. It is dropped when the venue refuses an order for a reason that may
mean that a rule changed, so that the next order is checked against the new rule.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable

from cerberod.clock import Clock
from cerberod.venues.deribit.wire.market import Instrument

_TRUSTED_S = 600.0
_KEPT = 8192

Fetch = Callable[[str], Awaitable[Instrument]]


class InstrumentBook:
    """Instruments by name, read when first needed."""

    def __init__(self, fetch: Fetch, clock: Clock, *, trusted_s: float = _TRUSTED_S) -> None:
        self._fetch = fetch
        self._clock = clock
        self._trusted_s = trusted_s
        self._known: OrderedDict[str, tuple[float, Instrument]] = OrderedDict()

    def known(self, name: str) -> Instrument | None:
        """Return an instrument if it is known and may be trusted still."""
        found = self._known.get(name)
        return found[1] if found is not None and self._clock.monotonic() - found[0] < self._trusted_s else None

    async def get(self, name: str) -> Instrument:
        """Return an instrument. Raises what the venue answers for one that does not exist."""
        if (known := self.known(name)) is not None:
            return known
        instrument = await self._fetch(name)
        self.learn([instrument])
        return instrument

    def learn(self, instruments: Iterable[Instrument]) -> None:
        """Take in what was just read."""
        now = self._clock.monotonic()
        for instrument in instruments:
            self._known[instrument.instrument_name] = (now, instrument)
            self._known.move_to_end(instrument.instrument_name)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)

    def forget(self, name: str) -> None:
        """Trust what is known of this instrument no longer."""
        self._known.pop(name, None)
