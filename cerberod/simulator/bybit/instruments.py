"""What trades on the simulated Bybit: four categories, contract rules, and how `instruments-info` tells them.

A symbol is unique only with its category. Which instruments there are is `listing`'s business.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cached_property
from typing import Any, Final

from cerberod.simulator.bybit import calendar
from cerberod.simulator.bybit.wire import padded, plain

LISTED_MS: Final = 1_584_230_400_000


@dataclass(frozen=True)
class Instrument:
    """One tradable thing: `asset` is the market's coin its price follows, times `scale`."""

    category: str
    symbol: str
    kind: str  # spot | perpetual | future | option
    asset: str
    base: str
    quote: str
    settle: str
    tick: Decimal
    step: Decimal  # of quantities; for spot the base precision
    minimum: Decimal
    largest: Decimal
    largest_market: Decimal
    least_value: Decimal  # in quote coin; 0 for none
    symbol_id: int
    launch_ms: int = LISTED_MS
    delivery_ms: int = 0
    strike: float = 0.0
    is_call: bool = False
    leverage: int = 100
    funding_min: int = 480
    funding_cap: Decimal = Decimal("0.005")
    band: Decimal = Decimal("0.02")
    """How far beyond the mark a limit price may lie on the side that would trade."""
    scale: float = 1.0
    restless: float = 1.0
    """How much further than the model's its premium over the index swings."""
    status: str = "Trading"

    @property
    def key(self) -> tuple[str, str]:
        """What names it: a symbol alone does not."""
        return self.category, self.symbol

    @property
    def option(self) -> bool:
        return self.kind == "option"

    @property
    def spot(self) -> bool:
        return self.kind == "spot"

    @property
    def inverse(self) -> bool:
        return self.category == "inverse"

    @property
    def perpetual(self) -> bool:
        return self.kind == "perpetual"

    @cached_property
    def places(self) -> int:
        """How many decimals a price has."""
        exponent = self.tick.as_tuple().exponent
        return -exponent if isinstance(exponent, int) and exponent < 0 else 0

    def price_text(self, value: Decimal | float) -> str:
        """Write a price padded as tickers do."""
        exact = Decimal(repr(value)) if isinstance(value, float) else value
        return padded(exact, max(self.places, 0))

    def on_grid(self, value: float) -> Decimal:
        """Return the price of the grid that is nearest."""
        return (Decimal(repr(value)) / self.tick).quantize(Decimal(1), ROUND_HALF_EVEN) * self.tick

    def value_of(self, qty: Decimal, price: Decimal) -> Decimal:
        """Return what a quantity is worth in the settlement coin."""
        return qty / price if self.inverse else qty * price

    def record(self) -> dict[str, Any]:
        """Return the row of `instruments-info`."""
        match self.kind:
            case "spot":
                return self._spot_record()
            case "option":
                return self._option_record()
            case _:
                return self._contract_record()

    def _head(self) -> dict[str, Any]:
        return {"symbol": self.symbol, "symbolId": self.symbol_id}

    def _spot_record(self) -> dict[str, Any]:
        return self._head() | {
            "baseCoin": self.base,
            "quoteCoin": self.quote,
            "innovation": "0",
            "status": self.status,
            "marginTrading": "utaOnly",
            "stTag": "0",
            "lotSizeFilter": {
                "basePrecision": plain(self.step),
                "quotePrecision": "0.0000001",
                "minOrderQty": plain(self.minimum),
                "maxOrderQty": plain(self.largest),
                "minOrderAmt": plain(self.least_value),
                "maxOrderAmt": "8000000",
                "maxLimitOrderQty": plain(self.largest),
                "maxMarketOrderQty": plain(self.largest_market),
                "postOnlyMaxLimitOrderSize": plain(self.largest),
            },
            "priceFilter": {"tickSize": plain(self.tick)},
            "riskParameters": self._bands(),
            "symbolType": "",
        }

    def _bands(self) -> dict[str, str]:
        return {"priceLimitRatioX": plain(self.band), "priceLimitRatioY": plain(2 * self.band)}

    def _option_record(self) -> dict[str, Any]:
        side = "C" if self.is_call else "P"
        name = f"{self.base}{self.quote}-{calendar.code(self.delivery_ms)}-{strike_text(self.strike)}-{side}"
        return self._head() | {
            "status": self.status,
            "baseCoin": self.base,
            "quoteCoin": self.quote,
            "settleCoin": self.settle,
            "optionsType": "Call" if self.is_call else "Put",
            "launchTime": str(self.launch_ms),
            "deliveryTime": str(self.delivery_ms),
            "deliveryFeeRate": "0.00015",
            "priceFilter": {
                "minPrice": plain(self.tick),
                "maxPrice": plain(self.tick * 222_000),
                "tickSize": plain(self.tick),
            },
            "lotSizeFilter": {
                "maxOrderQty": plain(self.largest),
                "minOrderQty": plain(self.minimum),
                "qtyStep": plain(self.step),
            },
            "displayName": name,
        }

    def _contract_record(self) -> dict[str, Any]:
        kind = ("Inverse" if self.inverse else "Linear") + ("Perpetual" if self.perpetual else "Futures")
        pre = self.status == "PreLaunch"
        return self._head() | {
            "contractType": kind,
            "status": self.status,
            "baseCoin": self.base,
            "quoteCoin": self.quote,
            "launchTime": str(self.launch_ms),
            "deliveryTime": str(self.delivery_ms),
            "deliveryFeeRate": "" if self.perpetual else "0.0005",
            "priceScale": str(self.places),
            "leverageFilter": {
                "minLeverage": "1",
                "maxLeverage": f"{self.leverage}.00",
                "leverageStep": "0.01",
            },
            "priceFilter": {
                "minPrice": padded(self.tick, self.places),
                "maxPrice": padded(self.tick * 19_999_998, self.places),
                "tickSize": padded(self.tick, self.places),
            },
            "lotSizeFilter": {
                "maxOrderQty": plain(self.largest),
                "minOrderQty": plain(self.minimum),
                "qtyStep": plain(self.step),
                "postOnlyMaxOrderQty": plain(self.largest),
                "maxMktOrderQty": plain(self.largest_market),
                "minNotionalValue": plain(self.least_value) if self.least_value else "",
            },
            "unifiedMarginTrade": True,
            "fundingInterval": self.funding_min if self.perpetual else 0,
            "settleCoin": self.settle,
            "copyTrading": "both" if self.quote == "USDT" and self.perpetual else "none",
            "upperFundingRate": plain(self.funding_cap) if self.perpetual else "",
            "lowerFundingRate": plain(-self.funding_cap) if self.perpetual else "",
            "isPreListing": pre,
            "preListingInfo": _pre_listing(self.launch_ms) if pre else None,
            "riskParameters": self._bands(),
            "displayName": "",
            "symbolType": "",
            "forbidUplWithdrawal": False,
            "skipCallAuction": False,
        }


def _pre_listing(launch_ms: int) -> dict[str, Any]:
    starts = (launch_ms, launch_ms + 3_000_000, launch_ms + 3_300_000, launch_ms + 3_600_000)
    names = ("CallAuction", "CallAuctionNoCancel", "CrossMatching", "ContinuousTrading")
    ends = [*(str(start) for start in starts[1:]), ""]
    return {
        "curAuctionPhase": "ContinuousTrading",
        "phases": [
            {"phase": name, "startTime": str(start), "endTime": end}
            for name, start, end in zip(names, starts, ends, strict=True)
        ],
        "auctionFeeInfo": {"auctionFeeRate": "0", "takerFeeRate": "0.001", "makerFeeRate": "0.0004"},
    }


def strike_text(strike: float) -> str:
    """Write a strike as names do."""
    return plain(Decimal(repr(strike)))
