"""The private methods that read: orders, trades, positions, account. Each takes a call, returns the `result`."""

from decimal import Decimal
from typing import Any, Final

from cerberod.simulator.accounts import (
    OpenOrder,
    Position,
    initial_margin,
    maintenance_margin,
    order_margin,
)
from cerberod.simulator.deribit.credits import limits
from cerberod.simulator.deribit.exchange import CURRENCIES, Exchange, contract_of, shown_mark, value_of
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.orders import Order, UserTrade
from cerberod.simulator.deribit.private import of_kind_and_type
from cerberod.simulator.deribit.public import KINDS, Call, Method, instrument_of
from cerberod.simulator.deribit.quotes import Mark, price_band
from cerberod.simulator.deribit.views import settlement_price
from cerberod.simulator.market import DAY_MS
from cerberod.simulator.matching import ZERO

_RECENT_ORDERS_MS = 1_800_000


# Orders


def get_open_orders(call: Call) -> list[dict[str, object]]:
    return _records(of_kind_and_type(call, call.exchange.open_orders()))


def get_open_orders_by_currency(call: Call) -> list[dict[str, object]]:
    currency = call.params.currency(CURRENCIES)
    return _records(
        of_kind_and_type(call, (o for o in call.exchange.open_orders() if o.instrument.currency == currency))
    )


def get_open_orders_by_instrument(call: Call) -> list[dict[str, object]]:
    instrument = instrument_of(call)
    return _records(of_kind_and_type(call, (o for o in call.exchange.open_orders() if o.instrument == instrument)))


def get_open_orders_by_label(call: Call) -> list[dict[str, object]]:
    return _records([o for o in _labelled(call) if o.open])


def get_order_state(call: Call) -> dict[str, object]:
    return call.exchange.find(call.params.required_text("order_id")).record()


def get_order_state_by_label(call: Call) -> list[dict[str, object]]:
    return _records(_labelled(call))


def _labelled(call: Call) -> list[Order]:
    currency = call.params.currency(CURRENCIES)
    label = call.params.required_text("label")
    return [o for o in call.exchange.orders.values() if o.label == label and o.instrument.currency == currency]


def get_order_history_by_currency(call: Call) -> list[dict[str, object]]:
    currency = call.params.currency(CURRENCIES)
    kind = call.params.choice("kind", KINDS)
    return _history(
        call,
        [o for o in call.exchange.orders.values() if o.instrument.currency == currency and _is(kind, o.instrument)],
    )


def get_order_history_by_instrument(call: Call) -> list[dict[str, object]]:
    instrument = instrument_of(call)
    return _history(call, [o for o in call.exchange.orders.values() if o.instrument == instrument])


def _history(call: Call, orders: list[Order]) -> list[dict[str, object]]:
    """Newest first; orders that ended without a fill only if asked for."""
    count = call.params.within("count", 20, 1, 1_000)
    offset = call.params.within("offset", 0, 0, 1_000_000)
    unfilled = bool(call.params.flag("include_unfilled"))
    oldest_ms = call.exchange.quotes.now_ms() - _RECENT_ORDERS_MS
    chosen = [
        o
        for o in reversed(orders)
        if not o.open
        and (unfilled or o.filled > 0)
        and (o.updated_ms >= oldest_ms) is not bool(call.params.flag("historical"))
    ]
    return _records(chosen[offset : offset + count])


def _is(kind: str | None, instrument: Instrument) -> bool:
    return kind in (None, "any", instrument.kind)


def _records(orders: list[Order]) -> list[dict[str, object]]:
    return [order.record() for order in orders]


# Trades


def get_user_trades_by_currency(call: Call) -> dict[str, Any]:
    currency = call.params.currency(CURRENCIES)
    kind = call.params.choice("kind", KINDS)
    return _trades(
        call, [t for t in call.exchange.trades if t.instrument.currency == currency and _is(kind, t.instrument)]
    )


def get_user_trades_by_instrument(call: Call) -> dict[str, Any]:
    instrument = instrument_of(call)
    return _trades(call, [t for t in call.exchange.trades if t.instrument == instrument])


def get_user_trades_by_order(call: Call) -> list[dict[str, object]]:
    order_id = call.params.required_text("order_id")
    return [t.fields for t in call.exchange.trades if t.order_id == order_id]


