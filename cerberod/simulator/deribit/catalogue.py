"""Which instruments exist now: what the venue lists by itself, and the combos that users of one environment made.

For a coin with a recorded chain the listing is the recording's. A combo lives until its earliest leg expires; where
many are active, those that nobody traded for two hours are put to rest, as at the venue, and making one again wakes it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cerberod.simulator.chain import Chain
from cerberod.simulator.config import ChainFileError
from cerberod.simulator.deribit.combos import combo_of, recognise
from cerberod.simulator.deribit.instruments import (
    Instrument,
    Leg,
    parse_dated_name,
    parse_option_name,
    settled_at,
)
from cerberod.simulator.deribit.listing import (
    INVERSE_COINS,
    LINEAR_COINS,
    future,
    inverse_listing,
    linear_listing,
    listed_at,
    listed_combos,
    option,
    perpetuals,
    spot_pairs,
)
from cerberod.simulator.market import HISTORY_START_MS, Market
from cerberod.simulator.timing import MarketTime

MOST_COMBOS: Final = 200  # active ones that users of one environment may have
_CROWDED = 40  # active ones from which on quiet combos are put to rest
_QUIET_MS = 7_200_000
_KEPT_ENDED = 500


class TooManyCombosError(Exception):
    """The venue makes no more combos for now."""


@dataclass
class Combo:
    """A package as the venue lists it."""

    instrument: Instrument
    active: bool
    state_ms: int

    def record(self) -> dict[str, object]:
        """Return the combo as public/get_combos tells it."""
        return {
            "id": self.instrument.name,
            "instrument_id": self.instrument.instrument_id,
            "state": "active" if self.active else "inactive",
            "state_timestamp": self.state_ms,
            "creation_timestamp": self.instrument.created_ms,
            "legs": [{"instrument_name": leg.instrument.name, "amount": leg.ratio} for leg in self.instrument.legs],
        }


class Listing:
    """What the venue lists by itself, the same for all environments; remade when a settlement passes."""

    def __init__(self, market: Market, time: MarketTime, chains: dict[str, Chain]) -> None:
        self._market = market
        self._time = time
        self._recorded = {coin: _recorded_listing(chain) for coin, chain in chains.items()}
        self._recorded_ms = {coin: chain.time_ms for coin, chain in chains.items()}
        self._day_ms = -1
        self._live: dict[str, Instrument] = {}

    def now_ms(self) -> int:
        """Return the market's time."""
        return self._time.now_ms()

    def live(self) -> dict[str, Instrument]:
        """Return what is listed now, by name; the same object until the next settlement."""
        now_ms = self._time.now_ms()
        day_ms = settled_at(now_ms)
        if day_ms != self._day_ms:
            listed = perpetuals()
            for coin in INVERSE_COINS:
                dated = self._dated(coin, now_ms)
                of_coin = [i for i in listed if i.coin == coin and not i.linear] + dated
                listed += dated
                listed += listed_combos(of_coin, day_ms, self._market.index(coin, day_ms))
            for coin in LINEAR_COINS:
                listed += self._dated(f"{coin}_USDC", now_ms)
            listed += spot_pairs()
            self._live = {instrument.name: instrument for instrument in listed}
            self._day_ms = day_ms
        return self._live

    def settled(self, currency: str, day_ms: int) -> list[Instrument]:
        """Return what was settled at an 08:00: perpetuals and futures, then the options that were delivered."""
        listed = [i for i in perpetuals() if i.currency == currency and i.created_ms < day_ms]
        bases = [f"{coin}_USDC" for coin in LINEAR_COINS] if currency == "USDC" else [currency]
        for base in bases:
            dated = self._dated(base, day_ms - 1, only_options_of=day_ms)
            listed += [i for i in dated if not i.option or i.expiry_ms == day_ms]
        return listed

    def expired(self, name: str) -> Instrument | None:
        """Return an instrument that lived once; None for a live one, or one that never was."""
        parsed = parse_dated_name(name)
        if parsed is None or not HISTORY_START_MS < parsed[1] <= self._time.now_ms():
            return None
        base, expiry_ms = parsed
        return next((i for i in self._dated(base, expiry_ms - 1, only_options_of=expiry_ms) if i.name == name), None)

    def _dated(self, base: str, at_ms: int, only_options_of: int | None = None) -> list[Instrument]:
        """Return the dated instruments listed at a moment whose names begin with `base`.

        Where one expiry's options are enough, the others need not be made.
        """
        recorded = self._recorded.get(base)
        if recorded is not None and at_ms >= self._recorded_ms[base]:
            return [i for i in recorded if i.expiry_ms > at_ms]
        if base in INVERSE_COINS:
            return list(inverse_listing(base, at_ms, self._price_of(base), only_options_of))
        coin, _, quote = base.partition("_")
        if coin in LINEAR_COINS and quote == "USDC":
            return list(linear_listing(coin, at_ms, self._price_of(coin), only_options_of))
        return []

    def _price_of(self, coin: str) -> Callable[[int], float]:
        return lambda time_ms: self._market.index(coin, time_ms)


