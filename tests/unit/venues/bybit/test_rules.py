"""What an order is refused for before it is sent, and the nearest value that would pass."""

from decimal import Decimal as D
from typing import Any

import pytest

from cerberod.trading.orders import Reason
from cerberod.venues.bybit import rules
from cerberod.venues.bybit.bounds import Band, Mode
from cerberod.venues.bybit.wire.instruments import Instrument, instrument
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.words import Category
from tests.unit.venues.bybit.rows import LINEAR, OPTION, SPOT


def of(row: dict[str, Any], category: Category) -> Instrument:
    return instrument(Fields(row, "row"), category)


PERPETUAL, PAIR = of(LINEAR, Category.LINEAR), of(SPOT, Category.SPOT)
CALL = of(OPTION, Category.OPTION)
INVERSE = of(
    {**LINEAR, "symbol": "BTCUSD", "contractType": "InversePerpetual", "settleCoin": "BTC", "quoteCoin": "USD"}
    | {"lotSizeFilter": {"maxOrderQty": "25000000", "minOrderQty": "1", "qtyStep": "1", "minNotionalValue": "5"}},
    Category.INVERSE,
)


def told(reasons: Any) -> list[tuple[str, str | None]]:
    return [(reason.rule, reason.nearest) for reason in reasons]


@pytest.mark.parametrize(
    ("price", "nearest"),
    [("52000.1", None), ("52000.14", "52000.1"), ("0.05", "0.1"), ("2000000", "1999999.8"), ("0.10", None)],
)
def test_prices_are_on_the_grid_and_within_bounds(price: str, nearest: str | None) -> None:
    found = told(rules.off_grid("price", D(price), PERPETUAL))
    assert [each for _, each in found] == ([] if nearest is None else [nearest])


@pytest.mark.parametrize(
    ("qty", "market", "nearest"),
    [
        ("0.001", False, None),
        ("0.0004", False, "0.001"),
        ("0.0026", False, "0.003"),
        ("1190", False, None),
        ("1190.001", False, "1190"),
        ("120", True, "119"),
    ],
)
def test_quantities_of_a_contract(qty: str, market: bool, nearest: str | None) -> None:
    found = told(rules.wrong_qty("qty", D(qty), PERPETUAL, market=market))
    assert [each for _, each in found] == ([] if nearest is None else [nearest])


def test_quantities_of_spot_have_a_step_and_no_least_but_a_value() -> None:
    assert told(rules.wrong_qty("qty", D("0.000001"), PAIR, market=False)) == []
    assert told(rules.wrong_qty("qty", D("0.0000014"), PAIR, market=False)) == [("a multiple of 0.000001", "0.000001")]
    assert told(rules.wrong_value("qty", D("0.00001"), D(50_000), PAIR)) == [("worth at least 5 USDT", "0.0001")]
    assert told(rules.wrong_value("qty", D(80), D(200_000), PAIR)) == [("worth at most 8000000 USDT", "40")]


def test_an_amount_of_quote_coin_has_its_own_bounds() -> None:
    def wrong(amount: str) -> list[tuple[str, str | None]]:
        return told(rules.wrong_qty("qty", D(amount), PAIR, market=True, in_quote=True))

    assert wrong("5") == wrong("123.4567891") == []
    assert wrong("4.9") == [("at least 5 of quote coin", "5")]
    assert wrong("9000000") == [("at most 8000000 of quote coin", "8000000")]
    assert wrong("5.00000004") == [("a multiple of 0.0000001 of quote coin", "5")]


def test_the_nearest_value_is_itself_worth_enough_and_on_the_step() -> None:
    ((_, nearest),) = told(rules.wrong_value("qty", D("0.001"), D(3333), PERPETUAL))
    assert nearest == "0.002"
    assert told(rules.wrong_value("qty", D(nearest), D(3333), PERPETUAL)) == []


def test_an_inverse_contract_is_worth_its_quantity() -> None:
    assert told(rules.wrong_value("qty", D(4), D(50_000), INVERSE)) == [("worth at least 5 USD", "5")]
    assert told(rules.wrong_value("qty", D(5), D(50_000), INVERSE)) == []


def test_an_instrument_that_does_not_trade_takes_no_orders() -> None:
    assert list(rules.not_tradable(PERPETUAL)) == []
    early = of({**LINEAR, "status": "PreLaunch"}, Category.LINEAR)
    assert told(rules.not_tradable(early)) == [("open for trading; it is PreLaunch", None)]


