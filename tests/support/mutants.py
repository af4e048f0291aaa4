"""Valid messages gone wrong: one or a few places of a JSON value replaced, removed, repeated or swapped."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Place = tuple[str | int, ...]

NUMBERS = st.sampled_from(
    [0, -1, 1, -0.0, 1e-400, 5e-324, 1e-12, 1e15, 1e16, 1e308, -1e308, 0.1 + 0.2, 2**53, 2**63, 2**64 - 1, -(2**63)]
)
TEXTS = st.sampled_from(
    ["", " ", "0", "NaN", "open", "BTC-PERPETUAL", "BTC-31JUN26-1-C", "x" * 300, "\0", "\ud7ff", "１２"]
)
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | NUMBERS
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | TEXTS, inner, max_size=3),
    max_leaves=6,
)


def places(value: object, at: Place = ()) -> Iterator[Place]:
    """Yield every place inside a JSON value, the whole of it first."""
    yield at
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*at, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*at, index))


@st.composite
def mutants(draw: st.DrawFn, valid: object) -> Any:
    """Draw a copy of a valid message with up to three changes."""
    value = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        value = _changed(draw, value)
    return value


def _changed(draw: st.DrawFn, value: Any) -> Any:
    at = draw(st.sampled_from(list(places(value))))
    if not at:
        return draw(JUNK)
    parent = value
    for step in at[:-1]:
        parent = parent[step]
    last: Any = at[-1]
    match draw(st.sampled_from(["replace", "remove", "negate", "wrap", "repeat"])):
        case "remove":
            del parent[last]
        case "negate" if type(parent[last]) in (int, float) and abs(parent[last]) < 2**63:
            parent[last] = -parent[last]
        case "wrap":
            parent[last] = draw(st.sampled_from([[parent[last]], {"x": parent[last]}, [parent[last], parent[last]]]))
        case "repeat" if isinstance(parent, list):
            parent.insert(last, copy.deepcopy(parent[last]))
        case _:
            parent[last] = draw(JUNK)
    return value
