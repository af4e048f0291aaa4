"""One peer's conversation as data: who it is, which of its calls run, what a frame of it asks for. Pure."""

from dataclasses import replace

from cerberod.errors import Code, RpcError
from cerberod.logs import CallerLog
from cerberod.rpc.call import Principal
from cerberod.rpc.envelope import Batch, Id, Ignored, Malformed, Message, Request, decode
from cerberod.rpc.limits import Budget


class Session:
    """Judges frames of one connection. The transport owes each `Request` it is given a later `finished`."""

    def __init__(
        self, principal: Principal, log: CallerLog, budget: Budget, *, max_request_bytes: int, max_batch: int
    ) -> None:
        self.principal = principal
        self.log = log
        self.budget = budget
        self.over_budget = False
        """True once a call was refused for its bot's debt: the session is about to be closed."""
        self.ignored = 0
        """Messages that got no answer because none is owed: response objects, writes without id."""
        self._max_request_bytes = max_request_bytes
        self._max_batch = max_batch
        self._live: set[Id] = set()

    @property
    def running(self) -> int:
        """Calls with an id that have not been answered."""
        return len(self._live)

    def read(self, frame: bytes | str) -> Message:
        """Say what a frame asks for. Ids of the requests in it count as live from here on. Never raises."""
        data = frame if isinstance(frame, bytes) else frame.encode("utf-8", "surrogatepass")
        if len(data) > self._max_request_bytes:
            return Malformed(RpcError(Code.REQUEST_TOO_BIG, limit_bytes=self._max_request_bytes))
        message = decode(data, max_batch=self._max_batch)
        if isinstance(message, Batch):
            return replace(message, items=tuple(self._admit(item) for item in message.items))
        return self._admit(message)

    def _admit(self, message: Request | Malformed | Ignored) -> Request | Malformed | Ignored:
        if isinstance(message, Ignored):
            self.ignored += 1
        if not isinstance(message, Request) or message.id is None:
            return message
        if message.id in self._live:
            return Malformed(RpcError(Code.INVALID_REQUEST, rule="this id is in use by a call that still runs"))
        self._live.add(message.id)
        return message

    def finished(self, request: Request) -> None:
        """Free the id of a request that was answered or given up."""
        if request.id is not None:
            self._live.discard(request.id)
