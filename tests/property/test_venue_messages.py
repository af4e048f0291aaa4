"""Whatever a venue sends: a parsed model, or one of the errors that say it is unusable. Never another exception.

Another exception would be told as a bug of ours, and past the first byte of a write it would hide what the venue said.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.errors import BadVenueData, VenueRefused
from cerberod.venues.deribit.errors import refusal
from cerberod.venues.deribit.login import lacking
from cerberod.venues.deribit.wire import account, frames, market, orders
from cerberod.venues.deribit.wire.reading import Fields
from tests.support.mutants import JUNK, mutants
from tests.unit.venues.deribit.test_client import instrument
from tests.unit.venues.deribit.wire.test_account import POSITION, SUMMARY
from tests.unit.venues.deribit.wire.test_market import BOOK, OPTION_TICKER
from tests.unit.venues.deribit.wire.test_orders import ORDER, TRADE

AS_OF = datetime(2026, 8, 22, tzinfo=UTC)
TICKS = [1_766_483_460_000, 1_766_483_520_000]
CANDLES = {"status": "ok", "ticks": TICKS} | {
    name: [1.5, 2] for name in ("open", "high", "low", "close", "volume", "cost")
}
LIMITS = {
    "non_matching_engine": {"burst": 1500, "rate": 1000},
    "matching_engine": {
        "trading": {"total": {"burst": 250, "rate": 200}},
        "cancel_all": {"burst": 250, "rate": 200},
    },
}
OPTION = instrument(kind="option", strike=60000.0, option_type="call", instrument_name="BTC-6OCT26-60000-C")
PARSERS: dict[str, tuple[Callable[[Any], object], object]] = {
    "ticker": (market.ticker, OPTION_TICKER),
    "perpetual": (market.ticker, OPTION_TICKER | {"current_funding": 0.0, "funding_8h": 6.55e-06, "greeks": None}),
    "order book": (market.order_book, BOOK | {"bids": [[0.0002, 3.5], [0.0001, 1]]}),
    "instruments": (market.instruments, [instrument(), OPTION]),
    "expirations": (market.expirations, {"btc": {"option": ["20MAY26"], "future": ["21MAY26", "PERPETUAL"]}}),
    "candles": (market.candles, CANDLES),
    "index price": (market.index_price, {"index_price": 85952.96, "estimated_delivery_price": 85952.96}),
    "account": (lambda raw: account.account_summary(raw, AS_OF), SUMMARY),
    "position": (lambda raw: account.position(Fields(raw, "result")), POSITION),
    "allowances": (account.matching_allowances, {"limits": LIMITS}),
    "order": (lambda raw: orders.order(Fields(raw, "result")), ORDER),
    "trade": (lambda raw: orders.trade(Fields(raw, "result")), TRADE),
    "orders": (orders.orders, [ORDER, ORDER | {"order_state": "filled"}]),
    "trades": (orders.trades, {"trades": [TRADE], "has_more": False}),
    "placed": (orders.placed, {"order": ORDER, "trades": [TRADE]}),
    "one order": (orders.one_order, {"order": ORDER}),
    "cancelled": (
        orders.cancelled,
        [{"order": ORDER}, {"error": {"code": 1}, "currency": "BTC", "type": "limit"}, {"result": [ORDER]}],
    ),
    "scope": (lacking, "account:read trade:read_write wallet:none"),
}


def encoded(value: object) -> object:
    """Return the value as it comes out of a frame; what JSON cannot carry cannot come."""
    return orjson.loads(orjson.dumps(value))


@pytest.mark.parametrize("name", PARSERS)
def test_the_messages_to_be_spoilt_are_valid(name: str) -> None:
    parse, valid = PARSERS[name]
    parse(encoded(valid))


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_a_spoilt_message_is_a_model_or_unusable(name: str, data: st.DataObject) -> None:
    parse, valid = PARSERS[name]
    raw = encoded(data.draw(mutants(valid)))
    try:
        found = parse(raw)
    except BadVenueData as refused:
        assert refused.data["field"]
        return
    dump = getattr(found, "model_dump_json", None)
    if dump is not None:
        orjson.loads(dump())  # which refuses what is not a number


ENVELOPES = [
    {"jsonrpc": "2.0", "id": 7, "result": {"x": 1}, "usIn": 1, "usOut": 1_766_483_460_000_000, "testnet": True},
    {"jsonrpc": "2.0", "id": 7, "error": {"code": 10009, "message": "x", "data": {"param": "price"}}, "testnet": True},
    {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}},
]


@given(st.sampled_from(ENVELOPES).flatmap(mutants))
def test_a_spoilt_envelope_is_read_or_unusable(message: object) -> None:
    read_frame(orjson.dumps(message))


@given(st.sampled_from(ENVELOPES), st.data())
def test_a_torn_or_flipped_frame_is_read_or_unusable(message: object, data: st.DataObject) -> None:
    frame = bytearray(orjson.dumps(message))
    place = data.draw(st.integers(0, len(frame) - 1))
    if data.draw(st.booleans()):
        frame[place] ^= data.draw(st.integers(1, 255))
    else:
        del frame[place:]
    read_frame(bytes(frame))


@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda text: text.encode()))
def test_any_bytes_are_read_or_unusable(frame: bytes) -> None:
    read_frame(frame)


def read_frame(frame: bytes) -> None:
    try:
        found = frames.read(frame)
    except BadVenueData:
        return
    if isinstance(found, frames.Notification):
        assert isinstance(found.wants_test, bool)
        return
    match found.body:
        case frames.Answer() as answer:
            assert answer.as_of is None or answer.as_of.tzinfo is UTC
        case frames.Refused(code, detail):
            assert isinstance(refusal(code, detail, ("price",)), VenueRefused)
        case frames.Unusable(field, rule):
            assert field
            assert rule


@given(st.integers(-(2**63), 2**64 - 1), JUNK, st.lists(st.text(max_size=8), max_size=3))
def test_any_refusal_is_one_of_ours_and_says_none_of_the_venues_words(
    code: int, data: object, params: list[str]
) -> None:
    refused = refusal(code, encoded({"x": data}), params)
    assert refused.venue_code == str(code)
    assert refused.reason.isprintable()
