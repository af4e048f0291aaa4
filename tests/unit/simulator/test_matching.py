"""The order book: price-time priority, lifetimes, and what no sequence of orders may break."""

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerberod.simulator.matching import Book, Lifetime, SelfTradeError, Side

D = Decimal
GTC, IOC, FOK = Lifetime.GOOD_TIL_CANCELLED, Lifetime.IMMEDIATE_OR_CANCEL, Lifetime.FILL_OR_KILL


def house_book() -> Book:
    book = Book()
    book.quote([(D("99"), D(5)), (D("98"), D(5))], [(D("101"), D(5)), (D("102"), D(5))])
    return book


def test_a_taker_walks_the_levels_at_their_prices() -> None:
    fills = house_book().submit("a", "me", Side.BUY, D(7), D("102"), GTC)
    assert [(f.price, f.amount) for f in fills] == [(D("101"), D(5)), (D("102"), D(2))]


def test_what_a_limit_leaves_rests_and_shows_in_the_depth() -> None:
    book = house_book()
    fills = book.submit("a", "me", Side.BUY, D(7), D("101"), GTC)
    assert sum(f.amount for f in fills) == 5
    assert book.depth(Side.BUY, 2) == [(D("101"), D(2)), (D("99"), D(5))]
    assert book.depth(Side.SELL, 2) == [(D("102"), D(5))]


def test_immediate_or_cancel_never_rests() -> None:
    book = house_book()
    assert sum(f.amount for f in book.submit("a", "me", Side.SELL, D(7), D("99"), IOC)) == 5
    assert "a" not in book


def test_fill_or_kill_is_all_or_nothing() -> None:
    book = house_book()
    assert book.submit("a", "me", Side.BUY, D(6), D("101"), FOK) == []
    assert book.depth(Side.SELL, 1) == [(D("101"), D(5))]
    assert sum(f.amount for f in book.submit("b", "me", Side.BUY, D(5), D("101"), FOK)) == 5


def test_better_price_first_then_the_earlier_order() -> None:
    book = Book()
    book.submit("late", "x", Side.SELL, D(1), D("100"), GTC)
    book.submit("later", "y", Side.SELL, D(1), D("100"), GTC)
    book.submit("best", "z", Side.SELL, D(1), D("99"), GTC)
    fills = book.submit("t", "me", Side.BUY, D(3), D("100"), IOC)
    assert [f.maker_id for f in fills] == ["best", "late", "later"]


def test_the_house_is_ahead_at_its_own_price() -> None:
    book = house_book()
    book.submit("mine", "x", Side.SELL, D(1), D("101"), GTC)
    fills = book.submit("t", "me", Side.BUY, D(6), D("101"), IOC)
    assert [f.maker_id for f in fills] == [None, "mine"]


def test_a_quote_that_reaches_resting_orders_fills_them_at_their_own_price() -> None:
    book = house_book()
    book.submit("first", "x", Side.BUY, D(2), D("100"), GTC)
    book.submit("second", "y", Side.BUY, D(2), D("100"), GTC)
    fills = book.quote([(D("96"), D(5))], [(D("97"), D(3))])
    assert [(f.maker_id, f.price, f.amount, f.taker_id) for f in fills] == [
        ("first", D("100"), D(2), None),
        ("second", D("100"), D(1), None),
    ]
    assert book.resting("second") is not None
    assert book.best(Side.SELL) is None


def test_own_orders_do_not_meet() -> None:
    book = house_book()
    book.submit("mine", "me", Side.SELL, D(1), D("100"), GTC)
    with pytest.raises(SelfTradeError):
        book.submit("t", "me", Side.BUY, D(1), D("100"), GTC)
    assert book.depth(Side.SELL, 1) == [(D("100"), D(1))]


def test_shrinking_keeps_the_place_in_the_queue() -> None:
    book = Book()
    book.submit("a", "x", Side.BUY, D(5), D("100"), GTC)
    book.submit("b", "y", Side.BUY, D(5), D("100"), GTC)
    book.shrink("a", D(2))
    fills = book.submit("t", "me", Side.SELL, D(3), D("100"), IOC)
    assert [(f.maker_id, f.amount) for f in fills] == [("a", D(2)), ("b", D(1))]
    with pytest.raises(ValueError, match="shrink"):
        book.shrink("b", D(9))


