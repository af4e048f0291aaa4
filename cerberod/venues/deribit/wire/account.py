"""Account and positions: the models callers get, and how they are read off Deribit's answers."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from cerberod.errors import BadVenueData
from cerberod.rpc.registry import Result
from cerberod.trading.money import Quantity
from cerberod.venues.credits import Allowance
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.wire.market import Kind
from cerberod.venues.deribit.wire.reading import Fields


class AccountSummary(Result):
    """One currency of the account. Amounts are in that currency unless they say otherwise."""

    currency: str = Field(description="The currency all amounts are in.")
    as_of: datetime | None = Field(description="When the venue answered, by its own stamp of the answer.")
    balance: Quantity = Field(description="Cash balance.")
    equity: Quantity = Field(description="Balance with unrealised profit and the value of options.")
    margin_balance: Quantity = Field(description="What margins are measured against.")
    available_funds: Quantity = Field(description="Free for new positions.")
    available_withdrawal_funds: Quantity = Field(description="Free to withdraw; cerberod itself never withdraws.")
    initial_margin: Quantity = Field(description="Margin needed to open.")
    maintenance_margin: Quantity = Field(description="Margin below which liquidation begins.")
    projected_initial_margin: Quantity | None = Field(description="Initial margin once expiring positions are gone.")
    projected_maintenance_margin: Quantity | None = Field(description="Maintenance margin, projected the same way.")
    total_pl: Quantity | None = Field(description="Profit and loss of all positions.")
    session_rpl: Quantity | None = Field(description="Realised profit of the session since the last settlement.")
    session_upl: Quantity | None = Field(description="Unrealised profit of the session since the last settlement.")
    futures_pl: Quantity | None = Field(description="Profit and loss of futures.")
    options_pl: Quantity | None = Field(description="Profit and loss of options.")
    options_value: Quantity | None = Field(description="Value of the options held.")
    options_delta: float | None = Field(description="Delta of the options, in coins.")
    options_gamma: float | None = Field(description="Gamma of the options, change of delta for 1 USD.")
    options_theta: float | None = Field(description="Theta of the options, USD a day.")
    options_vega: float | None = Field(description="Vega of the options, USD for 1 volatility point.")
    delta_total: float | None = Field(
        description="Net delta in coins: options net of their premium, and futures; the equity itself is not in it."
    )
    projected_delta_total: float | None = Field(description="The same once expiring positions are gone.")
    margin_model: str | None = Field(
        description="`segregated_sm`, `segregated_pm`, `cross_sm` or `cross_pm`; null when not given."
    )
    portfolio_margining_enabled: bool | None = Field(description="Whether margins are computed on the portfolio.")
    cross_collateral_enabled: bool | None = Field(description="Whether currencies back each other.")
    fee_balance: Quantity | None = Field(description="Fees paid and held aside.")
    estimated_liquidation_ratio: float | None = Field(description="How near liquidation is; 1 is there.")


def account_summary(raw: object, as_of: datetime | None) -> AccountSummary:
    """Read the answer of `private/get_account_summary`."""
    row = Fields(raw, "result")
    amounts = {name: row.figure(name) for name in _NEEDED}
    more = {name: row.figure_or_none(name) for name in _AMOUNTS}
    greeks = {name: row.number_or_none(name) for name in _FLOATS}
    return AccountSummary(
        currency=row.text("currency"),
        as_of=as_of,
        margin_model=row.text_or_none("margin_model"),
        portfolio_margining_enabled=_flag(row, "portfolio_margining_enabled"),
        cross_collateral_enabled=_flag(row, "cross_collateral_enabled"),
        **amounts,
        **more,
        **greeks,
    )


_NEEDED = (
    "balance",
    "equity",
    "margin_balance",
    "available_funds",
    "available_withdrawal_funds",
    "initial_margin",
    "maintenance_margin",
)
_AMOUNTS = (
    "projected_initial_margin",
    "projected_maintenance_margin",
    "total_pl",
    "session_rpl",
    "session_upl",
    "futures_pl",
    "options_pl",
    "options_value",
    "fee_balance",
)
_FLOATS = (
    "options_delta",
    "options_gamma",
    "options_theta",
    "options_vega",
    "delta_total",
    "projected_delta_total",
    "estimated_liquidation_ratio",
)


def _flag(row: Fields, name: str) -> bool | None:
    return row.flag(name) if row.has(name) else None


class PositionDirection(StrEnum):
    """Which way a position points."""

    BUY = "buy"
    SELL = "sell"
    ZERO = "zero"


class Position(Result):
    """One position. Amounts are in the settlement currency unless they say otherwise."""

    instrument_name: str = Field(description="The instrument.")
    kind: Kind = Field(description="What it is; `unknown` for a kind that is new to us.")
    direction: PositionDirection = Field(description="`buy` long, `sell` short, `zero` none.")
    size: Quantity = Field(description="USD for inverse futures, base coin otherwise; negative when short.")
    size_currency: Quantity | None = Field(description="Size in coin; null where Deribit does not tell it.")
    average_price: Quantity = Field(description="Average entry price, to 12 decimals, in the unit of the price.")
    average_price_usd: Quantity | None = Field(description="Option: average entry price in USD; else null.")
    mark_price: float = Field(description="Fair price now, in the unit of the price.")
    index_price: float | None = Field(description="The index it follows.")
    settlement_price: float | None = Field(description="Price of the last settlement.")
    delta: float | None = Field(description="Delta in coins.")
    gamma: float | None = Field(description="Option: change of delta for 1 USD; else null.")
    vega: float | None = Field(description="Option: USD for 1 volatility point; else null.")
    theta: float | None = Field(description="Option: USD a day; else null.")
    initial_margin: Quantity | None = Field(description="Margin needed to open it.")
    maintenance_margin: Quantity | None = Field(description="Margin below which liquidation begins.")
    floating_profit_loss: Quantity | None = Field(description="Unrealised profit since the last settlement.")
    realized_profit_loss: Quantity | None = Field(description="Realised profit since the last settlement.")
    total_profit_loss: Quantity | None = Field(description="Profit since the position was opened.")
    leverage: float | None = Field(description="Future: leverage; else null.")
    estimated_liquidation_price: float | None = Field(description="Where liquidation would begin; null when unknown.")


def position(row: Fields) -> Position:
    """Read one position. The direction decides the sign of the size, whether or not the venue signs it."""
    direction = row.word("direction", PositionDirection)
    size = abs(row.decimal("size"))
    if direction is PositionDirection.SELL:
        size = -size
    return Position(
        instrument_name=row.text("instrument_name"),
        kind=row.description("kind", Kind),
        direction=direction,
        size=size,
        size_currency=row.figure_or_none("size_currency"),
        average_price=row.figure("average_price"),
        average_price_usd=row.figure_or_none("average_price_usd"),
        mark_price=row.number("mark_price"),
        index_price=row.number_or_none("index_price"),
        settlement_price=row.number_or_none("settlement_price"),
        delta=row.number_or_none("delta"),
        gamma=row.number_or_none("gamma"),
        vega=row.number_or_none("vega"),
        theta=row.number_or_none("theta"),
        initial_margin=row.figure_or_none("initial_margin"),
        maintenance_margin=row.figure_or_none("maintenance_margin"),
        floating_profit_loss=row.figure_or_none("floating_profit_loss"),
        realized_profit_loss=row.figure_or_none("realized_profit_loss"),
        total_profit_loss=row.figure_or_none("total_profit_loss"),
        leverage=row.number_or_none("leverage"),
        estimated_liquidation_price=row.number_or_none("estimated_liquidation_price"),
    )


def margins(raw: object) -> dict[str, Decimal]:
    """Read the answer of `private/get_margins`: what a buy and a sell would need."""
    fields = Fields(raw, "result")
    return {side: fields.figure(side) for side in ("buy", "sell")}


def matching_allowances(raw: object) -> dict[str, Allowance]:
    """Read this account's own request limits off an account summary, in requests; empty where it tells none."""
    limits = raw.get("limits") if isinstance(raw, dict) else None
    if not isinstance(limits, dict):
        return {}
    fields = Fields(limits, "result.limits")
    told: dict[str, Allowance] = {}
    if fields.has("non_matching_engine"):
        told["non_matching"] = _allowance(fields.inside("non_matching_engine"))
    if fields.has("matching_engine"):
        engine = fields.inside("matching_engine")
        if engine.has("trading"):
            told["matching"] = _allowance(engine.inside("trading").inside("total"))
        if engine.has("cancel_all"):
            told["cancel_all"] = _allowance(engine.inside("cancel_all"))
    return told


def _allowance(row: Fields) -> Allowance:
    burst, rate = row.number("burst"), row.number("rate")
    if burst < 1 or rate <= 0:
        raise BadVenueData(VENUE, "result.limits", "a burst of at least 1 and a rate above 0")
    return Allowance(cost=1, pool=burst, refill_per_s=rate)
