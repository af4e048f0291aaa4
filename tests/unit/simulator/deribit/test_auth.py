"""Keys, signatures, tokens and scopes, with time as an argument."""

import pytest

from cerberod.simulator.deribit.auth import Authority, Key, read_signed_header, sign, token_result
from cerberod.simulator.deribit.wire import VenueError

KEY = Key("id", "secret", "account")


@pytest.fixture
def authority() -> Authority:
    return Authority([KEY])


def refused(code: int) -> "pytest.RaisesExc[VenueError]":
    return pytest.raises(VenueError, check=lambda error: error.code == code)


def test_a_signature_may_be_stamped_with_either_clock(authority: Authority) -> None:
    for stamp in (1_000_000, 9_000_000, "9000000", 1_060_000):
        signature = sign("secret", str(stamp), "n", "d")
        assert authority.by_signature("id", stamp, "n", signature, "d", (1_000_000, 9_000_000)) == KEY
    for stamp in (5_000_000, 1_060_001, 939_999):
        signature = sign("secret", str(stamp), "n", "d")
        with refused(13009):
            authority.by_signature("id", stamp, "n", signature, "d", (1_000_000, 9_000_000))


@pytest.mark.parametrize("stamp", [None, True, 1.5, "x", "٣", [], "9" * 30])
def test_a_timestamp_that_is_no_number_is_refused(authority: Authority, stamp: object) -> None:
    with refused(13009):
        authority.by_signature("id", stamp, "n", sign("secret", str(stamp), "n", ""), "", (0,))


def test_basic_header(authority: Authority) -> None:
    assert authority.by_basic("aWQ6c2VjcmV0") == KEY
    for wrong in ("aWQ6c2VjcmV1", "%%%", "/w=="):
        with refused(13004):
            authority.by_basic(wrong)
    assert read_signed_header("id=a, ts=1,sig=b=,nonce=") == {"id": "a", "ts": "1", "sig": "b=", "nonce": ""}


def test_tokens_expire_and_die_with_their_connection(authority: Authority) -> None:
    token = authority.grant(KEY, "expires:60", "c1", 0.0)
    assert authority.check(token.access, "c1", 59.9) is token
    for connection, now_s in (("c1", 60.0), ("c2", 1.0), (None, 1.0)):
        with refused(13009):
            authority.check(token.access, connection, now_s)
    authority.end_connection("c1")
    with refused(13009):
        authority.check(token.access, "c1", 1.0)


def test_at_most_sixteen_sessions_live(authority: Authority) -> None:
    tokens = [authority.grant(KEY, f"session:s{n}", "c", 0.0) for n in range(17)]
    with refused(13009):
        authority.check(tokens[0].access, None, 1.0)
    for token in tokens[1:]:
        assert authority.check(token.access, "elsewhere", 1.0) is token


def test_scopes(authority: Authority) -> None:
    full = authority.grant(KEY, None, "c", 0.0)
    assert full.allows("trade", "read_write")
    narrow = authority.grant(KEY, "trade:read account:none unknown:thing", "c", 0.0)
    assert narrow.allows("trade", "read")
    assert not narrow.allows("trade", "read_write")
    assert not narrow.allows("account", "read")
    assert token_result(narrow)["scope"] == "account:none trade:read connection mainaccount"
    with pytest.raises(VenueError):
        authority.grant(KEY, 5, "c", 0.0)


def test_the_number_of_tokens_is_bounded(authority: Authority) -> None:
    first = authority.grant(KEY, None, "c", 0.0)
    for _ in range(4_096):
        authority.grant(KEY, None, "c", 0.0)
    with refused(13009):
        authority.check(first.access, "c", 0.0)