def test_cancel_takes_an_order_out_once() -> None:
    book = Book()
    book.submit("a", "x", Side.BUY, D(5), D("100"), GTC)
    assert book.cancel("a") is not None
    assert book.cancel("a") is None
    assert len(book) == 0


orders = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.integers(95, 105),
        st.integers(1, 9),
        st.sampled_from([GTC, IOC, FOK]),
        st.sampled_from(["submit", "submit", "submit", "cancel", "quote"]),
    ),
    max_size=40,
)


@given(orders)
@settings(max_examples=150)
def test_nothing_is_lost_the_book_never_crosses_and_queues_are_honest(
    script: list[tuple[Side, int, int, Lifetime, str]],
) -> None:
    book = Book()
    asked: dict[str, Decimal] = {}
    limits: dict[str, tuple[Side, Decimal]] = {}
    filled: Counter[str] = Counter()
    cancelled: dict[str, Decimal] = {}
    for number, (side, price, amount, lifetime, action) in enumerate(script):
        name = f"o{number}"
        if action == "cancel" and book.order_ids():
            victim = book.order_ids()[price % len(book.order_ids())]
            removed = book.cancel(victim)
            assert removed is not None
            cancelled[victim] = removed.remaining
            continue
        before = {s: book.queue(s) for s in Side}
        sizes = {o.order_id: o.remaining for s in Side for o in before[s]}
        if action == "quote":
            fills = book.quote([(D(price - 1), D(amount))], [(D(price), D(amount))])
        else:
            asked[name], limits[name] = D(amount), (side, D(price))
            fills = book.submit(name, name, side, D(amount), D(price), lifetime)  # an owner each: no self-trade
            taken = sum((f.amount for f in fills), D(0))
            if lifetime is FOK:
                assert taken in (D(0), D(amount))
            if lifetime is not GTC:
                assert name not in book
                cancelled[name] = D(amount) - taken
            # Each user order ahead of the last one touched was filled completely.
            queue = [o.order_id for o in before[side.opposite]]
            touched = [f.maker_id for f in fills if f.maker_id is not None]
            assert touched == queue[: len(touched)]
            for maker in touched[:-1]:
                assert sum(f.amount for f in fills if f.maker_id == maker) == sizes[maker]
        for fill in fills:
            for party in (fill.taker_id, fill.maker_id):
                if party is not None:
                    filled[party] += int(fill.amount)
                    own_side, limit = limits[party]
                    assert fill.price <= limit if own_side is Side.BUY else fill.price >= limit
        bid, ask = book.best(Side.BUY), book.best(Side.SELL)
        assert bid is None or ask is None or bid < ask
    for name, wanted in asked.items():
        resting = book.resting(name)
        left = resting.remaining if resting is not None else cancelled.get(name, D(0))
        assert filled[name] + left == wanted


def test_an_iceberg_shows_its_part_and_hides_the_rest() -> None:
    book = Book()
    book.quote([], [])
    book.submit("ice", "me", Side.BUY, D(25), D(100), Lifetime.GOOD_TIL_CANCELLED, display=D(10))
    assert book.depth(Side.BUY, 5) == [(D(100), D(10))]
    fills = book.submit("in", "you", Side.SELL, D(17), D(100), Lifetime.IMMEDIATE_OR_CANCEL)
    assert [(f.amount, f.hidden) for f in fills] == [(D(10), False), (D(7), True)]
    assert book.depth(Side.BUY, 5) == [(D(100), D(8))], "it shows again, at most what is left"
    fills = book.quote([], [(D(99), D(5))])
    assert [(f.amount, f.hidden, f.price) for f in fills] == [(D(5), False, D(100))]
    assert book.depth(Side.BUY, 5) == [(D(100), D(3))]
    book.shrink("ice", D(2))
    assert book.depth(Side.BUY, 5) == [(D(100), D(2))]
    assert sum(f.amount for f in book.quote([], [(D(99), D(50))])) == 2
    assert "ice" not in book
