import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.ids import Environment
from cerberod.transport.auth import Authenticator, FailureTracker, is_bot_tag, token_in_url
from tests.support.peers import ADMIN, MAINNET, TESTNET, TOKENS

authenticator = Authenticator(TOKENS)
RIGHT = f"Bearer {TESTNET.reveal()}"


def actor(*authorization: str, query: str = "") -> str | None:
    identity = authenticator.identify(authorization, query)
    return None if identity is None else identity.actor


def test_each_token_opens_its_own() -> None:
    found = {token: authenticator.identify([f"Bearer {token.reveal()}"]) for token in (TESTNET, MAINNET, ADMIN)}
    testnet, mainnet, admin = (identity for identity in found.values() if identity is not None)
    assert (testnet.actor, testnet.environment) == ("testnet", Environment.TESTNET)
    assert (mainnet.actor, mainnet.environment) == ("mainnet", Environment.MAINNET)
    assert testnet.scopes == mainnet.scopes == {"read", "trade"}
    assert (admin.actor, admin.environment) == ("admin", None)
    assert "admin" in admin.scopes
    assert testnet.audit_of == {Environment.TESTNET}
    assert mainnet.audit_of == admin.audit_of == set(Environment)


@pytest.mark.parametrize("header", [RIGHT, RIGHT.replace("Bearer", "bearer"), f"  Bearer   {TESTNET.reveal()} \t"])
def test_the_scheme_ignores_case_and_blanks_around_do_not_matter(header: str) -> None:
    assert actor(header) == "testnet"


@pytest.mark.parametrize(
    "shown",
    [
        [],
        [""],
        ["Bearer"],
        ["Bearer "],
        ["Bearer wrong"],
        [TESTNET.reveal()],
        [RIGHT.replace("Bearer", "Basic")],
        [RIGHT[:-1]],
        [RIGHT + "x"],
        [RIGHT, RIGHT],
        [RIGHT, "Bearer wrong"],
        ["Bearer " + "x" * 10_240],
        ["Bearer тестнет"],
        ["Bearer \udcff\udcfe"],
        [RIGHT + " " + TESTNET.reveal()],
        [RIGHT.upper()],
    ],
)
def test_anything_else_is_nobody(shown: list[str]) -> None:
    assert actor(*shown) is None


@pytest.mark.parametrize("query", ["token=x", "access_token=", "TOKEN=x", "a=1&Access_Token=x", "%74oken=x"])
def test_a_token_in_the_url_makes_even_a_right_header_nobody(query: str) -> None:
    assert token_in_url(query)
    assert actor(RIGHT, query=query) is None


def test_more_fields_than_anybody_needs_count_as_a_token() -> None:
    assert token_in_url("&".join(f"k{n}=1" for n in range(65)))
    assert actor(RIGHT, query="&".join(f"k{n}=1" for n in range(65))) is None


@pytest.mark.parametrize("query", ["", "limit=5", "tokens=1", "from=2026-08-22"])
def test_other_queries_do_not_matter(query: str) -> None:
    assert actor(RIGHT, query=query) == "testnet"


@given(st.lists(st.text(max_size=60), max_size=3), st.text(max_size=60))
def test_no_header_and_no_query_raises(headers: list[str], query: str) -> None:
    assert actor(*headers, query=query) is None


def test_every_entry_is_compared_whether_or_not_one_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append(a)
        return a == b

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for header in ([RIGHT], ["Bearer wrong"], [], [RIGHT, RIGHT]):
        compared.clear()
        authenticator.identify(header)
        assert len(compared) == 3
        assert all(len(digest) == 32 for digest in compared)


def test_two_tokens_of_one_name_are_both_good() -> None:
    both = Authenticator({"testnet": [TESTNET.digest(), hashlib.sha256(b"next").digest()]})
    for token in (TESTNET.reveal(), "next"):
        identity = both.identify([f"Bearer {token}"])
        assert identity is not None
        assert identity.actor == "testnet"


@pytest.mark.parametrize("tag", ["a", "~", "bot 1", "a" * 64, "!#$%", "x=y;z"])
def test_good_bot_tags(tag: str) -> None:
    assert is_bot_tag(tag)


@pytest.mark.parametrize("tag", ["", " ", " a", "a ", "a" * 65, "a\tb", "a\n", "é", "a\x7f", "\0"])
def test_bad_bot_tags(tag: str) -> None:
    assert not is_bot_tag(tag)


def failing(tracker: FailureTracker, *moments: tuple[str, float]) -> Iterator[float]:
    for address, now in moments:
        yield round(tracker.failed(address, now), 6)


def test_who_fails_seldom_waits_one_pause() -> None:
    tracker = FailureTracker(0.25)
    assert list(failing(tracker, ("a", 0.0), ("a", 0.25), ("a", 100.0))) == [0.25, 0.25, 0.25]


def test_failures_of_one_address_queue_behind_each_other_up_to_a_bound() -> None:
    tracker = FailureTracker(0.25)
    moments = [("a", 0.0)] * 5 + [("b", 0.0)]
    assert list(failing(tracker, *moments)) == [0.25, 0.5, 0.75, 1.0, 1.0, 0.25]
    assert (tracker.total, tracker.failures("a"), tracker.failures("b"), tracker.failures("c")) == (6, 5, 1, 0)


def test_the_table_of_addresses_is_bounded() -> None:
    tracker = FailureTracker(0.25, max_addresses=10)
    for number in range(1000):
        tracker.failed(str(number), 0.0)
    assert len(tracker) == 10
    assert tracker.failures("0") == 0
    assert tracker.failures("999") == 1
    assert tracker.total == 1000


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 5)), max_size=60), st.floats(0, 2))
def test_a_pause_is_never_shorter_than_one_nor_longer_than_the_bound(steps: list[Any], pause_s: float) -> None:
    tracker, now = FailureTracker(pause_s, max_addresses=3), 0.0
    for address, step in steps:
        now += step
        assert pause_s - 1e-6 <= tracker.failed(address, now) <= max(1.0, pause_s) + 1e-6
        assert len(tracker) <= 3