def _trades(call: Call, trades: list[UserTrade]) -> dict[str, Any]:
    p = call.params
    count = p.within("count", 10, 1, 1_000)
    start_ms, end_ms = p.integer("start_timestamp"), p.integer("end_timestamp")
    sorting = p.choice("sorting", ("asc", "desc", "default"), "default")
    recent_ms = call.exchange.quotes.now_ms() - DAY_MS
    historical = bool(p.flag("historical"))
    chosen = [
        t
        for t in trades
        if (start_ms is None or t.time_ms >= start_ms)
        and (end_ms is None or t.time_ms <= end_ms)
        and (t.time_ms >= recent_ms) is not historical
    ]
    if sorting != "asc":
        chosen.reverse()
    return {"trades": [t.fields for t in chosen[:count]], "has_more": len(chosen) > count}


# Positions


def get_positions(call: Call) -> list[dict[str, Any]]:
    currency = call.params.currency((*CURRENCIES, "any")) if call.params.has("currency") else "any"
    kind = call.params.choice("kind", KINDS)
    out: list[dict[str, Any]] = []
    for position in call.exchange.account.positions.values():
        instrument = call.exchange.catalogue.get(position.name)
        if instrument is not None and currency in ("any", position.currency) and _is(kind, instrument):
            out.append(position_record(call.exchange, instrument, position))
    return out


def get_position(call: Call) -> dict[str, Any]:
    instrument = instrument_of(call)
    held = call.exchange.account.positions.get(instrument.name)
    empty = Position(instrument.name, contract_of(instrument), instrument.currency, instrument.coin)
    return position_record(call.exchange, instrument, held or empty)


def position_record(exchange: Exchange, instrument: Instrument, position: Position) -> dict[str, Any]:
    """Return a position as the venue tells it."""
    mark = exchange.quotes.mark(instrument)
    value = value_of(instrument, mark)
    floating = position.floating(value.mark)
    orders = [exchange.margin_view(o) for o in exchange.open_orders() if o.instrument.name == instrument.name]
    size = float(position.size)
    out: dict[str, Any] = {
        "instrument_name": instrument.name,
        "kind": instrument.kind,
        "direction": "zero" if position.size == 0 else "buy" if position.size > 0 else "sell",
        "size": size,
        "average_price": round(float(position.average), 8),
        "mark_price": shown_mark(instrument, mark.price),
        "index_price": mark.index,
        "settlement_price": settlement_price(exchange, instrument),
        "initial_margin": _coin(initial_margin(position.contract, position.size, value)),
        "maintenance_margin": _coin(maintenance_margin(position.contract, position.size, value)),
        "open_orders_margin": _coin(sum((order_margin(o) for o in orders), ZERO)),
        "floating_profit_loss": _coin(floating),
        "realized_profit_loss": _coin(position.realised),
        "total_profit_loss": _coin(floating + position.realised),
    }
    if instrument.option:
        return out | {
            "delta": round(mark.delta * size, 5),
            "gamma": round(mark.gamma * size, 5),
            "vega": round(mark.vega * size, 5),
            "theta": round(mark.theta * size, 5),
            "average_price_usd": round(float(position.average_usd), 4),
            "floating_profit_loss_usd": round(float(floating) * mark.index, 4),
        }
    coins = _coin(position.coin_size(value.mark))
    return out | {
        "delta": coins,
        "size_currency": coins,
        "leverage": instrument.leverage,
        "realized_funding": 0.0,
        "interest_value": 0.0,
        "estimated_liquidation_price": None,
    }


def get_margins(call: Call) -> dict[str, float]:
    instrument = instrument_of(call)
    amount, price = call.params.number("amount"), call.params.number("price")
    mark = call.exchange.quotes.mark(instrument)
    low, high = price_band(instrument.grid, instrument.option, mark.price)
    held = call.exchange.account.size(instrument.name)
    return {
        "buy": _coin(_margin_of(instrument, mark, amount or ZERO, price or ZERO, held)),
        "sell": _coin(_margin_of(instrument, mark, -(amount or ZERO), price or ZERO, held)),
        "min_price": float(low),
        "max_price": float(high),
    }


def _margin_of(instrument: Instrument, mark: Mark, signed: Decimal, price: Decimal, held: Decimal) -> Decimal:
    value = value_of(instrument, mark)
    return order_margin(OpenOrder(contract_of(instrument), instrument.currency, signed, price, value, held))


# Account


def get_account_summary(call: Call) -> dict[str, Any]:
    currency = call.params.currency(CURRENCIES)
    out = account_record(call.exchange, currency)
    return out | _owner(call.exchange) if call.params.flag("extended") else out


def get_account_summaries(call: Call) -> dict[str, Any]:
    rows = [account_record(call.exchange, currency) for currency in CURRENCIES]
    out: dict[str, Any] = {"summaries": rows}
    return out | _owner(call.exchange) if call.params.flag("extended") else out


