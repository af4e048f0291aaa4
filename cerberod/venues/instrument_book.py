"""What is known of a venue's instruments, by name, for as long as it may be trusted.

Orders are checked against it before they are sent. It is dropped when the venue refuses an order for a reason that may
mean that a rule changed, so that the next order is checked against the new rule. Knows no venue: what names an
instrument, and how one is read, is told to it.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Generic, TypeVar

from cerberod.clock import Clock

_TRUSTED_S = 600.0
_KEPT = 8192

N = TypeVar("N", bound=Hashable)
I = TypeVar("I")  # noqa: E741 - read as "instrument"


class InstrumentBook(Generic[N, I]):
    """Instruments by name, read when first needed."""

    def __init__(
        self,
        fetch: Callable[[N], Awaitable[I]],
        name_of: Callable[[I], N],
        clock: Clock,
        *,
        trusted_s: float = _TRUSTED_S,
    ) -> None:
        self._fetch = fetch
        self._name_of = name_of
        self._clock = clock
        self._trusted_s = trusted_s
        self._known: OrderedDict[N, tuple[float, I]] = OrderedDict()

    def known(self, name: N) -> I | None:
        """Return an instrument if it is known and may be trusted still."""
        found = self._known.get(name)
        return found[1] if found is not None and self._clock.monotonic() - found[0] < self._trusted_s else None

    async def get(self, name: N) -> I:
        """Return an instrument. Raises what the venue answers for one that does not exist."""
        if (known := self.known(name)) is not None:
            return known
        instrument = await self._fetch(name)
        self.learn([instrument])
        return instrument

    def learn(self, instruments: Iterable[I]) -> None:
        """Take in what was just read."""
        now = self._clock.monotonic()
        for instrument in instruments:
            name = self._name_of(instrument)
            self._known[name] = (now, instrument)
            self._known.move_to_end(name)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)

    def forget(self, name: N) -> None:
        """Trust what is known of this instrument no longer."""
        self._known.pop(name, None)
