"""Signatures: the vectors published for the venue's rule, the window of time, and who may not pass."""

import pytest

from cerberod.simulator.bybit.auth import Key, check, make_key, signature
from cerberod.simulator.bybit.wire import VenueError

NOW_MS = 1_700_000_000_000
KEY = Key("KEY123", "SECRET456", 1)
VECTORS = [
    (
        b"category=linear&symbol=BTCUSDT",
        "ed4092b2075592674090927b82e97210aa610c6c04f1660bbb4d26d394f5bae0",
    ),
    (b"", "a22bd615f33034b20d42f9ec91d1c8e4c5a1b92a14993bc1f6b9cb58c8d7aca5"),
    (
        b'{"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001", '
        b'"price": "50000", "orderLinkId": "x1"}',
        "e5aa08435f67ac6c9b8f948d13340d837000b9d1d2c06350b119a35f4d9077e8",
    ),
]


def headers(**changes: str) -> dict[str, str]:
    return {
        "X-BAPI-API-KEY": "KEY123",
        "X-BAPI-TIMESTAMP": str(NOW_MS),
        "X-BAPI-RECV-WINDOW": "5000",
        "X-BAPI-SIGN": VECTORS[0][1],
    } | changes


def refusal(
    payload: bytes = VECTORS[0][0], clocks: tuple[int, ...] = (NOW_MS,), changes: dict[str, str] | None = None
) -> VenueError:
    with pytest.raises(VenueError) as refused:
        check(KEY, headers(**(changes or {})), payload, clocks)
    return refused.value


@pytest.mark.parametrize(("payload", "signed"), VECTORS)
def test_the_published_vectors(payload: bytes, signed: str) -> None:
    assert signature(KEY.secret, f"{NOW_MS}KEY1235000".encode() + payload) == signed
    check(KEY, headers(**{"X-BAPI-SIGN": signed}), payload, (NOW_MS,))


def test_one_byte_more_is_another_text() -> None:
    error = refusal(VECTORS[0][0] + b" ")
    assert (error.code, error.message) == (
        10004,
        f"error sign! origin_string[{NOW_MS}KEY1235000category=linear&symbol=BTCUSDT ]",
    )


def test_an_encoded_query_is_good_when_its_plain_text_was_signed() -> None:
    signed = signature(KEY.secret, f"{NOW_MS}KEY1235000coin=A,B|C".encode())
    check(KEY, headers(**{"X-BAPI-SIGN": signed}), b"coin=A%2CB%7CC", (NOW_MS,))


@pytest.mark.parametrize(("ahead_ms", "good"), [(1_000, False), (999, True), (-5_000, True), (-5_001, False)])
def test_the_window_ends_a_second_ahead(ahead_ms: int, good: bool) -> None:
    clocks = (NOW_MS - ahead_ms,)
    if good:
        check(KEY, headers(), VECTORS[0][0], clocks)
    else:
        error = refusal(clocks=clocks)
        assert error.code == 10002
        assert f"req_timestamp[{NOW_MS}],server_timestamp[{clocks[0]}],recv_window[5000]" in error.message


def test_the_clock_that_is_nearest_to_the_caller_decides() -> None:
    check(KEY, headers(), VECTORS[0][0], (NOW_MS - 86_400_000, NOW_MS + 100))
    assert refusal(clocks=(NOW_MS - 86_400_000, NOW_MS - 2_000)).code == 10002


def test_without_a_window_it_is_five_seconds() -> None:
    signed = signature(KEY.secret, f"{NOW_MS}KEY123".encode())
    given = headers(**{"X-BAPI-SIGN": signed})
    del given["X-BAPI-RECV-WINDOW"]
    check(KEY, given, b"", (NOW_MS + 5_000,))
    with pytest.raises(VenueError):
        check(KEY, given, b"", (NOW_MS + 5_001,))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"X-BAPI-API-KEY": "OTHER"}, 10003),
        ({"X-BAPI-SIGN": ""}, 10001),
        ({"X-BAPI-TIMESTAMP": ""}, 10001),
        ({"X-BAPI-TIMESTAMP": "now"}, 10001),
        ({"X-BAPI-RECV-WINDOW": "-1"}, 10001),
        ({"X-BAPI-SIGN": "é"}, 10004),
        ({"X-BAPI-SIGN": VECTORS[0][1].upper()}, 10004),
    ],
)
def test_what_does_not_pass(changes: dict[str, str], code: int) -> None:
    assert refusal(changes=changes).code == code


def test_keys_are_the_same_in_every_run_and_differ_by_environment() -> None:
    assert make_key("bybit_testnet", 7, 1) == make_key("bybit_testnet", 7, 1)
    keys = {make_key(name, seed, 1).api_key for name in ("bybit_testnet", "bybit_live") for seed in (7, 8)}
    assert len(keys) == 4
