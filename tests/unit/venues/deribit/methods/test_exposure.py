"""Portfolio greeks: golden numbers, linear beside inverse, stand-ins, and positions that nobody can value."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cerberod.calculation.service import Calculation
from cerberod.calculation.worker import Worker
from cerberod.ids import Environment
from cerberod.rpc.call import Call, Principal, Services
from cerberod.venues.deribit.methods.exposure import (
    GetPortfolioGreeks,
    LeftOut,
    PortfolioGreeks,
    PositionGreeks,
    Source,
    get_portfolio_greeks,
)
from tests.support.deribit_venue import ScriptedVenue, client_of, eventually, scripted

NOW = 1_787_370_645_199
PRINCIPAL = Principal(Environment.TESTNET, "testnet", "night-owl", frozenset({"read"}), "s-1", "websocket")
GOLDEN = "BTC-25SEP26-80000-C"
"""iv 41.21 on a forward of 78899.98, 34.1731 days: its greeks are worked out in the fact sheet."""


def row(name: str, **more: Any) -> dict[str, Any]:
    told = {
        "instrument_name": name,
        "creation_timestamp": NOW,
        "mark_price": 0.04395528,
        "mark_iv": 41.21,
        "underlying_price": 78899.98,
        "underlying_index": "BTC-25SEP26",
        "estimated_delivery_price": 78617.31,
        "open_interest": 10.0,
        "volume": 1.0,
    }
    return told | more


def position(name: str, size: float, **more: Any) -> dict[str, Any]:
    told = {
        "instrument_name": name,
        "kind": "option" if name[-2:] in ("-C", "-P") else "future",
        "direction": "buy" if size > 0 else "sell",
        "size": size,
        "average_price": 0.04,
        "mark_price": 0.044,
        "index_price": 78617.31,
    }
    return told | more


@asynccontextmanager
async def calling(**scripts: Any) -> AsyncIterator[tuple[ScriptedVenue, Call]]:
    worker = Worker()
    try:
        async with scripted(**scripts) as venue, client_of(venue) as deribit:
            await eventually(lambda: deribit.status().authenticated)
            services = Services(Environment.TESTNET, [deribit, Calculation(worker, numbers_per_call=10**6)])
            yield venue, Call("r-1", "deribit.get_portfolio_greeks", PRINCIPAL, services)
    finally:
        await worker.aclose()


async def greeks_of(positions: list[dict[str, Any]], rows: dict[str, list[dict[str, Any]]]) -> PortfolioGreeks:
    async with calling(
        private__get_positions=positions,
        public__get_book_summary_by_currency=lambda params: rows[params["currency"]],
    ) as (venue, call):
        told = await get_portfolio_greeks(call, GetPortfolioGreeks())
        asked = venue.asked("public/get_book_summary_by_currency")
        assert sorted(each["currency"] for each in asked) == sorted(rows)
        return told


def only(told: PortfolioGreeks) -> PositionGreeks:
    (one,) = told.positions
    return one


async def test_an_option_is_valued_to_the_digits_of_the_golden_numbers() -> None:
    told = await greeks_of([position(GOLDEN, -2.0, delta=-0.9, gamma=-0.00006)], {"BTC": [row(GOLDEN)]})
    one = only(told)
    assert one.source is Source.RECOMPUTED
    assert one.delta == pytest.approx(-2 * 0.481354, abs=1e-5)
    assert one.vega == pytest.approx(-2 * 96.2073, abs=1e-2)
    assert one.theta == pytest.approx(2 * 58.0091, abs=1e-2)
    assert one.rho == pytest.approx(-2 * 32.3107, abs=1e-2)
    assert one.net_delta - one.delta == pytest.approx(2 * 0.04395528, abs=1e-6)
    (coin,) = told.by_currency
    assert (coin.currency, coin.base_currency, coin.index_price, coin.positions) == ("BTC", "BTC", 78617.31, 1)
    assert told.all.delta_usd == pytest.approx(one.delta * 78617.31)
    assert told.all.gamma_usd_1pct == pytest.approx(one.gamma * 78899.98**2 * 0.01)
    years = 34.1731 / 365
    assert one.gamma == pytest.approx(-2 * 96.2073 * 100 / (78899.98**2 * 0.4121 * years), rel=1e-4), "vega / (F^2 s T)"


async def test_linear_and_inverse_stand_beside_each_other() -> None:
    linear = {"mark_price": 8.0, "mark_iv": 80.0, "underlying_price": 200.0, "estimated_delivery_price": 199.0}
    told = await greeks_of(
        [
            position("SOL_USDC-25SEP26-200-C", 10.0, index_price=199.0),
            position("BTC_USDC-PERPETUAL", -0.5, delta=-0.5),
            position("BTC-PERPETUAL", 5000.0, delta=0.0636),
        ],
        {"USDC": [row("SOL_USDC-25SEP26-200-C", **linear)]},
    )
    assert [(each.currency, each.base_currency) for each in told.by_currency] == [
        ("BTC", "BTC"),
        ("USDC", "BTC"),
        ("USDC", "SOL"),
    ]
    solana = told.by_currency[2]
    assert solana.delta == solana.net_delta, "a premium paid in a stable coin is no delta"
    assert solana.delta_usd == pytest.approx(solana.delta * 199.0)
    assert told.all.delta_usd == pytest.approx(sum(each.delta_usd for each in told.by_currency))
    assert told.by_currency[1].delta == -0.5


async def test_what_the_chain_cannot_value_stands_in_as_the_venue_tells_it() -> None:
    stand_in = position(GOLDEN, 1.0, delta=0.48, gamma=0.00003, vega=96.2, theta=-58.0, mark_price=0.044)
    for rows in ([row(GOLDEN, mark_iv=None), row("BTC-25SEP26-90000-C")], [row("BTC-25SEP26-90000-C")], []):
        one = only(await greeks_of([stand_in], {"BTC": rows}))
        assert (one.source, one.delta, one.vega, one.rho) == (Source.VENUE, 0.48, 96.2, 0.0)
        assert one.net_delta == pytest.approx(0.48 - 0.044)


async def test_what_nobody_can_value_is_told_and_not_summed() -> None:
    told = await greeks_of(
        [
            position("WEATHER", 1.0, kind="weather"),
            position(GOLDEN, 1.0),
            position("ETH-PERPETUAL", 10.0, delta=0.003, index_price=None),
            position("BTC-PERPETUAL", 0.0, direction="zero"),
        ],
        {"BTC": []},
    )
    assert {each.instrument_name: each.reason for each in told.left_out} == {
        "WEATHER": LeftOut.UNKNOWN_INSTRUMENT,
        GOLDEN: LeftOut.NO_GREEKS,
        "ETH-PERPETUAL": LeftOut.NO_INDEX,
    }
    assert (told.positions, told.by_currency, told.all.delta_usd) == ([], [], 0.0)
