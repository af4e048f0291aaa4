"""The private methods that read money: positions, margins, account summaries, and what happened to the balance."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from cerberod.simulator.accounts import (
    ZERO,
    Position,
    initial_margin,
    maintenance_margin,
    order_margin,
)
from cerberod.simulator.deribit.cancels import is_kind
from cerberod.simulator.deribit.credits import limits
from cerberod.simulator.deribit.exchange import Exchange
from cerberod.simulator.deribit.instruments import Instrument, well_formed
from cerberod.simulator.deribit.ledger import CURRENCIES, Ledger, Line
from cerberod.simulator.deribit.params import Params
from cerberod.simulator.deribit.public import KINDS, Call, Method, instrument_of
from cerberod.simulator.deribit.quotes import Mark, band
from cerberod.simulator.deribit.terms import contract_of, shown_mark, value_of
from cerberod.simulator.deribit.views import settlement_price
from cerberod.simulator.deribit.wire import VenueError, invalid

# Positions


def get_positions(call: Call) -> list[dict[str, Any]]:
    currency = call.params.currency((*CURRENCIES, "any")) if call.params.has("currency") else "any"
    kind = call.params.choice("kind", KINDS)
    out: list[dict[str, Any]] = []
    for position in call.exchange.account.positions.values():
        instrument = call.exchange.catalogue.get(position.name)
        if instrument is not None and currency in ("any", position.currency) and is_kind(kind, instrument):
            out.append(position_record(call.exchange, instrument, position))
    return out


def get_position(call: Call) -> dict[str, Any]:
    instrument = instrument_of(call)
    if instrument.combo or instrument.spot:
        raise VenueError(10031)
    held = call.exchange.account.positions.get(instrument.name)
    empty = Position(instrument.name, contract_of(instrument), instrument.currency, instrument.coin)
    return position_record(call.exchange, instrument, held or empty)


def position_record(exchange: Exchange, instrument: Instrument, position: Position) -> dict[str, Any]:
    """Return a position as the venue tells it."""
    mark = exchange.quotes.mark(instrument)
    value = value_of(instrument, mark)
    floating = position.floating(value.mark)
    orders = [
        view
        for order in exchange.blotter.open_orders()
        if order.resting and order.instrument.name == instrument.name
        for view in exchange.margin.views(order)
    ]
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
        "initial_margin": coin(initial_margin(position.contract, position.size, value)),
        "maintenance_margin": coin(maintenance_margin(position.contract, position.size, value)),
        "open_orders_margin": coin(sum((order_margin(o) for o in orders), ZERO)),
        "floating_profit_loss": coin(floating),
        "realized_profit_loss": coin(position.realised),
        "total_profit_loss": coin(position.total(value.mark)),
    }
    if instrument.option:
        return out | {
            "delta": round(mark.delta * size, 5),
            "gamma": round(mark.gamma * size, 5),
            "vega": round(mark.vega * size, 5),
            "theta": round(mark.theta * size, 5),
            "average_price_usd": round(float(position.average_usd), 4),
            "floating_profit_loss_usd": round(float(floating) * (1.0 if instrument.linear else mark.index), 4),
        }
    coins = coin(position.coin_size(value.mark))
    return out | {
        "delta": coins,
        "size_currency": coins,
        "leverage": instrument.leverage,
        "realized_funding": coin(position.funding),
        "interest_value": _interest(exchange, instrument, mark),
        "estimated_liquidation_price": None,
    }


def get_margins(call: Call) -> dict[str, float]:
    instrument = instrument_of(call)
    amount, price = call.params.number("amount"), call.params.number("price")
    if amount is None or price is None:
        raise invalid("amount" if amount is None else "price", "value required")
    if amount < 0:
        raise invalid("amount", "value must be > 0")
    mark = call.exchange.quotes.mark(instrument)
    low, high = band(instrument, mark)
    return {
        "buy": coin(call.exchange.margin.of(instrument, amount, price)),
        "sell": coin(call.exchange.margin.of(instrument, -amount, price)),
        "min_price": float(low),
        "max_price": float(high),
    }


def _interest(exchange: Exchange, instrument: Instrument, mark: Mark) -> float:
    if not instrument.perpetual:
        return 0.0
    return exchange.quotes.market.funding(instrument.coin, mark.time_ms).mean_8h * 100.0


# Account


def _fees(exchange: Exchange, currency: str) -> dict[str, Any]:
    """Return the fees of each index that settles in a currency."""
    out: dict[str, Any] = {}
    for instrument in exchange.catalogue.live().values():
        if instrument.currency == currency and instrument.index_name not in out:
            option = (0.0005, 0.0001) if instrument.linear else (0.0003, 0.0003)
            future = {"default": {"type": "fixed", "taker": 0.0005, "maker": 0.0}, "block_trade": 0.5}
            out[instrument.index_name] = {
                "option": {"default": {"type": "fixed", "taker": option[0], "maker": option[1]}, "block_trade": 0.5},
                "perpetual": future,
                "future": future,
            }
    return out


def get_account_summary(call: Call) -> dict[str, Any]:
    currency = call.params.currency(CURRENCIES)
    out = account_record(call.exchange, currency)
    return out | _owner(call.exchange) if call.params.flag("extended") else out


def get_account_summaries(call: Call) -> dict[str, Any]:
    rows = [account_record(call.exchange, currency) for currency in CURRENCIES]
    out: dict[str, Any] = {"summaries": rows}
    return out | _owner(call.exchange) if call.params.flag("extended") else out


def account_record(exchange: Exchange, currency: str, ledger: Ledger | None = None) -> dict[str, Any]:
    """Return one currency's account summary; another ledger than the exchange's is what somebody imagines."""
    if ledger is None:
        sums, account = exchange.margin.totals(currency), exchange.account
    else:
        sums, account = ledger.totals(currency, exchange.margin.open_views(currency)), ledger.account
    balance = account.balances.get(currency, ZERO)
    available = account.available(currency, sums)
    initial = sums.initial + sums.open_orders
    futures_delta, options_delta = sum(sums.futures_delta.values()), sum(sums.options_delta.values())
    totals_by_index = {
        name: round(sums.futures_delta.get(name, 0.0) + sums.net_options_delta.get(name, 0.0), 8)
        for name in sums.futures_delta | sums.net_options_delta
    }
    delta_total = round(futures_delta + sum(sums.net_options_delta.values()), 8)
    session_upl = sums.futures_upl + sums.options_pl
    margin_balance = account.margin_balance(currency, sums)
    ratio = float(sums.maintenance / margin_balance) if margin_balance > 0 else 0.0
    futures_rpl = account.session_rpl.get(currency, ZERO)
    return {
        "currency": currency,
        "balance": coin(balance),
        "equity": coin(account.equity(currency, sums)),
        "margin_balance": coin(margin_balance),
        "available_funds": coin(available),
        "available_withdrawal_funds": coin(max(ZERO, min(available, balance))),
        "initial_margin": coin(initial),
        "maintenance_margin": coin(sums.maintenance),
        "projected_initial_margin": coin(initial),
        "projected_maintenance_margin": coin(sums.maintenance),
        "total_pl": coin(sums.futures_pl + sums.options_pl),
        "session_rpl": coin(futures_rpl),
        "session_upl": coin(session_upl),
        "futures_pl": coin(sums.futures_pl),
        "futures_session_rpl": coin(futures_rpl),
        "futures_session_upl": coin(sums.futures_upl),
        "options_pl": coin(sums.options_pl),
        "options_session_rpl": 0.0,
        "options_session_upl": coin(sums.options_pl),
        "options_value": coin(sums.options_value),
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
        "estimated_liquidation_ratio": round(ratio, 8),
        "estimated_liquidation_ratio_map": dict.fromkeys(totals_by_index, round(ratio, 8)),
        "margin_model": "segregated_sm",
        "portfolio_margining_enabled": False,
        "cross_collateral_enabled": False,
        "spot_reserve": 0.0,
        "additional_reserve": 0.0,
        "fee_balance": 0.0,
        "locked_balance": 0.0,
        "limits": limits(),
        "fees": _fees(exchange, currency),
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


def simulate_portfolio(call: Call) -> dict[str, Any]:
    """Return the margins of a portfolio that is not held: beside the real one, or in its place."""
    currency = call.params.currency(CURRENCIES)
    wanted = call.params.raw.get("simulated_positions")
    if wanted is None:
        wanted = {}
    if not isinstance(wanted, dict):
        raise invalid("simulated_positions", "wrong format")
    add = call.params.flag("add_positions")
    ledger = call.exchange.ledger.imagined(keep=add is None or add)
    sizes = Params(wanted)
    for name in wanted:
        instrument = call.exchange.catalogue.get(str(name))
        size = sizes.number(name)
        if instrument is None or instrument.combo or instrument.currency != currency or size is None:
            raise invalid("simulated_positions", "instrument not found" if instrument is None else "invalid value")
        ledger.imagine(instrument, size)
    record = account_record(call.exchange, currency, ledger)
    return {name: value for name, value in record.items() if name not in ("limits", "fees")}


# What happened to the money


def get_transaction_log(call: Call) -> dict[str, Any]:
    p, currency = call.params, call.params.currency(CURRENCIES)
    start_ms, end_ms = p.required_integer("start_timestamp"), p.required_integer("end_timestamp")
    count = p.within("count", 100, 1, 250)
    words = (p.text("query") or "").split()
    after = p.integer("continuation")
    lines = [
        line
        for line in reversed(call.exchange.ledger.log)
        if line.currency == currency
        and start_ms <= line.time_ms <= end_ms
        and (after is None or line.number <= after)
        and all(_says(line, word) for word in words)
    ]
    continuation = lines[count].number if len(lines) > count else None
    return {"logs": [dict(line.fields) for line in lines[:count]], "continuation": continuation}


def _says(line: Line, word: str) -> bool:
    """Tell whether a line is of a keyword: its type, side, role, kind or instrument."""
    sides = str(line.fields.get("side", "")).split()
    return word in (line.kind, line.instrument.kind, line.instrument.name, line.fields.get("user_role"), *sides)


def get_settlement_history_by_currency(call: Call) -> dict[str, Any]:
    currency = call.params.currency(CURRENCIES)
    return _settlements(call, lambda line: line.currency == currency)


def get_settlement_history_by_instrument(call: Call) -> dict[str, Any]:
    name = call.params.required_text("instrument_name")
    if not well_formed(name):
        raise invalid("instrument_name", "wrong format")
    return _settlements(call, lambda line: line.instrument.name == name)


def _settlements(call: Call, meant: Callable[[Line], bool]) -> dict[str, Any]:
    """Newest first; what expired long ago is found by its name too."""
    kind = call.params.choice("type", ("settlement", "delivery", "bankruptcy"))
    count = call.params.within("count", 20, 1, 1_000)
    before_ms = call.params.integer("search_start_timestamp")
    after = call.params.text("continuation")
    lines = [
        line
        for line in reversed(call.exchange.ledger.settlements)
        if meant(line)
        and kind in (None, line.kind)
        and (before_ms is None or line.time_ms <= before_ms)
        and (after is None or _is_after(line, after))
    ]
    continuation = f"{lines[count - 1].number:x}" if len(lines) > count else None
    return {"settlements": [dict(line.fields) for line in lines[:count]], "continuation": continuation}


def _is_after(line: Line, continuation: str) -> bool:
    try:
        return line.number < int(continuation, 16)
    except ValueError:
        raise invalid("continuation", "invalid value") from None


def coin(value: Decimal) -> float:
    return round(float(value), 8) + 0.0


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in values.items()}


POSITION_READS: Final[dict[str, Method]] = {
    "private/get_positions": get_positions,
    "private/get_position": get_position,
    "private/get_margins": get_margins,
    "private/get_settlement_history_by_currency": get_settlement_history_by_currency,
    "private/get_settlement_history_by_instrument": get_settlement_history_by_instrument,
}
ACCOUNT_READS: Final[dict[str, Method]] = {
    "private/get_account_summary": get_account_summary,
    "private/get_account_summaries": get_account_summaries,
    "private/simulate_portfolio": simulate_portfolio,
    "private/get_transaction_log": get_transaction_log,
}
