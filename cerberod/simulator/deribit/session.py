"""One WebSocket connection's own state: its login, heartbeat and subscriptions, and what it asks its socket to do.

Pure but for the outbox it fills; the socket's owner sends what lies there and closes when told. Time is an argument.
"""

from collections.abc import Callable
from typing import Any, Final

from cerberod.simulator.deribit.auth import Authority
from cerberod.simulator.deribit.params import Params
from cerberod.simulator.deribit.subscriptions import Subscriptions
from cerberod.simulator.deribit.wire import invalid, write_notification

WEBSOCKET_ONLY: Final = frozenset(
    {
        "public/set_heartbeat",
        "public/disable_heartbeat",
        "private/logout",
    }
)
_SHORTEST_HEARTBEAT_S = 10


class Session:
    """What the server remembers of one connection. `send` queues a frame, `end` asks for the connection's end."""

    def __init__(self, session_id: str, send: Callable[[bytes], None], end: Callable[[], None]) -> None:
        self.id = session_id
        self.send = send
        self.end = end
        self.subscriptions = Subscriptions(send)
        self.access_token: str | None = None
        self.silenced = False
        self.cancels_on_disconnect = False
        self.heartbeat_s: int | None = None
        self._last_beat_s = 0.0
        self._asked = False

    def call(self, name: str, params: Params, authority: Authority, now_s: float) -> Any:
        """Run one of the methods that exist on a WebSocket only."""
        match name:
            case "public/set_heartbeat":
                interval = params.required_integer("interval")
                if interval < _SHORTEST_HEARTBEAT_S:
                    raise invalid("interval", f"value must be >= {_SHORTEST_HEARTBEAT_S}")
                self.heartbeat_s, self._asked, self._last_beat_s = interval, False, now_s
            case "public/disable_heartbeat":
                self.heartbeat_s = None
            case "private/logout":
                authority.end_connection(self.id)
                self.access_token, self.silenced = None, True
                self.end()
        return "ok"

    def heard_test(self) -> None:
        """Note that the client called public/test, which answers a test request."""
        self._asked = False

    def beat(self, now_s: float) -> None:
        """Send what the heartbeat demands at this moment, or end the connection if a test request went unanswered."""
        if self.heartbeat_s is None or now_s - self._last_beat_s < self.heartbeat_s:
            return
        self._last_beat_s = now_s
        if self._asked:
            self.end()
            return
        self._asked = True
        self.send(write_notification("heartbeat", {"type": "heartbeat"}))
        self.send(write_notification("heartbeat", {"type": "test_request"}))
