"""Calls a server as fast as it answers, with a given number of connections and one call in flight on each.

A process of its own, told its job as one line of JSON on stdin; it tells its figures as one line on stdout. `busy` is
the share of its core that it used itself: near 1 the figures are its own and not the server's.
"""

import select
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from scripts.bench.figures import percentile
from scripts.bench.wire import Answers, Ask, BadAnswer, Wire, ask, handshake

RING = 64
ANSWER_S = 30.0
_CHUNK = 1 << 16


@dataclass(slots=True)
class Peer:
    """One connection to the server."""

    socket: socket.socket
    answers: Answers
    ring: list[Ask]
    turn: int = 0
    wait_for: bytes = b""

    def ask(self) -> None:
        """Send the next call."""
        asked = self.ring[self.turn]
        self.turn = (self.turn + 1) % len(self.ring)
        self.wait_for = asked.expected
        self.socket.sendall(asked.data)

    def heard(self, data: bytes) -> int:
        """Take in bytes and return how many answers they completed. A wrong answer ends the measurement."""
        if not data:
            raise BadAnswer("the server hung up")
        count = 0
        for answer in self.answers.feed(data):
            if not answer.startswith(self.wait_for):
                raise BadAnswer(answer[:500].decode(errors="replace"))
            count += 1
        while self.answers.pongs:
            self.socket.sendall(self.answers.pongs.pop())
        return count


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to call, and what."""

    wire: Wire
    port: int
    headers: Mapping[str, str]
    method: str
    params: list[dict[str, Any]]
    """Connections take these in turn."""
    ring: int
    """Different calls prepared for each connection; they differ in their ids."""

    @classmethod
    def of(cls, job: Mapping[str, Any]) -> "Target":
        return cls(
            Wire(job["wire"]),
            job["port"],
            job["headers"],
            job["method"],
            job.get("params", [{}]),
            job.get("ring", RING),
        )

    def connect(self, number: int) -> Peer:
        """Open one connection, up to where the first call can be sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.wire is Wire.WEBSOCKET:
            connection.sendall(handshake(self.headers))
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                data = connection.recv(1)
                if not data:
                    raise BadAnswer("the server hung up in the handshake")
                head += data
            if not head.startswith(b"HTTP/1.1 101 "):
                raise BadAnswer(head.decode(errors="replace"))
        params = self.params[number % len(self.params)]
        ring = [ask(self.wire, self.headers, self.method, params, id) for id in range(1, self.ring + 1)]
        return Peer(connection, Answers(self.wire), ring)


class Crowd:
    """Many connections, each asking again as soon as it is answered."""

    def __init__(self, peers: list[Peer]) -> None:
        self._peers = {peer.socket.fileno(): peer for peer in peers}
        self._poll = select.epoll()
        for descriptor in self._peers:
            self._poll.register(descriptor, select.EPOLLIN)
        for peer in peers:
            peer.ask()

    def run(self, seconds: float) -> tuple[int, float]:
        """Go on for so long; return how many answers came, and in how many seconds exactly."""
        count, started = 0, time.perf_counter()
        now, until = started, started + seconds
        while now < until:
            for descriptor, _ in self._poll.poll(1.0):
                peer = self._peers[descriptor]
                if peer.heard(peer.socket.recv(_CHUNK)):
                    count += 1
                    peer.ask()
            now = time.perf_counter()
        return count, now - started

    def settle(self) -> None:
        """Wait for the answers to what was asked last, so that nothing is left unanswered."""
        open_calls = set(self._peers)
        until = time.perf_counter() + ANSWER_S
        while open_calls:
            if time.perf_counter() > until:
                raise BadAnswer(f"{len(open_calls)} calls were never answered")
            for descriptor, _ in self._poll.poll(1.0):
                peer = self._peers[descriptor]
                if peer.heard(peer.socket.recv(_CHUNK)):
                    open_calls.discard(descriptor)


def throughput(job: Mapping[str, Any]) -> dict[str, Any]:
    """Measure calls per second over all connections."""
    target = Target.of(job)
    peers = [target.connect(number) for number in range(job["sessions"])]
    crowd = Crowd(peers)
    warm, _ = crowd.run(job["warmup_s"])
    used = time.process_time()
    count, seconds = crowd.run(job["seconds"])
    used = time.process_time() - used
    crowd.settle()
    for peer in peers:
        peer.socket.close()
    return {"per_s": count / seconds, "calls": warm + count + len(peers), "busy": used / seconds}


def latency(job: Mapping[str, Any]) -> dict[str, Any]:
    """Measure the time of single calls, one after the other on one connection, with a pause between if asked for."""
    peer = Target.of(job).connect(0)
    peer.socket.setblocking(True)
    pause_s, most = job.get("pause_s", 0.0), job.get("most", 1 << 30)
    until = time.perf_counter() + job["warmup_s"]
    while time.perf_counter() < until:
        _one(peer)
    times: list[float] = []
    until = time.perf_counter() + job["seconds"]
    while time.perf_counter() < until and len(times) < most:
        times.append(_one(peer))
        if pause_s:
            time.sleep(pause_s)
    peer.socket.close()
    times.sort()
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
    return {"calls": len(times), **{f"{name}_us": percentile(times, share) * 1e6 for name, share in shares.items()}}


def _one(peer: Peer) -> float:
    started = time.perf_counter()
    peer.ask()
    while not peer.heard(peer.socket.recv(_CHUNK)):
        pass
    return time.perf_counter() - started


def hold(job: Mapping[str, Any]) -> dict[str, Any]:
    """Open many sessions and tell so; call on all of them when told to; tell the figures; close all when told to."""
    target = Target.of(job)
    peers = [target.connect(number) for number in range(job["sessions"])]
    _tell({"open": len(peers)})
    sys.stdin.readline()
    crowd = Crowd(peers)
    count, seconds = crowd.run(job["seconds"])
    crowd.settle()
    _tell({"per_s": count / seconds, "calls": count + len(peers)})
    sys.stdin.readline()
    for peer in peers:
        peer.socket.close()
    return {"closed": len(peers)}


def _tell(figures: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(figures) + b"\n")
    sys.stdout.buffer.flush()


KINDS = {"throughput": throughput, "latency": latency, "hold": hold}

if __name__ == "__main__":
    job = orjson.loads(sys.stdin.readline())
    try:
        _tell(KINDS[job["kind"]](job))
    except BadAnswer as bad:
        sys.exit(f"not the answer that was waited for: {bad}")
