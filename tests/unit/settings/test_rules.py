"""Rules take what they name and refuse the rest, in words that never hold the text."""

from typing import Any

import pytest

from cerberod.settings import rules
from cerberod.settings.rules import BrokenRule, Rule
from cerberod.settings.secret import Secret

GOOD_TOKEN = "kZ3vQ9xT1mW7pL5sR8dF2gH6jN4bC0yA"
PRIVATE_KEY = "0x" + "1f" * 32


@pytest.mark.parametrize(
    ("rule", "text", "value"),
    [
        (rules.whole(0, 65535), "9000", 9000),
        (rules.seconds(0.1, 60), "2.5", 2.5),
        (rules.SWITCH, "True", True),
        (rules.SWITCH, "false", False),
        (rules.ADDRESS, "::1", "::1"),
        (rules.ADDRESS, "localhost", "localhost"),
        (rules.HOST_NAMES, "Desk.my.net, [::1]:9000", ("desk.my.net", "[::1]:9000")),
        (rules.ORIGINS, "https://desk.my.net:8443", ("https://desk.my.net:8443",)),
        (rules.url("wss", "ws"), "wss://venue.test/ws/", "wss://venue.test/ws"),
        (rules.url("wss", "ws"), "ws://127.0.0.1:1", "ws://127.0.0.1:1"),
        (rules.url("https", "http"), "http://[::1]:8080/x", "http://[::1]:8080/x"),
        (rules.TOKEN, GOOD_TOKEN, Secret(GOOD_TOKEN)),
        (rules.PRIVATE_KEY, PRIVATE_KEY[2:], Secret(PRIVATE_KEY)),
    ],
)
def test_taken(rule: Rule[Any], text: str, value: object) -> None:
    assert rule.read(text) == value


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        *[(rules.whole(0, 65535), text) for text in ("", "-1", "65536", "1_0", " 1", "1.0", "1e3", "１", "9" * 5000)],
        *[(rules.seconds(0.1, 60), text) for text in ("0", "61", "nan", "inf", "1e1", ".5", "1.")],
        *[(rules.SWITCH, text) for text in ("1", "yes", "on", "")],
        *[(rules.ADDRESS, text) for text in ("venue.test", "127.0.0.1:9000", "127.1")],
        *[(rules.PATH, text) for text in ("state", "./state", "/a\0b")],
        *[(rules.NETWORKS, text) for text in ("10.0.0.1/8", "proxy", "10.0.0.0/33")],
        *[(rules.HOST_NAMES, text) for text in ("*", "a b", "http://a")],
        *[(rules.ORIGINS, text) for text in ("null", "*", "https://a/b", "desk.my.net")],
        *[
            (rules.url("wss", "ws"), text)
            for text in (
                "https://venue.test",
                "ws://venue.test",
                "ws://127.0.0.1.venue.test",
                "wss://",
                "wss://u:p@venue.test",
                "wss://venue.test/?key=1",
                "wss://venue.test:99999",
                "wss://venue.test/a b",
                "wss://[::1",
            )
        ],
        *[
            (rules.TOKEN, text)
            for text in (
                GOOD_TOKEN[:31],
                GOOD_TOKEN * 9,
                GOOD_TOKEN[:-1] + " ",
                GOOD_TOKEN[:-1] + "é",
                "a" * 40,
                "abcabcab" * 5,
                "kZ3vQ9xT1mW7pL5s" * 2,
                "abcdefghijklmnopqrstuvwxyz0123456789",
                "your-testnet-token-goes-right-here-0042",
                "CHANGEME-" + GOOD_TOKEN,
            )
        ],
        *[(rules.API_KEY, text) for text in ("short", "with a blank", "tab\there-and-there")],
        *[(rules.WALLET_ADDRESS, text) for text in ("0x12", "12" * 20, "0x" + "g" * 40)],
        *[(rules.PRIVATE_KEY, text) for text in ("0x" + "0" * 64, "f" * 64, PRIVATE_KEY + "00", "0x" + "z" * 64)],
    ],
)
def test_refused_without_repeating_the_text(rule: Rule[Any], text: str) -> None:
    with pytest.raises(BrokenRule) as caught:
        rule.read(text)
    assert text not in str(caught.value) or not text
    assert rule.says


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback(address: str) -> None:
    assert rules.is_loopback(address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.1", "8.8.8.8"])
def test_not_loopback(address: str) -> None:
    assert not rules.is_loopback(address)
