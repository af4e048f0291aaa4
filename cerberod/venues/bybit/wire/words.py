"""Bybit's words that decide: categories and sides. Those we do not know are refused, never guessed."""

from enum import StrEnum

from cerberod.venues.bybit.wire.reading import Fields


class Category(StrEnum):
    """The four parts of the venue. A symbol means something only within one: BTCUSDT is a pair and a perpetual."""

    SPOT = "spot"
    LINEAR = "linear"
    INVERSE = "inverse"
    OPTION = "option"


class Side(StrEnum):
    """Which side of the book. The venue writes `Buy` and `Sell`."""

    BUY = "buy"
    SELL = "sell"

    @property
    def word(self) -> str:
        """The side as the venue writes it."""
        return self.capitalize()


def side(row: Fields, name: str = "side") -> Side:
    """Read a side that must be there."""
    found = side_or_none(row, name)
    if found is None:
        raise row.bad(name, "Buy or Sell")
    return found


def side_or_none(row: Fields, name: str = "side") -> Side | None:
    """Read a side; "" and "None" are none, as in the row of a flat position."""
    match row.get(name):
        case "Buy":
            return Side.BUY
        case "Sell":
            return Side.SELL
        case None | "" | "None":
            return None
        case _:
            raise row.bad(name, "Buy or Sell")


def told(row: Fields, name: str) -> str | None:
    """Read a word that only describes; what the venue writes where nothing is set is null."""
    found = row.text_or_none(name)
    return None if found in ("UNKNOWN", "None") else found
