"""Instruments: what orders are checked against, in one shape for the four categories.

Bybit names a quantity's step `qtyStep` for contracts and `basePrecision` for spot pairs, and its least value
`minNotionalValue` or `minOrderAmt`; here they are one field each.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from cerberod.rpc.registry import Result
from cerberod.trading.money import Quantity
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.words import Category, told


class Status(StrEnum):
    """Whether an instrument trades; only `Trading` takes orders."""

    PRE_LAUNCH = "PreLaunch"
    TRADING = "Trading"
    DELIVERING = "Delivering"
    CLOSED = "Closed"
    UNKNOWN = "unknown"


class ContractType(StrEnum):
    """What a contract is."""

    LINEAR_PERPETUAL = "LinearPerpetual"
    LINEAR_FUTURES = "LinearFutures"
    INVERSE_PERPETUAL = "InversePerpetual"
    INVERSE_FUTURES = "InverseFutures"
    UNKNOWN = "unknown"

    @property
    def dated(self) -> bool:
        return self in (ContractType.LINEAR_FUTURES, ContractType.INVERSE_FUTURES)

    @property
    def perpetual(self) -> bool:
        return self in (ContractType.LINEAR_PERPETUAL, ContractType.INVERSE_PERPETUAL)


class OptionType(StrEnum):
    """Call or put."""

    CALL = "Call"
    PUT = "Put"


class Instrument(Result):
    """One tradable instrument."""

    category: Category = Field(description="The part of the venue; a symbol is unique only within it.")
    symbol: str = Field(description="Its name, as every other method takes it with the category.")
    status: Status = Field(description="Whether it trades; only `Trading` takes orders.")
    contract_type: ContractType | None = Field(description="What a contract is; null for spot and options.")
    options_type: OptionType | None = Field(description="`Call` or `Put`; null for what is no option.")
    base_coin: str = Field(description="The coin it is about.")
    quote_coin: str = Field(description="The coin its price is in; some USDC contracts say USD here.")
    settle_coin: str | None = Field(description="The coin of margin and profit: what tells USDT, USDC, inverse apart.")
    launched_at: datetime | None = Field(description="When it was listed; null where not told.")
    delivers_at: datetime | None = Field(description="When it is delivered; null for what never is.")
    tick_size: Quantity = Field(description="Price step.")
    min_price: Quantity | None = Field(description="Lowest price; null where there is none.")
    max_price: Quantity | None = Field(description="Highest price; null where there is none.")
    qty_step: Quantity = Field(description="Step of quantities: base coin; USD in category inverse.")
    quote_step: Quantity | None = Field(description="Step of an amount of quote coin in spot; null otherwise.")
    min_order_qty: Quantity | None = Field(
        description="Smallest quantity; null for spot, where the value of the order counts instead."
    )
    max_order_qty: Quantity | None = Field(description="Largest quantity of a limit order; null where not told.")
    max_market_order_qty: Quantity | None = Field(
        description="Largest quantity of a market order; null where not told."
    )
    min_order_value: Quantity | None = Field(description="Least value of an order in quote coin; null where none.")
    max_order_value: Quantity | None = Field(description="Largest value of a spot order in quote coin; null otherwise.")
    min_leverage: Quantity | None = Field(description="Lowest leverage of a contract; null otherwise.")
    max_leverage: Quantity | None = Field(description="Highest leverage of a contract; null otherwise.")
    leverage_step: Quantity | None = Field(description="Step of the leverage; null for what has none.")
    funding_interval_min: int | None = Field(description="Minutes from funding to funding of a perpetual; else null.")
    is_pre_listing: bool = Field(description="Whether it trades before its launch under rules of its own.")


def instrument(row: Fields, category: Category) -> Instrument:
    """Read one row of instruments-info, asked for in a category.

    Asked for a base coin, Bybit lists linear and inverse contracts together: what a row is tells which it belongs to.
    """
    spot = category is Category.SPOT
    contract = category in (Category.LINEAR, Category.INVERSE)
    prices, lots = row.inside("priceFilter"), row.inside("lotSizeFilter")
    leverage = row.inside("leverageFilter") if contract and row.has("leverageFilter") else Fields({}, "leverageFilter")
    kind = row.description("contractType", ContractType) if contract else None
    if kind is not None and kind is not ContractType.UNKNOWN:
        category = Category.INVERSE if kind.value.startswith("Inverse") else Category.LINEAR
    return Instrument(
        category=category,
        symbol=row.text("symbol"),
        status=row.description("status", Status),
        contract_type=kind,
        options_type=row.word("optionsType", OptionType) if category is Category.OPTION else None,
        base_coin=row.text("baseCoin"),
        quote_coin=row.text("quoteCoin"),
        settle_coin=None if spot else told(row, "settleCoin"),
        launched_at=row.moment_or_none("launchTime"),
        delivers_at=row.moment_or_none("deliveryTime"),
        tick_size=_above_zero(prices, "tickSize"),
        min_price=prices.decimal_or_none("minPrice"),
        max_price=prices.decimal_or_none("maxPrice"),
        qty_step=_above_zero(lots, "basePrecision" if spot else "qtyStep"),
        quote_step=_above_zero(lots, "quotePrecision") if spot else None,
        min_order_qty=None if spot else _above_zero(lots, "minOrderQty"),
        max_order_qty=_first(lots, "maxLimitOrderQty", "maxOrderQty"),
        max_market_order_qty=_first(lots, "maxMarketOrderQty", "maxMktOrderQty"),
        min_order_value=_first(lots, "minOrderAmt") if spot else _first(lots, "minNotionalValue"),
        max_order_value=_first(lots, "maxOrderAmt") if spot else None,
        min_leverage=leverage.decimal_or_none("minLeverage"),
        max_leverage=leverage.decimal_or_none("maxLeverage"),
        leverage_step=leverage.decimal_or_none("leverageStep"),
        funding_interval_min=row.whole_or_none("fundingInterval") or None if contract else None,
        is_pre_listing=row.flag("isPreListing", False),
    )


def _above_zero(row: Fields, name: str) -> Decimal:
    number = row.decimal(name)
    if number <= 0:
        raise row.bad(name, "above zero")
    return number


def _first(row: Fields, *names: str) -> Decimal | None:
    """Return the first of several names that has a value; 0 sets no bound."""
    for name in names:
        if row.has(name):
            return row.decimal(name) or None
    return None
