"""The main job from end to end: a bot reads a recorded market, trades on it, and finds all of it in the audit.

The same job by WebSocket, by stdio as a whole daemon, and by stdio as a bridge; then the audit is verified, damaged by
one byte, and verified again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import orjson
import pytest

from cerberod.clock import from_ms
from tests.contract.raw_deribit import chain_row
from tests.functional.conftest import StartDaemon
from tests.support.agent import agent
from tests.support.client import connected
from tests.support.command import Cerberod
from tests.support.daemon import Daemon

RECORDED_CHAIN = "deribit/book_summary_option_BTC_mainnet_20260822.json"
WRITES = ("deribit.place_order", "deribit.edit_order", "deribit.cancel_order")


class Caller(Protocol):
    """Whoever calls methods, by whatever transport."""

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call and return the result."""


@dataclass(frozen=True)
class RecordedMarket:
    """A book summary as a file, its rows, and one option in it that is quoted on both sides."""

    file: Path
    rows: list[dict[str, Any]]
    option: dict[str, Any]

    @property
    def serve(self) -> tuple[str, ...]:
        return ("--sim", "--sim-chain", str(self.file))


@pytest.fixture(params=["constructed", pytest.param("recorded", marks=pytest.mark.recorded)])
def market(request: pytest.FixtureRequest, tmp_path: Path) -> RecordedMarket:
    """A chain of three rows made from the fact sheet, and the whole chain that mainnet answered."""
    if request.param == "recorded":
        folder: Path = request.getfixturevalue("recorded")
        file = folder / RECORDED_CHAIN
        rows = orjson.loads(file.read_bytes())["result"]
        assert len(rows) == 1078
        # Dear enough that the job's prices rest far below its bid.
        option = next(row for row in rows if row["ask_price"] is not None and (row["bid_price"] or 0) > 0.02)
        return RecordedMarket(file, rows, option)
    option = chain_row("BTC-25SEP26-80000-C")
    rows = [chain_row("BTC-25SEP26-80000-P", bid_price=0.0575, ask_price=0.059, mark_price=0.0579), option]
    rows.append(chain_row("BTC-25DEC26-250000-C", bid_price=None, mid_price=None, ask_price=0.0002, mark_iv=71.24))
    file = tmp_path / "chain.json"
    file.write_bytes(orjson.dumps({"jsonrpc": "2.0", "result": rows, "testnet": False}))
    return RecordedMarket(file, rows, option)


async def reads_and_trades(bot: Caller, market: RecordedMarket) -> str:
    """Do the job and return the id of the order."""
    assert (await bot.call("session.whoami"))["environment"] == "testnet"

    listed = await bot.call("deribit.get_instruments", {"currency": "BTC", "kind": "option"})
    assert listed["count"] == len(market.rows)
    assert [each["instrument_name"] for each in listed["instruments"]] == [
        row["instrument_name"] for row in market.rows
    ]

    row = market.option
    name = {"instrument_name": row["instrument_name"]}
    ticker = await bot.call("deribit.get_ticker", name)
    book = await bot.call("deribit.get_orderbook", {**name, "depth": 5})
    for seen in (ticker, book):
        assert (seen["best_bid_price"], seen["best_ask_price"]) == (row["bid_price"], row["ask_price"])
        assert (seen["mark_iv"], seen["underlying_price"]) == (row["mark_iv"], row["underlying_price"])
    stood_at = max(each["creation_timestamp"] for each in market.rows)
    assert datetime.fromisoformat(ticker["as_of"]) == from_ms(stood_at)
    assert (book["bids"][0]["price"], book["asks"][0]["price"]) == (row["bid_price"], row["ask_price"])

    placed = await bot.call(
        "deribit.place_order",
        {**name, "side": "buy", "amount": "0.1", "price": "0.005", "post_only": True, "intent": "main-job-1"},
    )
    assert placed["outcome"] == "confirmed", placed
    order = placed["order"]
    assert (order["order_state"], order["price"], order["amount"]) == ("open", "0.005", "0.1")
    assert [each["order_id"] for each in await open_orders(bot)] == [order["order_id"]]

    number = {"order_id": order["order_id"]}
    edited = await bot.call(
        "deribit.edit_order", {**number, "amount": "0.3", "price": "0.0045", "intent": "main-job-2"}
    )
    assert edited["outcome"] == "confirmed", edited
    assert [(each["amount"], each["price"]) for each in await open_orders(bot)] == [("0.3", "0.0045")]

    cancelled = await bot.call("deribit.cancel_order", {**number, "intent": "main-job-3"})
    assert (cancelled["outcome"], cancelled["order"]["order_state"]) == ("confirmed", "cancelled")
    assert await open_orders(bot) == []
    return str(order["order_id"])


