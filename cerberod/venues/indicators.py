"""Indicators on a venue's candles: which may be asked for, with which parameters, and how they are told.

The venue brings the bars, old enough ones too: averages that never forget their beginning need bars before those that
are shown. The definitions are those of `common.*`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from cerberod.calculation.methods import indicators as told
from cerberod.calculation.methods.words import Gap, Values
from cerberod.calculation.service import Calculation, Kernel
from cerberod.errors import InvalidParams
from cerberod.rpc.registry import Params, Result

IndicatorName = Literal["sma", "ema", "rsi", "macd", "bollinger", "atr", "adx", "vwap", "stochastic", "supertrend"]
Period = Annotated[int, Field(ge=1, le=1_000)]
_SETTLED = 10
"""Bars before the first one shown, in periods: what Wilder's average still holds of older ones is below 0.05 %."""
_LEAST_BEFORE = 50


@dataclass(frozen=True, slots=True)
class _Known:
    """One indicator: its kernel, the columns it takes, its lines, and its parameters with their defaults."""

    kernel: Kernel[Any, Any]
    columns: tuple[str, ...]
    lines: tuple[str, ...]
    settings: Mapping[str, int | float]


_HLC = ("high", "low", "close")
_KNOWN: dict[str, _Known] = {
    "sma": _Known(told.SMA, ("close",), ("line",), {"period": 20}),
    "ema": _Known(told.EMA, ("close",), ("line",), {"period": 20}),
    "rsi": _Known(told.RSI, ("close",), ("line",), {"period": 14}),
    "macd": _Known(told.MACD, ("close",), ("macd", "signal", "histogram"), {"fast": 12, "slow": 26, "signal": 9}),
    "bollinger": _Known(told.BOLLINGER, ("close",), ("upper", "middle", "lower"), {"period": 20, "deviations": 2.0}),
    "atr": _Known(told.ATR, _HLC, ("line",), {"period": 14}),
    "adx": _Known(told.ADX, _HLC, ("adx", "plus_di", "minus_di"), {"period": 14}),
    "vwap": _Known(told.VWAP, (*_HLC, "volume"), ("line",), {"period": 20}),
    "stochastic": _Known(told.STOCHASTIC, _HLC, ("k", "d"), {"k_period": 14, "k_slowing": 3, "d_period": 3}),
    "supertrend": _Known(
        told.SUPERTREND, _HLC, ("supertrend", "direction", "upper", "lower"), {"period": 10, "multiplier": 3.0}
    ),
}


class Indicator(Params):
    """One indicator. Parameters left out have the usual values of `common.*`."""

    name: IndicatorName = Field(description="Which one, as `common.*` has it.")
    period: Period | None = Field(default=None, description="Bars; for all but macd and stochastic.")
    fast: Period | None = Field(default=None, description="macd: bars of the fast average (12).")
    slow: Period | None = Field(default=None, description="macd: bars of the slow average (26).")
    signal: Period | None = Field(default=None, description="macd: bars of the signal line (9).")
    deviations: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        default=None, description="bollinger: deviations between the middle and each band (2)."
    )
    k_period: Period | None = Field(default=None, description="stochastic: bars whose range is looked at (14).")
    k_slowing: Period | None = Field(default=None, description="stochastic: bars of the average that makes %K (3).")
    d_period: Period | None = Field(default=None, description="stochastic: bars of the average that makes %D (3).")
    multiplier: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        default=None, description="supertrend: average true ranges between middle and band (3)."
    )


class IndicatorLine(Result):
    """One line of an indicator."""

    name: str = Field(description="Which line; `line` where there is only one.")
    latest: float | None = Field(description="Its value at the last bar; null where it is not defined.")
    values: list[float | None] = Field(description="One for each bar shown, oldest first; null where not defined.")
    gaps: list[Gap] = Field(description="Where the nulls are, by position among the bars shown, and why.")


class IndicatorLines(Result):
    """One indicator."""

    name: IndicatorName = Field(description="Which one.")
    parameters: dict[str, int | float] = Field(description="Its parameters, defaults included.")
    convention: str = Field(description="Whose definition it follows.")
    lines: list[IndicatorLine] = Field(description="Its lines.")


def bars_before(indicators: Sequence[Indicator]) -> int:
    """Return how many bars before the first one shown the indicators want. Refuses parameters they do not have."""
    longest = 0
    for index, each in enumerate(indicators):
        settings = _settings(index, each)
        periods = (value for name, value in settings.items() if name not in ("deviations", "multiplier"))
        longest = max(longest, int(sum(periods)))
    return max(_LEAST_BEFORE, _SETTLED * longest)


async def calculate(
    calculation: Calculation, indicators: Sequence[Indicator], bars: Mapping[str, list[float]], shown: int
) -> list[IndicatorLines]:
    """Return the indicators over columns of bars, cut to the last `shown` of them."""
    found = []
    for index, each in enumerate(indicators):
        known, settings = _KNOWN[each.name], _settings(index, each)
        try:
            params = known.kernel.params(**{name: bars[name] for name in known.columns}, **settings)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            raise InvalidParams(
                [{"field": f"indicators.{index}.{problem['loc'][0]}", "rule": problem["msg"]}]
            ) from None
        try:
            made = await calculation.run(known.kernel, params)
        except InvalidParams as refused:
            raise _named(index, refused) from None
        found.append(
            IndicatorLines(
                name=each.name,
                parameters=settings,
                convention=made.basis.convention,
                lines=[_line(line, getattr(made, line), shown) for line in known.lines],
            )
        )
    return found


def _settings(index: int, asked: Indicator) -> dict[str, int | float]:
    """Return an indicator's parameters, defaults included; one it does not have is refused."""
    own = dict(_KNOWN[asked.name].settings)
    for name, value in asked:
        if name == "name" or value is None:
            continue
        if name not in own:
            rule = f"a parameter of {asked.name}: {', '.join(own)}"
            raise InvalidParams([{"field": f"indicators.{index}.{name}", "rule": rule}])
        own[name] = value
    return own


def _named(index: int, refused: InvalidParams) -> InvalidParams:
    """Let a refusal name the field as the caller knows it; what is about the bars is about how many there are."""
    problems = []
    for problem in refused.data["problems"]:
        field = problem["field"] if problem["field"] in Indicator.model_fields else "name"
        problems.append({**problem, "field": f"indicators.{index}.{field}"})
    return InvalidParams(problems)


def _line(name: str, found: Values, shown: int) -> IndicatorLine:
    values = found.values[-shown:]
    cut = len(found.values) - len(values)
    gaps = [
        Gap(first=max(gap.first - cut, 0), last=gap.last - cut, reason=gap.reason)
        for gap in found.gaps
        if gap.last >= cut
    ]
    return IndicatorLine(name=name, latest=values[-1] if values else None, values=values, gaps=gaps)
