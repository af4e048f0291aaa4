"""Parameters that several methods share, in Bybit's own words."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from cerberod.rpc.registry import Params

CategoryName = Literal["spot", "linear", "inverse", "option"]
ContractCategory = Literal["linear", "inverse"]
Symbol = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9.-]{0,39}$"), Field(examples=["BTCUSDT"])]
Coin = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,20}$"), Field(examples=["BTC"])]
OrderId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
OrderLinkId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,45}$")]
Interval = Literal["1", "3", "5", "15", "30", "60", "120", "240", "360", "720", "D", "W", "M"]

CATEGORY = "spot, linear (USDT and USDC contracts), inverse or option: a symbol means something only within one."
CONTRACTS = "linear (USDT and USDC contracts) or inverse."
SYMBOL = "The instrument, for example BTCUSDT, BTCPERP, BTCUSDT-25DEC26, BTCUSD or BTC-25DEC26-90000-C."
BASE_COIN = "Only instruments on this coin."
SETTLE_COIN = "Only what settles in this coin."
INTERVAL = "Length of a bar: minutes, or D, W, M (weeks begin on Monday, days and months at 00:00 UTC)."
PAGES = "How many requests they cost."


class OfSymbol(Params):
    """One instrument."""

    category: CategoryName = Field(description=CATEGORY)
    symbol: Symbol = Field(description=SYMBOL)


class OfContract(Params):
    """One contract."""

    category: ContractCategory = Field(description=CONTRACTS)
    symbol: Symbol = Field(description=SYMBOL)
