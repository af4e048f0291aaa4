"""One record: what its line looks like, and that nothing in it can change unseen."""

import hashlib
import hmac
import json  # noqa: TID251 - an independent reader of what orjson wrote
from datetime import UTC, datetime

import pytest

from cerberod.audit.record import GENESIS, Anchor, BadRecord, Chain, EventKind, check_line, claimed, fingerprint
from tests.support.records import KEY, event

AT = datetime(2026, 8, 22, 3, 50, 45, 123456, tzinfo=UTC)


def sealed_line() -> bytes:
    return Chain(KEY, Anchor()).seal(event(intent="i-1", code=0), AT, 17).rstrip(b"\n")


def test_a_line_is_json_that_says_what_happened_and_where_it_stands() -> None:
    members = json.loads(sealed_line())
    assert members["kind"] == "request"
    assert members["at"] == "2026-08-22T03:50:45.123Z"
    assert members["offset_ms"] == 17
    assert (members["seq"], members["prev"]) == (1, GENESIS)
    assert (members["intent"], members["code"]) == ("i-1", 0)
    assert members["params"] == {"instrument_name": "BTC-NOWHERE", "amount": "10"}
    assert "outcome" not in members


def test_anyone_with_the_key_can_recompute_the_hash_from_the_parsed_line() -> None:
    members = json.loads(sealed_line())
    digest = members.pop("hash")
    body = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    assert digest == hmac.new(KEY, body, hashlib.sha256).hexdigest()


def test_each_record_continues_from_the_one_before() -> None:
    chain = Chain(KEY, Anchor())
    first, second = (chain.seal(event(), AT, 0).rstrip(b"\n") for _ in range(2))
    one = check_line(GENESIS, first, KEY)
    two = check_line(one.hash, second, KEY)
    assert (one.sequence, two.sequence) == (1, 2)
    assert chain.head == Anchor(2, two.hash)
    with pytest.raises(BadRecord, match="does not continue"):
        check_line(GENESIS, second, KEY)


def test_the_events_own_time_wins_over_the_time_of_sealing() -> None:
    earlier = datetime(2026, 8, 22, 3, 50, 44, tzinfo=UTC)
    line = Chain(KEY, Anchor()).seal(event(at=earlier), AT, 0)
    assert json.loads(line)["at"] == "2026-08-22T03:50:44.000Z"


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(BadRecord, match="altered, or sealed with another key"):
        check_line(None, sealed_line(), b"x" * 32)


@pytest.mark.promise("P5")
def test_every_single_bit_flip_is_seen() -> None:
    line = sealed_line()
    for place in range(len(line) * 8):
        flipped = bytearray(line)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(BadRecord):
            check_line(None, bytes(flipped), KEY)


@pytest.mark.parametrize("line", [b"", b"{}", b"not json", b"[1]", b'{"hash":"' + b"0" * 64 + b'"}', b"\xff" * 100])
def test_what_is_not_a_record_is_refused(line: bytes) -> None:
    with pytest.raises(BadRecord):
        check_line(None, line, KEY)
    assert claimed(line) is None


def test_a_damaged_line_may_still_say_which_record_it_was() -> None:
    damaged = sealed_line().replace(b"night-owl", b"night-cat")
    told = claimed(damaged)
    assert told is not None
    assert told.sequence == 1


@pytest.mark.parametrize("params", [{"a": 2**64}, {"a": object()}, {"a": "\ud800"}, {1: "a"}])
def test_an_event_that_cannot_be_json_says_so_before_it_reaches_the_chain(params: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not plain JSON"):
        event(EventKind.READ, params=params).check()


def test_a_key_is_named_without_being_told() -> None:
    assert fingerprint(KEY) == fingerprint(KEY) != fingerprint(b"x" * 32)
    assert KEY.hex() not in fingerprint(KEY)
