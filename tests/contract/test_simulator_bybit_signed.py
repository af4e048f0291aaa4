"""The simulated Bybit's door: signatures over the bytes received, the window of time, limits, statuses, envelopes."""

import socket
from urllib.parse import quote

import orjson
import pytest

from cerberod.simulator import SimulatorConfig, run_simulator
from tests.contract.raw_bybit import RawBybit, connected, sign
from tests.support.clock import ManualClock

BALANCE = "/v5/account/wallet-balance"
UNIFIED = "accountType=UNIFIED"
REALTIME = "/v5/order/realtime"
ORDER = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "side": "Buy",
    "orderType": "Limit",
    "qty": "0.01",
    "price": "50000",
}


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        (
            "1700000000000KEY1235000category=linear&symbol=BTCUSDT",
            "ed4092b2075592674090927b82e97210aa610c6c04f1660bbb4d26d394f5bae0",
        ),
        ("1700000000000KEY1235000", "a22bd615f33034b20d42f9ec91d1c8e4c5a1b92a14993bc1f6b9cb58c8d7aca5"),
        (
            '1700000000000KEY1235000{"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", '
            '"qty": "0.001", "price": "50000", "orderLinkId": "x1"}',
            "e5aa08435f67ac6c9b8f948d13340d837000b9d1d2c06350b119a35f4d9077e8",
        ),
    ],
)
def test_this_client_signs_as_the_published_vectors(text: str, signature: str) -> None:
    assert sign("SECRET456", text) == signature


async def test_a_signed_read_is_answered_with_what_is_left_of_its_limit(bybit: RawBybit) -> None:
    answer = await bybit.get(BALANCE, accountType="UNIFIED")
    assert (answer["retCode"], answer["retMsg"], answer["retExtInfo"]) == (0, "OK", {})
    assert answer["time"] == bybit.clock.now_ms()
    assert bybit.headers["X-Bapi-Limit"] == "50"
    assert bybit.headers["X-Bapi-Limit-Status"] == "49"
    assert bybit.headers["X-Bapi-Limit-Reset-Timestamp"] == str(bybit.clock.now_ms())


async def test_both_environments_have_keys_and_money_of_their_own(clock: ManualClock) -> None:
    async with run_simulator(SimulatorConfig(), clock) as simulator:
        keys = {simulator.credentials[name] for name in ("bybit_testnet", "bybit_live")}
        assert len(keys) == 2
        async with connected(simulator, clock) as test, connected(simulator, clock, "bybit_live") as live:
            await test.order(**ORDER)
            assert await live.rows(REALTIME, category="linear", symbol="BTCUSDT") == []
            live.key, live.secret = test.key, test.secret
            assert (await live.get(BALANCE, accountType="UNIFIED"))["retCode"] == 10003


async def test_the_signature_is_checked_over_the_bytes_and_not_their_meaning(bybit: RawBybit) -> None:
    spaced = b'{"category": "linear",  "symbol":"BTCUSDT", "buyLeverage":"7","sellLeverage":"7"}'
    compact = orjson.dumps(orjson.loads(spaced))
    good = await bybit.send("POST", "/v5/position/set-leverage", spaced, bybit.signed(spaced.decode()))
    assert orjson.loads(good)["retCode"] == 0
    bad = await bybit.send("POST", "/v5/position/set-leverage", spaced, bybit.signed(compact.decode()))
    assert orjson.loads(bad)["retCode"] == 10004


async def test_a_query_may_be_signed_as_written_or_as_encoded(bybit: RawBybit) -> None:
    written, encoded = "accountType=UNIFIED&coin=USDT,USDC", "accountType=UNIFIED&coin=USDT%2CUSDC"
    for signed_text in (written, encoded):
        answer = orjson.loads(await bybit.send("GET", f"{BALANCE}?{encoded}", headers=bybit.signed(signed_text)))
        assert answer["retCode"] == 0
        assert [c["coin"] for c in answer["result"]["list"][0]["coin"]] == ["USDT", "USDC"]


@pytest.mark.parametrize(
    ("ahead_ms", "window", "code"),
    [
        (0, "5000", 0),
        (999, "5000", 0),
        (1_000, "5000", 10002),
        (1_000, "60000", 10002),
        (-5_000, "5000", 0),
        (-5_001, "5000", 10002),
        (-5_001, "6000", 0),
        (-9_000, "10000", 0),
    ],
)
async def test_a_second_ahead_is_refused_whatever_the_window(
    bybit: RawBybit, ahead_ms: int, window: str, code: int
) -> None:
    headers = bybit.signed(UNIFIED, bybit.clock.now_ms() + ahead_ms, window)
    answer = orjson.loads(await bybit.send("GET", f"{BALANCE}?{UNIFIED}", headers=headers))
    assert answer["retCode"] == code
    if code:
        now_ms = bybit.clock.now_ms()
        assert f"req_timestamp[{now_ms + ahead_ms}],server_timestamp[{now_ms}]" in answer["retMsg"]


