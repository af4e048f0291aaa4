"""What a simulated venue received: the record behind the control path's `/received`."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

_KEPT_RECEIVED = 5_000
_MOST_NAMES = 512


@dataclass(frozen=True)
class Received:
    """One request as it came in, before anything was made of it."""

    at_ms: int
    method: str
    transport: str
    params: dict[str, Any]


@dataclass
class ReceivedLog:
    """What came in: the latest requests, and how many of each method ever."""

    latest: deque[Received] = field(default_factory=lambda: deque(maxlen=_KEPT_RECEIVED))
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, item: Received) -> None:
        self.latest.append(item)
        if item.method in self.counts or len(self.counts) < _MOST_NAMES:
            self.counts[item.method] += 1

    def clear(self) -> None:
        self.latest.clear()
        self.counts.clear()
