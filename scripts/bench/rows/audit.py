"""Queries over a long audit log, read as the daemon reads it. No rival: nothing else reads this log."""

import os
import secrets
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from cerberod.audit.query import AuditQuery, query
from cerberod.audit.record import Anchor, AuditEvent, Chain, EventKind
from cerberod.clock import SystemClock
from scripts.bench.figures import Result, result
from scripts.bench.plan import Bench

RARE = 1000
"""One record in so many is the rare bot's."""


def _write_log(path: Path, records: int) -> None:
    """Write a log of sealed records, a second apart, the last of them now."""
    chain = Chain(secrets.token_bytes(32), Anchor())
    at = SystemClock().now() - timedelta(seconds=records)
    second = timedelta(seconds=1)
    with path.open("wb") as log:
        for number in range(records):
            at += second
            event = AuditEvent(
                EventKind.READ,
                environment="testnet",
                actor="testnet",
                bot_tag="rare-bot" if number % RARE == 0 else f"bot-{number % 20}",
                session_id="s-0123456789ab",
                request_id="r-0123456789abcdef",
                transport="websocket",
                client_ip="127.0.0.1",
                method="deribit.get_ticker",
                params={"instrument_name": "BTC-PERPETUAL"},
                code=0,
            )
            log.write(chain.seal(event, at, number))


def audit(bench: Bench) -> Iterator[Result]:
    """Time of the newest records, and of a bot's that are rare among very many."""
    path, records = bench.folder / "audit.jsonl", bench.effort.audit_records
    with_core = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {bench.server_core})
    try:
        _write_log(path, records)
        size = path.stat().st_size
        for what, wanted in (
            ("newest 1 000", AuditQuery()),
            (f"1 000 of a bot that is one in {RARE}", AuditQuery(bot_tag="rare-bot")),
        ):
            times, found = [], 0
            for _ in range(bench.effort.rounds):
                started = time.perf_counter()
                found = query(path, wanted).count
                times.append((time.perf_counter() - started) * 1000)
            yield result(
                "audit",
                f"{what}, of {records} records",
                "ms",
                times,
                found=found,
                log_bytes=size,
            )
    finally:
        path.unlink(missing_ok=True)
        os.sched_setaffinity(0, with_core)
