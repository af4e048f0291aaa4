"""The sessions that are open, and the connections that have not yet said what they want. Pure tables with bounds."""

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from cerberod.rpc.call import Principal
from cerberod.rpc.conversation import Conversation

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class SessionView:
    """One open session, for those who watch."""

    principal: Principal
    age_s: float
    in_flight: int
    outbox_messages: int
    outbox_bytes: int
    ignored: int


@dataclass(slots=True)
class OpenSession:
    """A session between its admission and the end of its connection."""

    principal: Principal
    opened: float
    conversation: Conversation | None = None
    """None until the handshake's answer has left."""
    token: bytes = b""
    """Digest of the token it was opened with; empty where none is needed."""

    def view(self, now: float) -> SessionView:
        """Return what can be seen of it at this moment."""
        talk = self.conversation
        return SessionView(
            self.principal,
            now - self.opened,
            0 if talk is None else talk.session.running,
            0 if talk is None else len(talk.outbox),
            0 if talk is None else talk.outbox.queued_bytes,
            0 if talk is None else talk.session.ignored,
        )


class SessionTable(Generic[Key]):
    """Open sessions by connection, counted in all and for each token."""

    def __init__(self) -> None:
        self._open: dict[Key, OpenSession] = {}
        self._of_actor: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[tuple[Key, OpenSession]]:
        return iter(list(self._open.items()))

    def of_actor(self, actor: str) -> int:
        """Return how many sessions one token has."""
        return self._of_actor[actor]

    def add(self, key: Key, session: OpenSession) -> None:
        """Count a session from its admission on, before its first frame."""
        self._open[key] = session
        self._of_actor[session.principal.actor] += 1

    def get(self, key: Key) -> OpenSession | None:
        """Return the session of a connection, if it was let in."""
        return self._open.get(key)

    def discard(self, key: Key) -> None:
        """Forget the session of a connection that ended, if it had one."""
        session = self._open.pop(key, None)
        if session is not None:
            self._of_actor[session.principal.actor] -= 1


class HalfOpen(Generic[Key]):
    """Connections that have not sent their request: bounded by dropping the one that has been silent longest.

    Newcomers are never turned away for the silence of others. Within one address a connection is safe for
    `patience_s`, so that a hundred bots that reconnect at once through one proxy all get in; the bound on all of them
    has no patience.
    """

    def __init__(self, per_address: int, in_all: int, *, patience_s: float = 1.0) -> None:
        self._per_address = per_address
        self._in_all = in_all
        self._patience_s = patience_s
        self._silent: OrderedDict[Key, str] = OrderedDict()
        self._by_address: dict[str, dict[Key, float]] = {}

    def __len__(self) -> int:
        return len(self._silent)

    def __iter__(self) -> Iterator[Key]:
        return iter(list(self._silent))

    def opened(self, key: Key, address: str, now: float) -> list[Key]:
        """Count a new connection and return those to drop for it."""
        self._silent[key] = address
        own = self._by_address.setdefault(address, {})
        own[key] = now
        dropped = []
        while len(own) > self._per_address:
            oldest, since = next(iter(own.items()))
            if now - since < self._patience_s:
                break
            self.settled(oldest)
            dropped.append(oldest)
        while len(self._silent) > self._in_all:
            oldest = next(iter(self._silent))
            self.settled(oldest)
            dropped.append(oldest)
        return dropped

    def settled(self, key: Key) -> None:
        """Forget a connection that sent its request, or ended."""
        address = self._silent.pop(key, None)
        if address is not None:
            own = self._by_address[address]
            del own[key]
            if not own:
                del self._by_address[address]