async def open_orders(bot: Caller) -> list[dict[str, Any]]:
    orders: list[dict[str, Any]] = (await bot.call("deribit.get_open_orders", {"currency": "BTC"}))["orders"]
    return orders


async def finds_it_all(bot: Caller, order_id: str) -> list[dict[str, Any]]:
    """Ask for the audit, see that the whole job is in it, and return its records, newest first."""
    records: list[dict[str, Any]] = (await bot.call("admin.query_audit", {"exchange": "deribit"}))["records"]
    in_order = records[::-1]
    told = [(each["kind"], each["method"], each["intent"]) for each in in_order if each["method"] in WRITES]
    assert told == [
        (kind, method, f"main-job-{number}")
        for number, method in enumerate(WRITES, start=1)
        for kind in ("request", "outcome")
    ]
    request, outcome, edit = [each for each in in_order if each["method"] in WRITES][:3]
    assert request["params"]["price"] == "0.005"
    assert outcome["outcome"] == "confirmed"
    assert outcome["detail"]["order"]["order_id"] == order_id
    assert (edit["params"]["order_id"], edit["params"]["amount"]) == (order_id, "0.3")
    assert {each["bot_tag"] for each in records} == {"tester"}
    reads = {each["method"] for each in records if each["kind"] == "read"}
    assert {"deribit.get_instruments", "deribit.get_ticker", "deribit.get_orderbook"} <= reads
    return records


def audit_by_http(daemon: Daemon, **asked: str) -> dict[str, Any]:
    """Ask the HTTP listener."""
    url = f"{daemon.http_url}/admin/audit?{urlencode(asked)}"
    with urlopen(Request(url, headers={"Authorization": f"Bearer {daemon.token}"}), timeout=30) as answer:
        page: dict[str, Any] = orjson.loads(answer.read())
    return page


def verifies_and_tells_one_flipped_byte(cerberod: Cerberod, state: Path) -> None:
    """`cerberod audit verify` says that all is well; after one byte was changed, which record of which file is not."""
    settings = {"STATE_DIR": str(state.parent)}
    well = cerberod("audit", "verify", "--sim", **settings)
    assert (well.returncode, well.stderr) == (0, ""), well.stdout
    assert well.stdout.endswith("all is well\n")
    assert "completeness: everything the journal has seen is there" in well.stdout

    file = state / "audit.jsonl"
    whole = file.read_bytes()
    place = whole.index(b'"price":"0.0045"') + len(b'"price":"0.00')  # what the bot asked to pay
    line = whole.count(b"\n", 0, place) + 1
    flipped = bytes([whole[place] ^ 1])
    file.write_bytes(whole[:place] + flipped + whole[place + 1 :])
    told = cerberod("audit", "verify", "--sim", **settings)
    assert told.returncode == 1
    assert f"integrity: 1 problem\n  audit.jsonl:{line}: record {line} was altered" in told.stdout
    assert told.stdout.endswith("NOT all is well\n")
    file.write_bytes(whole)  # the daemon's own check comes when the test is over


async def test_by_websocket(start_daemon: StartDaemon, cerberod: Cerberod, market: RecordedMarket) -> None:
    daemon = start_daemon("serve", *market.serve)
    async with connected(daemon) as bot:
        order_id = await reads_and_trades(bot, market)
        records = await finds_it_all(bot, order_id)
    by_http = audit_by_http(daemon, exchange="deribit")
    assert by_http["records"] == records
    assert by_http["count"] == len(records)
    daemon.stop()
    verifies_and_tells_one_flipped_byte(cerberod, daemon.state_dir)


async def test_by_stdio_as_a_whole_daemon(cerberod: Cerberod, market: RecordedMarket) -> None:
    async with agent(cerberod, "--env", "testnet", "--bot-tag", "tester", *market.serve, LOG_LEVEL="warning") as bot:
        order_id = await reads_and_trades(bot, market)
        await finds_it_all(bot, order_id)
        assert await bot.end() == b""
    verifies_and_tells_one_flipped_byte(cerberod, Path(cerberod.settings["STATE_DIR"]) / "sim")


async def test_by_stdio_through_a_bridge(start_daemon: StartDaemon, cerberod: Cerberod, market: RecordedMarket) -> None:
    daemon = start_daemon("serve", *market.serve)
    bridge = {"CERBEROD_URL": daemon.url, "CERBEROD_TOKEN": daemon.token}
    async with agent(cerberod, "--env", "testnet", "--bot-tag", "tester", **bridge) as bot:
        order_id = await reads_and_trades(bot, market)
        await finds_it_all(bot, order_id)
        assert await bot.end() == b""
    assert sorted(each.name for each in cerberod.folder.rglob("*")) == ["home", "tmp", "work"], (
        "a bridge keeps no state"
    )
    assert [each["transport"] for each in audit_by_http(daemon, limit="1")["records"]] == ["websocket"]
