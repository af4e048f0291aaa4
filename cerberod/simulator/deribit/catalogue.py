"""Which instruments exist now: the model's listing, or for a coin with a recorded chain, the recording's."""

from cerberod.simulator.chain import Chain
from cerberod.simulator.config import ChainFileError
from cerberod.simulator.deribit.instruments import (
    INVERSE_COINS,
    Instrument,
    future,
    listed_at,
    model_listing,
    option,
    parse_dated_name,
    parse_option_name,
    perpetuals,
)
from cerberod.simulator.market import DAY_MS, HISTORY_START_MS, Market
from cerberod.simulator.timing import MarketTime

_SETTLEMENT_HOUR_MS = 8 * 3_600_000


class Catalogue:
    """The live instruments, remade when a settlement passes."""

    def __init__(self, market: Market, time: MarketTime, chains: dict[str, Chain]) -> None:
        self._market = market
        self._time = time
        self._recorded = {coin: _recorded_listing(chain) for coin, chain in chains.items()}
        self._recorded_ms = {coin: chain.time_ms for coin, chain in chains.items()}
        self._day = -1
        self._live: dict[str, Instrument] = {}

    def live(self) -> dict[str, Instrument]:
        """Return all live instruments by name."""
        now_ms = self._time.now_ms()
        day = (now_ms - _SETTLEMENT_HOUR_MS) // DAY_MS
        if day != self._day:
            listed = perpetuals()
            for coin in INVERSE_COINS:
                if coin in self._recorded:
                    listed += [i for i in self._recorded[coin] if i.expiry_ms > now_ms]
                else:
                    listed += self._model(coin, now_ms)
            self._live = {instrument.name: instrument for instrument in listed}
            self._day = day
        return self._live

    def get(self, name: str) -> Instrument | None:
        """Return a live instrument."""
        return self.live().get(name)

    def select(self, currency: str, kind: str | None) -> list[Instrument]:
        """Return the live instruments of a settlement currency (or `any`), of one kind or all."""
        return [
            i
            for i in self.live().values()
            if currency in ("any", i.currency) and (kind in (None, "any") or kind == i.kind)
        ]

    def settled(self, currency: str, day_ms: int) -> list[Instrument]:
        """Return what was settled at an 08:00: perpetuals and futures, then the options that were delivered."""
        listed = [i for i in perpetuals() if i.currency == currency and i.created_ms < day_ms]
        for coin in INVERSE_COINS:
            if coin == currency:
                listed += [i for i in self._listed(coin, day_ms - 1) if not i.option or i.expiry_ms == day_ms]
        return listed

    def expired(self, name: str) -> Instrument | None:
        """Return an instrument that lived once; None for a live one, or one that never was."""
        parsed = parse_dated_name(name)
        if parsed is None or parsed[0] not in INVERSE_COINS or not HISTORY_START_MS < parsed[1] <= self._time.now_ms():
            return None
        return next((i for i in self._listed(parsed[0], parsed[1] - 1) if i.name == name), None)

    def _listed(self, coin: str, at_ms: int) -> list[Instrument]:
        """Return the dated instruments of a coin that were listed at a moment."""
        recorded = self._recorded.get(coin)
        if recorded is not None and at_ms >= self._recorded_ms[coin]:
            return [i for i in recorded if i.expiry_ms > at_ms]
        return self._model(coin, at_ms)

    def _model(self, coin: str, now_ms: int) -> list[Instrument]:
        return list(model_listing(coin, now_ms, lambda time_ms: self._market.index(coin, time_ms)))


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