def account_record(exchange: Exchange, currency: str) -> dict[str, Any]:
    """Return one currency's account summary."""
    sums, account = exchange.totals(currency), exchange.account
    balance = account.balances.get(currency, ZERO)
    available = account.available(currency, sums)
    initial = sums.initial + sums.open_orders
    futures_delta, options_delta = sum(sums.futures_delta.values()), sum(sums.options_delta.values())
    totals_by_index = {
        name: round(sums.futures_delta.get(name, 0.0) + sums.net_options_delta.get(name, 0.0), 8)
        for name in sums.futures_delta | sums.net_options_delta
    }
    delta_total = round(futures_delta + sum(sums.net_options_delta.values()), 8)
    return {
        "currency": currency,
        "balance": _coin(balance),
        "equity": _coin(account.equity(currency, sums)),
        "margin_balance": _coin(balance + sums.futures_pl),
        "available_funds": _coin(available),
        "available_withdrawal_funds": _coin(max(ZERO, min(available, balance))),
        "initial_margin": _coin(initial),
        "maintenance_margin": _coin(sums.maintenance),
        "projected_initial_margin": _coin(initial),
        "projected_maintenance_margin": _coin(sums.maintenance),
        "total_pl": _coin(sums.futures_pl + sums.options_pl),
        "session_rpl": _coin(sums.futures_rpl + sums.options_rpl),
        "session_upl": _coin(sums.futures_pl + sums.options_pl),
        "futures_pl": _coin(sums.futures_pl),
        "futures_session_rpl": _coin(sums.futures_rpl),
        "futures_session_upl": _coin(sums.futures_pl),
        "options_pl": _coin(sums.options_pl),
        "options_session_rpl": _coin(sums.options_rpl),
        "options_session_upl": _coin(sums.options_pl),
        "options_value": _coin(sums.options_value),
        "options_delta": round(options_delta, 5),
        "options_gamma": round(sum(sums.options_gamma.values()), 5),
        "options_gamma_map": _rounded(sums.options_gamma),
        "options_vega": round(sum(sums.options_vega.values()), 5),
        "options_vega_map": _rounded(sums.options_vega),
        "options_theta": round(sum(sums.options_theta.values()), 5),
        "options_theta_map": _rounded(sums.options_theta),
        "delta_total": delta_total,
        "delta_total_map": totals_by_index,
        "projected_delta_total": delta_total,
        "estimated_liquidation_ratio": 0.0,
        "estimated_liquidation_ratio_map": {},
        "margin_model": "segregated_sm",
        "portfolio_margining_enabled": False,
        "cross_collateral_enabled": False,
        "spot_reserve": 0.0,
        "additional_reserve": 0.0,
        "fee_balance": 0.0,
        "locked_balance": 0.0,
        "limits": limits(),
        "fees": {},
    }


def _owner(exchange: Exchange) -> dict[str, Any]:
    name = exchange.account.name
    return {
        "id": exchange.user_id,
        "username": name,
        "system_name": name,
        "email": f"{name}@example.com",
        "type": "main",
        "creation_timestamp": 1_687_352_432_143,
        "referrer_id": None,
        "login_enabled": False,
        "security_keys_enabled": False,
        "mmp_enabled": False,
        "interuser_transfers_enabled": False,
        "self_trading_reject_mode": "reject_taker",
        "self_trading_extended_to_subaccounts": False,
        "block_rfq_self_match_prevention": True,
    }


def _coin(value: Decimal) -> float:
    return round(float(value), 8) + 0.0


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in values.items()}


ORDER_READS: Final[dict[str, Method]] = {
    "private/get_open_orders": get_open_orders,
    "private/get_open_orders_by_currency": get_open_orders_by_currency,
    "private/get_open_orders_by_instrument": get_open_orders_by_instrument,
    "private/get_open_orders_by_label": get_open_orders_by_label,
    "private/get_order_state": get_order_state,
    "private/get_order_state_by_label": get_order_state_by_label,
    "private/get_order_history_by_currency": get_order_history_by_currency,
    "private/get_order_history_by_instrument": get_order_history_by_instrument,
    "private/get_user_trades_by_currency": get_user_trades_by_currency,
    "private/get_user_trades_by_currency_and_time": get_user_trades_by_currency,
    "private/get_user_trades_by_instrument": get_user_trades_by_instrument,
    "private/get_user_trades_by_instrument_and_time": get_user_trades_by_instrument,
    "private/get_user_trades_by_order": get_user_trades_by_order,
    "private/get_positions": get_positions,
    "private/get_position": get_position,
    "private/get_margins": get_margins,
}
ACCOUNT_READS: Final[dict[str, Method]] = {
    "private/get_account_summary": get_account_summary,
    "private/get_account_summaries": get_account_summaries,
}
