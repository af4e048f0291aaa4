"""Which errors a caller is told to be ready for."""

import pytest

from cerberod import app
from cerberod.errors import Code
from cerberod.rpc.describe import UPSTREAM_ERRORS, error_codes


def codes(name: str) -> set[Code]:
    method = app.methods().find(name)
    assert method is not None
    return set(error_codes(method))


@pytest.mark.parametrize("name", ["deribit.get_ticker", "deribit.place_order", "orders.check"])
def test_who_asks_a_venue_can_meet_every_upstream_error(name: str) -> None:
    """A write reads before it is sent, and `orders.check` does what the write does up to there."""
    assert set(UPSTREAM_ERRORS) <= codes(name)


@pytest.mark.parametrize("name", ["session.ping", "orders.get_outcome", "admin.halt", "rpc.discover"])
def test_who_asks_no_venue_meets_none(name: str) -> None:
    assert not set(UPSTREAM_ERRORS) & codes(name)


def test_who_reads_the_journal_can_find_it_broken() -> None:
    for name in ("orders.get_outcome", "orders.list_unresolved", "orders.check"):
        assert Code.NOT_RECORDABLE in codes(name)
    assert Code.NOT_RECORDABLE not in codes("deribit.get_ticker")
