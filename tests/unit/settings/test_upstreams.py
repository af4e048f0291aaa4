"""Which key feeds which environment; a key named for one is never used in the other."""

from cerberod.ids import Environment
from cerberod.settings.upstreams import UPSTREAMS, UpstreamSettings, check_keys, resolve

TESTNET, MAINNET = Environment.TESTNET, Environment.MAINNET
BY_NAME = {upstream.name: upstream for upstream in UPSTREAMS}


def choose(name: str, environment: Environment, **given: str) -> tuple[UpstreamSettings, list[str]]:
    told: list[str] = []

    def tell(name: str, rule: str) -> None:
        told.append(f"{name}: {rule}")

    check_keys(BY_NAME[name], given, tell)
    return resolve(BY_NAME[name], environment, given, tell), told


def revealed(found: UpstreamSettings) -> dict[str, str]:
    return {name: secret.reveal() for name, secret in (found.credentials or {}).items()}


PLAIN = {"DERIBIT_CLIENT_ID": "plain-id", "DERIBIT_CLIENT_SECRET": "plain-secret"}
LIVE = {"DERIBIT_CLIENT_ID_LIVE": "live-id-1", "DERIBIT_CLIENT_SECRET_LIVE": "live-secret"}


def test_plain_keys_feed_both() -> None:
    for environment in Environment:
        found, told = choose("deribit", environment, **PLAIN)
        assert revealed(found) == {"client_id": "plain-id", "client_secret": "plain-secret"}
        assert found.sources["client_id"] == "DERIBIT_CLIENT_ID"
        assert told == []


def test_suffixed_keys_win_and_stay_in_their_environment() -> None:
    live, _ = choose("deribit", MAINNET, **PLAIN, **LIVE)
    assert revealed(live) == {"client_id": "live-id-1", "client_secret": "live-secret"}
    testnet, _ = choose("deribit", TESTNET, **PLAIN, **LIVE)
    assert revealed(testnet) == {"client_id": "plain-id", "client_secret": "plain-secret"}
    alone, told = choose("deribit", TESTNET, **LIVE)
    assert (alone.credentials, told) == (None, [])


def test_half_a_pair_is_refused_even_where_a_plain_half_could_complete_it() -> None:
    found, told = choose("deribit", TESTNET, DERIBIT_CLIENT_ID_TESTNET="test-id-1", **PLAIN)
    assert found.credentials is None
    assert told == ["DERIBIT_CLIENT_SECRET_TESTNET: must be given with DERIBIT_CLIENT_ID_TESTNET"]
    _, told = choose("bybit", MAINNET, BYBIT_API_SECRET="plain-secret")
    assert told == ["BYBIT_API_KEY: must be given with BYBIT_API_SECRET"]


def test_hyperliquid_may_share_its_wallet_between_environments() -> None:
    wallet, key = "0x" + "ab" * 20, "0x" + "1f" * 32
    found, told = choose("hyperliquid", TESTNET, HYPERLIQUID_WALLET_ADDRESS=wallet, HYPERLIQUID_PRIVATE_KEY_TESTNET=key)
    assert revealed(found) == {"wallet_address": wallet, "private_key": key}
    assert told == []


def test_malformed_key_is_refused_without_its_text() -> None:
    found, told = choose(
        "hyperliquid", TESTNET, HYPERLIQUID_WALLET_ADDRESS="0x12", HYPERLIQUID_PRIVATE_KEY="canary-canary"
    )
    assert found.credentials is None
    assert told == [
        "HYPERLIQUID_WALLET_ADDRESS: must be 0x and 40 hexadecimal digits",
        "HYPERLIQUID_PRIVATE_KEY: must be a private key of 64 hexadecimal digits, with or without 0x",
    ]


def test_malformed_key_is_told_even_where_another_one_wins() -> None:
    _, told = choose("deribit", MAINNET, **LIVE, DERIBIT_CLIENT_ID="short", DERIBIT_CLIENT_SECRET="plain-secret")
    assert told == ["DERIBIT_CLIENT_ID: must be 8 to 512 printable ASCII characters without blanks"]


def test_address_is_overridden_in_its_environment_only() -> None:
    given = {"DERIBIT_URL_TESTNET": "ws://127.0.0.1:1234/ws"}
    assert choose("deribit", TESTNET, **given)[0].url == "ws://127.0.0.1:1234/ws"
    assert choose("deribit", MAINNET, **given)[0].url == "wss://www.deribit.com/ws/api/v2"


def test_address_of_the_other_environment_is_refused() -> None:
    for upstream in UPSTREAMS:
        for address in upstream.addresses:
            if address.mainnet == address.testnet:
                continue
            _, told = choose(upstream.name, TESTNET, **{f"{address.prefix}_TESTNET": address.mainnet})
            assert told == [f"{address.prefix}_TESTNET: must not name the mainnet host"]
            _, told = choose(upstream.name, MAINNET, **{f"{address.prefix}_LIVE": address.testnet})
            assert told == [f"{address.prefix}_LIVE: must not name the testnet host"]


def test_alpaca_has_an_address_for_data() -> None:
    found, told = choose("alpaca", TESTNET, ALPACA_DATA_URL_TESTNET="http://localhost:5/data")
    assert (found.url, found.data_url, told) == ("https://paper-api.alpaca.markets", "http://localhost:5/data", [])


def test_default_addresses_follow_their_own_rules() -> None:
    for upstream in UPSTREAMS:
        for address in upstream.addresses:
            for environment in Environment:
                assert address.rule.read(address.default(environment)) == address.default(environment)