class Catalogue:
    """The instruments of one environment."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._base: dict[str, Instrument] = {}
        self._live: dict[str, Instrument] = {}
        self._combos: dict[str, Combo] = {}
        self._ended: dict[str, Combo] = {}

    def clear(self) -> None:
        """Forget the combos that users made."""
        self._base = {}
        self._combos.clear()
        self._ended.clear()

    def live(self) -> dict[str, Instrument]:
        """Return all live instruments by name, combos put to rest among them."""
        base = self._listing.live()
        if base is not self._base:
            self._renew(base)
        return self._live

    def _renew(self, base: dict[str, Instrument]) -> None:
        now_ms = self._listing.now_ms()
        for name in [n for n, combo in self._combos.items() if combo.instrument.expiry_ms <= now_ms]:
            combo = self._combos.pop(name)
            combo.active, combo.state_ms = False, combo.instrument.expiry_ms
            self._ended[name] = combo
        while len(self._ended) > _KEPT_ENDED:
            del self._ended[next(iter(self._ended))]
        self._base = base
        for instrument in base.values():
            if instrument.combo and instrument.name not in self._combos:
                self._combos[instrument.name] = Combo(instrument, True, instrument.created_ms)
        self._live = base | {name: combo.instrument for name, combo in self._combos.items()}

    def get(self, name: str) -> Instrument | None:
        """Return a live instrument."""
        return self.live().get(name)

    def select(self, currency: str, kind: str | None) -> list[Instrument]:
        """Return the live instruments of a settlement currency (or `any`), of one kind or all."""
        return [
            i for i in self.live().values() if currency in ("any", i.currency) and (kind is None or _is_kind(kind, i))
        ]

    def settled(self, currency: str, day_ms: int) -> list[Instrument]:
        """Return what was settled or delivered at an 08:00."""
        return self._listing.settled(currency, day_ms)

    def expired(self, name: str) -> Instrument | None:
        """Return an instrument that lived once."""
        return self._listing.expired(name)

    # Combos

    def combo(self, name: str) -> Combo | None:
        """Return a combo, an ended one too."""
        self.live()
        return self._combos.get(name) or self._ended.get(name)

    def combos(self, currency: str) -> list[Combo]:
        """Return the live combos of a currency (or `any`), oldest first."""
        self.live()
        found = [c for c in self._combos.values() if currency in ("any", c.instrument.currency)]
        return sorted(found, key=lambda combo: (combo.instrument.created_ms, combo.instrument.name))

    def active(self, instrument: Instrument) -> bool:
        """Tell whether an instrument may be traded: all may but combos put to rest."""
        combo = self._combos.get(instrument.name)
        return combo is None or combo.active

    def find_or_create(self, legs: Sequence[Leg]) -> Combo:
        """Return the combo of these legs, awake; NoSuchPackageError or TooManyCombosError if there can be none."""
        package = recognise(legs)
        self.live()
        combo = self._combos.get(package.name)
        if combo is not None and combo.active:
            return combo
        if sum(c.active for c in self._combos.values()) >= MOST_COMBOS:
            raise TooManyCombosError
        now_ms = self._listing.now_ms()
        if combo is None:
            combo = self._combos[package.name] = Combo(combo_of(package, now_ms), True, now_ms)
            self._live[package.name] = combo.instrument
        combo.active, combo.state_ms = True, now_ms
        return combo

    def rest_quiet_combos(self, last_use_ms: Callable[[str], int | None]) -> None:
        """Put combos to rest that nobody used for two hours, where many are active; `last_use_ms` tells by name."""
        awake = [combo for combo in self._combos.values() if combo.active]
        if len(awake) <= _CROWDED:
            return
        now_ms = self._listing.now_ms()
        for combo in awake:
            used_ms = max(last_use_ms(combo.instrument.name) or 0, combo.state_ms)
            if combo.instrument.name not in self._base and now_ms - used_ms >= _QUIET_MS:
                combo.active, combo.state_ms = False, now_ms


def _is_kind(kind: str, instrument: Instrument) -> bool:
    return kind in ("any", instrument.kind) or (kind == "combo" and instrument.combo)


def _recorded_listing(chain: Chain) -> list[Instrument]:
    if chain.currency not in INVERSE_COINS:
        raise ChainFileError(f"{chain.path}: base_currency must be one of {', '.join(INVERSE_COINS)}")
    options: list[Instrument] = []
    for name in chain.rows:
        parsed = parse_option_name(name)
        if parsed is None or parsed[0] != chain.currency:
            raise ChainFileError(f"{chain.path}: {name!r:.80} is not the name of a {chain.currency} option")
        coin, expiry_ms, strike, is_call = parsed
        if expiry_ms <= chain.time_ms:
            raise ChainFileError(f"{chain.path}: {name} expired before the recording's time")
        if strike <= 0:
            raise ChainFileError(f"{chain.path}: {name}: the strike must be above 0")
        options.append(option(coin, expiry_ms, strike, is_call, listed_at(expiry_ms)))
    expiries = sorted({o.expiry_ms for o in options})
    return [future(chain.currency, expiry_ms, listed_at(expiry_ms)) for expiry_ms in expiries] + options
