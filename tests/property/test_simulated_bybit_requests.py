"""No request makes the simulated Bybit stumble: whatever stands in it, there is an answer in the venue's envelope."""

from functools import cache
from typing import Any
from urllib.parse import urlencode

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cerberod.simulator.bybit import auth
from cerberod.simulator.bybit.environment import PUBLIC, READS, WRITES, Environment, Request
from cerberod.simulator.holding import Faults
from tests.unit.simulator.bybit.test_exchange import Floor

GOOD: dict[str, list[Any]] = {
    "category": ["linear", "inverse", "spot", "option"],
    "symbol": ["BTCUSDT", "BTCUSD", "ETHPERP", "SIM001USDT"],
    "side": ["Buy", "Sell"],
    "orderType": ["Market", "Limit"],
    "qty": ["0.01", "1", "100"],
    "price": ["90000", "3000", "50000"],
    "interval": ["1", "720", "D", "W", "M"],
    "intervalTime": ["5min", "1d"],
    "period": ["1h", "7", "30"],
    "accountType": ["UNIFIED"],
    "baseCoin": ["BTC", "ETH"],
    "settleCoin": ["USDT"],
    "orderLinkId": ["a", "b"],
    "orderId": ["1"],
    "timeInForce": ["IOC", "FOK", "PostOnly"],
    "positionIdx": [0, 1],
    "reduceOnly": [True],
    "triggerPrice": ["200000"],
    "triggerDirection": [1, 2],
    "takeProfit": ["200000"],
    "stopLoss": ["1000"],
    "tpslMode": ["Full", "Partial"],
    "tpSize": ["0.01"],
    "trailingStop": ["10"],
    "marketUnit": ["baseCoin", "quoteCoin"],
    "mode": [0, 3],
    "buyLeverage": ["3"],
    "sellLeverage": ["3"],
    "coin": ["USDT", "BTC,ETH"],
    "limit": ["5"],
    "cursor": ["first%3Dx", "lasttime=5", "first=BTCUSDT&last=BTCUSDT"],
    "start": ["1787370645000"],
    "end": ["1787370645000"],
    "startTime": ["1787370645000"],
    "endTime": ["1787370645000"],
    "timeWindow": [40],
    "openOnly": ["1"],
}
JUNK: list[Any] = ["", "0", "-1", "1e9", "NaN", "x" * 50, "9" * 19, "-" + "9" * 18, None, True, [], {}, 10**18, 1.5]
JUNK += ["é", "%", "a&b", "lastid=0&lasttime=1787370645", "１"]


def value(name: str) -> st.SearchStrategy[Any]:
    good = st.sampled_from(GOOD[name])
    return good | good | st.sampled_from(JUNK)


def members(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return bodies with these members, and any others."""
    return st.fixed_dictionaries({n: value(n) for n in names}, optional={n: value(n) for n in GOOD if n not in names})


ORDER = members("symbol", "side", "orderType", "qty", "price")
BODIES = {
    "create": members("category", "symbol", "side", "orderType", "qty", "price"),
    "batch": st.fixed_dictionaries(
        {"category": value("category"), "request": st.lists(ORDER, max_size=4) | st.sampled_from(JUNK)}
    ),
    "other": members("category", "symbol"),
}


def body_of(path: str) -> st.SearchStrategy[dict[str, Any]]:
    if path.endswith("-batch"):
        return BODIES["batch"]
    return BODIES["create" if path.endswith(("create", "pre-check")) else "other"]


CALLS = st.sampled_from(sorted({*PUBLIC, *READS, *WRITES})).flatmap(lambda p: st.tuples(st.just(p), body_of(p)))


@cache
def venue() -> tuple[Floor, Environment]:
    floor = Floor()
    return floor, Environment("bybit_testnet", floor.exchange, floor.clock, 7, 1, Faults())


def signed(floor: Floor, environment: Environment, path: str, body: dict[str, Any]) -> Request:
    writes = path in WRITES
    query = b"" if writes else urlencode({k: "" if v is None else v for k, v in body.items()}).encode()
    raw = orjson.dumps(body) if writes else b""
    head = f"{floor.clock.now_ms()}{environment.key.api_key}5000".encode()
    headers = {
        "X-BAPI-API-KEY": environment.key.api_key,
        "X-BAPI-TIMESTAMP": str(floor.clock.now_ms()),
        "X-BAPI-RECV-WINDOW": "5000",
        "X-BAPI-SIGN": auth.signature(environment.key.secret, head + query + raw),
    }
    return Request("POST" if writes else "GET", path, query, raw, headers, "here")


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(CALLS)
async def test_every_request_has_an_answer(call: tuple[str, dict[str, Any]]) -> None:
    floor, environment = venue()
    floor.clock.advance(seconds=1.1)
    request = signed(floor, environment, *call)
    environment.note(request)
    answer = await environment.answer(request)
    told = orjson.loads(answer.body)
    assert answer.status == 200
    assert told["retCode"] not in (10002, 10003, 10004, 10006)
    assert {"retCode", "retMsg", "result", "retExtInfo", "time"} <= told.keys()
