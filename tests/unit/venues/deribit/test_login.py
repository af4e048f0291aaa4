"""When a login is tried, with what, and for how long a refused key rests; time is an argument."""

from itertools import count

import pytest

from cerberod.errors import BadVenueData
from cerberod.venues.backoff import Backoff
from cerberod.venues.deribit.login import Login, lacking
from cerberod.venues.deribit.wire.frames import signature
from tests.support.deribit_venue import CLIENT_ID, CLIENT_SECRET, CREDENTIALS, GRANTED


def login() -> Login:
    numbers = count()
    return Login(CREDENTIALS, Backoff(lambda: 0.0), lambda: f"nonce-{next(numbers)}")


def test_the_first_login_signs_and_each_nonce_is_used_once() -> None:
    fresh = login()
    fresh.connected(100.0)
    assert fresh.due_s(100.0) == 0
    first, second = fresh.params(1_787_370_645_199), fresh.params(1_787_370_645_199)
    assert first["client_id"] == CLIENT_ID
    assert first["signature"] == signature(CLIENT_SECRET, 1_787_370_645_199, "nonce-0")
    assert first["nonce"] != second["nonce"]
    assert CLIENT_SECRET not in str(first)


def test_a_token_is_refreshed_at_four_fifths_of_its_life() -> None:
    fresh = login()
    fresh.accept(GRANTED, 100.0)
    assert (fresh.granted, fresh.grants, fresh.reason) == (True, 1, None)
    assert fresh.due_s(100.0) == 720
    assert fresh.params(1)["grant_type"] == "refresh_token"


def test_a_new_connection_needs_a_new_login() -> None:
    fresh = login()
    fresh.accept(GRANTED, 100.0)
    fresh.connected(200.0)
    assert (fresh.granted, fresh.due_s(200.0), fresh.params(1)["grant_type"]) == (False, 0, "client_signature")


def test_an_unknown_key_rests_for_an_hour_through_any_number_of_connections() -> None:
    fresh = login()
    fresh.refuse(13004, 100.0)
    for now in (101.0, 2000.0, 3699.0):
        fresh.connected(now)
        assert fresh.due_s(now) > 0
        assert fresh.reason == "invalid_credentials"
    fresh.connected(3701.0)
    assert fresh.due_s(3701.0) == 0


def test_a_refused_signature_rests_after_the_third_time() -> None:
    fresh, now = login(), 100.0
    for _ in range(2):
        fresh.refuse(13009, now)
        assert fresh.due_s(now) <= 1
        now += fresh.due_s(now)
    fresh.refuse(13009, now)
    assert fresh.due_s(now) == 3600
    assert fresh.reason == "signature_refused"


def test_a_refused_token_is_followed_by_a_signature_at_once() -> None:
    fresh = login()
    fresh.accept(GRANTED, 100.0)
    fresh.refuse(13009, 820.0)
    assert (fresh.due_s(820.0), fresh.granted) == (0, False)
    assert fresh.params(1)["grant_type"] == "client_signature"


def test_a_venue_with_trouble_of_its_own_is_asked_again_with_growing_pauses() -> None:
    fresh, pauses = login(), []
    for _ in range(8):
        fresh.refuse(11051, 100.0)
        pauses.append(fresh.due_s(100.0))
    assert pauses == sorted(pauses)
    assert pauses[0] == 0.5
    assert pauses[-1] == 30
    assert fresh.reason == "system_maintenance"


def test_a_refresh_that_goes_unanswered_leaves_the_token_good() -> None:
    fresh = login()
    fresh.accept(GRANTED, 100.0)
    fresh.fail("login_unanswered", 820.0)
    assert (fresh.granted, fresh.reason) == (True, None)
    assert fresh.due_s(820.0) == 0.5


def test_a_token_the_venue_takes_no_more_is_renewed_unless_it_is_new() -> None:
    fresh = login()
    assert not fresh.void(100.0)
    fresh.accept(GRANTED, 100.0)
    assert not fresh.void(105.0)
    assert fresh.void(111.0)
    assert fresh.due_s(111.0) == 0
    assert fresh.params(1)["grant_type"] == "client_signature"


@pytest.mark.parametrize(
    "change",
    [{"expires_in": 0}, {"expires_in": "900"}, {"expires_in": None}, {"refresh_token": None}, {"token_type": None}],
)
def test_an_answer_that_is_no_grant_is_refused(change: dict[str, object]) -> None:
    fresh = login()
    with pytest.raises(BadVenueData):
        fresh.accept(GRANTED | change, 100.0)
    assert not fresh.granted


@pytest.mark.parametrize("scope", [None, 5, "", "trade:none account:read", "tradex:read_write account:read"])
def test_a_scope_short_of_reading_is_named(scope: object) -> None:
    assert str(lacking(scope)).startswith("key_without_")
