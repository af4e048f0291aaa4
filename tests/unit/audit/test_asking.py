"""Text parameters of an audit query: each is read as documented or refused by name and rule."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cerberod.audit.asking import BadParameter, read_query


def test_nothing_asked_is_the_newest_thousand_of_what_may_be_seen() -> None:
    query = read_query({}, frozenset({"testnet"}))
    assert (query.limit, query.since, query.environments) == (1000, None, frozenset({"testnet"}))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-08-22", datetime(2026, 8, 22, tzinfo=UTC)),
        ("2026-08-22T03:50:45Z", datetime(2026, 8, 22, 3, 50, 45, tzinfo=UTC)),
        ("2026-08-22T03:50:45", datetime(2026, 8, 22, 3, 50, 45, tzinfo=UTC)),
        ("2026-08-22T03:50:45+02:00", datetime(2026, 8, 22, 3, 50, 45, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_from_is_a_date_or_a_datetime(text: str, moment: datetime) -> None:
    assert read_query({"from": text}, None).since == moment


def test_to_as_a_date_takes_the_whole_day_in() -> None:
    assert read_query({"to": "2026-12-31"}, None).until == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("action", ["place_order", "deribit.place_order"])
def test_an_action_may_carry_its_namespace(action: str) -> None:
    query = read_query({"exchange": "deribit", "action": action}, None)
    assert (query.exchange, query.action) == ("deribit", "place_order")


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"limit": "-1"}, "limit"),
        ({"limit": "1000000000"}, "limit"),
        ({"limit": "1e3"}, "limit"),
        ({"limit": "\u0661"}, "limit"),
        ({"from": "yesterday"}, "from"),
        ({"to": "9999-12-31"}, "to"),
        ({"cursor": "0"}, "cursor"),
        ({"actor": "a b"}, "actor"),
        ({"bot_tag": ""}, "bot_tag"),
        ({"bot_tag": "x" * 65}, "bot_tag"),
        ({"environment": "paper"}, "environment"),
        ({"exchange": "bybit", "action": "deribit.place_order"}, "action"),
        ({"since": "2026-08-22"}, "since"),
    ],
)
def test_a_bad_parameter_is_named_with_its_rule(parameters: dict[str, str], field: str) -> None:
    with pytest.raises(BadParameter) as caught:
        read_query(parameters, None)
    assert caught.value.field == field
    assert caught.value.rule


def test_a_filter_on_the_environment_never_widens_what_may_be_seen() -> None:
    assert read_query({"environment": "mainnet"}, frozenset({"testnet"})).environments == frozenset()
