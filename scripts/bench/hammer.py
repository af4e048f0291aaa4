"""Sessions that ask for the heaviest calculations there are, one after the other, without a pause.

A process of its own, told its job as one line of JSON on stdin; it tells when every session has had an answer, goes on
until told to stop, and then tells how much was calculated.
"""

import select
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from scripts.bench.load import ANSWER_S, Peer, Target
from scripts.bench.wire import Answers, Wire, ask

POINTS = 10_000
OPTIONS = 2_000
_CHUNK = 1 << 18


def _heaviest() -> list[tuple[str, dict[str, Any]]]:
    """Return calls that are as large as the daemon takes them: of many numbers, of many rows, of much arithmetic."""
    source = np.random.default_rng(1)
    close = 100.0 * np.exp(np.cumsum(source.normal(0.0, 0.01, POINTS)))
    other = 100.0 * np.exp(np.cumsum(source.normal(0.0, 0.01, POINTS)))
    bars: dict[str, Any] = {
        "high": (close * 1.01).tolist(),
        "low": (close * 0.99).tolist(),
        "close": close.tolist(),
    }
    option = {"type": "call", "underlying": 100.0, "years": 0.5}
    strikes = np.linspace(50.0, 200.0, OPTIONS).tolist()
    listed = {"type": "call", "expiry": "2026-09-25T08:00:00Z", "forward": 100.0, "iv_pct": 50.0, "open_interest": 1.5}
    chain = {"as_of": "2026-08-22T00:00:00Z", "spot": 100.0}
    return [
        ("common.cointegration_test", {"first": bars["close"], "second": other.tolist(), "lags": 50, "spread": True}),
        ("common.adx", bars),
        ("common.supertrend", bars),
        ("common.vwap", bars | {"volume": bars["high"], "session": (np.arange(POINTS) // 100).tolist()}),
        ("common.realized_vol", bars | {"open": bars["close"], "estimator": "yang_zhang", "periods_per_year": 365.0}),
        ("common.garch11_forecast", {"close": bars["close"], "horizon": 1_000}),
        ("common.black_scholes", {"options": [option | {"strike": each, "iv_pct": 50.0} for each in strikes]}),
        ("common.dealer_gamma_profile", chain | {"options": [listed | {"strike": each} for each in strikes]}),
    ]


def hammer(job: Mapping[str, Any]) -> None:
    """Open the sessions, each with its own of the calls, and keep all of them busy until told to stop."""
    peers: dict[int, tuple[str, Peer]] = {}
    poll = select.epoll()
    poll.register(0, select.EPOLLIN)
    for number, (method, params) in enumerate(_heaviest()):
        headers = job["headers"] | {"X-Bot-Tag": f"heavy-{number}"}
        target = Target(Wire.WEBSOCKET, job["port"], headers, "session.ping", [{}], 1)
        opened = target.connect(0)
        peer = Peer(opened.socket, Answers(Wire.WEBSOCKET), [ask(Wire.WEBSOCKET, headers, method, params, 1)])
        peers[peer.socket.fileno()] = (method, peer)
        poll.register(peer.socket.fileno(), select.EPOLLIN)
        peer.ask()
    answers: Counter[str] = Counter()
    up = False
    while True:
        ready = poll.poll(ANSWER_S)
        if not ready:
            sys.exit("the daemon has stopped answering")
        for descriptor, _ in ready:
            if descriptor == 0:
                _tell({"answers": answers})
                return
            method, peer = peers[descriptor]
            if peer.heard(peer.socket.recv(_CHUNK)):
                answers[method] += 1
                peer.ask()
        if not up and len(answers) == len(peers):
            up = True
            _tell({"up": True})


def _tell(figures: Mapping[str, object]) -> None:
    sys.stdout.buffer.write(orjson.dumps(figures) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    hammer(orjson.loads(sys.stdin.readline()))