def test_a_band_bounds_buys_above_and_sells_below() -> None:
    band = Band((Category.LINEAR, "BTCUSDT"), D("61000.50"), D("59000.00"))
    assert band.takes("buy", D("61000.5")) and band.takes("buy", D(1))
    assert band.takes("sell", D(59_000)) and band.takes("sell", D(10**6))
    assert not band.takes("buy", D("61000.6")) and not band.takes("sell", D("58999.9"))
    assert rules.outside("price", "buy", band).nearest == "61000.5"
    assert rules.outside("price", "sell", band).nearest == "59000"


def test_only_usdt_perpetuals_have_a_hedge_mode() -> None:
    assert rules.may_hedge(PERPETUAL)
    assert not any(rules.may_hedge(each) for each in (INVERSE, PAIR, CALL))
    assert not rules.may_hedge(of({**LINEAR, "settleCoin": "USDC"}, Category.LINEAR))
    assert not rules.may_hedge(of({**LINEAR, "contractType": "LinearFutures"}, Category.LINEAR))


@pytest.mark.parametrize(("hedged", "takes"), [(False, [0]), (True, [1, 2])])
def test_a_position_index_fits_the_mode(hedged: bool, takes: list[int]) -> None:
    mode = Mode((Category.LINEAR, "BTCUSDT"), hedged)
    assert [idx for idx in (0, 1, 2) if mode.takes(idx)] == takes
    assert isinstance(rules.wrong_idx("position_idx", mode), Reason)


@pytest.mark.parametrize(
    ("leverage", "nearest"), [("10", None), ("12.34", None), ("0.5", "1"), ("101", "100"), ("7.005", "7")]
)
def test_leverage_has_bounds_and_a_step(leverage: str, nearest: str | None) -> None:
    found = told(rules.wrong_leverage("buy_leverage", D(leverage), PERPETUAL))
    assert [D(each or 0) for _, each in found] == ([] if nearest is None else [D(nearest)])


@pytest.mark.parametrize(
    ("trigger", "rises", "now", "nearest"),
    [
        ("52000.2", True, "52000.1", None),
        ("52000.1", True, "52000.1", "52000.2"),
        ("40000", True, "52000.13", "52000.2"),
        ("52000", False, "52000.1", None),
        ("52000.1", False, "52000.1", "52000"),
        ("60000", False, "52000.13", "52000.1"),
        ("60000", False, "0.1", ""),
    ],
)
def test_a_trigger_is_not_reached_already(trigger: str, rises: bool, now: str, nearest: str | None) -> None:
    found = list(rules.fires_at_once("trigger_price", D(trigger), rises, "MarkPrice", D(now), D("0.1")))
    assert [(each.field, each.nearest) for each in found] == (
        [] if nearest is None else [("trigger_price", nearest or None)]
    )
    assert all("mark price" in each.rule and now in each.rule for each in found)


@pytest.mark.parametrize(
    ("side", "exits", "wrong"),
    [
        ("buy", ("105", "95"), []),
        ("buy", ("100", None), [("take_profit", "100.1")]),
        ("buy", ("101", None), []),
        ("buy", (None, "109"), []),
        ("buy", (None, "110"), [("stop_loss", "109.9")]),
        ("sell", ("95", "105"), []),
        ("sell", ("110", None), [("take_profit", "109.9")]),
        ("sell", (None, "100"), [("stop_loss", "100.1")]),
        ("buy", ("104", "106"), [("stop_loss", None)]),
        ("sell", ("106", "104"), [("stop_loss", None)]),
    ],
)
def test_exits_are_wrong_that_are_wrong_by_every_price(
    side: str, exits: tuple[str | None, str | None], wrong: list[tuple[str, str | None]]
) -> None:
    take_profit, stop_loss = (None if each is None else D(each) for each in exits)
    found = rules.wrong_side(side, take_profit, stop_loss, [D(100), D(110), D("105.03")], D("0.1"))
    assert [(each.field, each.nearest) for each in found] == wrong
    blind = rules.wrong_side(side, take_profit, stop_loss, [], D("0.1"))
    assert [each.field for each in blind] == [field for field, nearest in wrong if nearest is None]
