"""The unified account: balances, settings, fees, the transaction log, and who a key belongs to."""

from decimal import Decimal
from typing import Final

from cerberod.simulator.bybit.calls import Call, Record, Routes, instrument_of
from cerberod.simulator.bybit.margin import CoinSums, Totals
from cerberod.simulator.bybit.paging import page, window
from cerberod.simulator.bybit.wallet import FEES
from cerberod.simulator.bybit.wire import PARAMETER, Reply, VenueError, plain
from cerberod.simulator.market import DAY_MS
from cerberod.simulator.matching import ZERO

CREATED_MS: Final = 1_697_078_946_000


def wallet_balance(call: Call) -> Reply:
    if call.params.required("accountType") != "UNIFIED":
        raise VenueError(PARAMETER, "accountType only support UNIFIED.")
    totals = call.exchange.margin.totals()
    asked = [coin for coin in call.params.text("coin").split(",") if coin]
    held = [coin for coin, s in totals.coins.items() if call.exchange.account.balance(coin) or s != CoinSums()]
    initial = plain(round(totals.rate(totals.initial), 4))
    maintenance = plain(round(totals.rate(totals.maintenance), 4))
    row: Record = {
        "totalEquity": _usd(totals.equity),
        "accountIMRate": initial,
        "accountIMRateByMp": initial,
        "totalMarginBalance": _usd(totals.margin_balance),
        "totalInitialMargin": _usd(totals.initial),
        "totalInitialMarginByMp": _usd(totals.initial),
        "accountType": "UNIFIED",
        "totalAvailableBalance": _usd(totals.available),
        "accountMMRate": maintenance,
        "accountMMRateByMp": maintenance,
        "totalPerpUPL": _usd(totals.floating),
        "totalWalletBalance": _usd(totals.wallet),
        "accountLTV": "0",
        "totalMaintenanceMargin": _usd(totals.maintenance),
        "totalMaintenanceMarginByMp": _usd(totals.maintenance),
        "coin": [_coin(call, totals, coin) for coin in (asked or held)],
    }
    return Reply({"list": [row]})


def _usd(value: Decimal) -> str:
    return plain(round(value, 8))


def _coin(call: Call, totals: Totals, coin: str) -> Record:
    account, s = call.exchange.account, totals.coins.get(coin, CoinSums())
    if coin not in totals.coins and coin not in ("USDT", "USDC", "BTC", "ETH", "SOL", "XRP"):
        raise VenueError(PARAMETER, "params error: coin invalid")
    wallet = account.balance(coin)
    equity = wallet + s.floating + s.option_value
    return {
        "availableToBorrow": "",
        "bonus": "0",
        "accruedInterest": "0",
        "availableToWithdraw": "",
        "totalOrderIM": plain(round(s.order_initial, 8)),
        "equity": plain(round(equity, 8)),
        "totalPositionMM": plain(round(s.position_maintenance, 8)),
        "usdValue": plain(round(equity * call.exchange.margin.usd(coin), 8)),
        "unrealisedPnl": plain(round(s.floating + s.option_value, 8)),
        "collateralSwitch": True,
        "spotHedgingQty": "0",
        "borrowAmount": "0" if wallet >= 0 else plain(-wallet),
        "totalPositionIM": plain(round(s.position_initial, 8)),
        "walletBalance": plain(round(wallet, 9)),
        "cumRealisedPnl": plain(round(account.realised.get(coin, ZERO), 8)),
        "locked": plain(round(s.locked, 8)),
        "marginCollateral": True,
        "coin": coin,
        "spotBorrow": "0",
        "colRes": "",
    }


def info(call: Call) -> Reply:
    return Reply(
        {
            "marginMode": "REGULAR_MARGIN",
            "updatedTime": str(CREATED_MS),
            "unifiedMarginStatus": 5,
            "dcpStatus": "OFF",
            "timeWindow": 10,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }
    )