async def test_who_does_not_sign_or_signs_wrongly_is_told_so_with_status_200(bybit: RawBybit) -> None:
    nothing = orjson.loads(await bybit.send("GET", f"{BALANCE}?{UNIFIED}"))
    assert (nothing["retCode"], nothing["result"], nothing["retExtInfo"]) == (10001, None, None)
    assert nothing["retMsg"].startswith("empty value: apiTimestamp[] apiKey[]")
    wrong = bybit.signed(UNIFIED) | {"X-BAPI-SIGN": "0" * 64}
    answer = orjson.loads(await bybit.send("GET", f"{BALANCE}?{UNIFIED}", headers=wrong))
    assert answer["retCode"] == 10004
    assert answer["retMsg"] == f"error sign! origin_string[{bybit.clock.now_ms()}{bybit.key}5000{UNIFIED}]"
    foreign = bybit.signed(UNIFIED) | {"X-BAPI-API-KEY": "KEY123"}
    assert orjson.loads(await bybit.send("GET", f"{BALANCE}?{UNIFIED}", headers=foreign))["retCode"] == 10003
    assert bybit.status == 200
    assert bybit.secret not in str(answer)


async def test_header_names_have_no_case(bybit: RawBybit) -> None:
    headers = {name.lower(): value for name, value in bybit.signed(UNIFIED).items()}
    assert orjson.loads(await bybit.send("GET", f"{BALANCE}?{UNIFIED}", headers=headers))["retCode"] == 0


async def test_statuses_other_than_200_are_of_the_way_and_not_of_the_business(bybit: RawBybit) -> None:
    for method, target, body, status in (
        ("GET", "/v5/no/such/path", None, 404),
        ("GET", "/v5/order/create", None, 404),
        ("POST", "/v5/market/time", b"{}", 404),
        ("DELETE", "/v5/market/time", None, 400),
        ("GET", "/v5/market/time", b'{"category":"linear"}', 403),
    ):
        await bybit.send(method, target, body)
        assert bybit.status == status, target


async def test_the_eleventh_order_of_a_second_is_too_many(bybit: RawBybit) -> None:
    for left in range(9, -1, -1):
        await bybit.done("/v5/order/create", **ORDER)
        assert bybit.headers["X-Bapi-Limit-Status"] == str(left)
    assert await bybit.refused("/v5/order/create", **ORDER) == 10006
    assert int(bybit.headers["X-Bapi-Limit-Reset-Timestamp"]) > bybit.clock.now_ms()
    assert await bybit.refused("/v5/order/create", **ORDER) == 10006
    await bybit.done("/v5/order/cancel-all", category="linear", symbol="BTCUSDT")  # a bucket of its own
    bybit.rest()
    await bybit.done("/v5/order/create", **ORDER)
    assert len(await bybit.rows(REALTIME, category="linear", symbol="BTCUSDT")) == 0


async def test_an_address_that_asks_too_much_is_shut_out_for_ten_minutes(bybit: RawBybit) -> None:
    for _ in range(600):
        await bybit.send("GET", "/v5/market/time")
        assert bybit.status == 200
    await bybit.send("GET", "/v5/market/time")
    assert bybit.status == 403
    bybit.clock.advance(seconds=599)
    await bybit.send("GET", "/v5/market/time")
    assert bybit.status == 403
    bybit.clock.advance(seconds=2)
    await bybit.send("GET", "/v5/market/time")
    assert bybit.status == 200


async def test_a_body_that_is_no_object_is_a_parameter_error(bybit: RawBybit) -> None:
    for body in (b"[]", b"{", b"\xff"):
        headers = bybit.signed("") | {"X-BAPI-SIGN": sign(bybit.secret, "")}
        assert orjson.loads(await bybit.send("POST", "/v5/order/create", body, headers))["retCode"] in (10001, 10004)
    signed = orjson.loads(await bybit.send("POST", "/v5/order/create", b"[]", bybit.signed("[]")))
    assert (signed["retCode"], signed["retMsg"]) == (10001, "Request parameter error.")


async def test_server_time_is_text_and_the_envelope_counts_in_milliseconds(bybit: RawBybit) -> None:
    answer = await bybit.public("/v5/market/time")
    now_ms = bybit.clock.now_ms()
    assert answer["result"] == {"timeSecond": str(now_ms // 1_000), "timeNano": f"{now_ms}000000"}
    assert answer["time"] == now_ms


async def test_a_cursor_is_good_as_it_came_and_encoded_once_more(bybit: RawBybit) -> None:
    first = (await bybit.public("/v5/market/instruments-info", category="linear"))["result"]
    cursor = first["nextPageCursor"]
    assert cursor.startswith("first%3DBTCUSDT%26last%3D")
    pages = []
    for sent in (cursor, quote(cursor, safe="")):
        body = await bybit.send("GET", f"/v5/market/instruments-info?category=linear&cursor={sent}")
        pages.append(orjson.loads(body)["result"])
    assert pages[0] == pages[1]
    assert pages[0]["nextPageCursor"] == ""
    symbols = [row["symbol"] for row in first["list"] + pages[0]["list"]]
    assert len(first["list"]) == 500 < len(symbols) == len(set(symbols))


async def test_a_port_may_be_chosen_and_one_that_is_taken_is_an_error(clock: ManualClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            async with run_simulator(SimulatorConfig(bybit_port=port), clock):
                raise AssertionError("served on a port that was taken")
    async with run_simulator(SimulatorConfig(bybit_port=port), clock) as running:
        assert running.urls["bybit_testnet"] == f"http://127.0.0.1:{port}"
