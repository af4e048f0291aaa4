"""A connection's heartbeat, time by argument."""

import orjson

from cerberod.simulator.deribit.auth import Authority
from cerberod.simulator.deribit.params import Params
from cerberod.simulator.deribit.session import Session


class Socket:
    def __init__(self) -> None:
        self.sent: list[str] = []
        self.ended = False
        self.session = Session("c", self._send, self._end)

    def _send(self, frame: bytes) -> None:
        self.sent.append(orjson.loads(frame)["params"]["type"])

    def _end(self) -> None:
        self.ended = True


def test_beats_only_when_due_and_ends_only_when_unanswered() -> None:
    socket = Socket()
    session = socket.session
    session.beat(0.0)
    assert session.call("public/set_heartbeat", Params({"interval": 10}), Authority([]), 5.0) == "ok"
    session.beat(14.9)
    assert socket.sent == []
    session.beat(15.0)
    assert socket.sent == ["heartbeat", "test_request"]
    session.heard_test()
    session.beat(25.0)
    assert len(socket.sent) == 4
    assert not socket.ended
    session.beat(35.0)
    assert socket.ended


def test_a_heartbeat_switched_off_is_silent() -> None:
    socket = Socket()
    socket.session.call("public/set_heartbeat", Params({"interval": 10}), Authority([]), 0.0)
    socket.session.call("public/disable_heartbeat", Params({}), Authority([]), 0.0)
    socket.session.beat(100.0)
    assert socket.sent == []
