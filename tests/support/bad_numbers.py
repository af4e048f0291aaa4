"""A good call, spoilt in one place at a time: every number and every series of it, in every way that numbers go bad.

JSON has no word for not-a-number or infinity (a message with one is no JSON and is refused as such), so what is left is
here: nothing, text, zero, negative, denormal and absurd numbers; and for series: empty, one item, constant, one bad
item, the wrong order, duplicates, another length.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

NUMBERS: Mapping[str, Any] = {
    "null": None,
    "text": "2",
    "a boolean": True,
    "zero": 0.0,
    "negative": -1.0,
    "tiny": 1e-300,
    "absurd": 1e300,
}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _spoilt_series(values: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    yield "empty", []
    yield "one item", values[:1]
    yield "one item less", values[:-1]
    yield "constant", [values[0]] * len(values)
    yield "reversed", values[::-1]
    yield "each twice", [each for each in values for _ in range(2)]
    if all(map(_number, values)):
        for what, bad in NUMBERS.items():
            yield f"{what} in the middle", [*values[: len(values) // 2], bad, *values[len(values) // 2 + 1 :]]
        yield "zeros", [0.0] * len(values)


def _places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Return every series and every number, with the way there; of a series of numbers the whole only."""
    match value:
        case dict():
            for name, each in value.items():
                yield from _places(each, (*path, name))
        case list():
            yield path, value
            if not all(map(_number, value)):
                for index, each in enumerate(value):
                    yield from _places(each, (*path, index))
        case _ if _number(value):
            yield path, value


def spoilt(params: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return what is wrong, and the params with it."""
    for path, value in _places(dict(params)):
        ways = _spoilt_series(value) if isinstance(value, list) else NUMBERS.items()
        for what, bad in ways:
            out: Any = deepcopy(dict(params))
            place = out
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = bad
            yield f"{what} {'.'.join(map(str, path))}", out
