"""The methods about combos: listing them, and finding or making the one of some legs."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from cerberod.simulator.deribit.catalogue import Combo, TooManyCombosError
from cerberod.simulator.deribit.combos import MOST_LEGS, NoSuchPackageError, reduced
from cerberod.simulator.deribit.instruments import Instrument, Leg, well_formed
from cerberod.simulator.deribit.ledger import CURRENCIES
from cerberod.simulator.deribit.public import Call, Method
from cerberod.simulator.deribit.wire import VenueError, invalid
from cerberod.simulator.matching import Side

_STATES = ("rfq", "active", "inactive")


@dataclass(frozen=True)
class AskedLeg:
    """One leg as a caller writes it; `signed` is negative where it is to be sold."""

    instrument: Instrument
    side: Side
    signed: Decimal


def get_combos(call: Call) -> list[dict[str, object]]:
    return [combo.record() for combo in _combos(call)]


def get_combo_ids(call: Call) -> list[str]:
    state = call.params.choice("state", _STATES)
    return [c.instrument.name for c in _combos(call) if state is None or state == c.record()["state"]]


def _combos(call: Call) -> list[Combo]:
    return call.exchange.catalogue.combos(call.params.currency((*CURRENCIES, "any")))


def get_combo_details(call: Call) -> dict[str, object]:
    combo = call.exchange.catalogue.combo(call.params.required_text("combo_id"))
    if combo is None:
        raise invalid("combo_id", "instrument not found")
    return combo.record()


def create_combo(call: Call) -> dict[str, object]:
    """Return the combo of some legs, made now if there was none; its signs are the venue's, not the caller's."""
    asked = asked_legs(call, "trades")
    ratios, _ = reduced([leg.signed for leg in asked])
    try:
        combo = call.exchange.catalogue.find_or_create(
            [Leg(leg.instrument, ratio) for leg, ratio in zip(asked, ratios, strict=True)]
        )
    except NoSuchPackageError:
        raise invalid("trades", "invalid value") from None
    except TooManyCombosError:
        raise VenueError(13035) from None
    return combo.record()


def asked_legs(call: Call, name: str) -> Sequence[AskedLeg]:
    """Read a list of legs."""
    rows = call.params.raw.get(name)
    if rows is None:
        raise invalid(name, "value required")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise invalid(name, "wrong format")
    if not 2 <= len(rows) <= MOST_LEGS:
        raise invalid(name, "invalid value")
    legs = [_leg(call, row) for row in rows]
    if any(leg.instrument.combo or leg.instrument.spot for leg in legs):
        raise VenueError(10020)
    if len({leg.instrument.name for leg in legs}) < len(legs):
        raise invalid(name, "invalid value")
    return legs


def _leg(call: Call, row: dict[str, Any]) -> AskedLeg:
    name, direction = row.get("instrument_name"), row.get("direction")
    if not isinstance(name, str) or not well_formed(name):
        raise invalid("instrument_name", "wrong format")
    instrument = call.exchange.catalogue.get(name)
    if instrument is None:
        raise invalid("instrument_name", "instrument not found")
    if direction not in ("buy", "sell"):
        raise invalid("direction", "invalid value")
    amount = _amount(row.get("amount"))
    side = Side(direction)
    return AskedLeg(instrument, side, amount if side is Side.BUY else -amount)


def _amount(value: object) -> Decimal:
    """Read an amount; the venue's own sample writes it as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise invalid("amount", "wrong format")
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise invalid("amount", "wrong format") from None
    if not amount.is_finite() or not 0 < amount <= Decimal("1e12") or amount != round(amount, 8):
        raise invalid("amount", "invalid value")
    return amount


READS: Final[dict[str, Method]] = {
    "public/get_combos": get_combos,
    "public/get_combo_ids": get_combo_ids,
    "public/get_combo_details": get_combo_details,
}
WRITES: Final[dict[str, Method]] = {"private/create_combo": create_combo}
