"""Which requests wait for an answer, and to whom each answer belongs.

Pure but for the events it sets. Ids are never used twice, whatever becomes of the connection, so that no answer can
ever be taken for another's.
"""

from collections import OrderedDict

import anyio

from cerberod.venues.deribit.wire.frames import Answer, Refused, Reply, Unusable

Body = Answer | Refused | Unusable

_ABANDONED_KEPT = 1024


class Waiting:
    """A request that was sent and not answered yet."""

    __slots__ = ("body", "id", "method", "settled")

    def __init__(self, id: int, method: str) -> None:
        self.id = id
        self.method = method
        self.settled = anyio.Event()
        self.body: Body | None = None
        """None once settled means that the connection ended first."""

    def settle(self, body: Body | None) -> None:
        self.body = body
        self.settled.set()


class InFlight:
    """The requests of one environment that are on their way."""

    def __init__(self) -> None:
        self._last_id = 0
        self._waiting: dict[int, Waiting] = {}
        self._abandoned: OrderedDict[int, str] = OrderedDict()
        self.late_answers = 0
        """Answers to requests whose callers had given up."""
        self.stray_answers = 0
        """Answers to nothing that was asked: repeated ones, for example."""

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def wait(self, id: int, method: str) -> Waiting:
        """Note a request that is about to be sent."""
        waiting = self._waiting[id] = Waiting(id, method)
        return waiting

    def give_up(self, waiting: Waiting) -> None:
        """Take in that nobody waits for this answer any more; one that is there already is late at once."""
        if waiting.settled.is_set():
            self.late_answers += waiting.body is not None
        elif self._waiting.pop(waiting.id, None) is not None:
            self._abandoned[waiting.id] = waiting.method
            if len(self._abandoned) > _ABANDONED_KEPT:
                self._abandoned.popitem(last=False)

    def settle(self, reply: Reply) -> None:
        """Give an answer to whoever waits for it."""
        waiting = self._waiting.pop(reply.id, None)
        if waiting is not None:
            waiting.settle(reply.body)
        elif self._abandoned.pop(reply.id, None) is not None:
            self.late_answers += 1
        else:
            self.stray_answers += 1

    def settle_all(self, body: Unusable | None) -> None:
        """Tell everybody that no answer of their own will come: an unusable one, or none at all."""
        for waiting in self._waiting.values():
            waiting.settle(body)
        self._waiting.clear()
        self._abandoned.clear()