def fee_rate(call: Call) -> Reply:
    category = call.params.category()
    taker, maker = FEES[category]
    rates = {"takerFeeRate": plain(taker), "makerFeeRate": plain(maker)}
    if category == "option":
        bases = sorted({i.base for i in call.exchange.catalogue.live("option").values()})
        base = call.params.text("baseCoin")
        return Reply({"category": "option", "list": [{"baseCoin": b} | rates for b in bases if base in ("", b)]})
    if call.params.has("symbol"):
        symbols = [instrument_of(call, category).symbol]
    else:
        symbols = list(call.exchange.catalogue.live(category))
    return Reply({"list": [{"symbol": symbol} | rates for symbol in symbols]})


def transaction_log(call: Call) -> Reply:
    p = call.params
    category = p.category(("", "spot", "linear", "inverse", "option"))
    start, end = window(p, call.exchange.quotes.now_ms(), DAY_MS)
    coin, base, kind = p.text("currency"), p.text("baseCoin"), p.text("type")
    found = [
        row
        for row in reversed(call.exchange.ledger.log)
        if category in ("", row["category"])
        and coin in ("", row["currency"])
        and kind in ("", row["type"])
        and (not base or str(row["symbol"]).startswith(base))
        and start <= int(row["transactionTime"]) <= end
    ]
    rows, cursor = page(found, p, p.limit(20, 50), lambda row: str(row["id"]))
    return Reply({"nextPageCursor": cursor, "list": rows})


# Whose key it is


def api_key(call: Call) -> Reply:
    return Reply(
        {
            "id": str(call.key.user_id * 7),
            "note": "simulator",
            "apiKey": call.key.api_key,
            "readOnly": 0,
            "secret": "",
            "permissions": {
                "ContractTrade": ["Order", "Position"],
                "Spot": ["SpotTrade"],
                "Wallet": ["AccountTransfer"],
                "Options": ["OptionsTrade"],
                "Derivatives": ["DerivativesTrade"],
                "CopyTrading": [],
                "BlockTrade": [],
                "Exchange": ["ExchangeHistory"],
                "NFT": [],
                "Affiliate": [],
                "Earn": [],
            },
            "ips": ["*"],
            "type": 1,
            "deadlineDay": 30,
            "expiredAt": "2099-01-01T00:00:00Z",
            "createdAt": "2025-10-13T03:20:45Z",
            "unified": 0,
            "uta": 1,
            "userID": call.key.user_id,
            "inviterID": 0,
            "vipLevel": "No VIP",
            "mktMakerLevel": "0",
            "affiliateID": 0,
            "rsaPublicKey": "",
            "isMaster": True,
            "parentUid": "0",
            "kycLevel": "LEVEL_1",
            "kycRegion": "",
        },
        message="",
    )


def coin_info(call: Call) -> Reply:
    wanted = call.params.text("coin")
    coins = [coin for coin in ("BTC", "ETH", "SOL", "USDC", "USDT", "XRP") if wanted in ("", coin)]
    chain = {
        "chainType": "Ethereum",
        "confirmation": "6",
        "withdrawFee": "3",
        "depositMin": "0",
        "withdrawMin": "3",
        "chain": "ETH",
        "chainDeposit": "1",
        "chainWithdraw": "1",
        "minAccuracy": "8",
        "withdrawPercentageFee": "0",
        "contractAddress": "",
        "safeConfirmNumber": "100",
        "withdrawMax": "10000000",
    }
    rows = [{"name": coin, "coin": coin, "remainAmount": "10000000", "chains": [chain]} for coin in coins]
    return Reply({"rows": rows}, message="success")


ROUTES: Final[Routes] = {
    "/v5/account/wallet-balance": wallet_balance,
    "/v5/account/info": info,
    "/v5/account/fee-rate": fee_rate,
    "/v5/account/transaction-log": transaction_log,
    "/v5/user/query-api": api_key,
    "/v5/asset/coin/query-info": coin_info,
}
