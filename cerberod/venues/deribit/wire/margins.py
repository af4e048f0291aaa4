"""Margins and request limits: the models callers get, and how they are read off Deribit's answers."""

from datetime import datetime

from pydantic import Field

from cerberod.rpc.registry import Result
from cerberod.trading.money import Quantity
from cerberod.venues.deribit.wire.reading import Fields


class Margins(Result):
    """What an order would need. Margins are in the settlement currency, prices in the unit of the price."""

    as_of: datetime = Field(description="When the venue answered, by its own stamp of the answer.")
    instrument_name: str = Field(description="The instrument.")
    amount: Quantity = Field(description="The amount that was asked about.")
    price: Quantity = Field(description="The price that was asked about.")
    buy: Quantity = Field(description="Initial margin that buying would take; 0 where it frees some.")
    sell: Quantity = Field(description="Initial margin that selling would take; 0 where it frees some.")
    min_price: Quantity | None = Field(description="Lowest price at which a sell is taken now; null when not given.")
    max_price: Quantity | None = Field(description="Highest price at which a buy is taken now; null when not given.")


class SimulatedPortfolio(Result):
    """Margins of an imagined portfolio. Amounts are in `currency`."""

    as_of: datetime = Field(description="When the venue answered, by its own stamp of the answer.")
    currency: str = Field(description="The currency all amounts are in.")
    margin_model: str | None = Field(
        description="`segregated_sm`, `segregated_pm`, `cross_sm` or `cross_pm`; null when not given."
    )
    equity: Quantity | None = Field(description="Balance with unrealised profit and the value of options.")
    margin_balance: Quantity | None = Field(description="What margins are measured against.")
    available_funds: Quantity | None = Field(description="What would be free for new positions.")
    initial_margin: Quantity = Field(description="Margin needed to open.")
    maintenance_margin: Quantity = Field(description="Margin below which liquidation begins.")
    projected_initial_margin: Quantity | None = Field(description="Initial margin once expiring positions are gone.")
    projected_maintenance_margin: Quantity | None = Field(description="Maintenance margin, projected the same way.")
    total_pl: Quantity | None = Field(description="Profit and loss of all positions.")
    delta_total: float | None = Field(description="Net delta in coins: options net of their premium, and futures.")
    options_delta: float | None = Field(description="Delta of the options, in coins.")
    options_gamma: float | None = Field(description="Gamma of the options, change of delta for 1 USD.")
    options_vega: float | None = Field(description="Vega of the options, USD for 1 volatility point.")
    options_theta: float | None = Field(description="Theta of the options, USD a day.")


def margins(raw: object, instrument_name: str, amount: Quantity, price: Quantity, as_of: datetime) -> Margins:
    """Read the answer of `private/get_margins`."""
    fields = Fields(raw, "result")
    return Margins(
        as_of=as_of,
        instrument_name=instrument_name,
        amount=amount,
        price=price,
        buy=fields.figure("buy"),
        sell=fields.figure("sell"),
        min_price=fields.figure_or_none("min_price"),
        max_price=fields.figure_or_none("max_price"),
    )


_AMOUNTS = (
    "equity",
    "margin_balance",
    "available_funds",
    "projected_initial_margin",
    "projected_maintenance_margin",
    "total_pl",
)
_FLOATS = ("delta_total", "options_delta", "options_gamma", "options_vega", "options_theta")


def simulated_portfolio(raw: object, as_of: datetime) -> SimulatedPortfolio:
    """Read the answer of `private/simulate_portfolio`."""
    fields = Fields(raw, "result")
    return SimulatedPortfolio(
        as_of=as_of,
        currency=fields.text("currency"),
        margin_model=fields.text_or_none("margin_model"),
        initial_margin=fields.figure("initial_margin"),
        maintenance_margin=fields.figure("maintenance_margin"),
        **{name: fields.figure_or_none(name) for name in _AMOUNTS},
        **{name: fields.number_or_none(name) for name in _FLOATS},
    )
