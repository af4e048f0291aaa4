"""The account: the models callers get, and how they are read off Bybit's answers. Money is decimal text."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from cerberod.rpc.registry import Result
from cerberod.trading.money import Quantity
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.words import Category, Side, side, side_or_none, told
from cerberod.venues.reading import tidy

AS_OF = "When the venue answered, by its own stamp of the answer; what it tells of may be older."
ISOLATED = "null in isolated margin"
_LARGEST_RATE = 1_000_000


class CoinBalance(Result):
    """What the account has of one coin."""

    coin: str = Field(description="The coin.")
    equity: Quantity = Field(description="Balance less what is borrowed for spot, plus unrealised profit and options.")
    usd_value: Quantity | None = Field(description="The equity in USD; null where not told.")
    wallet_balance: Quantity = Field(description="Balance without unrealised profit.")
    locked: Quantity = Field(description="Held by open spot orders.")
    borrowed: Quantity = Field(description="Borrowed, spot and contracts together.")
    spot_borrow: Quantity = Field(description="Borrowed for spot.")
    accrued_interest: Quantity = Field(description="Interest owed.")
    order_initial_margin: Quantity = Field(description="Margin of open orders in this coin.")
    position_initial_margin: Quantity = Field(description="Initial margin of positions in this coin.")
    position_maintenance_margin: Quantity = Field(description="Maintenance margin of positions in this coin.")
    unrealised_pnl: Quantity = Field(description="Profit of open positions in this coin.")
    cum_realised_pnl: Quantity = Field(description="Profit realised so far in this coin.")
    is_collateral: bool = Field(description="Whether it counts as collateral.")


class Wallet(Result):
    """The unified account. Totals are in USD."""

    as_of: datetime = Field(description=AS_OF)
    account_type: str = Field(description="Always UNIFIED.")
    total_equity: Quantity | None = Field(description="Equity in USD.")
    total_wallet_balance: Quantity | None = Field(description=f"Balance in USD; {ISOLATED}.")
    total_margin_balance: Quantity | None = Field(description=f"Balance that margins count on, USD; {ISOLATED}.")
    total_available_balance: Quantity | None = Field(description=f"What may still be used for orders, USD; {ISOLATED}.")
    total_perp_upl: Quantity | None = Field(description=f"Unrealised profit of contracts, USD; {ISOLATED}.")
    total_initial_margin: Quantity | None = Field(description=f"Initial margin in USD; {ISOLATED}.")
    total_maintenance_margin: Quantity | None = Field(description=f"Maintenance margin in USD; {ISOLATED}.")
    initial_margin_pct: Quantity | None = Field(description=f"Initial margin, percent of the balance; {ISOLATED}.")
    maintenance_margin_pct: Quantity | None = Field(
        description=f"Maintenance margin, percent of the balance: at 100 positions are liquidated; {ISOLATED}."
    )
    coins: list[CoinBalance] = Field(description="The coins; those with nothing are left out unless asked for.")


def wallet(row: Fields, as_of: datetime) -> Wallet:
    """Read one account of wallet-balance."""
    return Wallet(
        as_of=as_of,
        account_type=row.text("accountType"),
        total_equity=row.figure_or_none("totalEquity"),
        total_wallet_balance=row.figure_or_none("totalWalletBalance"),
        total_margin_balance=row.figure_or_none("totalMarginBalance"),
        total_available_balance=row.figure_or_none("totalAvailableBalance"),
        total_perp_upl=row.figure_or_none("totalPerpUPL"),
        total_initial_margin=row.figure_or_none("totalInitialMargin"),
        total_maintenance_margin=row.figure_or_none("totalMaintenanceMargin"),
        initial_margin_pct=_percent(row, "accountIMRate"),
        maintenance_margin_pct=_percent(row, "accountMMRate"),
        coins=[_coin(coin) for coin in row.objects("coin")],
    )


def _percent(row: Fields, name: str) -> Decimal | None:
    value = row.figure_or_none(name)
    if value is not None and abs(value) > _LARGEST_RATE:
        raise row.bad(name, f"a rate, at most {_LARGEST_RATE}")
    return None if value is None else tidy(value * 100)


def _sum(row: Fields, name: str) -> Decimal:
    """Read an amount; what is not there is nothing owed, held or earned."""
    return row.figure_or_none(name) or Decimal(0)


def _coin(row: Fields) -> CoinBalance:
    return CoinBalance(
        coin=row.text("coin"),
        equity=row.figure("equity"),
        usd_value=row.figure_or_none("usdValue"),
        wallet_balance=row.figure("walletBalance"),
        locked=_sum(row, "locked"),
        borrowed=_sum(row, "borrowAmount"),
        spot_borrow=_sum(row, "spotBorrow"),
        accrued_interest=_sum(row, "accruedInterest"),
        order_initial_margin=_sum(row, "totalOrderIM"),
        position_initial_margin=_sum(row, "totalPositionIM"),
        position_maintenance_margin=_sum(row, "totalPositionMM"),
        unrealised_pnl=_sum(row, "unrealisedPnl"),
        cum_realised_pnl=_sum(row, "cumRealisedPnl"),
        is_collateral=row.flag("marginCollateral", False) and row.flag("collateralSwitch", False),
    )


class MarginMode(StrEnum):
    """How margins are reckoned."""

    CROSS = "REGULAR_MARGIN"
    ISOLATED = "ISOLATED_MARGIN"
    PORTFOLIO = "PORTFOLIO_MARGIN"
    UNKNOWN = "unknown"


class AccountStatus(StrEnum):
    """What kind of account it is."""

    CLASSIC = "classic"
    UNIFIED_1 = "unified_1"
    UNIFIED_1_PRO = "unified_1_pro"
    UNIFIED_2 = "unified_2"
    UNIFIED_2_PRO = "unified_2_pro"
    UNKNOWN = "unknown"


_STATUSES = {
    1: AccountStatus.CLASSIC,
    3: AccountStatus.UNIFIED_1,
    4: AccountStatus.UNIFIED_1_PRO,
    5: AccountStatus.UNIFIED_2,
    6: AccountStatus.UNIFIED_2_PRO,
}


class AccountInfo(Result):
    """What kind of account it is, and how margins are reckoned."""

    as_of: datetime = Field(description="When the venue answered; our estimate of its time where it does not say.")
    account_status: AccountStatus = Field(description="Everything here is for unified_2 and unified_2_pro.")
    margin_mode: MarginMode = Field(description="REGULAR_MARGIN is cross margin.")
    is_master_trader: bool = Field(description="Whether others copy its trades.")
    spot_hedging: bool = Field(description="Whether spot holdings count against contracts in portfolio margin.")
    updated_at: datetime | None = Field(description="When this last changed; null where not told.")


def account_info(raw: object, as_of: datetime) -> AccountInfo:
    """Read the answer of account/info."""
    row = Fields(raw, "result")
    return AccountInfo(
        as_of=as_of,
        account_status=_STATUSES.get(row.whole("unifiedMarginStatus"), AccountStatus.UNKNOWN),
        margin_mode=row.description("marginMode", MarginMode),
        is_master_trader=row.flag("isMasterTrader", False),
        spot_hedging=row.get("spotHedgingStatus") == "ON",
        updated_at=row.moment_or_none("updatedTime"),
    )


class Position(Result):
    """One position. Profits are in the settlement coin."""

    category: Category = Field(description="The part of the venue.")
    symbol: str = Field(description="The instrument.")
    position_idx: int = Field(description="0 one-way mode, 1 long and 2 short side of hedge mode.")
    side: Side | None = Field(description="`buy` long, `sell` short, null flat.")
    size: Quantity = Field(description="Size, never below zero: base coin; USD in category inverse.")
    avg_price: Quantity | None = Field(description="Average entry price; null when flat.")
    mark_price: Quantity | None = Field(description="Mark price; null where not told.")
    break_even_price: Quantity | None = Field(
        description="Price at which fees and funding are earned; null if not told."
    )
    liq_price: Quantity | None = Field(description="Liquidation price; null where there is none.")
    position_value: Quantity | None = Field(description="Value: quote coin; coin in category inverse; null when flat.")
    leverage: Quantity | None = Field(description="Leverage; null for options and in portfolio margin.")
    initial_margin: Quantity | None = Field(description="Initial margin; null where not told.")
    maintenance_margin: Quantity | None = Field(description="Maintenance margin; null where not told.")
    unrealised_pnl: Quantity | None = Field(description="Profit at the mark price; null when flat.")
    cur_realised_pnl: Quantity | None = Field(description="Realised while it has been open; null where not told.")
    cum_realised_pnl: Quantity | None = Field(description="Realised so far in this instrument; null where not told.")
    take_profit: Quantity | None = Field(description="Take profit of the whole position; null for none.")
    stop_loss: Quantity | None = Field(description="Stop loss of the whole position; null for none.")
    trailing_stop: Quantity | None = Field(description="Distance of its trailing stop; null for none.")
    position_status: str | None = Field(description="Normal, Liq (being liquidated) or Adl; null where not told.")
    is_reduce_only: bool = Field(description="Whether only orders that reduce it are taken.")
    delta: Quantity | None = Field(description="Option: its delta; null otherwise.")
    gamma: Quantity | None = Field(description="Option: its gamma; null otherwise.")
    vega: Quantity | None = Field(description="Option: its vega; null otherwise.")
    theta: Quantity | None = Field(description="Option: its theta; null otherwise.")
    updated_at: datetime | None = Field(description="When it last changed; null where not told.")


def position(row: Fields, category: Category) -> Position:
    """Read one row of position/list. A flat position has no side and no price."""
    flat = not row.figure("size")
    return Position(
        category=category,
        symbol=row.text("symbol"),
        position_idx=row.whole_or_none("positionIdx") or 0,
        side=side_or_none(row) if flat else side(row),
        size=row.figure("size"),
        avg_price=None if flat else row.figure("avgPrice"),
        mark_price=row.figure_or_none("markPrice"),
        break_even_price=_set(row, "breakEvenPrice"),
        liq_price=_set(row, "liqPrice"),
        position_value=None if flat else row.figure_or_none("positionValue"),
        leverage=_set(row, "leverage"),
        initial_margin=row.figure_or_none("positionIM"),
        maintenance_margin=row.figure_or_none("positionMM"),
        unrealised_pnl=None if flat else row.figure_or_none("unrealisedPnl"),
        cur_realised_pnl=row.figure_or_none("curRealisedPnl"),
        cum_realised_pnl=row.figure_or_none("cumRealisedPnl"),
        take_profit=_set(row, "takeProfit"),
        stop_loss=_set(row, "stopLoss"),
        trailing_stop=_set(row, "trailingStop"),
        position_status=told(row, "positionStatus"),
        is_reduce_only=row.flag("isReduceOnly", False),
        delta=row.figure_or_none("delta"),
        gamma=row.figure_or_none("gamma"),
        vega=row.figure_or_none("vega"),
        theta=row.figure_or_none("theta"),
        updated_at=row.moment_or_none("updatedTime"),
    )


def _set(row: Fields, name: str) -> Decimal | None:
    """Read what "" and 0 mean that there is none of."""
    return row.figure_or_none(name) or None


class ClosedPnl(Result):
    """What one closing order made. Money is in the settlement coin."""

    symbol: str = Field(description="The instrument.")
    order_id: str = Field(description="The order that closed.")
    side: Side = Field(description="Side of the closing order: the position was on the other one.")
    closed_size: Quantity = Field(description="Size closed: base coin; USD in category inverse.")
    avg_entry_price: Quantity = Field(description="Average price of the entry.")
    avg_exit_price: Quantity = Field(description="Average price of the exit.")
    closed_pnl: Quantity = Field(description="Profit, fees of opening and closing taken off.")
    open_fee: Quantity | None = Field(description="Fee of opening; null where not told.")
    close_fee: Quantity | None = Field(description="Fee of closing; null where not told.")
    fill_count: int | None = Field(description="Fills of the closing order; null where not told.")
    leverage: Quantity | None = Field(description="Leverage then; null where not told.")
    order_type: str | None = Field(description="`Limit` or `Market`; null where not told.")
    exec_type: str | None = Field(description="Trade, BustTrade, SessionSettlePnL, Settle ...; null where not told.")
    closed_at: datetime = Field(description="When, the venue's time.")


def closed_pnl(row: Fields) -> ClosedPnl:
    """Read one row of closed-pnl."""
    return ClosedPnl(
        symbol=row.text("symbol"),
        order_id=row.text("orderId"),
        side=side(row),
        closed_size=row.figure("closedSize"),
        avg_entry_price=row.figure("avgEntryPrice"),
        avg_exit_price=row.figure("avgExitPrice"),
        closed_pnl=row.figure("closedPnl"),
        open_fee=row.figure_or_none("openFee"),
        close_fee=row.figure_or_none("closeFee"),
        fill_count=row.whole_or_none("fillCount"),
        leverage=_set(row, "leverage"),
        order_type=told(row, "orderType"),
        exec_type=told(row, "execType"),
        closed_at=row.moment("updatedTime"),
    )


class LogEntry(Result):
    """One change of the account's money."""

    at: datetime = Field(description="When, the venue's time.")
    type: str = Field(description="TRADE, SETTLEMENT (funding), DELIVERY, LIQUIDATION, TRANSFER_IN ..., Bybit's word.")
    sub_type: str | None = Field(description="Bybit's finer word; null where there is none.")
    currency: str = Field(description="The coin of the amounts.")
    category: str | None = Field(description="The part of the venue; null for what belongs to none.")
    symbol: str | None = Field(description="The instrument; null for what is about none.")
    side: Side | None = Field(description="Side of the trade or the position; null otherwise.")
    qty: Quantity | None = Field(description="Size traded; null where there is none.")
    size: Quantity | None = Field(description="Position afterwards, below zero when short; null where not told.")
    price: Quantity | None = Field(description="Price of the trade, or the mark of the funding; null otherwise.")
    funding: Quantity | None = Field(
        description="Funding: above zero was received, the opposite of an execution's fee."
    )
    fee: Quantity | None = Field(description="Fee: above zero was paid; null where there is none.")
    cash_flow: Quantity | None = Field(description="Money moved without funding and fee; null where not told.")
    change: Quantity = Field(description="What the balance changed by: cash_flow + funding - fee.")
    cash_balance: Quantity = Field(description="The balance afterwards.")
    fee_rate: Quantity | None = Field(description="Fee or funding rate, a fraction; null where not told.")
    order_id: str | None = Field(description="The order; null where there is none.")
    order_link_id: str | None = Field(description="Its link id; null where there is none.")
    trade_id: str | None = Field(description="The execution; null where there is none.")


