"""What monitors are told of a daemon, once it is what a test waits for.

A venue that answers one probe too late is told as ill, and rightly: on a machine that stands still that is any venue.
"""

import time
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson

from tests.support.daemon import START_S, Daemon


def readiness(daemon: Daemon, true: Callable[[int, dict[str, Any]], bool]) -> tuple[int, dict[str, Any]]:
    """Ask until something holds of status and answer, and return both; after a minute return what there is."""
    give_up_at = time.monotonic() + START_S
    while True:
        try:
            with urlopen(f"{daemon.http_url}/health/ready", timeout=START_S) as answer:
                status, told = answer.status, orjson.loads(answer.read())
        except HTTPError as error:
            with error:
                status, told = error.code, orjson.loads(error.read())
        if true(status, told) or time.monotonic() > give_up_at:
            return status, told
        time.sleep(0.05)


def none_timed_out(status: int, told: dict[str, Any]) -> bool:
    """Tell whether every venue has answered, one way or another."""
    return all(client["reason"] not in ("probe_timed_out", "no_answer", "connecting") for client in told["clients"])


def all_is_well(status: int, told: dict[str, Any]) -> bool:
    return bool(told["status"] == "ready")
