"""When Bybit's dated contracts expire and how their names write it. Pure functions of the time.

Tenors as listed in August 2025: futures in USDT three Fridays, three months, four quarters; futures in USDC and
inverse ones two quarters; options three days besides. All at 08:00 UTC.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from cerberod.simulator.market import DAY_MS, HOUR_MS

EXPIRY_HOUR_MS: Final = 8 * HOUR_MS
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_QUARTERS = {3: "H", 6: "M", 9: "U", 12: "Z"}


def moment(time_ms: int) -> datetime:
    """Return a time as a date in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def code(expiry_ms: int) -> str:
    """Write an expiry as names do: 26DEC25, 6JAN23."""
    day = moment(expiry_ms)
    return f"{day.day}{_MONTHS[day.month - 1]}{day.year % 100:02d}"


def quarter_code(expiry_ms: int) -> str:
    """Write an expiry as inverse futures do: Z25."""
    day = moment(expiry_ms)
    return f"{_QUARTERS[day.month]}{day.year % 100:02d}"


def _is_last_friday(day: datetime) -> bool:
    return day.weekday() == 4 and (day + timedelta(days=7)).month != day.month


class Calendar:
    """The expiries that are listed at one moment, ascending."""

    def __init__(self, now_ms: int) -> None:
        first = now_ms - now_ms % DAY_MS + EXPIRY_HOUR_MS
        if first <= now_ms:
            first += DAY_MS
        self.days = [first + n * DAY_MS for n in range(400)]
        fridays = [d for d in self.days if moment(d).weekday() == 4]
        months = [d for d in fridays if _is_last_friday(moment(d))]
        self.quarters = [d for d in months if moment(d).month % 3 == 0][:4]
        self.futures = sorted({*fridays[:3], *months[:3], *self.quarters})
        self.options = sorted({*self.days[:3], *self.futures})


def listed_at(expiry_ms: int) -> int:
    """Return when an expiry was first listed."""
    day = moment(expiry_ms)
    if _is_last_friday(day):
        return expiry_ms - (370 if day.month % 3 == 0 else 98) * DAY_MS
    return expiry_ms - (21 if day.weekday() == 4 else 3) * DAY_MS


def strikes(expiry_ms: int, price: float) -> list[float]:
    """Return the strikes of an expiry, given the price when it was listed: round numbers, denser when it is short."""
    days = (expiry_ms - listed_at(expiry_ms)) / DAY_MS
    width, share = (0.6, 0.05) if days > 100 else (0.4, 0.03) if days > 30 else (0.2, 0.015)
    step = _round_step(price * share)
    low = max(step, price * (1.0 - width) // step * step)
    return [float(round(low + n * step, 8)) for n in range(int((price * (1.0 + 1.2 * width) - low) / step) + 1)]


def _round_step(raw: float) -> float:
    options = [base * 10.0**power for power in range(-4, 6) for base in (1.0, 2.0, 2.5, 5.0)]
    return min(options, key=lambda o: abs(o - raw))