def log_entry(row: Fields) -> LogEntry:
    """Read one row of the transaction log."""
    return LogEntry(
        at=row.moment("transactionTime"),
        type=row.text("type"),
        sub_type=told(row, "transSubType"),
        currency=row.text("currency"),
        category=told(row, "category"),
        symbol=told(row, "symbol"),
        side=side_or_none(row),
        qty=row.figure_or_none("qty"),
        size=row.figure_or_none("size"),
        price=_set(row, "tradePrice"),
        funding=row.figure_or_none("funding"),
        fee=row.figure_or_none("fee"),
        cash_flow=row.figure_or_none("cashFlow"),
        change=row.figure("change"),
        cash_balance=row.figure("cashBalance"),
        fee_rate=row.figure_or_none("feeRate"),
        order_id=told(row, "orderId"),
        order_link_id=told(row, "orderLinkId"),
        trade_id=told(row, "tradeId"),
    )


class FeeRate(Result):
    """What trading costs. Rates are fractions of the value."""

    symbol: str | None = Field(description="The instrument; null where the rate is of a coin's options.")
    base_coin: str | None = Field(description="The coin whose options these are; null otherwise.")
    taker_fee_rate: Quantity = Field(description="Rate of taking.")
    maker_fee_rate: Quantity = Field(description="Rate of making; below zero is a rebate.")


def fee_rate(row: Fields) -> FeeRate:
    """Read one row of fee-rate."""
    return FeeRate(
        symbol=told(row, "symbol"),
        base_coin=told(row, "baseCoin"),
        taker_fee_rate=row.decimal("takerFeeRate"),
        maker_fee_rate=row.decimal("makerFeeRate"),
    )
