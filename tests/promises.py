"""What this daemon promises, each with its number and with what a test has to show for it.

`@pytest.mark.promise("P2")` ties a test to a promise; `tests/unit/test_promises.py` refuses a promise without a test,
a mark without a promise, and a fault test without a mark.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Deferred:
    """A part of a promise that no test of the suite shows."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise, and the behaviour that keeps it."""

    says: str
    figure: str
    required: tuple[str, ...]
    deferred: tuple[Deferred, ...] = ()


PROMISES: Final = {
    "P1": Promise(
        "An error reply to a write means that nothing left the process.",
        "0 violations over every write and every fault, and over random schedules",
        (
            "before the first byte a failure is an error and frees the intent",
            "after it every failure, deadline and bug of our own is an outcome",
            "what the venue received is counted at the venue",
        ),
        (
            Deferred(
                "100 000 random schedules", "the suite runs a share of them; scripts/soak.sh runs as many as asked"
            ),
        ),
    ),
    "P2": Promise(
        "One intent is at most one order.",
        "1 000 repeats at once, repeats across reconnects and across kill -9: exactly 1 order at the venue",
        (
            "a repeat is answered from the record and sends nothing",
            "the same intent with other params is refused",
            "concurrent repeats wait for the first one",
        ),
    ),
    "P3": Promise(
        "An unknown outcome is temporary, and listed meanwhile.",
        "resolved within two polls of a venue that can be reached and can tell; all of them listed until then",
        (
            "an outcome is found again while the daemon runs and after a restart",
            "the session that asked is told, or the bot's others if it has gone",
            "what is open is listed with the reason",
        ),
    ),
    "P4": Promise(
        "No write without a durable record before it.",
        "orders at the venue minus intents in the journal = 0, after a kill at any step",
        (
            "intent and audit record are on the disk before the first byte",
            "a write that cannot be recorded is refused",
            "a cancel that cannot be recorded is sent and says so",
        ),
    ),
    "P5": Promise(
        "The audit verifies, or says where it does not.",
        "every single bit flip is found; a cut tail is found by the anchor",
        (
            "a record that was altered, removed or moved is named",
            "a torn tail is cut, told and recorded",
            "integrity and completeness are told apart",
        ),
    ),
    "P6": Promise(
        "One bad client cannot hurt another.",
        "a good client is answered while others flood, stall, send garbage or stay silent",
        (
            "what a session may have in flight and in its outbox is bounded",
            "a frame, a message or a handshake that is no good ends nothing but itself",
            "failures are slowed, a valid token never is",
        ),
        (
            Deferred("p99 below 50 ms and growth below 100 MiB", "measured by scripts/bench.sh: no test reads a clock"),
            Deferred("slow readers of subscriptions", "there are no subscriptions yet"),
        ),
    ),
    "P7": Promise(
        "Stopping is bounded and loses nothing.",
        "exit code 0 within 20 s, and no outcome lost",
        (
            "a write that runs is concluded and recorded before the end",
            "reads get a moment, a second signal takes it from them",
            "what waits to be recorded is recorded",
        ),
    ),
    "P8": Promise(
        "A start after any crash needs no hands.",
        "ready within 10 s after a kill -9 anywhere, or refused with one line that names file and remedy",
        (
            "whatever a kill leaves behind is taken up",
            "what cannot be known yet holds no start up",
            "what cannot be used is refused in one line",
        ),
        (Deferred("out of memory, killed by a cgroup", "needs a real host; to the daemon it is a kill -9"),),
    ),
    "P9": Promise(
        "No secret leaves.",
        "0 of the canary secrets in logs, audit, replies, tracebacks and the environment of children",
        (
            "no error carries the text of an exception or of a venue",
            "known secrets are replaced in every line of the log",
            "tokens are kept as digests",
        ),
        (Deferred("core dumps", "the unit forbids them; what a kernel writes is not ours to test"),),
    ),
    "P10": Promise(
        "The loop is never blocked.",
        "no blocking call on the loop",
        (
            "records are made durable on a thread of their own",
            "a log that nobody reads blocks no call",
        ),
        (Deferred("lag below 50 ms at p99.9", "measured by scripts/bench.sh: no test reads a clock"),),
    ),
    "P11": Promise(
        "Every promise has a test, and every test of a promise names it.",
        "0 orphans both ways",
        ("the marks of the suite are read from its source and held against this list",),
    ),
}
