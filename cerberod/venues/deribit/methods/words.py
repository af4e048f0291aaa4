"""Parameters that several methods share, in Deribit's own words."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationInfo
from pydantic_core import PydanticCustomError

InstrumentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$"), Field(examples=["BTC-PERPETUAL"])]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,10}$"), Field(examples=["BTC"])]
CurrencyOrAny = Annotated[str, StringConstraints(pattern=r"^([A-Z0-9]{2,10}|any)$"), Field(examples=["BTC"])]
IndexName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$"), Field(examples=["btc_usd"])]
PerpetualName = Annotated[
    str, StringConstraints(pattern=r"^[A-Z0-9_]{2,32}-PERPETUAL$"), Field(examples=["BTC-PERPETUAL"])
]
OrderId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$"), Field(examples=["104819327443"])]
Label = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,64}$"), Field(examples=["made-by-hand"])]
KindName = Literal["future", "option", "spot", "future_combo", "option_combo"]

CURRENCY = "Settlement currency: BTC, ETH, USDC, USDT, EURR; every `X_USDC` instrument comes under USDC."
INSTRUMENT_NAME = "The instrument, for example BTC-PERPETUAL, BTC-25DEC26-90000-C or SOL_USDC-PERPETUAL."
KIND = "Only this kind: future, option, spot, future_combo or option_combo."


def is_name_of_combo(name: str) -> bool:
    """Tell whether a name can be a combo's: a code stands where others have a date or PERPETUAL."""
    code = name.split("-")[1:2]
    return bool(code) and code[0][:1].isalpha() and code[0] != "PERPETUAL"


def alone(name: str | None, info: ValidationInfo) -> str | None:
    """Refuse an instrument beside a currency or a kind: it has both already."""
    if name is not None and (info.data.get("currency") or info.data.get("kind")):
        raise PydanticCustomError("scope", "given without currency and kind, which the instrument already decides")
    return name


def one_scope(instrument_name: str | None, currency: str | None) -> None:
    """Refuse what is about both an instrument and a currency, or about neither."""
    if (instrument_name is None) == (currency is None):
        raise PydanticCustomError("which", "either instrument_name or currency")
